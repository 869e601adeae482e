"""Where messages go while a program runs.

Those of the API go to the logger `tracetools`. `tracetools run` writes its own to stderr instead:
the program may turn loggers off, and its tests may read what is logged.
"""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

__all__ = ["Messages", "common", "logger"]


class Messages(Protocol):
    """Takes messages; a `logging.Logger` is one. Each has a text and the values to put into it."""

    def warning(self, text: str, /, *values: object) -> object:
        """Say that something is lost, or goes wrong in the program."""

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> object:
        """Say that something of ours went wrong; with a traceback if `exc_info` is true."""

    def exception(self, text: str, /, *values: object) -> object:
        """Say so with a traceback."""


logger: Final = logging.getLogger("tracetools")


class _Common:
    """Takes messages that belong to no recording.

    Attributes:
        to: where they go.
    """

    def __init__(self) -> None:
        self.to: Messages = logger

    def warning(self, text: str, /, *values: object) -> None:
        self.to.warning(text, *values)

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> None:
        self.to.error(text, *values, exc_info=exc_info)

    def exception(self, text: str, /, *values: object) -> None:
        self.to.exception(text, *values)


common: Final = _Common()
