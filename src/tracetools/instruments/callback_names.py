"""Names a callback of a loop by the function that it runs.

Nothing is asked of an object of the program, which may lie or raise. Types are compared by
identity, and what they have is read past whatever their own class says.
"""

from __future__ import annotations

import functools
import os
from contextvars import Context
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.awaits import classes_of, vars_of
from tracetools.core.interruptions import is_interruption
from tracetools.core.labels import memoised_frames, stable_name
from tracetools.core.stacks import CANCELS, Frame
from tracetools.instruments.task_functions import task_function
from tracetools.recording.spans import unobserved

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["callback_frame", "is_known_by_code"]

_MOST_WRAPPERS: Final = 16
_OUR_FOLDER: Final = os.path.dirname(__file__) + os.sep


def callback_frame(callback: Any, args: tuple[Any, ...] = ()) -> Frame | None:
    """Return the frame of the function that a callback runs; ``None`` if it is asyncio's, or ours.

    Args:
        callback: what a loop calls.
        args: what it is called with.
    """
    for _ in range(_MOST_WRAPPERS):
        delivery = _delivery(callback)
        if delivery is not None:
            return _frame_of_delivery(callback, delivery)
        callback = unobserved(callback)
        if type(callback) is FunctionType:
            return _frame_of_function(callback)
        found = _within(callback, args)
        if found is None:
            break
        callback, args = found
    return _frame_without_code(callback)


def is_known_by_code(callback: Any) -> bool:
    """Whether a callback is known by its function, whatever its object and arguments."""
    function = callback.__func__ if type(callback) is MethodType else callback
    if type(function) is not FunctionType or type(function.__qualname__) is not str:
        return False
    if _delivery(callback) is not None:
        return False
    code = function.__code__
    calls_another = compat.asyncio_calls_protocol(code) and compat.is_of_asyncio(code)
    return callback is function or not (calls_another or compat.is_of_tornado(code))


def _delivery(callback: Any) -> compat.Delivery | None:
    return compat.anyio_delivery(callback) if type(callback) is MethodType else None


def _frame_of_delivery(method: MethodType, delivery: compat.Delivery) -> Frame | None:
    """Return the frame of a callback of anyio that cancels tasks, named by them."""
    try:
        frames = {task_function(task.get_coro())[0]: None for task in delivery.tasks}
        host = task_function(delivery.host.get_coro())[0]
    except Exception as error:  # a task of the program's own kind
        if is_interruption(error):
            raise
        frames = {}
    if not frames:
        function: Any = method.__func__
        return _frame_of_function(function)
    names = [frame.name for frame in frames]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    name = f"{CANCELS}{', '.join(names[:_MOST_NAMES])}{more} in a scope of {host.name}"
    return next(iter(frames))._replace(name=name)


_MOST_NAMES: Final = 3


def _frame_of_function(function: FunctionType) -> Frame | None:
    code = function.__code__
    return _frame(str.__str__(function.__qualname__), code) if _is_of_program(code) else None


_frame: Final = memoised_frames()


def _is_of_program(code: CodeType) -> bool:
    """Whether a function is neither asyncio's nor ours."""
    return not (compat.is_of_asyncio(code) or code.co_filename.startswith(_OUR_FOLDER))


def _within(callback: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]] | None:
    """Return what a callback calls in turn, and with what; None if that cannot be seen."""
    kind = type(callback)
    if kind is MethodType:
        given = compat.tornado_callback(callback, args)
        if given is None:
            given = compat.asyncio_protocol_method(callback) or callback.__func__
        return given, ()
    if kind is BuiltinMethodType:
        runs = type(callback.__self__) is Context and callback.__name__ == "run"
        return (args[0], args[1:]) if runs and args else None
    if kind is staticmethod or kind is classmethod:
        return callback.__func__, args
    if kind is _LRU_CACHE:
        return callback.__wrapped__, args
    if _derives(kind, functools.partial):
        return _FUNC(callback), (*_ARGS(callback), *args)
    is_class = _derives(kind, type)
    called = _found_in(callback, "__init__") if is_class else _found_in(kind, "__call__")
    return None if called is None or type(called) is _SLOT else (called, args)


_LRU_CACHE: Final = type(functools.lru_cache(len))
_FUNC: Final = functools.partial.__dict__["func"].__get__
_ARGS: Final = functools.partial.__dict__["args"].__get__
_SLOT: Final = type(object.__init__)
"""The type of special methods that are written in C."""


def _derives(kind: type, base: type) -> bool:
    """Whether a class is another one or derives from it; its metaclass is not asked."""
    return any(known is base for known in classes_of(kind))


def _found_in(kind: type, name: str) -> Any:
    return next(
        (vars_of(known)[name] for known in classes_of(kind) if name in vars_of(known)), None
    )


def _frame_without_code(callback: Any) -> Frame | None:
    """Return the frame of a function in C, or of an object whose function cannot be seen.

    It has no location. A method of a future is asyncio's own.
    """
    kind = type(callback)
    if not _derives(kind, BuiltinMethodType):
        return Frame(_name(callback if _derives(kind, type) else kind))
    owner = callback.__self__
    if owner is None or type(owner) is ModuleType:
        module = callback.__module__
        return Frame(f"{module}.{callback.__name__}" if type(module) is str else callback.__name__)
    of_class = owner if _derives(type(owner), type) else type(owner)
    if _derives(of_class, compat.asyncio_future_class()):
        return None
    return Frame(f"{_name(of_class)}.{callback.__name__}")


def _name(kind: type) -> str:
    return stable_name(str.__str__(_QUALNAME(kind)))


_QUALNAME: Final = type.__dict__["__qualname__"].__get__
