"""Dividing the exact time of a stack over the functions that were seen within it.

What may live here: the arithmetic of looks, in whole nanoseconds. What must not: how one looks.

Looks give the shares, the accounting gives the totals; and what no look saw stays where it was. A
look is wanted at moments that have nothing to do with what the program does. Then the time that it
stands for is the time since the last one that was wanted, and its place is a fair sample, if the
look came at once. But a thread that computes gives way to the one that looks after a while only
(`sys.getswitchinterval`), or as soon as it waits for something: so right before and after each such
place is where most looks come to lie. Hence three kinds of looks are told apart by how long they
had to wait:

- *free*, at once: what was seen lets other threads run. It is a fair sample of just that, so these
  looks tell how much time was spent in it.
- *held*, as late as a thread that computes lets one come: a fair sample of what computes. These
  looks share what the others leave of the time.
- in between, the thread has given way by itself: it did something else when the look was wanted.
  These looks say nothing, but how many of their like were taken for free ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracetools.stacks import Stack

__all__ = ["Look", "Shares"]

_MOST: Final = 2
"""For how many times the time that held looks stand for they may answer: what is too short to be
seen is much like what is not, but nobody knows."""


@dataclass
class Look:
    """What looks have seen of one place: nanoseconds that they stand for, by their kind."""

    free: int = 0
    held: int = 0
    between: int = 0


class Shares:
    """What looks have seen, by the stack that has the time, and the place below it.

    Attributes:
        count: how many looks there were that saw a task or thread at work.
    """

    def __init__(self) -> None:
        self.count = 0
        self._seen: dict[Stack, dict[Stack, Look]] = {}

    def look(self, own: Stack, place: Stack) -> Look:
        """Return what is known of a place, to be added to."""
        places = self._seen.get(own)
        if places is None:
            places = self._seen[own] = {}
        found = places.get(place)
        if found is None:
            found = places[place] = Look()
        return found

    def divided(self, times: Mapping[Stack, int]) -> Iterator[tuple[Stack, Stack, int]]:
        """Divide the time of stacks: say how much goes from each to which place below it."""
        for own, places in tuple(self._seen.items()):
            total = times.get(own, 0)
            if total > 0:
                yield from (
                    (own, place, time)
                    for place, time in divide(total, dict(places)).items()
                    if place is not own and time
                )


def divide(total: int, looks: Mapping[Stack, Look]) -> dict[Stack, int]:
    """Divide nanoseconds over places. What is left belongs to none of them."""
    free = {place: max(look.free - look.between, 0) for place, look in looks.items()}
    freely = min(sum(free.values()), total)
    parts = _in_proportion(freely, free)
    held = {place: look.held for place, look in looks.items()}
    for place, part in _in_proportion(
        min(total - freely, _MOST * sum(held.values())), held
    ).items():
        parts[place] += part
    return parts


def _in_proportion(total: int, weights: Mapping[Stack, int]) -> dict[Stack, int]:
    whole = sum(weights.values())
    return {place: total * weight // whole if whole else 0 for place, weight in weights.items()}
