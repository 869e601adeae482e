"""Names waits: walks the await chain of a coroutine, and makes frames of what it awaits.

The chain of a waiting task does not change until the task resumes. So it is walked when a step
begins, and only after waits that are long enough to matter. The functions of the program in it get
frames (see `tracetools.attribution.functions`). If runtime functions end the chain, the first of
them names the await (see `tracetools.attribution.awaits`): ``await Event.wait (app.py:12)``, with
the line of the program that awaits it. An unknown await is named ``await ?``.

A chain may hold objects of any type, so nothing here asks an object for anything that could run
code of the program. Types are compared by identity, and only Python's own are looked into.
"""

from __future__ import annotations

import gc
from types import (
    AsyncGeneratorType,
    CodeType,
    CoroutineType,
    GeneratorType,
)
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.attribution.awaits import (
    frame_of,
    is_passed_over,
    limiter_and_tokens,
    link_that_names,
    name_of_future,
    name_of_method,
    of_asyncio,
    waits_for_thread,
)
from tracetools.attribution.functions import Shown, owner_of
from tracetools.core.labels import memoised_frames, stable_name
from tracetools.core.native import native
from tracetools.core.stacks import DEEPER, Frame, frames_between

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container

    from tracetools.core.stacks import Stack, StackTree

__all__ = ["AwaitReader", "Awaited", "WaitNames"]

MAX_LINKS: Final = 64
"""How far a chain is walked. Real programs have 23 links at most, runtime functions included."""

_MAX_KNOWN: Final = 4096
_MAX_AWAITS: Final = 256


_NOTHING: Final = -1
_BY_END: Final = -1


class _Chain(NamedTuple):
    """An await chain: coroutines and generators, and what the last of them awaits."""

    links: list[Any]
    codes: list[CodeType]
    end: Any


class _Chosen(NamedTuple):
    """What of a chain is shown.

    Attributes:
        functions: the indices of the links whose functions have frames.
        waiting: the index of the link whose line matters; None if no await is to be shown.
        runtime: the index of the runtime function that names what that link awaits; None if it is
            named by the end of the chain.
    """

    functions: list[int]
    waiting: int | None
    runtime: int | None


class Awaited(NamedTuple):
    """What a suspended coroutine awaits just now.

    Attributes:
        links: its await chain: coroutines and generators, outermost first.
        codes: their functions.
        end: what the last of them awaits.
        functions: the functions of the program among them, each with the line that it is at.
        awaits: what is awaited, with the line that awaits it: ``await Lock (app.py:12)``. The line
            is unknown if no function of the program awaits it. ``None`` if nothing is awaited.
        function: the index of the link whose function the task runs.
    """

    links: list[Any]
    codes: list[CodeType]
    end: Any
    functions: list[Frame]
    awaits: Frame | None
    function: int


class AwaitReader:
    """Tells what suspended coroutines await, by the names that profiles use.

    It remembers the functions of the chains that it has seen, as `WaitNames` does.

    Args:
        runners: the qualified names of functions that run the function of a task.
    """

    def __init__(self, runners: Container[str] = ()) -> None:
        self._runners = runners
        self._chosen: dict[tuple[object, ...], tuple[_Chosen, int, list[CodeType]]] = {}
        self._frames: dict[tuple[int, int, str], Frame] = {}

    def read(self, coroutine: Any) -> Awaited:
        """Return what the coroutine of a task awaits."""
        chain = _chain(coroutine)
        (functions, waiting, runtime), function = self._choose(chain)
        shown = [self._frame(chain, index) for index in functions]
        awaits = None
        if waiting is not None:
            awaits = self._frame(chain, waiting, f"await {_name(chain, runtime)}")
        elif runtime is not None or (chain.end is not None and not shown):
            awaits = Frame(f"await {_name(chain, runtime)}", "")
        return Awaited(chain.links, chain.codes, chain.end, shown, awaits, function)

    def _choose(self, chain: _Chain) -> tuple[_Chosen, int]:
        key = (*map(id, chain.codes), chain.end is None)
        known = self._chosen.get(key)
        if known is None:
            if len(self._chosen) >= _MAX_KNOWN:
                self._chosen.clear()
            function = self._function(chain)
            chosen = _chosen(chain, Shown(()))
            if not chosen.functions and chain.links:
                # a task of a library: what is awaited is beyond its function
                code = chain.codes[function]
                own = Frame(_qualname(chain.links[function]), code.co_filename, code.co_firstlineno)
                chosen = _chosen(chain, Shown((own,)))
            known = self._chosen[key] = chosen, function, chain.codes
        return known[:2]

    def _function(self, chain: _Chain) -> int:
        """Return the link that a task is there to run: the first of the program's, if any is."""
        for index, code in enumerate(chain.codes):
            if owner_of(code.co_filename) == "program":
                return index
        names = map(_qualname, chain.links)
        return next((index for index, name in enumerate(names) if name not in self._runners), 0)

    def _frame(self, chain: _Chain, index: int, name: str = "") -> Frame:
        """Return the frame of a function, or of what it awaits, with the line that it is at."""
        code, frame = chain.codes[index], frame_of(chain.links[index])
        name = name or stable_name(_qualname(chain.links[index]))
        key = id(code), -1 if frame is None else frame.f_lasti, name
        found = self._frames.get(key)
        if found is None:
            if len(self._frames) >= _MAX_KNOWN:
                self._frames.clear()
            line = code.co_firstlineno if frame is None else frame.f_lineno
            found = self._frames[key] = Frame(name, code.co_filename or None, line or 0)
        return found


class _Plan(NamedTuple):
    """The stacks of all chains with the same functions, under one stack.

    Attributes:
        codes: the functions; kept, so that their identities stay their own.
        stack: the stack of the functions that have frames.
        waiting: the index of the link whose line matters; None if no await is to be shown.
        runtime: the index of the runtime function that names what that link awaits; None if it is
            named by the end of the chain.
        awaits: the stacks of awaits, by the instruction that the link waits at and their names.
    """

    codes: list[CodeType]
    stack: Stack
    waiting: int | None
    runtime: int | None
    awaits: dict[tuple[int, str], Stack]


class WaitNames:
    """Finds the stacks of what tasks await, and remembers the chains.

    A chain is known by the identities of its functions. To hash code, or to make frames of it,
    costs more than the walk.

    Attributes:
        between: the types that C code puts between two links.
    """

    def __init__(self) -> None:
        self.between = tuple(_BETWEEN)
        self._function = memoised_frames()
        self._plans: dict[tuple[object, ...], _Plan] = {}

    def stack(self, coroutine: Any, base: Stack, own: Stack, tree: StackTree) -> Stack:
        """Return the stack of what a task awaits: its own, or one below it.

        `base` is the stack of the task, `own` that of its innermost span. Functions that have a
        frame in `own` from `base` on get no second one. They are known by location, because the
        program may choose names.
        """
        chain = _chain(coroutine)
        key = _key(chain, base, own)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MAX_KNOWN:
                self._plans.clear()
            plan = self._plans[key] = self._plan(chain, Shown(frames_between(base, own)), own, tree)
        if plan.waiting is None:
            return plan.stack
        frame = frame_of(chain.links[plan.waiting])
        if frame is None:
            return plan.stack
        awaited = _name(chain, plan.runtime)
        found = plan.awaits.get((frame.f_lasti, awaited))
        if found is None:
            file = plan.codes[plan.waiting].co_filename
            await_frame = Frame(f"await {awaited}", file or None, frame.f_lineno or 0)
            found = tree.detail(plan.stack, [await_frame])
            if len(plan.awaits) < _MAX_AWAITS:
                plan.awaits[frame.f_lasti, awaited] = found
        return found

    def named_by(self, coroutine: Any, base: Stack, own: Stack) -> tuple[int, int] | None:
        """Return what the name depends on that `stack` has found, beside functions; for C code.

        Returns:
            The index of the link that waits, whose instruction matters; `_NOTHING` if nothing does.
            Then what names the await: the index of a link, `_BY_END` or `BY_MORE`. ``None`` if the
            chain is not remembered.
        """
        chain = _chain(coroutine)
        plan = self._plans.get(_key(chain, base, own))
        if plan is None:
            return None
        if plan.waiting is None:
            return _NOTHING, _BY_END
        if plan.runtime is None:
            return plan.waiting, _BY_END
        return plan.waiting, link_that_names(chain.codes, plan.runtime)

    @staticmethod
    def of_asyncio() -> tuple[Any, ...] | None:
        """Return what C code has to know of asyncio; ``None`` while that is not imported."""
        return of_asyncio()

    @staticmethod
    def limiter(coroutine: Any) -> tuple[Any, int] | None:
        """Return the capacity limiter that a task waits for, and its tokens; None without one."""
        chain = _chain(coroutine)
        return limiter_and_tokens(chain.links, chain.codes)

    def _plan(self, chain: _Chain, shown: Shown, own: Stack, tree: StackTree) -> _Plan:
        functions, waiting, runtime = _chosen(chain, shown)
        frames = [self._function(_qualname(chain.links[i]), chain.codes[i]) for i in functions]
        if len(chain.links) == MAX_LINKS:
            frames.append(DEEPER)
        return _Plan(chain.codes, tree.detail(own, frames), waiting, runtime, {})


def _chosen(chain: _Chain, shown: Shown) -> _Chosen:
    """Return what of a chain is shown, beside the frames that functions have already."""
    functions: list[int] = []
    waiting: int | None = None
    runtime: list[int] = []
    for index, code in enumerate(chain.codes):
        owner = owner_of(code.co_filename)
        within = shown.after(code)
        if owner == "program":
            waiting = index
            runtime.clear()
            functions.append(index)
        elif owner == "runtime" and within is None:
            runtime.append(index)
        if within is not None:
            shown = within
            runtime = [index] if waits_for_thread(code) else []
            functions.clear()
    if len(chain.links) == MAX_LINKS:
        waiting = None
    elif waiting is None and runtime and waits_for_thread(chain.codes[runtime[0]]):
        waiting = runtime[0]  # the task is nothing but that
    elif chain.end is None and waiting == len(chain.links) - 1:
        waiting = None  # a generator of the program, which awaits nothing
    better = (i for i in runtime if not is_passed_over(chain.codes[i]))
    named_by = next(better, runtime[0] if runtime else None)
    return _Chosen(functions, waiting, named_by)


def _qualname(link: Any) -> str:
    return str.__str__(link.__qualname__)


def _key(chain: _Chain, base: Stack, own: Stack) -> tuple[object, ...]:
    return (base, own, *map(id, chain.codes), chain.end is None)


def _name(chain: _Chain, runtime: int | None) -> str:
    """Return the name of what a task awaits."""
    if runtime is not None:
        return name_of_method(chain.links, chain.codes, runtime)
    return name_of_future(chain.end)


# -- the chain -----------------------------------------------------------------------------------


def _chain(coroutine: Any) -> _Chain:
    """Walk a chain, from the coroutine of a task to what it awaits.

    Only Python's own objects are taken apart. Any other may run code when it is asked.
    """
    links: list[Any] = []
    codes: list[CodeType] = []
    found = coroutine
    while len(links) < MAX_LINKS:
        kind = type(found)
        if kind is CoroutineType:
            code, awaits = found.cr_code, found.cr_await
        elif kind is GeneratorType:
            code, awaits = found.gi_code, found.gi_yieldfrom
        elif kind is AsyncGeneratorType:
            code, awaits = found.ag_code, found.ag_await
        elif kind in _BETWEEN and (inner := _referent(found)) is not None:
            found = inner
            continue
        else:
            break
        links.append(found)
        codes.append(code)
        found = awaits
    return _Chain(links, codes, found)


def _referent(found: Any) -> Any:
    """Return the next link after one of Python's own; None if there is none any more.

    No link leads to an older one, so the walk ends.
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
    """Return the types that C code puts between two links. They only refer to the next one."""
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


_OBSERVED: Final[set[type]] = (
    set()
    if native is None
    else {native.ObservedCoroutine, native.ObservedAwait, native.ObservedGenerator}
)
"""The types around the coroutines and generators of observed functions."""

_BETWEEN: Final = _types_between() | _OBSERVED
_LOOKED_INTO: Final = _BETWEEN | {CoroutineType, GeneratorType, AsyncGeneratorType}
