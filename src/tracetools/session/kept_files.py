"""The files of slow spans that are kept, in a folder beside the stack file."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import StackFileError
from tracetools.output.formats.chrome_trace import write_chrome_trace
from tracetools.output.timeline.page import write_timeline
from tracetools.recording.recorder import program_name
from tracetools.timelines.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tracetools.guest.messages import Messages
    from tracetools.recording.keeper import Kept
    from tracetools.timelines.timeline import Timeline

__all__ = ["KeptFiles"]

_FOLDER: Final = ".slow"
"""What the name of the folder has in place of the suffix of the stack file."""

_PAGE: Final = ".html"
_TRACE: Final = ".trace.json.gz"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME: Final = 60


class KeptFiles:
    """A folder with a page and a trace of Chrome's for each span that is kept.

    Args:
        beside: returns the path of the stack file; ``None`` if there is none, and so no folder.
        messages: where messages go.
        blocking: steps that last longer, in nanoseconds, are marked; ``None`` for none.
    """

    def __init__(
        self, beside: Callable[[], Path | None], messages: Messages, blocking: int | None = None
    ) -> None:
        self._beside = beside
        self._messages = messages
        self._blocking = blocking
        self._numbers = itertools.count(1)
        self._paths: dict[Path, None] = {}
        self._fails = self._is_said = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The pages that there are, and the traces of dumps, in the order of their making."""
        return tuple(self._paths)

    def keep(self, kept: Kept) -> Callable[[], None]:
        """Write the files of a slow span, and return what removes them. Log why if that fails."""
        if self._beside() is None:
            self._say_that_there_are_none()
            return _nothing
        name = _UNSAFE.sub("-", kept.name).strip("-.")[:_LONGEST_NAME] or "span"
        notes = Notes(program_name(), kept.trace_id, self._blocking, kept.critical)
        try:
            page = self._new(f"{name}-{kept.latency // 1_000_000}ms", _PAGE)
            trace = page.with_name(page.name.removesuffix(_PAGE) + _TRACE)
            self._write(page, trace, kept.timeline, notes)
        except StackFileError as error:
            if not self._fails:
                self._messages.error("a slow span could not be kept: %s", error)
            self._fails = True
            return _nothing
        self._fails = False
        self._paths[page] = None
        return lambda: self._remove(page, trace)

    def _say_that_there_are_none(self) -> None:
        if not self._is_said:
            self._is_said = True
            self._messages.warning(
                "slow spans are in the profile alone, and have no pages: there is no stack file"
                " beside which these could stand; name one, which is no device"
            )

    def _write(self, page: Path, trace: Path, timeline: Timeline, notes: Notes) -> None:
        """Write both files, or none."""
        write_timeline(page, timeline, notes)
        try:
            write_chrome_trace(trace, timeline, notes)
        except BaseException:
            self._remove(page, trace)
            raise

    def dump(self, timelines: Iterable[Timeline]) -> list[Path]:
        """Write a trace for each timeline.

        Raises:
            StackFileError: there is no stack file, or one of them cannot be written.
        """
        written = []
        for timeline in timelines:
            trace = self._new("dump", _TRACE)
            write_chrome_trace(
                trace, timeline, Notes(program_name(), blocking_threshold=self._blocking)
            )
            self._paths[trace] = None
            written.append(trace)
        return written

    def _new(self, name: str, suffix: str) -> Path:
        """Return the path of a file that is not there yet."""
        folder = self._folder()
        paths = (folder / f"{name}-{number}{suffix}" for number in self._numbers)
        return next(path for path in paths if not os.path.exists(path))  # Path.exists may raise

    def _folder(self) -> Path:
        beside = self._beside()
        if beside is None:
            raise StackFileError("there is no stack file beside which slow spans could be kept")
        name = beside.name.partition(".")[0] or beside.name
        folder = beside.with_name(name + _FOLDER)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StackFileError(f"cannot make the folder {folder}: {error.strerror}") from error
        return folder

    def _remove(self, page: Path, trace: Path) -> None:
        self._paths.pop(page, None)
        for path in (page, trace):
            with contextlib.suppress(OSError):
                path.unlink()


def _nothing() -> None:
    """Remove nothing."""
