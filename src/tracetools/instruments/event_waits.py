"""Measures how long loops wait for events: one reading of the clock before, one after.

Loops ask a selector (asyncio), or an object of trio's, with the seconds that they can wait. While
loops are recorded, that method is replaced in the class. A call that cannot wait reads no clock.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tracetools.recording.current import loops_here

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["unwatch", "watch"]

_patches: Final[dict[tuple[type, str], tuple[Any, Any, int]]] = {}
"""For each method that is replaced: what was there before, ours, and how many want it."""

_made: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()
"""All methods of ours that are still somewhere, and what each was made of."""

_lock = threading.RLock()


def watch(poller: object, method: str) -> None:
    """Measure the waits of loops that call `method` of objects like `poller`.

    Once more for each `unwatch`. Does nothing if the class cannot be changed.
    """
    owner = _owner(type(poller), method)
    if owner is None:
        return
    with _lock:
        original, ours, count = _patches.get((owner, method), (None, None, 0))
        if not count:
            original = ours = vars(owner)[method]
            if ours in _made:  # other code has put it back
                original = _made[ours]
            else:
                ours = _measured(original)
                _made[ours] = original
            try:
                setattr(owner, method, ours)
            except TypeError:  # it is written in C
                return
        _patches[owner, method] = original, ours, count + 1


def unwatch(poller: object, method: str) -> None:
    """Undo one `watch`; after the last one, the method is what it was."""
    owner = _owner(type(poller), method)
    with _lock:
        if owner is None or (owner, method) not in _patches:
            return
        original, ours, count = _patches.pop((owner, method))
        if count > 1:
            _patches[owner, method] = original, ours, count - 1
        elif vars(owner).get(method) is ours:  # else other code has replaced it since
            setattr(owner, method, original)


def _owner(kind: type, method: str) -> type | None:
    return next((known for known in kind.__mro__ if method in vars(known)), None)


def _measured(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that does the same, and charges the time to the loop of this thread."""

    @functools.wraps(original)
    def poll(self: Any, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return original(self, timeout)
        loops = [loop for loop in loops_here() if loop.poller == id(self) and loop.current is None]
        begun = [loop.clock() for loop in loops]
        try:
            return original(self, timeout)
        finally:
            for loop, begin in zip(loops, begun):  # noqa: B905  # of one length
                loop.waited(begin, loop.clock())

    return poll


def _renew_lock() -> None:
    """In a forked process: the lock may be held by a thread that does not exist here."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
