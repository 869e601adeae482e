"""Which awaits a task is parked in: from its coroutine, down the chain of awaits, to frames.

What may live here: walking that chain, and what of it is shown. What must not: when it is walked,
and where the time goes. No backend is imported: their files are known by the names of modules.

A parked chain stays as it is until its task resumes, so it is walked when a step begins, and only
after waits that are long enough to matter. Three kinds of links are no news and leave no frame: the
task's own function and what `observe` shows already, and the plumbing of backends. Where plumbing
ends the chain, its first function names the await: ``await Event.wait (app.py:12)``, with the line
of the program's that awaits it. What cannot be told is named ``await ?``.
"""

from __future__ import annotations

import gc
import os
import sys
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.labels import memoised_frames
from tracetools.stacks import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Awaits"]

MAX_LINKS: Final = 64
"""How far a chain is walked: real programs have 23 links at most, plumbing included."""

_MAX_KNOWN: Final = 4096
_PLUMBING: Final = ("trio", "anyio", "asyncio", "uvloop", "sniffio", "outcome", "contextlib")
_UNKNOWN: Final = "?"
_FUTURE: Final = "FutureIter"
_PASSABLE: Final = frozenset(
    {"async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper"}
)
"""What Python's own C code puts between two links: it has no attributes, but refers to the next."""


class _Link(NamedTuple):
    """One coroutine or generator of a chain, and what it awaits."""

    name: str
    code: CodeType
    frame: FrameType | None
    awaits: Any


class Awaits:
    """Turns chains of awaits into frames; remembers those of functions that it has seen."""

    def __init__(self) -> None:
        self._function = memoised_frames()
        self._kinds: dict[int, tuple[str, CodeType]] = {}
        self._leaves: dict[tuple[int, int, str], tuple[Frame, CodeType]] = {}

    def frames(self, coroutine: Any) -> list[Frame]:
        """Return the frames of what a parked task awaits, the outermost first; perhaps none.

        Never raises: a chain may hold objects of any making.
        """
        try:
            return self._frames(coroutine)
        except Exception:  # noqa: BLE001  # what cannot be told stays on the task's own stack
            return []

    def _frames(self, coroutine: Any) -> list[Frame]:
        frames: list[Frame] = []
        innermost: _Link | None = None
        plumbing: str | None = None
        is_shown = True  # the next function of the program's has a frame already
        link: _Link | None = None
        for link in _links(coroutine):
            kind = self._kind(link.code)
            if kind == "ours":
                frames.clear()
                is_shown = True
            elif kind == "plumbing":
                plumbing = plumbing or link.name
            else:
                if not is_shown:
                    frames.append(self._function(link.name, link.code))
                innermost, plumbing, is_shown = link, None, False
        if innermost is None or link is None or innermost.awaits is None:
            return frames
        return [*frames, self._leaf(innermost, plumbing or _name_of_end(link.awaits))]

    def _kind(self, code: CodeType) -> str:
        """Tell whose a function is; found by identity, for to hash code costs more than a walk."""
        known = self._kinds.get(id(code))
        if known is None:
            if len(self._kinds) >= _MAX_KNOWN:
                self._kinds.clear()
            known = self._kinds[id(code)] = (_kind_of_file(code.co_filename), code)
        return known[0]

    def _leaf(self, link: _Link, awaited: str) -> Frame:
        """Return the frame of an await: what is awaited, and the line that awaits it."""
        line = (link.frame.f_lineno if link.frame else 0) or 0
        key = (id(link.code), line, awaited)
        known = self._leaves.get(key)
        if known is None:
            if len(self._leaves) >= _MAX_KNOWN:
                self._leaves.clear()
            frame = Frame(f"await {awaited}", link.code.co_filename or None, line)
            known = self._leaves[key] = (frame, link.code)
        return known[0]


def _links(coroutine: Any) -> Iterator[_Link]:
    """Walk down a chain, from a task's coroutine to what it is parked in."""
    found = coroutine
    for _ in range(MAX_LINKS):
        while type(found).__name__ in _PASSABLE:
            found = _referent(found)
        link = _link(found)
        if link is None:
            return
        yield link
        found = link.awaits


def _link(found: Any) -> _Link | None:
    """Take apart what Python itself made; anything else may run code when it is asked."""
    kind = type(found)
    if kind is CoroutineType:
        return _Link(found.__qualname__, found.cr_code, found.cr_frame, found.cr_await)
    if kind is GeneratorType:
        return _Link(found.__qualname__, found.gi_code, found.gi_frame, found.gi_yieldfrom)
    if kind is AsyncGeneratorType:
        return _Link(found.__qualname__, found.ag_code, found.ag_frame, found.ag_await)
    return None


def _referent(found: Any) -> Any:
    """Return what one of Python's own links leads to; None if it leads nowhere any more."""
    kinds = (CoroutineType, GeneratorType, AsyncGeneratorType)
    for other in gc.get_referents(found):
        if isinstance(other, kinds) or type(other).__name__ in _PASSABLE:
            return other
    return None


def _name_of_end(end: Any) -> str:
    return "Future" if type(end).__name__ == _FUTURE else _UNKNOWN


def _kind_of_file(file: str) -> str:
    if file.startswith(_OURS):
        return "ours"
    return "plumbing" if file.startswith(tuple(_plumbing())) else "program"


def _plumbing() -> Iterator[str]:
    """Give what the files of backends begin with, as far as these are imported."""
    for name in _PLUMBING:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file:
            folder, base = os.path.split(file)
            yield folder + os.sep if base == "__init__.py" else file


_OURS: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep
