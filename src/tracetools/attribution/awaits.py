"""Names what a task awaits, where runtime functions or futures end its await chain.

A method has the name of the object's class, not of the base or mixin that defines it: ``Lock`` for
``async with``, ``Queue.get`` for a call. A future is named by what it is for: ``gather``,
``run_in_executor (function)``.

The objects may be of any type. So types are compared by identity, and attributes are read by what
Python itself stores, never by asking the object.
"""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from functools import partial
from itertools import pairwise
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from tracetools import compat
from tracetools.core.frame_locals import locals_of
from tracetools.core.labels import stable_name
from tracetools.core.native import native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "called_function",
    "classes_of",
    "closed_over",
    "frame_of",
    "function_code",
    "function_name",
    "future_of",
    "is_defined_in",
    "is_passed_over",
    "limiter_and_tokens",
    "link_that_names",
    "name_of_future",
    "name_of_method",
    "note_future",
    "of_asyncio",
    "referents",
    "register_stepped",
    "unstepped",
    "vars_of",
    "waits_for_thread",
]

UNKNOWN: Final = "?"
_FUTURE: Final = "Future"
_MAX_WRAPPERS: Final = 16

_WHOLE: Final = {"__aenter__", "__aexit__", "__await__"}
"""Methods that Python calls: what is awaited is the object as a whole."""

_PUBLIC: Final = {
    "NurseryManager": "open_nursery",
    "_AsCompletedIterator": "as_completed",
    "LockAdapter": "Lock",
    "SemaphoreAdapter": "Semaphore",
    "EventAdapter": "Event",
    "CapacityLimiterAdapter": "CapacityLimiter",
}
"""Classes of trio, anyio and asyncio that a program knows by another name."""

_FUNCTIONS: Final = {"open_nursery", "as_completed"}
"""Those of them that are functions."""


# -- methods and functions -------------------------------------------------------------------------


class _Thread(NamedTuple):
    """A runtime function that waits for a thread or process, and its parameter for the function."""

    module: str
    parameter: str
    name: str = "to_thread"


_THREADS: Final = {
    "to_thread": [_Thread("asyncio.threads", "func")],
    "to_thread_run_sync": [_Thread("trio._threads", "sync_fn")],
    "run_sync_in_worker_thread": [
        _Thread("anyio._backends._asyncio", "func"),
        _Thread("anyio._backends._trio", "func"),
    ],
    "run_sync": [
        _Thread("anyio.to_thread", "func"),
        _Thread("anyio.to_process", "func", "to_process"),
        _Thread("anyio.to_interpreter", "func", "to_interpreter"),
    ],
}
"""By the name that each has in the code that defines it."""

_LIMITER: Final = "CapacityLimiter"
_ACQUIRES: Final = "acquire_on_behalf_of"
_PARKS: Final = {"park", "wait"}
"""What trio's and anyio's limiters await for a task that has to wait for a token."""


def is_passed_over(code: CodeType) -> bool:
    """Whether what a runtime function awaits names the await better than the function.

    So it is for the context managers of contextlib, and for `async for`.
    """
    return code.co_name == "__anext__" or is_defined_in(code, "contextlib")


def name_of_method(links: Sequence[Any], codes: Sequence[CodeType], index: int) -> str:
    """Return the name of the runtime function at a link; those after it are runtime functions too.

    A task that waits for a token before a thread may start waits for the limiter.
    """
    link, code = links[index], codes[index]
    qualified = str.__str__(link.__qualname__)
    if (thread := _thread_of(code)) is not None:
        inner = _waits_for_token(codes, index)
        if inner is not None:
            return _name_of_class(links[inner]) or _LIMITER
        return f"{thread.name} ({_argument(link, thread.parameter)})"
    owner, _, method = qualified.partition(".<locals>")[0].rpartition(".")
    if not owner:
        return method
    found = _name_of_class(link) or _PUBLIC.get(owner, owner)
    return found if method in _WHOLE or found in _FUNCTIONS else f"{found}.{method}"


BY_MORE: Final = -2
"""Stands for a link if the name of an await depends on more than one class."""


def link_that_names(codes: Sequence[CodeType], index: int) -> int:
    """Return the link on whose name, and on the class of whose object, `name_of_method` depends.

    It depends on nothing else, or this is `BY_MORE`.
    """
    if _thread_of(codes[index]) is None:
        return index
    inner = _waits_for_token(codes, index)
    return BY_MORE if inner is None else inner


def _waits_for_token(codes: Sequence[CodeType], index: int) -> int | None:
    """Return the link that acquires a token for a thread; None if no token has to be waited for.

    A limiter that has one left yields to the loop once, and gives it away.
    """
    for inner in range(index, len(codes) - 1):
        if codes[inner].co_name == _ACQUIRES and codes[inner + 1].co_name in _PARKS:
            return inner
    return None


def limiter_and_tokens(links: Sequence[Any], codes: Sequence[CodeType]) -> tuple[Any, int] | None:
    """Return the limiter that a chain waits for, and how many tokens it has.

    None if there is none, or if it is of a class of the program's own.
    """
    link = _waits_for_token(codes, 0)
    for found in () if link is None else referents(links[link]):
        if compat.is_limiter(type(found)):
            return found, int(found.total_tokens)
    return None


def waits_for_thread(code: CodeType) -> bool:
    """Whether a runtime function waits for a thread or a process that calls a function."""
    return _thread_of(code) is not None


def _thread_of(code: CodeType) -> _Thread | None:
    known = _THREADS.get(code.co_name, ())
    return next((thread for thread in known if is_defined_in(code, thread.module)), None)


def is_defined_in(code: CodeType, module: str) -> bool:
    """Whether a function is defined in a module that is imported."""
    found = sys.modules.get(module)
    try:
        names = ModuleType.__getattribute__(found, "__dict__")
    except TypeError:  # none, or something else in place of a module
        return False
    return bool(names.get("__file__") == code.co_filename)


def _argument(link: Any, parameter: str) -> str:
    """Return the name of the function that a runtime function was given."""
    frame: FrameType | None = getattr(link, "cr_frame", None)
    return UNKNOWN if frame is None else function_name(locals_of(frame).get(parameter))


def _name_of_class(link: Any) -> str | None:
    """Return the public name of the class of the object whose method a link is; None if unknown.

    The object is the first among what the method refers to that has a class of the right name.
    """
    owner = str.__str__(link.__qualname__).rpartition(".")[0]
    for found in referents(link):
        kind = type(found)
        if any(_name_of(one) == owner for one in classes_of(kind)):
            return _public_name(kind, owner)
    return None


def referents(link: Any) -> Iterator[Any]:
    """Yield what a suspended function refers to, its arguments among it."""
    frame = frame_of(link) if sys.version_info < (3, 11) else link
    for found in gc.get_referents(frame):
        if type(found) is CellType:
            yield from gc.get_referents(found)
        else:
            yield found


def frame_of(link: Any) -> FrameType | None:
    """Return the frame of a coroutine or generator that waits; None if it is over."""
    kind = type(link)
    frame: FrameType | None
    if kind is GeneratorType:
        frame = link.gi_frame
    elif kind is AsyncGeneratorType:
        frame = link.ag_frame
    else:
        frame = getattr(link, "cr_frame", None)
    return frame


def _public_name(kind: type, owner: str) -> str:
    """Return the name of a class, or of a public base; `owner` is the one with the method."""
    names = [_name_of(kind), owner, *map(_name_of, classes_of(kind))]
    known = next((_PUBLIC[name] for name in names if name in _PUBLIC), None)
    return known or next((name for name in names if not name.startswith("_")), names[0])


def classes_of(kind: type) -> tuple[type, ...]:
    """Return a class and its bases, whatever its own class says."""
    classes: tuple[type, ...] = _MRO(kind)
    return classes


def _name_of(kind: type) -> str:
    return stable_name(str.__str__(_QUALNAME(kind)))


def vars_of(kind: type) -> MappingProxyType[str, Any]:
    """Return the attributes of a class itself, whatever its own class says."""
    names: MappingProxyType[str, Any] = _VARS(kind)
    return names


_VARS: Final = type.__dict__["__dict__"].__get__
_MRO: Final = type.__dict__["__mro__"].__get__
_QUALNAME: Final = type.__dict__["__qualname__"].__get__


def called_function(function: Any) -> Any:
    """Return what a partial, a bound method or ``Context.run`` calls in the end.

    No code of the program is asked. None if there is no end.
    """
    for _ in range(_MAX_WRAPPERS):
        kind = type(function)
        if kind is partial:
            function = next(_passed_on(function), function.func)
        elif kind is MethodType:
            function = function.__func__
        elif kind is FunctionType and str.__str__(function.__qualname__) in _WRAPPERS:
            function = next(closed_over(function, "func"), None)
        else:
            return function
    return None


_WRAPPERS: Final = {"TrioBackend.run_sync_in_worker_thread.<locals>.wrapper"}
"""Runtime functions around that of the program, which they know as ``func``."""


_PASSING_ON: Final = {
    ("_run_sync_endpoint", "function"): ("fastapi.routing", "fastapi.telemetry._api"),
}
"""Functions of libraries that call the one that they are given, with parameter and modules."""


def _passed_on(function: partial[Any]) -> Iterator[Any]:
    """Yield the functions that a partial is to pass on, to `Context.run` or a library's own."""
    given = [function.func, *function.args]
    for runs, next_one in pairwise(given):
        if _calls_context(runs):
            yield next_one
    if type(function.func) is FunctionType:
        code = function.func.__code__
        for (name, parameter), modules in _PASSING_ON.items():
            if code.co_name == name and any(is_defined_in(code, module) for module in modules):
                yield function.keywords.get(parameter)


def closed_over(function: Any, name: str) -> Iterator[Any]:
    """Yield what the closure of a function has by a name, if it is a function that has it."""
    if type(function) is not FunctionType or name not in function.__code__.co_freevars:
        return
    cells = function.__closure__ or ()
    with suppress(ValueError):  # an empty cell
        yield cells[function.__code__.co_freevars.index(name)].cell_contents


def function_name(function: Any) -> str:
    """Return the qualified name of a callable, or of what it calls in the end."""
    called = _unobserved(called_function(function))
    kind = type(called)
    if called is None and function is not None:
        return UNKNOWN
    if kind is FunctionType:
        return stable_name(str.__str__(called.__qualname__))
    if kind is BuiltinFunctionType:
        return str.__str__(called.__name__)
    return _name_of(called if type in classes_of(kind) else kind)


def function_code(function: Any) -> CodeType | None:
    """Return the code that a callable runs in the end; None if it is not known to be Python's."""
    called = _unobserved(called_function(function))
    if type(called) is not FunctionType:
        found = (vars_of(one).get("__call__") for one in classes_of(type(called)))
        called = next((one for one in found if one is not None), None)
    return called.__code__ if type(called) is FunctionType else None


def _unobserved(function: Any) -> Any:
    """Return the function that an observed one calls, if it is observed in C."""
    return function if native is None else native.unobserved(function)


def _calls_context(function: Any) -> bool:
    """Whether a function is `contextvars.Context.run`, bound to a context."""
    if type(function) is not BuiltinFunctionType or function.__name__ != "run":
        return False
    contexts = sys.modules.get("contextvars")
    return type(function.__self__) is vars(contexts).get("Context") if contexts else False


# -- futures ---------------------------------------------------------------------------------------

_noted: Final[dict[int, tuple[ref[Any], str]]] = {}


def note_future(future: Any, name: str) -> None:
    """Note what a future is for. It is not kept alive, and not asked whether it equals another."""
    key = id(future)
    _noted[key] = ref(future, lambda _: _noted.pop(key, None)), name


def of_asyncio() -> tuple[Any, ...] | None:
    """Return what the native core has to know of asyncio; None while that is not imported.

    The classes of its futures and tasks, how to get the coroutine of a task, and the futures that
    were noted.
    """
    future, task = compat.asyncio_future_class(), compat.asyncio_task_class()
    if future is None or task is None:
        return None
    return future, task, vars_of(task).get("get_coro"), _noted


def name_of_future(end: Any) -> str:
    """Return the name of the future that ends a chain, by what it is for.

    Or of the coroutine, if it is compiled: there the chain ends, too. ``?`` if it is neither.
    """
    if _NAME(type(end)) != "FutureIter":
        return _name_of_compiled(end)
    future = future_of(end)
    if future is None:
        return _FUTURE
    if compat.asyncio_is_gathering(type(future)):
        return "gather"
    noted = _noted.get(id(future))
    if noted is not None:
        return noted[1]
    task = compat.asyncio_task_class()
    if task is not None and task in classes_of(type(future)):
        return f"Task ({_function_of_task(task, future)})"
    return _FUTURE


def future_of(end: Any) -> Any:
    """Return the future that ends a chain; None if something else does."""
    if _NAME(type(end)) != "FutureIter":
        return None
    return next((one for one in gc.get_referents(end) if _is_future(type(one))), None)


def _name_of_compiled(found: Any) -> str:
    """Return the name of a coroutine that Cython has compiled, as those of uvloop and asyncpg."""
    if _NAME(type(found)) == "coroutine_wrapper":  # from its `__await__`
        found = next(iter(gc.get_referents(found)), None)
    if _NAME(type(found)) not in _COMPILED:
        return UNKNOWN
    name = vars_of(type(found)).get("__qualname__")
    if type(name) is not GetSetDescriptorType:  # a class of the program's, of the same name
        return UNKNOWN
    return stable_name(str.__str__(name.__get__(found)))


_COMPILED: Final = {"coroutine", "iterable_coroutine"}

_NAME: Final = type.__dict__["__name__"].__get__  # whatever a type's own type says of names


def _is_future(kind: type) -> bool:
    future = compat.asyncio_future_class()
    return future is not None and future in classes_of(kind)


def _function_of_task(task: Any, future: Any) -> str:
    """Return the name of the function that a task runs."""
    coroutine = unstepped(task.get_coro(future))
    kind = type(coroutine)
    if kind is CoroutineType or kind is GeneratorType:
        return stable_name(str.__str__(coroutine.__qualname__))
    return _name_of_compiled(coroutine)


def unstepped(coroutine: Any) -> Any:
    """Return the coroutine that one of ours stands for; any other as it is."""
    while (inner := _STEPPED.get(type(coroutine))) is not None:
        coroutine = inner(coroutine)
    return coroutine


_STEPPED: Final[dict[type, Callable[[Any], Any]]] = (
    {} if native is None else {native.ObservedCoroutine: native.unobserved}
)


def register_stepped(kind: type, inner: Callable[[Any], Any]) -> None:
    """Register a class of coroutines of ours, and how to get the one that it stands for."""
    _STEPPED[kind] = inner
