"""Labels of frames: the name and location of a function, as text.

Names come from users, so they may be any text. Here they are kept the same from run to run, and
files are made short. What a file format cannot hold, the format replaces.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from tracetools.core.origins import origin_of
from tracetools.core.stacks import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType

    from tracetools.core.origins import Origin
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
"""What a label shows: ``name`` for ``name (file:line)``, ``location`` for ``file:line``."""

LABELS: tuple[Labels, ...] = get_args(Labels)

LabelPath: TypeAlias = tuple[str, ...]
"""A stack as the labels of its frames, from the root down."""

_MODULE = "<module>"
_CELL = "cell"
"""The name of the code of a notebook cell itself, outside of functions."""

_INSTALLED = re.compile(r"(?:site|dist)-packages/")
_THREAD_NUMBER = re.compile(
    r"(?<=^Thread)-\d+|(?<=^ThreadPoolExecutor)-\d+_\d+$|(?<=^asyncio)_\d+$|(?<=^Trio thread) \d+$"
)
_BEFORE_ADDRESS = " at 0x"
_ADDRESS = re.compile(rf"{_BEFORE_ADDRESS}[0-9A-Fa-f]+")


def stable_name(name: object) -> str:
    """Return the text of `name` without addresses, which differ from run to run."""
    text = str(name)
    return _ADDRESS.sub("", text) if _BEFORE_ADDRESS in text else text


def thread_name(name: str) -> str:
    """Return the name of a thread without the numbers that Python gave it.

    With them, a program with a thread for each request would have as many stacks.
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
    """Makes the files of frames relative.

    A file below the working directory is shown relative to it, but not if it lies in a virtual
    environment there. Any other file is shown relative to the longest entry of ``sys.path`` above
    it, or whole if there is none. Directory and ``sys.path`` are read once, at construction: a
    program that changes its directory keeps its labels.

    Args:
        directory: the working directory, if it is not that of the process.
        path: the entries, if they are not those of ``sys.path``.
        cell_of_file: returns the name of the notebook cell that has a file; None for other files.

    Attributes:
        origins: whose the files are that were made relative, as they are shown, but for the
            program's own.
    """

    def __init__(
        self,
        directory: str | None = None,
        path: Iterable[str] | None = None,
        cell_of_file: Callable[[str], str | None] | None = None,
    ) -> None:
        self._cell_of_file = cell_of_file
        self._cells: dict[str, str] = {}
        self._here = _working_directory() if directory is None else os.path.abspath(directory)
        entries = sys.path if path is None else path
        # Python itself ignores what is not text there
        absolute = {self._absolute(entry) for entry in entries if isinstance(entry, str)}
        self._entries = sorted(absolute, key=len, reverse=True)
        self._files: dict[str, str] = {}
        self.origins: dict[str, Origin] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Return `frame` with its file made relative."""
        if not frame.file:
            return frame
        file = self._shorten(frame.file)
        if frame.name == _MODULE and frame.file in self._cells:
            return Frame(_CELL, file, frame.line)
        return frame._replace(file=file)

    def _shorten(self, file: str) -> str:
        known = self._files.get(file)
        if known is None:
            known = self._files[file] = self._relative(file)
            origin = "own" if file in self._cells else origin_of(self._absolute(file))
            if origin != "own":
                self.origins[known] = origin
        return known

    def _relative(self, file: str) -> str:
        cell = None if self._cell_of_file is None else self._cell_of_file(file)
        if cell is not None:
            self._cells[file] = cell
            return cell
        if file.startswith("<"):  # <string>, <stdin>, <frozen importlib._bootstrap>
            return file
        absolute = self._absolute(file)
        below = _below(absolute, self._here)
        if below and not _INSTALLED.search(below):
            return below
        return next(filter(None, (_below(absolute, entry) for entry in self._entries)), file)

    def _absolute(self, path: str) -> str:
        if path.startswith("<"):  # <string>, <stdin>, <frozen importlib._bootstrap>
            return path
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
    """Return `code_frame` with a memory of up to `limit` functions.

    A code object is hashed by its whole content, which costs more than is saved. So functions are
    found by identity, and the memory keeps them alive so that no other object gets the same one.
    When it is full it is emptied: a program may make functions without end.
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
