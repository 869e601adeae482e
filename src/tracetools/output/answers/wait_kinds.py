"""What kind of wait one is, by the name that its frame has: ``await Semaphore`` and the like."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from tracetools.output.frame_kinds import AWAIT

__all__ = ["LIMITED", "TASK", "awaited", "kind_of_wait"]

LIMITED: Final = "limited"
"""The kind of waits of which something lets only so many tasks go on."""

TASK: Final = "task"
"""The kind of waits for other tasks. What those wait for says more."""

_OTHER: Final = "other"

_KINDS: Final = {
    "thread": r"to_thread|to_process|to_interpreter|run_in_executor",
    TASK: r"open_nursery|Nursery(?:\.start)?|gather|shield|wait|wait_for|as_completed|Task"
    r"|TaskGroup(?:\..*)?|.*BlockingPortal.*",
    LIMITED: r"(?:.*\.)?\w*(?:Lock|Semaphore|Limiter|Pool|Condition)(?:\.acquire\w*)?"
    r"|.*\.acquire\w*",
    "queue": r"\w*(?:Queue|Channel|MemoryObject\w*Stream)\.\w+",
    "event": r"\w*(?:Event|Condition|Barrier)(?:\.\w+)?",
    "sleep": r"(?:.*\.)?sleep\w*",
    "io": r".*(?:[Ss]ocket|Stream|Listener|Process|connect|getaddrinfo|readable|writable|recv|send"
    r"|read|write|drain|accept|[Rr]esponse|fetch|execute|query).*",
}
"""Kinds in the order in which they are tried, and the names of what is awaited."""

_COMPILED: Final = {kind: re.compile(names) for kind, names in _KINDS.items()}


def awaited(name: str) -> str:
    """Return what is awaited, of the name of a frame such as ``await to_thread (load)``."""
    return name.removeprefix(AWAIT)


@lru_cache(maxsize=1 << 12)
def kind_of_wait(what: str) -> str:
    """Return the kind of a wait by what is awaited; see `Answer.kind`."""
    name = what.partition(" (")[0]
    found = (kind for kind, names in _COMPILED.items() if names.fullmatch(name))
    return next(found, _OTHER)
