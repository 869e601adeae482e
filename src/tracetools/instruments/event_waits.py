"""Measures how long loops wait for events: one reading of the clock before, one after.

Loops ask a selector (asyncio), or an object of trio's, with the seconds that they can wait. While
loops are recorded, that method is replaced in the class. A call that cannot wait reads no clock.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.native import accelerated
from tracetools.instruments.patching import Patches, lock
from tracetools.instruments.stepped import hide_frame
from tracetools.recording.current import recorded_loops

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.recording.loops import RecordedLoop

__all__ = ["unwatch", "watch"]

_patches: Final = Patches()
_watches: Final[Counter[tuple[type, str]]] = Counter()
"""How many want each method that is replaced."""


def watch(poller: object, method: str) -> None:
    """Measure the waits of loops that call `method` of objects like `poller`.

    Once more for each `unwatch`. Does nothing if the class cannot be changed.
    """
    owner = _owner(type(poller), method)
    if owner is None:
        return
    with lock(), suppress(TypeError):  # it is written in C
        if not _watches[owner, method]:
            _patches.replace(owner, method, _measured)
        _watches[owner, method] += 1


def unwatch(poller: object, method: str) -> None:
    """Undo one `watch`; after the last one, the method is what it was."""
    owner = _owner(type(poller), method)
    with lock():
        if owner is None or not _watches[owner, method]:
            return
        _watches[owner, method] -= 1
        if not _watches[owner, method]:
            del _watches[owner, method]
            _patches.undo_one(owner, method)


def _owner(kind: type, method: str) -> type | None:
    return next((known for known in kind.__mro__ if method in vars(known)), None)


def _measured(original: Callable[..., Any]) -> Callable[..., Any]:
    return measured_poll(original, recorded_loops)


@accelerated
def measured_poll(
    original: Callable[..., Any], recorded: dict[int, RecordedLoop | tuple[RecordedLoop, ...]]
) -> Callable[..., Any]:
    """Return a method that does the same, and charges the time to the loops of this thread.

    Args:
        original: the method.
        recorded: the loops that are recorded, by thread.
    """

    @functools.wraps(original)
    def poll(self: Any, timeout: float | None = None) -> Any:
        try:
            if timeout is not None and timeout <= 0:
                return original(self, timeout)
            found = recorded.get(get_ident(), ())
            here = found if isinstance(found, tuple) else (found,)
            loops = [one for one in here if one.poller == id(self) and one.current is None]
            begun = [loop.clock() for loop in loops]
            try:
                return original(self, timeout)
            finally:
                for loop, begin in zip(loops, begun):  # noqa: B905  # of one length
                    loop.waited(begin, loop.clock())
        except BaseException as error:
            hide_frame(error)
            raise

    return poll
