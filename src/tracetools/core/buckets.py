"""Sizes as they come: how many tasks wait, by how much they are late; little work for each.

What may live here: what is done while a program runs. What must not: what is asked of the sizes
afterwards (`spread`). It is imported by every program that observes, so it imports little.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

__all__ = ["BITS", "Sizes", "Trend", "bucket_of"]

BITS: Final = 6
"""How many leading bits of a size are kept."""


def bucket_of(size: int) -> int:
    """Return the bucket of a size of 0 or more; larger sizes have larger buckets, or the same.

    Up to 63 each size has one of its own, above that those that have the same six leading bits
    share one: so buckets are few, 32 for each doubling.
    """
    shift = size.bit_length() - BITS
    return size if shift <= 0 else (shift << (BITS - 1)) + (size >> shift)


class Sizes:
    """Sizes of 0 or more that come one by one, in one thread; it can be looked at from any.

    To add one costs next to nothing: it is appended to `pending`, and when these are `BATCH`,
    `condense` is called. The sum and the largest are exact; how sizes are spread is told by every
    eighth of each batch, and by all that are still pending.

    Attributes:
        pending: sizes that are not in the sums yet; another list after each `condense`.
    """

    BATCH: Final = 4096
    _STEP: Final = 8

    __slots__ = ("_sums", "pending")

    def __init__(self) -> None:
        self.pending: list[int] = []
        self._sums: tuple[int, int, dict[int, int]] = (0, 0, {})

    def condense(self) -> None:
        """Take a whole batch of sizes into the sums."""
        batch, rest = self.pending[: self.BATCH], self.pending[self.BATCH :]
        self._sums = _with(self._sums, batch, self._STEP)
        self.pending = rest

    def sums(self) -> tuple[int, int, dict[int, int]]:
        """Return the sum of all sizes up to now, the largest, and how many each bucket has."""
        while True:
            sums = self._sums
            pending = self.pending.copy()
            if self._sums is sums:
                return _with(sums, pending, 1)


def _with(
    sums: tuple[int, int, dict[int, int]], sizes: list[int], step: int
) -> tuple[int, int, dict[int, int]]:
    """Return sums with some sizes more, whose buckets are told by one of so many."""
    total, worst, buckets = sums
    buckets = buckets.copy()
    for size, count in Counter(sizes[::step]).items():
        bucket = bucket_of(size)
        buckets[bucket] = buckets.get(bucket, 0) + count * step
    return total + sum(sizes), max(worst, *sizes, 0), buckets


class Trend:
    """A quantity over time: its values at equal distances, in at most `MOST_PARTS` parts.

    When there are more, every two become one, their mean.
    """

    MOST_PARTS: Final = 64

    def __init__(self) -> None:
        self._parts: list[int] = []
        self._each = 1
        self._open: list[int] = []

    @property
    def parts(self) -> tuple[int, ...]:
        """The means of all parts that are whole, in their order."""
        return tuple(self._parts)

    def add(self, value: int) -> None:
        """Add the next value."""
        self._open.append(value)
        if len(self._open) < self._each:
            return
        self._parts.append(sum(self._open) // self._each)
        self._open.clear()
        if len(self._parts) > self.MOST_PARTS:
            pairs = zip(self._parts[::2], self._parts[1::2], strict=False)
            last = self._parts[-1:] if len(self._parts) % 2 else []
            self._open = [value for value in last for _ in range(self._each)]
            self._parts = [(first + second) // 2 for first, second in pairs]
            self._each *= 2
