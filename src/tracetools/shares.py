"""Dividing the exact time of a stack over the functions that were seen within it.

What may live here: the arithmetic of looks, in whole nanoseconds. What must not: how one looks.

Looks give the shares, the accounting gives the totals; and what no look saw stays where it was. A
look is wanted at moments that have nothing to do with what the program does, and it stands for the
time since the one before it: so looks are never counted, but weighed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracetools.stacks import Stack

__all__ = ["Shares", "divide"]

_MOST: Final = 2
"""For how many times the time that they stand for looks may answer. Parts of steps that are too
short to be seen are much like those that are not; but of a stack that was hardly ever seen, most is
unknown."""


class Shares:
    """What looks have seen, by the stack that has the time, and the place below it.

    Attributes:
        count: how many looks there were that saw a task or thread at work.
    """

    def __init__(self) -> None:
        self.count = 0
        self._seen: dict[Stack, dict[Stack, int]] = {}

    def add(self, own: Stack, place: Stack, stands_for: int) -> None:
        """Add a look: what runs under the stack `own`, and for how many nanoseconds it stands."""
        self.count += 1
        places = self._seen.get(own)
        if places is None:
            places = self._seen[own] = {}
        places[place] = places.get(place, 0) + stands_for

    def divided(self, times: Mapping[Stack, int]) -> Iterator[tuple[Stack, Stack, int]]:
        """Divide the time of stacks: say how much goes from each to which place below it."""
        for own, places in tuple(self._seen.items()):
            for place, part in divide(times.get(own, 0), places.copy()).items():
                if place is not own and part:
                    yield own, place, part


def divide(total: int, looks: Mapping[Stack, int]) -> dict[Stack, int]:
    """Divide nanoseconds over places by what looks at them stand for; a rest belongs to none."""
    whole = sum(looks.values())
    shared = min(max(total, 0), _MOST * whole)
    return {place: shared * look // whole for place, look in looks.items() if whole}
