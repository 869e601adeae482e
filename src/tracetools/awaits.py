"""Which awaits a task is parked in: from its coroutine, down the chain of awaits, to frames.

What may live here: walking that chain, and what of it is shown. What must not: when it is walked,
and where the time goes. No backend is imported: their files are known by the names of modules.

A parked chain stays as it is until its task resumes, so it is walked when a step begins, and only
after waits that are long enough to matter. What has a frame already (the task's function, observed
ones) gets no second one, and the plumbing of backends none at all. Where plumbing ends the chain,
its first function names the await: ``await Event.wait (app.py:12)``, with the line of the program's
that awaits it. What cannot be told is named ``await ?``.

A chain may hold objects of any making, so nothing here asks an object anything that could run code
of the program's: types are compared by identity, and only Python's own are looked into.
"""

from __future__ import annotations

import gc
import os
import sys
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.labels import memoised_frames
from tracetools.stacks import DEEPER, Frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

__all__ = ["Awaits"]

MAX_LINKS: Final = 64
"""How far a chain is walked: real programs have 23 links at most, plumbing included."""

_MAX_KNOWN: Final = 4096
_PLUMBING: Final = ("trio", "anyio", "asyncio", "uvloop", "sniffio", "outcome", "contextlib")
_UNKNOWN: Final = "?"
_FUTURE: Final = "FutureIter"


class _Link(NamedTuple):
    """One coroutine or generator of a chain, and what it awaits."""

    name: str
    code: CodeType
    owner: Any
    awaits: Any


class Awaits:
    """Turns chains of awaits into frames; remembers those of functions that it has seen."""

    def __init__(self) -> None:
        self._function = memoised_frames()
        self._kinds: dict[int, tuple[str, CodeType]] = {}
        self._leaves: dict[tuple[int, int, str], tuple[Frame, CodeType]] = {}

    def frames(self, coroutine: Any, shown: Sequence[Frame] = ()) -> list[Frame]:
        """Return the frames of what a parked task awaits, the outermost first; perhaps none.

        `shown` are those that the task has already, from its own function's to its innermost
        span's. A function is found in them by its place, for names may be given.
        """
        places = [(frame.file, frame.line) for frame in shown]
        frames: list[Frame] = []
        innermost: _Link | None = None
        plumbing: str | None = None
        awaits: Any = None
        for number, (name, code, owner, awaits) in enumerate(_links(coroutine)):
            kind = self._kind(code)
            place = (code.co_filename, code.co_firstlineno)
            if kind == "program":
                innermost, plumbing = _Link(name, code, owner, awaits), None
                frames.append(self._function(name, code))
            elif kind == "plumbing" and place not in places:
                plumbing = plumbing or name
            if place in places:  # each stands for one link: a function may await itself
                del places[: places.index(place) + 1]
                frames.clear()
            if number == MAX_LINKS - 1:
                return [*frames, DEEPER]
        if innermost is None or innermost.awaits is None:
            return frames
        return [*frames, self._leaf(innermost, plumbing or _name_of_end(awaits))]

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
        line = _line(link.owner)
        key = (id(link.code), line, awaited)
        known = self._leaves.get(key)
        if known is None:
            if len(self._leaves) >= _MAX_KNOWN:
                self._leaves.clear()
            frame = Frame(f"await {awaited}", link.code.co_filename or None, line)
            known = self._leaves[key] = (frame, link.code)
        return known[0]


# -- the chain -----------------------------------------------------------------------------------


def _links(coroutine: Any) -> Iterator[_Link]:
    """Walk down a chain, from a task's coroutine to what it is parked in."""
    found = coroutine
    for _ in range(MAX_LINKS):
        while type(found) in _BETWEEN:
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
        code, awaits = found.cr_code, found.cr_await
    elif kind is GeneratorType:
        code, awaits = found.gi_code, found.gi_yieldfrom
    elif kind is AsyncGeneratorType:
        code, awaits = found.ag_code, found.ag_await
    else:
        return None
    return _Link(str.__str__(found.__qualname__), code, found, awaits)


def _line(owner: Any) -> int:
    """Return the line at which a coroutine or generator is parked; 0 if it is over."""
    kind = type(owner)
    if kind is CoroutineType:
        frame = owner.cr_frame
    else:
        frame = owner.gi_frame if kind is GeneratorType else owner.ag_frame
    return (frame.f_lineno or 0) if frame is not None else 0


def _referent(found: Any) -> Any:
    """Return what one of Python's own links leads to; None if it leads nowhere any more.

    None of them leads to one that was made before it, so there is no way in a circle.
    """
    for other in gc.get_referents(found):
        if type(other) in _LOOKED_INTO:
            return other
    return None


async def _numbers() -> AsyncIterator[int]:
    yield 0


async def _nothing() -> None:
    pass


def _types_between() -> frozenset[type]:
    """Return the types of what C code puts between two links; it only refers to the next."""
    numbers, nothing = _numbers(), _nothing()
    made: list[Any] = [
        numbers.__anext__(),
        numbers.aclose(),  # type: ignore[attr-defined]  # it is an async generator
        anext(numbers, None),
        nothing.__await__(),
    ]
    for each in made:
        each.close()
    return frozenset(map(type, made))


_BETWEEN: Final = _types_between()
_LOOKED_INTO: Final = _BETWEEN | {CoroutineType, GeneratorType, AsyncGeneratorType}


def _name_of_end(end: Any) -> str:
    name = type.__dict__["__name__"].__get__(type(end))  # whatever its own type says of names
    return "Future" if name == _FUTURE else _UNKNOWN


# -- whose a function is -------------------------------------------------------------------------


def _kind_of_file(file: str) -> str:
    if file.startswith(_OURS):
        return "ours"
    return "plumbing" if file.startswith(tuple(_plumbing())) else "program"


def _plumbing() -> Iterator[str]:
    """Give what the files of backends begin with, as far as these are imported."""
    for name in _PLUMBING:
        module = sys.modules.get(name)
        if module is None:
            continue
        # as it is: to ask a module that is loaded when it is asked would load it
        file = ModuleType.__getattribute__(module, "__dict__").get("__file__")
        if type(file) is str:
            folder, base = os.path.split(file)
            yield folder + os.sep if base == "__init__.py" else file


_OURS: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep
