"""Records a process of a foreign suite with `tracetools.record`: as a whole, or each test anew.

No pytest, no trio and no asyncio here: it is imported at the start of subprocesses too, which are
recorded as a whole in any case.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reports

from tracetools import LawError, TracetoolsError, record

if TYPE_CHECKING:
    from tracetools.session.record import Record

_numbers = itertools.count()
_open: list[_Recorded] = []
"""The one that is entered, if any is."""


class _Recorded:
    """One `record`, entered."""

    def __init__(self) -> None:
        file = Path(reports.settings["folder"], f"{os.getpid()}-{next(_numbers)}")
        self._pid = os.getpid()
        self._record: Record = record(file, **reports.settings["options"])
        self._recording: Any = self._record.__enter__()

    def leave(self) -> None:
        """Leave it, and write down what is wrong, and how many runs it has seen."""
        if self._pid != os.getpid():  # a fork, in which nothing is recorded
            return
        try:
            self._record.__exit__(None, None, None)
            profile = self._recording.profile
            profile.check()
        except LawError as error:
            reports.say("complaint", f"the profile is wrong: {error}")
        except Exception as error:
            reports.say("complaint", f"a recording could not be left: {error!r}")
        else:
            reports.say("run", "recorded", count=profile.runs)
        for what in _left_behind():
            reports.say("complaint", f"left behind: {what}")


def _left_behind() -> list[str]:
    """Return what of ours is still installed, though nothing is being recorded."""
    found = []
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        bases = [asyncio.AbstractEventLoop]
        while bases:
            loop_class = bases.pop()
            bases += loop_class.__subclasses__()
            found += [
                f"{loop_class.__qualname__}.{name}"
                for name, value in vars(loop_class).items()
                if getattr(value, "__globals__", {}).get("__name__", "").startswith("tracetools.")
            ]
    found += [repr(one) for one in sys.meta_path if type(one).__module__.startswith("tracetools.")]
    return found


def record_process() -> None:
    """Record all that this process does."""
    reports.listen()
    enter()
    atexit.register(leave)


def enter() -> None:
    """Start to record; write it down if that is refused, because a loop runs."""
    try:
        _open.append(_Recorded())
    except TracetoolsError as error:
        reports.say("refused", str(error))
    except Exception as error:
        reports.say("complaint", f"no recording could be made: {error!r}")


def leave() -> None:
    """End the recording, if there is one."""
    while _open:
        _open.pop().leave()
