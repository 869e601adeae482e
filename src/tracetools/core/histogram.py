"""Histograms: how many values there are of each size, in little memory and to within 1.6 %.

Values are counted in buckets (`bucket_of`), so histograms add up without loss. The idea is that of
HdrHistogram (Gil Tene).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tracetools.core.buckets import BITS

if TYPE_CHECKING:
    from tracetools.core.buckets import HistogramBuilder

__all__ = ["EMPTY", "Histogram", "most_in"]


def _values_of(bucket: int) -> tuple[int, int]:
    """Return the least value of a bucket, and how many values it has."""
    shift = max((bucket >> (BITS - 1)) - 1, 0)
    return (bucket - (shift << (BITS - 1))) << shift, 1 << shift


def middle_of(bucket: int) -> int:
    """Return the value in the middle of a bucket."""
    least, count = _values_of(bucket)
    return least + (count >> 1)


def most_in(bucket: int) -> int:
    """Return the largest value of a bucket."""
    least, count = _values_of(bucket)
    return least + count - 1


@dataclass(frozen=True)
class Histogram:
    """Values of 0 or more: their sum, the largest, and how many there are of each size.

    Attributes:
        total: the sum of all values, exactly.
        max: the largest value, exactly; 0 if there is none.
        buckets: how many values are in each bucket; see `bucket_of`.
    """

    total: int = 0
    max: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "buckets", MappingProxyType(dict(self.buckets)))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.total, self.max, dict(self.buckets))

    @classmethod
    def of(cls, builder: HistogramBuilder) -> Histogram:
        """Return the histogram of the values that a builder has up to now."""
        return cls(*builder.sums())

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.buckets.values())

    @property
    def mean(self) -> float:
        """The mean; 0 if there is no value."""
        return self.total / self.count if self.buckets else 0.0

    def quantile(self, part: float) -> int:
        """Return a value that `part` (0 to 1) of all values do not exceed, to within 1.6 %."""
        left = part * self.count
        for bucket, count in sorted(self.buckets.items()):
            left -= count
            if left <= 0:
                return min(middle_of(bucket), self.max)
        return self.max

    def plus(self, other: Histogram) -> Histogram:
        """Return the histogram of the values of both."""
        buckets = dict(self.buckets)
        for bucket, count in other.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + count
        return Histogram(self.total + other.total, max(self.max, other.max), buckets)


EMPTY: Final = Histogram()
"""The histogram of no values."""
