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
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from tracetools import compat
from tracetools.core.frame_locals import locals_of
from tracetools.core.labels import code_frame, stable_name
from tracetools.core.native import accelerated, native
from tracetools.core.stacks import Frame
from tracetools.recording.current import (
    Opening,
    close_span,
    is_here,
    note_error,
    open_span,
    recorded_loops,
    when_recording_changes,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator

    _Function = TypeVar("_Function", bound="Callable[..., Any]")
    _Method = TypeVar(
        "_Method", bound="classmethod[Any, Any, Any] | staticmethod[Any, Any] | property"
    )
    _Result = TypeVar("_Result")

__all__ = [
    "Span",
    "function_frame",
    "is_observed",
    "observe",
    "observed_frame",
    "observed_function_frame",
    "span",
    "unobserved",
]


# ------------------------------------------------------------------------------------------ span


class _Entries(dict[int, "Opening"]):
    """The openings of a span that was entered again before it was left, by identity.

    Attributes:
        first: the one that came before all others, until it is closed.
    """

    __slots__ = ("first",)

    def __init__(self) -> None:
        super().__init__()
        self.first: Opening | None = None

    def add(self, opened: Opening) -> None:
        """Remember an opening."""
        self[id(opened)] = opened

    def take(self) -> Opening | None:
        """Give up the opening of the task or thread that is here, or else the latest one."""
        known = list(self.values())[::-1]
        if self.first is not None:
            known.append(self.first)
        opened = next(filter(is_here, known), known[0] if known else None)
        if opened is self.first:
            self.first = None
        else:
            self.pop(id(opened), None)  # another thread may have taken it just now
        return opened


def _enter_again(span: Span, opened: Opening) -> None:
    """Remember one more opening of a span that is open."""
    entries = _Entries()
    entries.add(opened)
    known = span._opened  # noqa: SLF001  # its own code
    if known.__class__ is not _Entries:
        entries.first = known
        span._opened = entries  # noqa: SLF001
    else:
        known.add(opened)


@accelerated
class Span:
    """What `span` returns: a context manager that may be entered any number of times.

    It may also be entered again while it is open, by other tasks and threads at the same time;
    an exit then closes the entry of the task or thread that exits, or else the latest one.
    """

    __slots__ = ("_frame", "_opened")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._opened: Any = None  # Opening | _Entries | None

    # Threads may share a span, so nothing may come between looking at `_opened` and storing it: the
    # interpreter does not switch threads where nothing is called. Hence `__class__`.

    def __enter__(self) -> None:
        opened = open_span(self._frame)
        if self._opened is None:
            self._opened = opened
        elif opened is not None:
            _enter_again(self, opened)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        opened = self._opened
        if opened.__class__ is not _Entries:
            self._opened = None
        else:
            opened = opened.take()
        if isinstance(error, Exception):
            note_error(opened, error)
        close_span(opened)

    def __repr__(self) -> str:
        return f"<span {self._frame.label}>"


_enter_nothing: Final[Any] = ().__init__ if native is None else native.do_nothing  # type: ignore[misc]
_leave_nothing: Final[Any] = "".format if native is None else native.do_nothing


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
        opened = open_span(_call_site(self._frame.name, compat.getframe(1)))
        if opened is not None:
            _enter_again(self, opened)

    @classmethod
    def switch(cls, recording: bool) -> None:
        """Make entering and leaving do something, or nothing."""
        enter: Any = cls._enter if recording else _enter_nothing
        leave: Any = Span.__exit__ if recording else _leave_nothing
        cls.__enter__, cls.__exit__ = enter, leave  # type: ignore[method-assign]
        if not recording:
            for dormant in tuple(_dormant.values()):  # they close no more what is open in them
                dormant._opened = _Entries()  # noqa: SLF001
        if recording is not bool(recorded_loops):  # it changed in another thread meanwhile
            cls.switch(not recording)


_MOST_NAMES: Final = 4096
_dormant: Final[dict[str, Span]] = {}
_call_sites: Final[dict[tuple[int, int, str], tuple[Frame, types.CodeType]]] = {}

_DormantSpan.switch(recording=bool(recorded_loops))
when_recording_changes(_DormantSpan.switch)


@accelerated
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
        caller: Any = compat.getframe(1)
        try:
            return Span(_call_sites[id(caller.f_code), caller.f_lasti, name][0])
        except (KeyError, AttributeError):
            return Span(_call_site(name, caller))
    try:
        return _dormant[name]
    except KeyError:
        return _new_dormant(name)


def _new_dormant(name: str) -> Span:
    if len(_dormant) >= _MOST_NAMES:  # names that are made up without end
        _dormant.clear()
    return _dormant.setdefault(name, _DormantSpan(name))


def _call_site(name: str, caller: types.FrameType | None) -> Frame:
    """Return the frame of a span by its name and the line that `caller` executes.

    Code objects hash by content, which is dear, so they are found by identity and kept alive.
    """
    if caller is None:  # Python cannot say who calls
        return Frame(stable_name(name))
    code = caller.f_code
    key = (id(code), caller.f_lasti, name)
    known = _call_sites.get(key)
    if known is None:
        if len(_call_sites) >= _MOST_NAMES:
            _call_sites.clear()
        known = Frame(stable_name(name), code.co_filename or None, caller.f_lineno or 0), code
        _call_sites[key] = known
    return known[0]


def _site_of_caller(name: str) -> Frame:
    """Return the frame of a span by its name and the line of the function that calls this."""
    return _call_site(name, compat.getframe(1))


# --------------------------------------------------------------------------------------- observe

_NOTHING: Final = object()


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
def observe(target: Any = _NOTHING, /, *, name: str | None = None) -> Any:
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
    if target is _NOTHING:
        return functools.partial(observe, name=name)
    if isinstance(target, (classmethod, staticmethod)):
        return type(target)(observe(target.__func__, name=name))
    if isinstance(target, property):
        return _observe_property(target, name)
    if inspect.isawaitable(target) and not inspect.isroutine(target):
        return _await_observed(target, _awaitable_frame(target, name, compat.getframe(1)))
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
    if native is not None and (known := native.observed_frame(coroutine)) is not None:
        return cast("Frame", known)
    if getattr(coroutine, "cr_code", None) is not _COROUTINE_CODE:
        return None
    frame = coroutine.cr_frame
    if frame is None:
        return None
    found = locals_of(frame).get("frame")
    return found if isinstance(found, Frame) else None


def observed_function_frame(function: Any) -> Frame | None:
    """Return the frame of an observed async function; ``None`` for any other callable."""
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    if native is not None and (known := native.observed_function_frame(function)) is not None:
        return cast("Frame", known)
    code = getattr(function, "__code__", None)
    if code is not _COROUTINE_CODE:
        return None
    found = function.__closure__[code.co_freevars.index("frame")].cell_contents
    return found if isinstance(found, Frame) else None


def _observe_property(target: property, name: str | None) -> property:
    accessors: list[Any] = [target.fget, target.fset, target.fdel]
    observed = [
        # the setter of an observed property brings its observed getter along
        accessor if accessor is None or is_observed(accessor) else observe(accessor, name=name)
        for accessor in accessors
    ]
    made = type(target)(*observed)
    made.__doc__ = target.__doc__
    return made


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


def _awaitable_frame(awaitable: object, name: str | None, caller: types.FrameType | None) -> Frame:
    if name is None:
        name = getattr(awaitable, "__qualname__", None) or type(awaitable).__qualname__
    return _call_site(name, caller)


def _observe_function(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    """Choose the wrapper by the kind of the function, so that the kind stays the same."""
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    called = _called(function)
    is_coroutine_function = inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(
        function
    )
    if native is not None and _is_plain(function, is_coroutine_function=is_coroutine_function):
        made = native.ObservedFunction(function, frame, function.__code__.co_flags)
        return functools.wraps(function, assigned=())(made)  # all else it has by itself
    if is_coroutine_function:
        wrapper = _observe_coroutine(function, frame)
    elif inspect.isasyncgenfunction(called):
        wrapper = _observe_async_generator(function, frame)
    elif inspect.isgeneratorfunction(called):
        wrapper = _observe_generator(function, frame)
        if called.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
            wrapper = types.coroutine(_observe_old_coroutine(function, frame))
    else:
        wrapper = _observe_call(function, frame)
    return functools.wraps(function)(_at_home_in(called, wrapper))


def _is_plain(function: Any, *, is_coroutine_function: bool) -> bool:
    """Whether a function is of a kind that is observed in C: plain, async, or a generator."""
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    if native is None or type(function) not in {types.FunctionType, native.ObservedFunction}:
        return False
    if function.__name__ in _METHODS_BY_TYPE:
        return False
    flags = function.__code__.co_flags
    if is_coroutine_function:
        return bool(flags & inspect.CO_COROUTINE)
    return not flags & (inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR)


_METHODS_BY_TYPE: Final = {"__new__", "__init_subclass__", "__class_getitem__"}
"""Methods that Python makes static or class methods, if they are functions by their exact type."""


def _at_home_in(function: Any, wrapper: Any) -> Any:
    """Return a wrapper with the globals of the function that it wraps.

    Frameworks look up there what its annotations mean. So the wrappers below have all that they
    need themselves in closures.
    """
    namespace = getattr(function, "__globals__", None)
    if namespace is None:
        return wrapper
    return types.FunctionType(wrapper.__code__, namespace, closure=wrapper.__closure__)


def _called(function: Any) -> Any:
    """Return what a call of a partial or of a callable object runs in the end."""
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def _observe_call(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    recorded, begin, end, note = recorded_loops, open_span, close_span, note_error

    def call(*args: Any, **kwargs: Any) -> Any:
        if not recorded:
            return function(*args, **kwargs)
        opened = begin(frame)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            note(opened, error)
            raise
        finally:
            end(opened)

    return call


def _observe_coroutine(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    recorded, begin, end, note = recorded_loops, open_span, close_span, note_error

    async def call(*args: Any, **kwargs: Any) -> Any:
        if not recorded:
            return await function(*args, **kwargs)
        opened = begin(frame)
        try:
            coroutine = function(*args, **kwargs)
            del args, kwargs  # they live no longer than they would without us
            return await coroutine
        except Exception as error:
            note(opened, error)
            raise
        finally:
            end(opened)

    return call


def _code_within(maker: Callable[..., Any]) -> types.CodeType:
    """Return the code of the wrappers that one of the functions above makes."""
    codes = [c for c in maker.__code__.co_consts if isinstance(c, types.CodeType)]
    return next(code for code in codes if code.co_name == "call")


_CALL_CODE: Final = _code_within(_observe_call)
_COROUTINE_CODE: Final = _code_within(_observe_coroutine)


def is_observed(function: Any) -> bool:
    """Whether a function is one that `observe` made of a plain function."""
    if native is not None and native.is_observed(function):
        return True
    return getattr(function, "__code__", None) is _CALL_CODE


def unobserved(function: Any) -> Any:
    """Return the function that an observed plain or async function calls; any other as it is."""
    if native is not None:
        function = native.unobserved(function)
    while type(function) is types.FunctionType:
        code = function.__code__
        if code is not _CALL_CODE and code is not _COROUTINE_CODE:
            break
        cells: Any = function.__closure__
        function = cells[code.co_freevars.index("function")].cell_contents
    return function


async def _await_observed(awaitable: Awaitable[Any], frame: Frame) -> Any:
    opened = open_span(frame)
    try:
        return await awaitable
    except Exception as error:
        note_error(opened, error)
        raise
    finally:
        close_span(opened)


def _observe_old_coroutine(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    begin, end, note = open_span, close_span, note_error

    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = begin(frame)
        try:
            return (yield from function(*args, **kwargs))
        except Exception as error:
            note(opened, error)
            raise
        finally:
            end(opened)

    return call


@accelerated
class Resumed:
    """Makes the span of a generator current for one resumption; entered once, for all of them."""

    __slots__ = ("_entries", "_frame", "_opened")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._entries = 1
        self._opened: Opening | None = None

    def __enter__(self) -> None:
        self._opened = open_span(self._frame, self._entries, False)
        if self._opened is not None:
            self._entries = 0

    def __exit__(self, *_: object) -> None:
        opened, self._opened = self._opened, None
        close_span(opened)


# What the two below keep in local names lives as long as the generator does: neither arguments nor
# items stay in any, so that both live as long as in the generator that is observed.


def _observe_generator(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    resumed = Resumed

    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        running = resumed(frame)
        generator = function(*args, **kwargs)
        del args, kwargs
        items: list[Any] = []
        sent = error = None
        while True:
            try:
                with running:
                    items.append(generator.send(sent) if error is None else generator.throw(error))
            except StopIteration as stop:
                return stop.value
            finally:
                sent = error = None
            try:
                sent = yield items.pop()
            except BaseException as thrown:  # noqa: BLE001  # it is the generator's to handle
                error = thrown

    return call


def _observe_async_generator(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    resumed, first_resumption = Resumed, _first_resumption

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        running = resumed(frame)
        generator = function(*args, **kwargs)
        del args, kwargs
        items: list[Any] = []
        sent = error = None
        resumption: Awaitable[Any] = first_resumption(generator)
        while True:
            try:
                with running:
                    items.append(await resumption)
            except StopAsyncIteration:
                return
            finally:
                del resumption
                sent = error = None
            try:
                sent = yield items.pop()
            except BaseException as thrown:  # noqa: BLE001  # it is the generator's to handle
                error = thrown
            resumption = generator.asend(sent) if error is None else generator.athrow(error)

    return call


def _first_resumption(generator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Start a generator without telling the loop of it, which would close it beside its wrapper.

    Loops close the async generators that are left over, in any order or all at once; this one is
    the wrapper's to close.
    """
    firstiter, finalizer = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _leave_to_the_wrapper)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(firstiter, finalizer)


def _leave_to_the_wrapper(_: AsyncGenerator[Any, Any]) -> None:
    """Finalise an observed generator: its wrapper, which the loop finalises, closes it."""


def _use_native() -> None:
    """Give the native core what it uses of this module."""
    if native is not None:
        native.use_spans(
            dormant=_dormant,
            new_dormant=_new_dormant,
            find_site=_site_of_caller,
            entries=_Entries,
            enter_again=_enter_again,
        )


_use_native()
