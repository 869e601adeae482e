"""`observe` and `span`: how a program names the work inside its tasks.

A span is *open* from its entry to its exit, and *current* while work is done in it. For functions,
coroutines and `span` blocks that is the same; a generator is open until it is finished, but current
only while it runs, not while its consumer does. Counterpart of `#[observe]` in trace-tools.

While nothing is recorded, both do nothing, at next to no cost: see `_DormantSpan`.
"""

from __future__ import annotations

import functools
import sys
import types
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from tracetools.current import (
    Opening,
    close_span,
    is_here,
    open_span,
    recorded_loops,
    when_recording_changes,
)
from tracetools.labels import code_frame, stable_name
from tracetools.stacks import Frame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator

    _Function = TypeVar("_Function", bound="Callable[..., Any]")
    _Method = TypeVar(
        "_Method", bound="classmethod[Any, Any, Any] | staticmethod[Any, Any] | property"
    )
    _Result = TypeVar("_Result")

__all__ = ["Span", "function_frame", "observe", "observed_frame", "span"]


# ------------------------------------------------------------------------------------------ span


class _Entries(list["Opening"]):
    """The openings of a span that was entered again before it was left."""


class Span:
    """What `span` returns: a context manager that may be entered any number of times.

    It may also be entered again while it is open, by other tasks and threads at the same time;
    an exit then closes the entry of the task or thread that exits, or else the latest one.
    """

    __slots__ = ("_frame", "_opened")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._opened: Opening | _Entries | None = None

    def __enter__(self) -> None:
        if self._opened is None:
            self._opened = open_span(self._frame)
        else:
            self._enter_again(self._frame)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        opened = self._opened
        if isinstance(opened, _Entries):
            close_span(_take(opened))
        else:
            self._opened = None
            close_span(opened)

    def __repr__(self) -> str:
        return f"<span {self._frame.label}>"

    def _enter_again(self, frame: Frame) -> None:
        opened = open_span(frame)
        known = self._opened
        if not isinstance(known, _Entries):
            known = self._opened = _Entries([] if known is None else [known])
        if opened is not None:
            known.append(opened)


def _take(entries: _Entries) -> Opening | None:
    """Give up the opening of the task or thread that is here, or else the latest one."""
    if not entries:
        return None
    opened = next((entry for entry in reversed(entries) if is_here(entry)), entries[-1])
    entries[:] = [entry for entry in entries if entry is not opened]
    return opened


class _DormantSpan(Span):
    """The span of a name while nothing is recorded: one for all callers, entered in C.

    To make an object for every call costs more than all else together (0.2 of 0.3 microseconds),
    and so do methods in Python. So callers share an object as long as there is nothing to keep in
    it, and its methods are built-in ones that take anything and do nothing, until something is
    recorded: then they become those of `Span`, so that a span that was made early (a global, say)
    works like any other.
    """

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(Frame(stable_name(name)))
        self._opened = _Entries()

    def _enter(self) -> None:
        name = self._frame.name
        self._enter_again(_call_site(name, sys._getframe(1)))  # noqa: SLF001

    @classmethod
    def switch(cls, recording: bool) -> None:
        """Make entering and leaving do something, or nothing."""
        enter: Any = cls._enter if recording else [].clear
        leave: Any = Span.__exit__ if recording else "".format
        cls.__enter__, cls.__exit__ = enter, leave  # type: ignore[method-assign]


_DormantSpan.switch(recording=False)
when_recording_changes(_DormantSpan.switch)

_MOST_NAMES: Final = 4096
_dormant: Final[dict[str, Span]] = {}
_call_sites: Final[dict[tuple[int, int, str], tuple[Frame, types.CodeType]]] = {}


def span(name: str) -> Span:
    """Name a piece of work, in sync and async code alike: ``with span("parse"):``.

    The span stands under whatever the task (or worker thread) does at that moment, at the line of
    this call. It closes correctly out of order, in another task or context, and in a cancelled
    task. Around a ``yield`` it stays open while the consumer runs: that is right for a context
    manager; a generator that is iterated over is better decorated with `observe`.

    Args:
        name: the name of the span. Names that differ make stacks that differ: keep them few.
    """
    if recorded_loops:
        caller = sys._getframe(1)  # noqa: SLF001
        try:
            return Span(_call_sites[id(caller.f_code), caller.f_lasti, name][0])
        except KeyError:
            return Span(_call_site(name, caller))
    try:
        return _dormant[name]
    except KeyError:
        return _new_dormant(name)


def _new_dormant(name: str) -> Span:
    if len(_dormant) >= _MOST_NAMES:  # names that are made up without end
        _dormant.clear()
    return _dormant.setdefault(name, _DormantSpan(name))


def _call_site(name: str, caller: types.FrameType) -> Frame:
    """Return the frame of a span by its name and the line that `caller` executes.

    Code objects hash by content, which is dear, so they are found by identity and kept alive.
    """
    code = caller.f_code
    key = (id(code), caller.f_lasti, name)
    known = _call_sites.get(key)
    if known is None:
        if len(_call_sites) >= _MOST_NAMES:
            _call_sites.clear()
        known = Frame(stable_name(name), code.co_filename or None, caller.f_lineno or 0), code
        _call_sites[key] = known
    return known[0]


# --------------------------------------------------------------------------------------- observe


@overload
def observe(  # type: ignore[overload-overlap]  # what can be called and awaited is awaited
    function: _Function, /, *, name: str | None = None
) -> _Function: ...
@overload
def observe(method: _Method, /, *, name: str | None = None) -> _Method: ...
@overload
def observe(
    awaitable: Awaitable[_Result], /, *, name: str | None = None
) -> Coroutine[Any, Any, _Result]: ...
@overload
def observe(*, name: str | None = None) -> Callable[[_Function], _Function]: ...
def observe(target: Any = None, /, *, name: str | None = None) -> Any:
    """Make a span of every call of a function, or of one awaitable.

    ``@observe`` and ``@observe(name="...")`` go on functions, async functions, generators, async
    generators, and methods of every kind; signature, type and docstring are kept. A task whose
    own function is observed has one frame, not two. ``await observe(awaitable, name="...")``
    makes a span of waiting for it.

    Args:
        target: what to observe.
        name: the name of the span; without it, the qualified name of the function.

    Raises:
        TypeError: `target` can be neither called nor awaited.
    """
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    if name is not None and not isinstance(name, str):
        raise TypeError(f"the name of a span is a str, not {name!r}")
    if target is None:
        return functools.partial(observe, name=name)
    if isinstance(target, (classmethod, staticmethod)):
        return type(target)(observe(target.__func__, name=name))
    if isinstance(target, property):
        return _observe_property(target, name)
    if inspect.isawaitable(target) and not inspect.isroutine(target):
        return _await_observed(target, _awaitable_frame(target, name, sys._getframe(1)))  # noqa: SLF001
    if not callable(target) or isinstance(target, type):
        raise TypeError(
            f"observe takes a function, a method or an awaitable, not {target!r};"
            " a name is given as observe(name=...)"
        )
    return _observe_function(target, function_frame(target, name))


def observed_frame(coroutine: Any) -> Frame | None:
    """Return the frame of the observed function that made `coroutine`; ``None`` for any other.

    Only before the coroutine has finished. By it, a task whose function is observed knows its span.
    """
    if getattr(coroutine, "cr_code", None) is not _COROUTINE_CODE:
        return None
    frame = coroutine.cr_frame
    if frame is None:
        return None
    found = frame.f_locals.get("frame")
    return found if isinstance(found, Frame) else None


def _observe_property(target: property, name: str | None) -> property:
    accessors: list[Any] = [target.fget, target.fset, target.fdel]
    observed = [accessor and observe(accessor, name=name) for accessor in accessors]
    return property(observed[0], observed[1], observed[2], target.__doc__)


def function_frame(function: Callable[..., Any], name: str | None = None) -> Frame:
    """Return the frame of whatever a callable runs in the end, under its own name or `name`."""
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    inner: Any = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inspect.unwrap(inner.func)
    if not hasattr(inner, "__qualname__"):  # a callable object
        inner = type(inner).__call__
    name = stable_name(getattr(inner, "__qualname__", "unknown") if name is None else name)
    code = getattr(inner, "__code__", None)
    return Frame(name) if code is None else code_frame(name, code)


def _awaitable_frame(awaitable: object, name: str | None, caller: types.FrameType) -> Frame:
    if name is None:
        name = getattr(awaitable, "__qualname__", None) or type(awaitable).__qualname__
    return _call_site(name, caller)


def _observe_function(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    """Choose the wrapper by the kind of the function, so that the kind stays the same."""
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    called = _called(function)
    if inspect.iscoroutinefunction(called):
        wrapper = _observe_coroutine(function, frame)
    elif inspect.isasyncgenfunction(called):
        wrapper = _observe_async_generator(function, frame)
    elif inspect.isgeneratorfunction(called):
        wrapper = _observe_generator(function, frame)
        if called.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
            wrapper = types.coroutine(_observe_old_coroutine(function, frame))
    else:
        wrapper = _observe_call(function, frame)
    return functools.wraps(function)(wrapper)


def _called(function: Any) -> Any:
    """Return what a call of a partial or of a callable object runs in the end."""
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def _observe_call(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not recorded_loops:
            return function(*args, **kwargs)
        opened = open_span(frame)
        try:
            return function(*args, **kwargs)
        finally:
            close_span(opened)

    return call


def _observe_coroutine(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not recorded_loops:
            return await function(*args, **kwargs)
        opened = open_span(frame)
        try:
            return await function(*args, **kwargs)
        finally:
            close_span(opened)

    return call


_COROUTINE_CODE: Final = next(
    const
    for const in _observe_coroutine.__code__.co_consts
    if isinstance(const, types.CodeType) and const.co_name == "call"
)


async def _await_observed(awaitable: Awaitable[Any], frame: Frame) -> Any:
    opened = open_span(frame)
    try:
        return await awaitable
    finally:
        close_span(opened)


def _observe_old_coroutine(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = open_span(frame)
        try:
            return (yield from function(*args, **kwargs))
        finally:
            close_span(opened)

    return call


class _Resumed:
    """Makes the span of a generator current for one resumption; entered once, for all of them."""

    __slots__ = ("_entries", "_frame", "_opened")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._entries = 1
        self._opened: Opening | None = None

    def __enter__(self) -> None:
        self._opened = open_span(self._frame, self._entries)
        if self._opened is not None:
            self._entries = 0

    def __exit__(self, *_: object) -> None:
        close_span(self._opened)


def _observe_generator(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        running = _Resumed(frame)
        generator = function(*args, **kwargs)
        sent = error = None
        while True:
            try:
                with running:
                    item = generator.send(sent) if error is None else generator.throw(error)
            except StopIteration as stop:
                return stop.value
            finally:
                sent = error = None
            try:
                sent = yield item
            except GeneratorExit:
                with running:
                    generator.close()
                raise
            except BaseException as thrown:  # noqa: BLE001  # it is the generator's to handle
                error = thrown

    return call


def _observe_async_generator(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        running = _Resumed(frame)
        generator = function(*args, **kwargs)
        sent = error = None
        while True:
            try:
                with running:
                    if error is None:
                        item = await generator.asend(sent)
                    else:
                        item = await generator.athrow(error)
            except StopAsyncIteration:
                return
            finally:
                sent = error = None
            try:
                sent = yield item
            except GeneratorExit:
                with running:
                    await generator.aclose()
                raise
            except BaseException as thrown:  # noqa: BLE001  # it is the generator's to handle
                error = thrown

    return call
