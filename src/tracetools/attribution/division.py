"""Dividing the exact time of a stack over the functions that were seen within it.

What may live here: the arithmetic of looks, in whole nanoseconds. What must not: how one looks.

Looks give the shares, the accounting gives the totals; and what no look saw stays where it was. A
look is made at a moment that has nothing to do with what the program does, and stands for some time
(see `pace`): so looks are never counted, but weighed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from tracetools.core.stacks import Stack

__all__ = ["Shares", "divide"]

Seen = TypeVar("Seen")

_MOST: Final = 2
"""For how many times the time that they stand for looks may answer. Parts of steps that are too
short to be seen are much like those that are not; but of a stack that was hardly ever seen, most is
unknown."""

_MOST_KEPT: Final = 100_000
"""How much of what looks have seen is kept as it is, counted by what their keys have in them."""


class _Looks(Generic[Seen]):
    """All looks that saw the same.

    Attributes:
        own: the stack that has the time.
        seen: what they saw, whatever that is.
        stand_for: for how many nanoseconds, in all.
        place: the stack of what they saw, once it was asked for.
    """

    __slots__ = ("own", "place", "seen", "stand_for")

    def __init__(self, own: Stack, seen: Seen) -> None:
        self.own = own
        self.seen = seen
        self.stand_for = 0
        self.place: Stack | None = None


class Shares(Generic[Seen]):
    """What looks have seen, by the stack that has the time, and the place below it.

    Looks are made while the program waits. So a look is added as it is, and where its place is will
    be asked when somebody wants to know, but for so many that they cannot all be remembered.

    Args:
        place_of: returns the stack of what was seen: the one that has the time, or one below it.

    Attributes:
        count: how many looks there were that saw a task or thread at work.
    """

    def __init__(self, place_of: Callable[[Seen], Stack]) -> None:
        self.count = 0
        self._place_of = place_of
        self._looks: dict[tuple[Hashable, ...], _Looks[Seen]] = {}
        self._kept = 0
        self._settled: dict[Stack, dict[Stack, int]] = {}

    def add(self, own: Stack, key: tuple[Hashable, ...], seen: Seen, stands_for: int) -> None:
        """Add a look: what runs under the stack `own`, and for how many nanoseconds it stands.

        Looks with the same key have seen the same. Those of one stack are added by one thread.
        """
        self.count += 1
        looks = self._looks.get(key)
        if looks is None:
            self._kept += len(key)
            while self._kept > _MOST_KEPT and self._looks:
                self._settle_first()
            looks = self._looks[key] = _Looks(own, seen)
        looks.stand_for += stands_for

    def find_places(self) -> None:
        """Find the places of all that was seen up to now, so that dividing takes no time."""
        for looks in tuple(self._looks.values()):
            self._place(looks)

    def divided(self, times: Mapping[Stack, int]) -> Iterator[tuple[Stack, Stack, int]]:
        """Divide the time of stacks: say how much goes from each to which place below it."""
        all_looks = tuple(self._looks.values())  # first: see `_settle_first`
        seen = {own: places.copy() for own, places in tuple(self._settled.items())}
        for looks in all_looks:
            self._add_to(seen, looks)
        for own, places in seen.items():
            for place, part in divide(times.get(own, 0), places).items():
                if place is not own and part:
                    yield own, place, part

    def forget(self) -> None:
        """Forget all looks, but not how many there were."""
        self._looks, self._settled, self._kept = {}, {}, 0

    def _settle_first(self) -> None:
        """Find the place of the looks that are known for longest, and forget what they saw.

        Who divides meanwhile, in another thread, may take them twice, and no time with that.
        """
        first = next(iter(self._looks.items()), None)
        if first is None:  # all were forgotten just now
            return
        key, looks = first
        self._add_to(self._settled, looks)
        if self._looks.pop(key, None) is not None:
            self._kept -= len(key)

    def _add_to(self, seen: dict[Stack, dict[Stack, int]], looks: _Looks[Seen]) -> None:
        place = self._place(looks)
        places = seen.setdefault(looks.own, {})
        places[place] = places.get(place, 0) + looks.stand_for

    def _place(self, looks: _Looks[Seen]) -> Stack:
        if looks.place is None:
            looks.place = self._place_of(looks.seen)
        return looks.place


def divide(total: int, looks: Mapping[Stack, int]) -> dict[Stack, int]:
    """Divide nanoseconds over places by what looks at them stand for; a rest belongs to none."""
    whole = sum(looks.values())
    shared = min(max(total, 0), _MOST * whole)
    return {place: shared * look // whole for place, look in looks.items() if whole}
