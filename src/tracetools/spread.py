"""How a quantity is spread: how many of each size, in little memory, to within 1.6 %.

A size is counted in a bucket of its own up to 63, above that with those that have the same six
leading bits; so two spreads add up without loss, and buckets are few (about 32 for each doubling).
The idea is that of HdrHistogram (Gil Tene).

Nothing here knows what is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping  # noqa: TC003  # for readers of the annotations
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["NOTHING", "Sizes", "Spread", "Trend", "bucket_of"]

_BITS: Final = 6
"""How many leading bits of a size are kept."""


def bucket_of(size: int) -> int:
    """Return the bucket of a size of 0 or more; larger sizes have larger buckets, or the same."""
    shift = size.bit_length() - _BITS
    return size if shift <= 0 else (shift << (_BITS - 1)) + (size >> shift)


def middle_of(bucket: int) -> int:
    """Return the size in the middle of a bucket."""
    shift = max((bucket >> (_BITS - 1)) - 1, 0)
    least = (bucket - (shift << (_BITS - 1))) << shift
    return least + ((1 << shift) >> 1)


@dataclass(frozen=True)
class Spread:
    """Sizes of 0 or more: how many there are, their sum, the largest, and how they are spread.

    Attributes:
        total: the sum of all sizes, exactly.
        worst: the largest, exactly; 0 if there is none.
        buckets: how many sizes are in each bucket; see `bucket_of`.
    """

    total: int = 0
    worst: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "buckets", MappingProxyType(dict(self.buckets)))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.total, self.worst, dict(self.buckets))

    @property
    def count(self) -> int:
        """How many sizes there are."""
        return sum(self.buckets.values())

    @property
    def mean(self) -> float:
        """The mean size; 0 if there is none."""
        return self.total / self.count if self.buckets else 0.0

    def quantile(self, part: float) -> int:
        """Return a size that `part` (0 to 1) of all sizes are not above, to within 1.6 %."""
        left = part * self.count
        for bucket, count in sorted(self.buckets.items()):
            left -= count
            if left <= 0:
                return min(middle_of(bucket), self.worst)
        return self.worst

    def plus(self, other: Spread) -> Spread:
        """Put the sizes of two spreads together."""
        buckets = dict(self.buckets)
        for bucket, count in other.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + count
        return Spread(self.total + other.total, max(self.worst, other.worst), buckets)


NOTHING: Final = Spread()
"""The spread of no sizes."""


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
        self._sums = NOTHING

    def condense(self) -> None:
        """Take a whole batch of sizes into the sums."""
        batch = self.pending[: self.BATCH]
        rest = self.pending[self.BATCH :]
        self._sums, self.pending = self._sums.plus(_spread(batch, self._STEP)), rest

    def spread(self) -> Spread:
        """Return how all sizes up to now are spread."""
        while True:
            sums = self._sums
            pending = self.pending.copy()
            if self._sums is sums:
                return sums.plus(_spread(pending, 1))


def _spread(sizes: list[int], step: int) -> Spread:
    """Return how sizes are spread, told by some of them."""
    buckets: Counter[int] = Counter()
    for size, count in Counter(sizes[::step]).items():
        buckets[bucket_of(size)] += count * step
    return Spread(sum(sizes), max(sizes, default=0), buckets)


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
