"""What is said at once of steps that hold a loop for too long.

What may live here: the line that is logged, and how often. What must not: how such steps are found
(`accounting`, `watch`), and what is said of them afterwards (`lints`, `report`).
"""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import suppress
from itertools import islice
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from tracetools.core.labels import PathShortener
from tracetools.core.stacks import Frame, stack_path
from tracetools.recording.recorder import logger

if TYPE_CHECKING:
    from tracetools.recording.loops import Location, RecordedLoop

__all__ = ["Alarm"]

_MOST_STEPS: Final = 100
_MOST_KNOWN: Final = 4096
_LONGEST_LINE: Final = 200
_QUIET: Final = 10_000_000_000
"""Nanoseconds in which no two lines are logged of the same place."""

_LINE_GAP: Final = 1_000_000_000
"""Nanoseconds between any two lines."""


class Alarm:
    """Logs a line of a step that holds a loop, or did; not too many lines, nor the same again.

    Attributes:
        is_sounding: whether a line is being logged just now, which may take as long as the handlers
            of the program's like.
    """

    def __init__(self) -> None:
        self.is_sounding = False
        self._shorten = PathShortener()
        self._told: dict[Location, int] = {}
        self._told_steps: deque[int] = deque(maxlen=_MOST_STEPS)
        self._next_line = self._untold = 0

    def sound(self, loop: RecordedLoop, began: int, place: Location, took: int) -> None:
        """Say where a step is that took so long, unless that was said, or another just now."""
        if began in self._told_steps:
            return
        self._told_steps.append(began)
        now = perf_counter_ns()
        if now < self._next_line or now < self._told.get(place, 0):
            self._untold += 1
            return
        if len(self._told) > _MOST_KNOWN:
            self._told.clear()
        self._told[place] = now + _QUIET
        self._next_line = now + _LINE_GAP
        self.is_sounding = True
        with suppress(BaseException):  # handlers are the program's; what they raise ends no watch
            logger.warning("%s", self._sentence(loop, began, place, took))
        self.is_sounding = False
        self._untold = 0

    def _sentence(self, loop: RecordedLoop, began: int, place: Location, took: int) -> str:
        own, frames = place
        goes_on = loop.current is not None and loop.began is began
        names = " > ".join(frame.name for frame in stack_path(own)[1:])
        at = f" at {self._line(frames[-1])}" if frames and frames[-1].file else ""
        since = f" ({self._untold} more such steps were not logged)" if self._untold else ""
        return (
            f"the loop {'is' if goes_on else 'was'} held for {took / 1e9:.3f} s"
            f"{' so far' if goes_on else ''} by {names or 'a task'}{at}{since}"
        )

    def _line(self, frame: Frame) -> str:
        """Give the place of a line, and its text if it can be read."""
        text = _text_of(frame.file or "", frame.line)
        return f"{self._shorten(frame).location}{': ' + text if text else ''}"


def _text_of(file: str, line: int) -> str:
    """Return a line of a file; nothing where it cannot be read, or reading would use it up."""
    with suppress(Exception):
        if stat.S_ISREG(os.stat(file).st_mode):
            with open(file, "rb") as lines:
                for text in islice(lines, line - 1, line):
                    return text[:_LONGEST_LINE].decode("utf-8", "replace").strip()
    return ""
