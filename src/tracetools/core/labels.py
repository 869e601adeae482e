"""How frames are named: the name and place of a function, and the text that shows them.

Names come from users, so anything may stand in them; here they are only kept stable (no addresses)
and paths short. What a file format cannot hold is the format's own affair.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from tracetools.core.stacks import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType

    from tracetools.core.stacks import StackPath

__all__ = [
    "LABELS",
    "LabelPath",
    "Labels",
    "PathShortener",
    "code_frame",
    "label_path",
    "stable_name",
    "thread_name",
]

Labels: TypeAlias = Literal["name", "location"]
"""What a frame's label shows: ``name (file:line)``, or ``file:line`` as trace-tools did."""

LABELS: tuple[Labels, ...] = get_args(Labels)

LabelPath: TypeAlias = tuple[str, ...]
"""A stack as the labels of its frames, from the root down."""

_INSTALLED = re.compile(r"(?:site|dist)-packages/")
_THREAD_NUMBER = re.compile(
    r"(?<=^Thread)-\d+|(?<=^ThreadPoolExecutor)-\d+_\d+$|(?<=^asyncio)_\d+$|(?<=^Trio thread) \d+$"
)
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def stable_name(name: object) -> str:
    """Return the text of `name` without the addresses that make it another one at each run."""
    return _ADDRESS.sub("", str(name))


def thread_name(name: str) -> str:
    """Return the name of a thread without the numbers that Python made up for it.

    Or else a program with a thread for each request would have as many stacks.
    """
    return _THREAD_NUMBER.sub("", name)


def code_frame(name: str, code: CodeType) -> Frame:
    """Return the frame of a function: its name, and where its code begins."""
    return Frame(name, code.co_filename or None, code.co_firstlineno or 0)


def label_path(path: StackPath, labels: Labels) -> LabelPath:
    """Return the label of each frame of a stack."""
    if labels == "location":
        return tuple(frame.location if frame.file != "" else frame.name for frame in path)
    return tuple(frame.label for frame in path)


class PathShortener:
    """Makes the files of frames relative, as seen from where the program was started.

    A file below the working directory is shown relative to it, any other relative to the longest
    entry of ``sys.path`` that it lies under; what lies under none stays as it is. A package that
    is installed below the working directory, in a virtual environment, counts as elsewhere. Both
    are read once, at construction: a program that changes its directory keeps its labels.
    """

    def __init__(self, directory: str | None = None, path: Iterable[str] | None = None) -> None:
        self._here = _working_directory() if directory is None else os.path.abspath(directory)
        entries = sys.path if path is None else path
        # Python itself ignores what is not text there
        absolute = {self._absolute(entry) for entry in entries if isinstance(entry, str)}
        self._entries = sorted(absolute, key=len, reverse=True)
        self._files: dict[str, str] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Return `frame` with its file made relative."""
        return frame._replace(file=self._shorten(frame.file)) if frame.file else frame

    def _shorten(self, file: str) -> str:
        known = self._files.get(file)
        if known is None:
            known = self._files[file] = self._relative(file)
        return known

    def _relative(self, file: str) -> str:
        if file.startswith("<"):  # <string>, <stdin>, <frozen importlib._bootstrap>
            return file
        absolute = self._absolute(file)
        below = _below(absolute, self._here)
        if below and not _INSTALLED.search(below):
            return below
        return next(filter(None, (_below(absolute, entry) for entry in self._entries)), file)

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._here, path))


def _below(file: str, directory: str) -> str:
    """Return `file` relative to `directory`, with ``/``; nothing if it does not lie below it."""
    start = directory.rstrip(os.sep) + os.sep
    below = directory and file.startswith(start)
    return file[len(start) :].replace(os.sep, "/") if below else ""


def _working_directory() -> str:
    """Return the working directory; nothing if it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def memoised_frames(limit: int = 4096) -> Callable[[str, CodeType], Frame]:
    """Return `code_frame` with a memory of the last `limit` functions.

    Code objects are hashed by their whole content, which costs more than the work saved, so they
    are found by identity; the memory keeps each alive, so that its identity stays its own, and is
    emptied when it is full, so that programs that make functions without end do not grow.
    """
    known: dict[tuple[int, str], tuple[Frame, CodeType]] = {}

    def frame(name: str, code: CodeType) -> Frame:
        key = (id(code), name)
        found = known.get(key)
        if found is None:
            if len(known) >= limit:
                known.clear()
            found = known[key] = (code_frame(stable_name(name), code), code)
        return found[0]

    return frame
