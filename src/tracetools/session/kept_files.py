"""The files of slow spans and the like that are kept, in a folder beside the stack file."""

from __future__ import annotations

import contextlib
import itertools
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

    What has no span, as the last seconds before a signal, has a trace alone.

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
        self._fails = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The pages that there are, and the traces of dumps, in the order of their making."""
        return tuple(self._paths)

    def keep(self, kept: Kept) -> Callable[[], None]:
        """Write the files of a slow span, and return what removes them. Log why if that fails."""
        if self._beside() is None:
            return _nothing
        notes = Notes(
            program_name(),
            blocking_threshold=self._blocking,
            critical=kept.critical,
            reason=_reason(kept),
        )
        try:
            page, trace = self._new_pair(
                _file_name(kept), has_page=kept.timeline.subject is not None
            )
            self._write(page, trace, kept.timeline, notes)
        except StackFileError as error:
            if not self._fails:
                self._messages.error("a slow span could not be kept: %s", error)
            self._fails = True
            return _nothing
        self._fails = False
        self._paths[page or trace] = None
        return lambda: self._remove(page, trace)

    def _new_pair(self, name: str, *, has_page: bool) -> tuple[Path | None, Path]:
        """Return the paths of a page, if there is to be one, and of a trace beside it."""
        if not has_page:
            return None, self._new(name, _TRACE)
        page = self._new(name, _PAGE)
        return page, page.with_name(page.name.removesuffix(_PAGE) + _TRACE)

    def _write(self, page: Path | None, trace: Path, timeline: Timeline, notes: Notes) -> None:
        """Write both files, or none."""
        if page is not None:
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
        return next(path for path in paths if not path.exists())

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

    def _remove(self, page: Path | None, trace: Path) -> None:
        self._paths.pop(page or trace, None)
        for path in (page, trace):
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink()


def _file_name(kept: Kept) -> str:
    """Return the name of a file, but for its number and its suffix."""
    name = _safe(kept.name)
    if kept.why == "signal":
        return name
    if kept.why == "error":
        name = f"{name}-{_safe(kept.detail.rpartition('.')[2])}"
    elif kept.why == "blocking":
        name = f"{name}-blocks"
    return f"{name}-{kept.latency // 1_000_000}ms"


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-.")[:_LONGEST_NAME] or "span"


def _reason(kept: Kept) -> str:
    """Return for what it is kept, in words; nothing for being slow."""
    if kept.why == "error":
        return f"ended by {kept.detail}"
    return "blocked the loop" if kept.why == "blocking" else ""


def _nothing() -> None:
    """Remove nothing."""
