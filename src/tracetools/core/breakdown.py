"""What the time of spans was: steps, turns and waits of their own tasks. A value that adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Breakdown"]


@dataclass(frozen=True)
class Breakdown:
    """What the time of some spans was, in nanoseconds.

    The first five parts add up to the duration, exactly.

    Attributes:
        busy: the task stepped.
        scheduled: it waited for its turn.
        waits: it waited, by the label of the last frame of what it awaited.
        unnamed: it waited for what is not known.
        unknown: nothing is known of it.
        children: of all waits, those that a task ended which was spawned in the span, by its task
            or by another such one.
        threads: of all waits, the time in which threads worked for the task.
        duration: how long the spans took.
        count: how many spans.
    """

    busy: int = 0
    scheduled: int = 0
    waits: Mapping[str, int] = field(default_factory=dict)
    unnamed: int = 0
    unknown: int = 0
    children: int = 0
    threads: int = 0
    duration: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "waits", MappingProxyType(dict(self.waits)))

    def __reduce__(self) -> tuple[object, ...]:
        values = (self.busy, self.scheduled, dict(self.waits), self.unnamed, self.unknown)
        return type(self), (*values, self.children, self.threads, self.duration, self.count)

    @property
    def waiting(self) -> int:
        """The time of all waits."""
        return sum(self.waits.values()) + self.unnamed

    @classmethod
    def merged(cls, some: Iterable[Breakdown]) -> Breakdown:
        """Add up. Associative and commutative."""
        many = list(some)
        waits: Counter[str] = Counter()
        for each in many:
            waits.update(each.waits)
        return cls(
            sum(each.busy for each in many),
            sum(each.scheduled for each in many),
            waits,
            sum(each.unnamed for each in many),
            sum(each.unknown for each in many),
            sum(each.children for each in many),
            sum(each.threads for each in many),
            sum(each.duration for each in many),
            sum(each.count for each in many),
        )
