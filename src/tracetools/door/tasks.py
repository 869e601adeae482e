"""What every task waits for now, as it goes through the door.

The one place that knows by which functions it is read and shown.
"""

from __future__ import annotations

import time
from typing import Final

from tracetools.core.errors import DoorError
from tracetools.live.taking import take_dump
from tracetools.live.text import render_dump
from tracetools.live.values import Dump
from tracetools.output.formats.content import MalformedError

__all__ = ["checked_tasks", "dump_of_json", "tasks_and_cost", "tasks_as_json", "tasks_as_text"]


_RUBBISH: Final = (MalformedError, LookupError, ValueError, OverflowError, RecursionError)
"""What is raised where an answer makes no sense."""


def tasks_as_json() -> str:
    """Return what every task of this process waits for. In a loop that is blocked, too."""
    return take_dump().to_json()


def checked_tasks(text: bytes) -> str:
    """Return JSON as it came, if it makes sense.

    Raises:
        DoorError: it makes none.
    """
    tasks_as_text(text)
    return text.decode("utf-8-sig")


def tasks_and_cost() -> tuple[str, int]:
    """Return the same, and how much CPU time that took in this process, in nanoseconds."""
    dump = take_dump()
    began = time.thread_time_ns()
    text = dump.to_json()
    return text, dump.cost + time.thread_time_ns() - began


def dump_of_json(text: str | bytes) -> Dump:
    """Return it as a value, from JSON.

    Raises:
        DoorError: it makes no sense.
    """
    try:
        return Dump.from_json(text)
    except _RUBBISH as error:
        raise DoorError(f"what the program has answered cannot be read: {error}") from error


def tasks_as_text(text: str | bytes) -> str:
    """Return it in words, from JSON.

    Raises:
        DoorError: it makes no sense.
    """
    try:
        return render_dump(dump_of_json(text))
    except _RUBBISH as error:
        raise DoorError(f"what the program has answered cannot be read: {error}") from error
