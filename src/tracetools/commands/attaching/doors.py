"""Comes to a connection with a process: through its door, or by a way of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from tracetools.commands import CommandError
from tracetools.commands.attaching.target import Target, look_at
from tracetools.door import client

if TYPE_CHECKING:
    from tracetools.door.client import Connection

__all__ = ["connection_to"]

_CAN_ENTER: Final = (3, 14)
"""From this version on, Python runs a script of another process."""

_PREPARE: Final = "call tracetools.serve() in the program, or start it by 'tracetools run --serve'"
_SAMPLE: Final = "for a look from the outside, take py-spy dump --pid {}"


def connection_to(pid: int, patience: float = client.PATIENCE) -> Connection:
    """Return a connection to a process, through its door or without one.

    Args:
        pid: the process.
        patience: seconds for an answer.

    Raises:
        DoorError, CommandError: there is none, or it cannot be entered. The message says what
            would help.
    """
    uid = client.user_of(pid)
    path = client.find(pid, uid)
    found = None if path is None else client.connect(path, pid, uid, patience)
    if found is not None:
        return found
    why = why_not_enter(look_at(pid))
    if why:
        raise CommandError(why)
    from tracetools.commands.attaching.entering import enter  # only here

    return enter(pid, uid)


def why_not_enter(target: Target, here: tuple[int, int] | None = None) -> str:
    """Return why a process without a door cannot be entered, and what to do; nothing if it can.

    Args:
        target: the process.
        here: the version of the Python that would enter; this one by default.
    """
    here = here or sys.version_info[:2]
    sample = _SAMPLE.format(target.pid)
    if target.is_seen and target.version is None:
        return f"the process {target.pid} ({target.executable}) runs no Python"
    if target.version is not None and target.version < _CAN_ENTER:
        return (
            f"the process {target.pid} has no door, and {target.python} lets nobody in without"
            f" one: {_PREPARE}; {sample}"
        )
    if target.version not in (None, here):
        return (
            f"the process {target.pid} has no door and runs {target.python}, and this is Python"
            f" {here[0]}.{here[1]}: use tracetools with {target.python} ({target.executable}), or"
            f" {_PREPARE}"
        )
    if here < _CAN_ENTER:
        return (
            f"the process {target.pid} has no door: {_PREPARE}; with Python 3.14 or later on both"
            f" sides none is needed; {sample}"
        )
    if target.is_elsewhere:
        return (
            f"the process {target.pid} has no door and sees other files, in a container perhaps:"
            f" run this command there, or {_PREPARE}"
        )
    return ""
