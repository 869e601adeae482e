"""Lets a thread of ours work in short slices, so that no thread of the program waits long for it.

A thread that computes in Python gives up the GIL only if it is asked for it, five milliseconds
later: so long each `select` of a loop would take. Python cannot be told to ask one thread earlier.
So long loops of ours go over `paced` items, and a thread that works at a pace rests between two of
them now and then, without the GIL. In any other thread `paced` returns what it is given.
"""

from __future__ import annotations

import threading
from heapq import merge
from itertools import islice
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Self

    _Item = TypeVar("_Item")

__all__ = ["Pace", "paced", "sorted_at_pace"]

_SLICE: Final = 0.000_3
"""Seconds that a thread works at once."""

_BREAK: Final = 0.000_05
"""Seconds that it rests then. The system makes it twice as long."""


_RUN: Final = 256
"""How many items are sorted at once."""


class _Here(threading.local):
    pace: Pace | None = None


_here: Final = _Here()


class Pace:
    """The thread that enters this works in slices until it leaves.

    Args:
        clock: returns the time in seconds.
        rest: sleeps for so many seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = perf_counter,
        rest: Callable[[float], object] = sleep,
    ) -> None:
        self._clock = clock
        self._rest = rest
        self._until = 0.0

    def __enter__(self) -> Self:
        self._until = self._clock() + _SLICE
        _here.pace = self
        return self

    def __exit__(self, *_: object) -> None:
        _here.pace = None

    def over(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield items, and rest between two of them if it is time."""
        clock = self._clock
        for item in items:
            if clock() > self._until:
                self._rest(_BREAK)
                self._until = clock() + _SLICE
            yield item


def paced(items: Iterable[_Item]) -> Iterable[_Item]:
    """Return items for a loop that takes long, with rests if this thread works at a pace."""
    pace = _here.pace
    return items if pace is None else pace.over(items)


def sorted_at_pace(items: Iterable[Any], key: Callable[[Any], Any] | None = None) -> list[Any]:
    """Return items in order, as `sorted` does, with rests if this thread works at a pace."""
    if _here.pace is None:
        return sorted(items, key=key)
    left = iter(items)
    runs = iter(lambda: sorted(islice(left, _RUN), key=key), [])
    return list(paced(merge(*paced(runs), key=key)))
