"""What a loop says of itself, asked of the library that it comes from.

A class of the program's own may override what tells it, and count who asks. It is not asked.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, BaseEventLoop
from types import MethodDescriptorType
from typing import TYPE_CHECKING, Any

from tracetools import compat

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "call_soon_threadsafe",
    "is_closed",
    "is_of_library",
    "is_running",
    "set_task_factory",
    "task_factory",
]


def is_running(loop: Any) -> bool:
    """Whether a loop runs; of one that comes from no library, whether it runs in this thread."""
    method = _method(loop, "is_running")
    if method is None:
        return compat.asyncio_running_loop() is loop
    try:
        return bool(method(loop))
    except AttributeError:  # another thread is just making it
        return False


def is_closed(loop: Any, *, otherwise: bool = False) -> bool:
    """Whether a loop is closed; `otherwise` if it comes from no library."""
    method = _method(loop, "is_closed")
    return bool(otherwise if method is None else method(loop))


def task_factory(loop: Any) -> Any:
    """Return the task factory of a loop; ``None`` if it has none, or comes from no library."""
    method = _method(loop, "get_task_factory")
    return None if method is None else method(loop)


def set_task_factory(loop: Any, factory: Any) -> None:
    """Set the task factory of a loop that comes from a library."""
    method = _method(loop, "set_task_factory")
    if method is not None:
        method(loop, factory)


def is_of_library(loop: Any) -> bool:
    """Whether a loop comes from a library, so that it can be asked."""
    return _method(loop, "is_running") is not None


def call_soon_threadsafe(loop: Any, callback: Callable[[], object]) -> bool:
    """Have a callback called in the thread of a loop; whether it comes from a library.

    Raises:
        RuntimeError: the loop is closed.
    """
    method = _method(loop, "call_soon_threadsafe")
    if method is None:
        return False
    method(loop, callback)
    return True


def _method(loop: Any, name: str) -> Callable[..., Any] | None:
    """Return a method as asyncio or uvloop has it, or another library in C. Types cannot lie."""
    if issubclass(type(loop), BaseEventLoop):
        return getattr(BaseEventLoop, name, None)
    for kind in reversed(type(loop).__mro__):
        method = vars(kind).get(name)
        if method is not None and kind is not AbstractEventLoop:
            root = kind.__module__.partition(".")[0]
            known = root in _LIBRARIES or isinstance(method, MethodDescriptorType)
            return method if known else None
    return None


_LIBRARIES = {"asyncio", "uvloop"}
