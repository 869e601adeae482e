"""What the command writes to stderr: its report, and messages while the program runs.

It neither waits for who reads stderr nor takes the program's own stream: what stays in the buffer
of a broken `sys.stderr` would change the exit status. So the descriptor is written to, in pieces
that fit, and only as long as it is what the command was given.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import traceback
from typing import Any, Final

__all__ = ["Stderr"]

_PREFIX: Final = "tracetools: "
_FD: Final = 2

_PIECE: Final = getattr(select, "PIPE_BUF", 4096)
"""Bytes that a pipe takes at once if it takes any."""

_make_poll: Final = getattr(select, "poll", None)
"""Windows has none."""

_PATIENCE: Final = 5_000
"""Milliseconds that the report waits for a reader, at most, before each piece."""


class Stderr:
    """Stderr as it is now: a program may open another file under its number. Takes messages.

    In a forked copy of the process nothing is written.

    Args:
        quiet: whether nothing but errors is written.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._pid = os.getpid()
        self._identity = _identity()

    def report(self, text: str) -> None:
        """Write a text after an empty line; wait a while if nobody reads. Never raises."""
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        self._write(f"\n{text}\n", _PATIENCE)

    def warning(self, text: str, /, *values: object) -> None:
        """Write a line, unless it is to be quiet; nothing if it would have to wait."""
        if not self._quiet:
            self._line(text, values)

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> None:
        """Write a line, and the traceback of the error that is being handled, if that is wanted."""
        self._line(text, values)
        if exc_info and sys.exc_info()[1] is not None:
            self._write(traceback.format_exc(), 0)

    def exception(self, text: str, /, *values: object) -> None:
        """Write a line and the traceback of the error that is being handled."""
        self.error(text, *values, exc_info=True)

    def _line(self, text: str, values: tuple[object, ...]) -> None:
        said = (text % values).removeprefix("tracetools ")
        self._write(f"{_PREFIX}{said}\n", 0)

    def _write(self, text: str, patience: int) -> None:
        data = text.encode(errors="backslashreplace")
        with contextlib.suppress(OSError):
            while data and self._is_there() and _is_ready(patience):
                data = data[os.write(_FD, data[:_PIECE]) :]

    def _is_there(self) -> bool:
        found = _identity()
        return found is not None and found == self._identity and os.getpid() == self._pid


def _identity() -> tuple[int, int] | None:
    try:
        found = os.fstat(_FD)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_ready(patience: int) -> bool:
    """Whether stderr takes a piece within some milliseconds. What is broken takes none."""
    if _make_poll is None:
        return True
    poll = _make_poll()
    poll.register(_FD, select.POLLOUT)
    return any(not event & select.POLLERR for _, event in poll.poll(patience))
