"""The log lines of steps that block a loop, written while they do or soon afterwards."""

from __future__ import annotations

import linecache
import os
import stat
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import islice
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.labels import PathShortener
from tracetools.core.stacks import HOLDS_THE_GIL, IMPORTING, Frame, stack_path
from tracetools.recording.notebooks import cell_of_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.stacks import Blocks, StackPath
    from tracetools.guest.messages import Messages
    from tracetools.recording.loops import Location, RecordedLoop

__all__ = ["BlockingLog"]

_MAX_STEPS: Final = 100
_MAX_LOCATIONS: Final = 4096
IMPORTS: Final = "importing"
_MAX_TEXT: Final = 200
_LOCATION_GAP: Final = 10_000_000_000
"""Nanoseconds between two lines about the same location."""

_LINE_GAP: Final = 1_000_000_000
"""Nanoseconds between any two lines."""


class BlockingLog:
    """Logs a line about each step that blocks a loop, unless there was one a moment ago.

    Args:
        messages: where the lines go.

    Attributes:
        is_logging: whether a line is being logged just now. That takes as long as the log handlers
            of the program do.
    """

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self.is_logging = False
        self._shorten = PathShortener(cell_of_file=cell_of_file)
        self._next_of: dict[Location | StackPath, int] = {}
        self._steps: deque[int] = deque(maxlen=_MAX_STEPS)
        self._next_line = self._skipped = 0

    def log(
        self,
        loop: RecordedLoop,
        began: int,
        location: Location,
        blocks: Blocks,
        *,
        goes_on: bool = False,
    ) -> None:
        """Log a step once, with its location and what it was up to now.

        Say that it goes on if the loop says so, or `goes_on` does.

        No line is logged within a second of another one, or within ten of one about the same
        location. The next line says how many steps were left out.
        """
        if began in self._steps:
            return
        self._steps.append(began)
        self._say(location, partial(self._sentence, loop, began, location, blocks, goes_on))

    def log_stall(self, path: StackPath, took: int) -> None:
        """Log that no loop could run for some nanoseconds, though no step was to blame."""
        self._say(path, partial(self._sentence_of_stall, path, took))

    def _say(self, key: Location | StackPath, sentence: Callable[[], str]) -> None:
        """Log a sentence, unless there was another one a moment ago."""
        now = perf_counter_ns()
        if now < self._next_line or now < self._next_of.get(key, 0):
            self._skipped += 1
            return
        if len(self._next_of) > _MAX_LOCATIONS:
            self._next_of.clear()
        self._next_of[key] = now + _LOCATION_GAP
        self._next_line = now + _LINE_GAP
        self.is_logging = True
        with suppress(BaseException):  # log handlers are the program's; their errors end nothing
            self._messages.warning("%s", sentence())
        self.is_logging = False
        self._skipped = 0

    def _sentence_of_stall(self, path: StackPath, took: int) -> str:
        kind, *where = path
        names = " > ".join(frame.name for frame in where if frame.name != HOLDS_THE_GIL)
        lines = [frame for frame in where if frame.file and frame.line]
        at = f" at {self._line(lines[-1])}" if lines else ""
        return (
            f"no loop could run for {took / 1e9:.3f} s, {kind.name}{f': {names}{at}' * bool(where)}"
        )

    def _sentence(
        self, loop: RecordedLoop, began: int, location: Location, blocks: Blocks, goes_on: bool
    ) -> str:
        own, frames = location
        goes_on = goes_on or (loop.current is not None and loop.began is began)
        names = " > ".join(self._shorten(frame).name for frame in stack_path(own)[1:])
        at = f" at {self._line(frames[-1])}" if frames and frames[-1].file else ""
        kind = f", {blocks.kind}" if blocks.kind else ""
        kind = f", {IMPORTS}" if IMPORTING in frames else kind
        more = f" ({self._skipped} more such steps were not logged)" if self._skipped else ""
        is_innocent = blocks.is_innocent(loop.threshold)
        return (
            f"the loop {'is' if goes_on else 'was'} blocked for {blocks.total / 1e9:.3f} s"
            f"{' so far' if goes_on else ''}{kind if is_innocent else ''}"
            f" {'in' if is_innocent else 'by'} {names or 'a task'}"
            f"{'' if is_innocent else kind}{at}{more}"
        )

    def _line(self, frame: Frame) -> str:
        """Return the location of a line, and its text if that can be read."""
        text = _text_of(frame.file or "", frame.line)
        return f"{self._shorten(frame).location}{': ' + text if text else ''}"


def _text_of(file: str, line: int) -> str:
    """Return a line of a regular file, or of a notebook cell; nothing if it cannot be read."""
    with suppress(Exception):
        kept: Any = linecache.cache.get(file)
        if kept is not None and kept[1] is None and line > 0:  # what has no file, as cells
            return str(kept[2][line - 1])[:_MAX_TEXT].strip()
        if stat.S_ISREG(os.stat(file).st_mode):
            with open(file, "rb") as lines:
                for text in islice(lines, line - 1, line):
                    return text[:_MAX_TEXT].decode("utf-8", "replace").strip()
    return ""
