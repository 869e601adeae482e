"""What the critical paths of many spans come to: a value that adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from tracetools.core.stacks import Frame, StackPath

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CriticalTimes"]


@dataclass(frozen=True)
class CriticalTimes:
    """The critical paths of some spans, added up.

    Attributes:
        count: how many spans.
        duration: how long they took, in nanoseconds.
        shares: nanoseconds by path, as the lens ``critical`` shows them. They add up to `duration`.
        savings: how much less all of them would take at most without a frame; see
            `CriticalPath.savings`. Savings of several frames do not add up.
    """

    count: int = 0
    duration: int = 0
    shares: Mapping[StackPath, int] = field(default_factory=dict)
    savings: Mapping[Frame, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", MappingProxyType(dict(self.shares)))
        object.__setattr__(self, "savings", MappingProxyType(dict(self.savings)))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.count, self.duration, dict(self.shares), dict(self.savings))

    @classmethod
    def merged(cls, some: Iterable[CriticalTimes]) -> CriticalTimes:
        """Add up. Associative and commutative."""
        count = duration = 0
        shares: Counter[StackPath] = Counter()
        savings: Counter[Frame] = Counter()
        for each in some:
            count += each.count
            duration += each.duration
            shares.update(each.shares)
            savings.update(each.savings)
        return cls(count, duration, shares, savings)

    def totals(self) -> dict[Frame, int]:
        """Return for each frame how much of the duration it is in, in nanoseconds."""
        found: Counter[Frame] = Counter()
        for path, time in self.shares.items():
            found.update(dict.fromkeys(path, time))
        return dict(found)
