"""What the time of the slow spans of one name was: a value that adds up."""

from __future__ import annotations

from typing import NamedTuple

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes

__all__ = ["SlowSpans"]


class SlowSpans(NamedTuple):
    """The slow spans with one stack, as many as are kept.

    Attributes:
        breakdown: what the time of their own tasks was.
        critical: what explains each moment of it.
    """

    breakdown: Breakdown = Breakdown()
    critical: CriticalTimes = CriticalTimes()

    def plus(self, other: SlowSpans) -> SlowSpans:
        """Return both together. Associative and commutative."""
        return SlowSpans(
            Breakdown.merged([self.breakdown, other.breakdown]),
            CriticalTimes.merged([self.critical, other.critical]),
        )
