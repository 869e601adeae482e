"""The files of slow spans that are kept, in a folder beside the stack file."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import StackFileError
from tracetools.output.formats.chrome_trace import TraceOptions, write_chrome_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetools.guest.messages import Messages
    from tracetools.recording.keeper import Kept
    from tracetools.timelines.timeline import Timeline

__all__ = ["KeptFiles"]

_FOLDER: Final = ".slow"
"""What the name of the folder has in place of the suffix of the stack file."""

_SUFFIX: Final = ".trace.json"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME: Final = 60


class KeptFiles:
    """A folder of files, one for each span that is kept.

    Args:
        beside: returns the path of the stack file; ``None`` if there is none, and so no folder.
        messages: where messages go.
    """

    def __init__(self, beside: Callable[[], Path | None], messages: Messages) -> None:
        self._beside = beside
        self._messages = messages
        self._numbers = itertools.count(1)
        self._paths: dict[Path, None] = {}
        self._fails = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that there are, in the order in which they were written."""
        return tuple(self._paths)

    def keep(self, kept: Kept) -> Callable[[], None]:
        """Write the file of a slow span, and return what removes it. Log why if that fails."""
        if self._beside() is None:
            return _nothing
        name = _UNSAFE.sub("-", kept.name).strip("-.")[:_LONGEST_NAME] or "span"
        try:
            path = self._write(f"{name}-{kept.latency // 1_000_000}ms", kept.timeline)
        except StackFileError as error:
            if not self._fails:
                self._messages.error("a slow span could not be kept: %s", error)
            self._fails = True
            return _nothing
        self._fails = False
        return lambda: self._remove(path)

    def dump(self, timelines: Iterable[Timeline]) -> list[Path]:
        """Write a file for each timeline.

        Raises:
            StackFileError: there is no stack file, or one of them cannot be written.
        """
        return [self._write("dump", timeline) for timeline in timelines]

    def _write(self, name: str, timeline: Timeline) -> Path:
        folder = self._folder()
        path = folder / f"{name}-{next(self._numbers)}{_SUFFIX}"
        while path.exists():
            path = folder / f"{name}-{next(self._numbers)}{_SUFFIX}"
        program = Path(sys.argv[0] if sys.argv else "").name
        write_chrome_trace(path, timeline, TraceOptions(program=program))
        self._paths[path] = None
        return path

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

    def _remove(self, path: Path) -> None:
        self._paths.pop(path, None)
        with contextlib.suppress(OSError):
            path.unlink()


def _nothing() -> None:
    """Remove nothing."""
