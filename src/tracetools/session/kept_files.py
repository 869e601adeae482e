"""The files of slow spans and the like that are kept, in a folder beside the stack file."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.errors import StackFileError
from tracetools.output.formats.chrome_trace import write_chrome_trace
from tracetools.output.formats.files import make_folder
from tracetools.output.timeline.page import write_timeline
from tracetools.recording.recorder import program_name
from tracetools.timelines.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetools.guest.messages import Messages
    from tracetools.recording.keeper import Kept
    from tracetools.timelines.timeline import Timeline

__all__ = ["KeptFile", "KeptFiles"]

_FOLDER: Final = ".slow"
"""What the name of the folder has in place of the suffix of the stack file."""

_PAGE: Final = ".html"
_TRACE: Final = ".trace.json.gz"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME: Final = 60


class KeptFile(NamedTuple):
    """A page and a trace, or a trace alone.

    Attributes:
        why: for what it is kept.
        name: the name of the span or the like.
        detail: the type of an error, or the name of a signal.
        latency: how long the span lasted, in nanoseconds.
        moment: when the file was made, in nanoseconds of the epoch.
        page: the page; empty for a trace alone.
        trace: the trace.
    """

    why: str
    name: str
    detail: str
    latency: int
    moment: int
    page: str
    trace: str

    @property
    def path(self) -> Path:
        """The page if there is one, else the trace."""
        return Path(self.page or self.trace)

    @property
    def rank(self) -> int:
        """Of one name, those with the highest ranks stay; see `Fired.rank`."""
        if self.why == "error":
            return -self.moment
        return self.moment if self.why == "signal" else self.latency

    def remove(self) -> None:
        """Remove the files, if they are there."""
        for path in filter(None, (self.page, self.trace)):
            with contextlib.suppress(OSError):
                Path(path).unlink()


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
        self._files: dict[KeptFile, None] = {}
        self._fails = self._is_said = False

    @property
    def folder(self) -> Path | None:
        """The folder, which may not be there yet; ``None`` if there is none."""
        beside = self._beside()
        if beside is None:
            return None
        return beside.with_name((beside.name.partition(".")[0] or beside.name) + _FOLDER)

    @property
    def files(self) -> tuple[KeptFile, ...]:
        """All that there are, in the order of their making."""
        return tuple(self._files)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The pages that there are, and the traces of dumps, in the order of their making."""
        return tuple(file.path for file in self.files)

    def adopt(self, files: Iterable[KeptFile], most: int) -> None:
        """Take over files of other processes. Remove what is too much of each name then."""
        self._files.update(dict.fromkeys(files))
        named: dict[tuple[str, str, str], list[KeptFile]] = {}
        for file in self.files:
            named.setdefault((file.why, file.name, file.detail), []).append(file)
        for known in named.values():
            known.sort(key=lambda file: file.rank)
            for file in known[:-most]:
                self._remove(file)

    def keep(self, kept: Kept) -> Callable[[], None]:
        """Write the files of a slow span, and return what removes them. Log why if that fails."""
        if self.folder is None:
            self._say_that_there_are_none()
            return _nothing
        if not self._may_keep():
            return _nothing
        notes = Notes(
            program_name(),
            kept.trace_id,
            self._blocking,
            kept.critical,
            reason=_reason(kept),
        )
        try:
            file = self._named(kept)
            self._write(file, kept.timeline, notes)
        except StackFileError as error:
            if not self._fails:
                self._messages.error("a slow span could not be kept: %s", error)
            self._fails = True
            return _nothing
        self._fails = False
        self._add(file)
        return lambda: self._remove(file)

    def _named(self, kept: Kept) -> KeptFile:
        """Return the names of the files that something is kept in."""
        has_page = kept.timeline.subject is not None
        path = self._new(_file_name(kept), _PAGE if has_page else _TRACE)
        trace = path.with_name(path.name.removesuffix(_PAGE) + _TRACE) if has_page else path
        return KeptFile(
            kept.why,
            kept.name,
            kept.detail,
            kept.latency,
            time.time_ns(),
            str(path) if has_page else "",
            str(trace),
        )

    def _say_that_there_are_none(self) -> None:
        if not self._is_said:
            self._is_said = True
            self._messages.warning(
                "slow spans are in the profile alone, and have no pages: there is no stack file"
                " beside which these could stand; name one, which is no device"
            )

    def _write(self, file: KeptFile, timeline: Timeline, notes: Notes) -> None:
        """Write both files, or none."""
        try:
            if file.page:
                write_timeline(file.page, timeline, notes)
            write_chrome_trace(file.trace, timeline, notes)
        except BaseException:
            file.remove()
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
            self._add(KeptFile("dump", "dump", "", 0, time.time_ns(), "", str(trace)))
            written.append(trace)
        return written

    def _new(self, name: str, suffix: str) -> Path:
        """Return the path of a file that is not there yet."""
        folder = self._made_folder()
        names = (f"{name}{self._mark()}-{number}{suffix}" for number in self._numbers)
        return next(
            path for path in map(folder.joinpath, names) if not os.path.exists(path)
        )  # Path.exists may raise

    def _made_folder(self) -> Path:
        folder = self.folder
        if folder is None:
            raise StackFileError("there is no stack file beside which slow spans could be kept")
        try:
            make_folder(folder)
        except OSError as error:
            raise StackFileError(f"cannot make the folder {folder}: {error.strerror}") from error
        return folder

    def _add(self, file: KeptFile) -> None:
        self._files[file] = None

    def _remove(self, file: KeptFile) -> None:
        self._files.pop(file, None)
        file.remove()

    def _mark(self) -> str:
        """Return what names of files have to tell processes apart."""
        return ""

    def _may_keep(self) -> bool:
        """Whether there may be one more."""
        return True


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
