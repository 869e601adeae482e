"""Which methods of locks, semaphores, limiters, queues and channels are replaced, and when.

They are replaced while a recording wants to know of resources, in the modules that the program has
imported. What a lock of anyio does on trio is seen in the lock of trio within it.

Not followed: a condition of asyncio that was made before, as it keeps the methods of its lock.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.instruments import resource_methods as methods
from tracetools.instruments.module_imports import forget, when_imported
from tracetools.instruments.patching import Patches, lock
from tracetools.instruments.resource_methods import PUT, TAKE, Kind, whole
from tracetools.recording.resources import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.recording.resources import Resources

__all__ = ["is_in", "put_in", "take_out"]


def _itself(thing: Any) -> Any:
    """Return the object of trio's that does the work of one of anyio's, or the object."""
    for name in ("Lock", "Semaphore", "CapacityLimiter"):
        found = getattr(thing, f"_{name}__original", None)
        if found is not None:
            return found
    return thing


def _lock_of(condition: Any) -> Any:
    return _itself(condition._lock)  # noqa: SLF001  # it has no other name


def _futures(thing: Any) -> tuple[Any, ...]:
    """Return the futures that tasks wait for in a lock or a semaphore of asyncio's."""
    return tuple(getattr(thing, "_waiters", None) or ())


def _tells(thing: Any) -> bool:
    """Whether something counts who waits for it, as those of trio and anyio do."""
    return hasattr(thing, "statistics")


def _waiting(thing: Any) -> int:
    """Return how many tasks wait for a lock, a semaphore or a limiter."""
    if _tells(thing):
        return int(thing.statistics().tasks_waiting)
    return sum(not future.done() for future in _futures(thing))


def _state_of_lock(thing: Any, _: int | None) -> State:
    """Return the state; a lock of asyncio's is not locked until who was given it steps."""
    given = () if _tells(thing) else _futures(thing)
    is_given = any(future.done() and not future.cancelled() for future in given)
    return State(1, 0 if is_given or thing.locked() else 1, waiting=_waiting(thing))


def _value(thing: Any) -> int:
    return int(thing._value if not hasattr(thing, "value") else thing.value)  # noqa: SLF001


def _state_of_semaphore(thing: Any, size: int | None) -> State:
    """Return the state; of one that was made before, it is only known how large it is at least."""
    value = _value(thing)
    if size is None:
        known = (getattr(thing, name, None) for name in ("max_value", "_bound_value"))
        size = next((int(each) for each in known if each is not None), max(value, 1))
    return State(size, value, waiting=_waiting(thing))


def _state_of_limiter(thing: Any, _: int | None) -> State:
    size, free = whole(thing.total_tokens), whole(thing.available_tokens)
    return State(size, 1 << 62 if free is None else free, waiting=_waiting(thing))


def _places(queue: Any) -> int | None:
    return queue.maxsize if queue.maxsize > 0 else None


def _state_of_queue(queue: Any, _: int | None) -> State:
    return State(_places(queue), queue.qsize(), is_queue=True)


def _buffer(channel: Any) -> Any:
    """Return what both ends of a channel have in common."""
    return channel._state  # noqa: SLF001  # both ends have it, and no other name for it


def _items(buffer: Any) -> int:
    return len(buffer.data if hasattr(buffer, "data") else buffer.buffer)


def _state_of_channel(buffer: Any, _: int | None) -> State:
    size = whole(buffer.max_buffer_size)
    return State(size, _items(buffer), is_queue=True, hands_over=True)


_LOCK: Final = Kind("", _state_of_lock, lambda _: 1)
_SEMAPHORE: Final = Kind("", _state_of_semaphore, _value)
_LIMITER: Final = Kind(
    "", _state_of_limiter, lambda limiter: whole(limiter.total_tokens), may_change=True
)
_QUEUE: Final = Kind("", _state_of_queue, _places, length=lambda queue: queue.qsize())
_CHANNEL: Final = Kind(
    "memory channel",
    _state_of_channel,
    lambda buffer: whole(buffer.max_buffer_size),
    _buffer,
    _items,
)
_ADAPTER: Final = Kind("", lambda _, __: State(None, 0), lambda _: None)


def _within(kind: Kind) -> Kind:
    """Return the kind of what is within the objects of a class."""
    return kind._replace(itself=_itself)


class _Place(NamedTuple):
    """A method in a class of a module."""

    module: str
    owner: str
    method: str
    replace: Callable[[Any], Any]


def _holding(module: str, owner: str, kind: Kind, *, nowait: bool) -> list[_Place]:
    """Return the methods of locks and semaphores."""
    named: list[tuple[str, Any]] = [
        ("__init__", methods.makes(kind)),
        ("acquire", methods.acquires(kind)),
        ("release", methods.releases(kind)),
    ]
    if nowait:
        named.append(("acquire_nowait", methods.gets_at_once(kind)))
    return [_Place(module, owner, name, replace) for name, replace in named]


def _limiting(module: str) -> list[_Place]:
    return [
        _Place(module, "CapacityLimiter", name, replace)
        for name, replace in (
            ("__init__", methods.makes(_LIMITER)),
            ("acquire_on_behalf_of", methods.acquires_for(_LIMITER)),
            ("acquire_on_behalf_of_nowait", methods.gets_at_once_for(_LIMITER)),
            ("release_on_behalf_of", methods.releases_for(_LIMITER)),
        )
    ]


def _through(module: str, owner: str, side: methods.Side, way: str) -> list[_Place]:
    """Return the methods of one end of a channel."""
    return [
        _Place(module, owner, "__init__", methods.makes(_CHANNEL)),
        _Place(module, owner, way, methods.acquires(_CHANNEL, side)),
        _Place(module, owner, f"{way}_nowait", methods.gets_at_once(_CHANNEL, side)),
    ]


_OF_ANYIO: Final = "anyio._core._synchronization"
_ANYIO_ON_ASYNCIO: Final = "anyio._backends._asyncio"
_ANYIO_ON_TRIO: Final = "anyio._backends._trio"

_PLACES: Final = [
    *_holding("asyncio.locks", "Lock", _LOCK, nowait=False),
    *_holding("asyncio.locks", "Semaphore", _SEMAPHORE, nowait=False),
    _Place("asyncio.locks", "Condition", "__init__", methods.has_condition(_lock_of)),
    _Place("asyncio.queues", "Queue", "__init__", methods.makes(_QUEUE)),
    _Place("asyncio.queues", "Queue", "put", methods.acquires(_QUEUE, PUT)),
    _Place("asyncio.queues", "Queue", "get", methods.acquires(_QUEUE, TAKE)),
    _Place("asyncio.queues", "Queue", "put_nowait", methods.gets_at_once(_QUEUE, PUT)),
    _Place("asyncio.queues", "Queue", "get_nowait", methods.gets_at_once(_QUEUE, TAKE)),
    *_holding("trio", "Lock", _LOCK, nowait=True),
    *_holding("trio", "StrictFIFOLock", _LOCK, nowait=True),
    *_holding("trio", "Semaphore", _SEMAPHORE, nowait=True),
    *_limiting("trio"),
    _Place("trio", "Condition", "__init__", methods.has_condition(_lock_of)),
    _Place("trio", "Condition", "wait", methods.reacquires(_LOCK, _lock_of)),
    *_through("trio", "MemorySendChannel", PUT, "send"),
    *_through("trio", "MemoryReceiveChannel", TAKE, "receive"),
    *_through("anyio.streams.memory", "MemoryObjectSendStream", PUT, "send"),
    *_through("anyio.streams.memory", "MemoryObjectReceiveStream", TAKE, "receive"),
    *_holding(_ANYIO_ON_ASYNCIO, "Lock", _LOCK, nowait=True),
    *_holding(_ANYIO_ON_ASYNCIO, "Semaphore", _SEMAPHORE, nowait=True),
    *_limiting(_ANYIO_ON_ASYNCIO),
    _Place(_ANYIO_ON_TRIO, "Lock", "acquire", methods.acquires(_within(_LOCK))),
    _Place(_ANYIO_ON_TRIO, "Semaphore", "acquire", methods.acquires(_within(_SEMAPHORE))),
    _Place(_OF_ANYIO, "Condition", "__init__", methods.has_condition(_lock_of)),
    _Place(_OF_ANYIO, "LockAdapter", "__init__", methods.makes(_ADAPTER)),
    _Place(_OF_ANYIO, "SemaphoreAdapter", "__init__", methods.makes(_ADAPTER)),
    _Place(_OF_ANYIO, "CapacityLimiterAdapter", "__init__", methods.makes(_ADAPTER)),
]

_OLD_ANYIO: Final = [
    *_holding(_OF_ANYIO, "Lock", _LOCK, nowait=True),
    *_holding(_OF_ANYIO, "Semaphore", _SEMAPHORE, nowait=True),
]
"""Before anyio 4.5, its locks and semaphores were the same on both backends."""


def put_in(log: Resources) -> None:
    """Tell a recording of resources, from now on."""
    with lock():
        if any(other is log for other in _users):
            return
        is_first = not _users
        _users.append(log)
        methods.listen(log)
        if is_first:
            for module, action in _actions.items():
                when_imported(module, action)


def take_out(log: Resources) -> None:
    """Tell it no more; after the last one, all is as it was before."""
    with lock():
        others = [other for other in _users if other is not log]
        if len(others) == len(_users):
            return
        _users[:] = others
        methods.unlisten(log)
        if not others:
            for action in _actions.values():
                forget(action)
            _patches.undo()


def is_in() -> bool:
    """Whether anything is replaced, or waits for an import, just now."""
    return bool(_users or _patches)


def _install(module: str) -> None:
    """Replace the methods of a module that the program has imported."""
    found = sys.modules.get(module)
    places = [place for place in _PLACES if place.module == module]
    if module == _OF_ANYIO and "acquire" not in vars(getattr(found, "LockAdapter", _Nothing)):
        places = _OLD_ANYIO + [place for place in places if place.owner == "Condition"]
    with lock():
        for place in places if _users else ():
            owner = getattr(found, place.owner, None)
            if isinstance(owner, type) and _is_of(owner, module) and hasattr(owner, place.method):
                _patches.replace(owner, place.method, place.replace)
        if module == "trio" and _users:
            _protect(found)


def _is_of(owner: type, module: str) -> bool:
    """Whether a class is of a package, and not one that a module has imported."""
    return str(owner.__module__).partition(".")[0] == module.partition(".")[0]


class _Nothing:
    """Stands for a class that is not there."""


def _protect(trio: Any) -> None:
    """Let Ctrl-C wait while a replacement runs; trio finds it by its code."""
    for function in methods.protected():
        trio.lowlevel.enable_ki_protection(function)


_users: Final[list[Resources]] = []
_patches: Final = Patches()
_actions: Final = {
    module: partial(_install, module) for module in dict.fromkeys(place.module for place in _PLACES)
}
