"""How a quantity is spread: how many of each size, in little memory, to within 1.6 %.

Sizes are counted in buckets (`sizes.bucket_of`), so two spreads add up without loss. The idea is
that of HdrHistogram (Gil Tene).

Nothing here knows what is counted.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  # for readers of the annotations
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tracetools.core.buckets import BITS

if TYPE_CHECKING:
    from tracetools.core.buckets import Sizes

__all__ = ["NOTHING", "Spread"]


def middle_of(bucket: int) -> int:
    """Return the size in the middle of a bucket."""
    shift = max((bucket >> (BITS - 1)) - 1, 0)
    least = (bucket - (shift << (BITS - 1))) << shift
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

    @classmethod
    def of(cls, sizes: Sizes) -> Spread:
        """Return how the sizes are spread that have come up to now."""
        return cls(*sizes.sums())

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
