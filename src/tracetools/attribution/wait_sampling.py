"""How much of a program's time may be spent in looking at what its tasks await.

What may live here: which waits are worth a look, given how many there are. What must not: how one
looks (`awaits`), and where the time goes (`accounting`).

Most waits are short, and most of the waiting is in few long ones: in a web service, 70 % of the
waits had 0.5 % of the time. So where looking at all would take more than its part, waits are looked
at with probabilities in proportion to their length (Poisson sampling, as surveys do it by size):
then every millisecond of waiting is as likely to be seen as any other.
"""

from __future__ import annotations

from random import Random
from typing import Final

__all__ = ["Allowance"]


class Allowance:
    """Decides which waits are looked at: the fewer, the less time is left for it.

    Looking may take one `PART` of the time, and `MOST` nanoseconds may be saved up, for many tasks
    that resume at once. A wait of more than `LONG`, and of more than `least`, is always worth it.

    Args:
        least: waits that are not longer are never looked at, in nanoseconds.
        now: a moment, in nanoseconds of any clock.
    """

    PART: Final = 50
    MOST: Final = 2_000_000
    LONG: Final = 10_000_000
    _DEAREST: Final = 10_000_000_000
    _LEVELS: Final = 16

    def __init__(self, least: int, now: int) -> None:
        self._left = self.MOST
        self._then = now
        self._least = least
        self._long = max(least, self.LONG)
        self._random = Random().random  # noqa: S311  # nor is it the program's, which may be seeded
        highest, lowest = max(least, self._DEAREST), max(least, 1000)
        self._worth: list[int] = [
            round(highest * (lowest / highest) ** (level / self._LEVELS))
            for level in range(self._LEVELS)
        ]
        self._worth.append(least)

    def stands_for(self, wait: int, now: int) -> int:
        """Say for how much waiting a look at a wait stands that ends now, all in nanoseconds.

        For itself, if it is looked at in any case; for more if that is as likely as it is long; for
        0 if it is not to be looked at.
        """
        left = self._left + (now - self._then) // self.PART
        self._left = left = min(left, self.MOST)
        self._then = now
        if wait <= self._least:
            return 0
        worth = self._worth[max(left * self._LEVELS // self.MOST, 0)]
        if wait >= worth or wait > self._long:
            return wait
        return worth if wait > worth * self._random() else 0

    def spend(self, time: int) -> None:
        """Note that a look has taken so many nanoseconds.

        As little can be owed as be saved up, though long waits may take any time.
        """
        self._left = max(self._left - time, -self.MOST)
