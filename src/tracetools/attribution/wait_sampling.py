"""Chooses the waits whose await chains are walked, so that walking takes little of the time.

Most waits are short, and most of the waiting is in a few long ones: in a web service, 70 % of the
waits had 0.5 % of the time. If all chains cannot be walked, the probability of a wait is in
proportion to its length (Poisson sampling, as surveys do it by size). So every millisecond of
waiting is equally likely to be sampled.
"""

from __future__ import annotations

from random import Random
from typing import Final

__all__ = ["WaitSampling"]


class WaitSampling:
    """Chooses which waits are sampled: the fewer, the less time is left for it.

    Samples may take one `PART` of the time. `MOST` nanoseconds may be saved up, for many tasks that
    resume at once. A wait of more than `LONG`, and of more than `least`, is always sampled.

    Args:
        least: only waits that are longer are sampled, in nanoseconds.
        now: a moment, in nanoseconds of any clock.
    """

    PART: Final = 50
    MOST: Final = 2_000_000
    LONG: Final = 10_000_000
    _MAX_WORTH: Final = 10_000_000_000
    _LEVELS: Final = 16

    def __init__(self, least: int, now: int) -> None:
        self._left = self.MOST
        self._then = now
        self._least = least
        self._long = max(least, self.LONG)
        self._random = Random().random  # noqa: S311  # the program's may be seeded
        highest, lowest = max(least, self._MAX_WORTH), max(least, 1000)
        self._worth: list[int] = [
            round(highest * (lowest / highest) ** (level / self._LEVELS))
            for level in range(self._LEVELS)
        ]
        self._worth.append(least)

    def weight(self, wait: int, now: int) -> int:
        """Return the weight of a wait that ends now; all in nanoseconds.

        It is the length of a wait that is sampled in any case, more for one that was sampled by
        chance, and 0 for one that is not sampled.
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
        """Note that a sample has taken so many nanoseconds.

        No more than `MOST` can be owed, though samples of long waits may take more.
        """
        self._left = max(self._left - time, -self.MOST)
