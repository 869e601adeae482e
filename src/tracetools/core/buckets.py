"""Values as they come while a program runs, each taken in at little cost.

Every program that observes imports this module, so it imports little. `histogram` says what is
known of the values afterwards.
"""

from __future__ import annotations

from typing import Final

from tracetools.core.native import accelerated

__all__ = ["BITS", "HistogramBuilder", "Trend", "bucket_of"]

BITS: Final = 6
"""How many leading bits of a value a bucket keeps."""


def bucket_of(value: int) -> int:
    """Return the bucket of a value of 0 or more. A larger value never has a smaller bucket.

    Up to 63 each value has a bucket of its own. Above that, values with the same six leading bits
    share one: 32 buckets for each doubling.
    """
    shift = value.bit_length() - BITS
    return value if shift <= 0 else (shift << (BITS - 1)) + (value >> shift)


@accelerated
class HistogramBuilder:
    """Counts values of 0 or more by their buckets, one by one, in one thread.

    Any thread may ask for the sums.
    """

    __slots__ = ("_buckets", "_largest", "_total")

    def __init__(self) -> None:
        self._total = self._largest = 0
        self._buckets: dict[int, int] = {}

    def add(self, value: int) -> None:
        """Count one value."""
        self._total += value
        self._largest = max(value, self._largest)
        bucket = bucket_of(value)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def copy(self) -> HistogramBuilder:
        """Return a copy, of this moment."""
        copy = HistogramBuilder()
        copy._total, copy._largest, copy._buckets = self.sums()
        return copy

    def sums(self) -> tuple[int, int, dict[int, int]]:
        """Return the sum of all values up to now, the largest, and how many each bucket has."""
        return self._total, self._largest, self._buckets.copy()


class Trend:
    """A quantity over time: its means in at most `MOST_PARTS` equal parts of the time.

    When there are more parts, every two become one, their mean.
    """

    MOST_PARTS: Final = 64

    def __init__(self) -> None:
        self._parts: list[int] = []
        self._each = 1
        self._open: list[int] = []

    @property
    def parts(self) -> tuple[int, ...]:
        """The means of all parts that are complete, in their order."""
        return tuple(self._parts)

    def add(self, value: int) -> None:
        """Add the next value. All values are equally far apart in time."""
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
