"""Where messages go while a program runs.

Those of the API go to the logger `tracetools`. `tracetools run` writes its own to stderr instead:
the program may turn loggers off, and its tests may read what is logged.
"""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

from tracetools.guest.threads import listed

__all__ = ["Messages", "common", "logger", "to_log"]


class Messages(Protocol):
    """Takes messages; a `logging.Logger` is one. Each has a text and the values to put into it."""

    def warning(self, text: str, /, *values: object) -> object:
        """Say that something is lost, or goes wrong in the program."""

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> object:
        """Say that something of ours went wrong; with a traceback if `exc_info` is true."""

    def exception(self, text: str, /, *values: object) -> object:
        """Say so with a traceback."""


logger: Final = logging.getLogger("tracetools")


class _Log:
    """Takes messages of any thread of ours for the logger."""

    def warning(self, text: str, /, *values: object) -> None:
        with listed():
            logger.warning(text, *values, stacklevel=2)

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> None:
        with listed():
            logger.error(text, *values, exc_info=exc_info, stacklevel=2)

    def exception(self, text: str, /, *values: object) -> None:
        self.error(text, *values, exc_info=True)


to_log: Final = _Log()
"""Sends messages to the logger."""


class _Common:
    """Takes messages that belong to no recording.

    Attributes:
        to: where they go.
    """

    def __init__(self) -> None:
        self.to: Messages = to_log

    def warning(self, text: str, /, *values: object) -> None:
        self.to.warning(text, *values)

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> None:
        self.to.error(text, *values, exc_info=exc_info)

    def exception(self, text: str, /, *values: object) -> None:
        self.to.exception(text, *values)


common: Final = _Common()
