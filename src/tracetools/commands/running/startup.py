"""Starts to record a process that a recorded one has started.

`start` is called before the program, by a file ``tracetools_processes.pth`` where tracetools was
installed with it, or by a `sitecustomize` in a folder on ``PYTHONPATH`` (`start_on_path`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

from tracetools.commands.running.family import VARIABLE, Family

__all__ = ["start"]

_NOT_OURS: Final = "from multiprocessing.resource_tracker import"
"""How the helper of multiprocessing begins, which runs nothing of the program."""

_started: Final[list[str]] = []


def start() -> None:
    """Record this process, if the environment says so. A second time does nothing. Never raises."""
    where = os.environ.get(VARIABLE)
    if where is None or _started:
        return
    _started.append(where)
    folder, name = os.path.split(where)
    try:
        family = Family.of(folder)
    except Exception:  # noqa: BLE001  # the process that was recorded first has ended
        return
    family.forget_environment()
    if name:
        with contextlib.suppress(OSError):
            os.unlink(f"{where}.expected")
    if any(_NOT_OURS in word for word in sys.orig_argv):
        return
    theirs, sys.path = sys.path, family.path
    try:
        if family.command.get("pid") == os.getpid():
            from tracetools.commands.run import take_over

            take_over(family)
        elif family.is_continuous:
            from tracetools.commands.running.minutes import record_minutes

            record_minutes(family)
        else:
            from tracetools.commands.running.child_processes import record_this_process

            record_this_process(family)
    except Exception as error:  # noqa: BLE001  # the program comes first
        family.fail(f"{type(error).__name__}: {error}")
    finally:
        sys.path = theirs
