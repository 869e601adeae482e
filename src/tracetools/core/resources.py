"""What a profile knows of locks, semaphores, capacity limiters, queues and memory channels.

A resource is known by its class and by where it was made. So all locks that one line makes are one
resource here, and what was done with them adds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.stacks import Frame, StackPath

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "COULD_STEP",
    "ITSELF",
    "TASK_IS_OVER",
    "UNKNOWN_HOLDER",
    "Holds",
    "Resource",
    "ResourceUse",
    "Waits",
    "merged_resources",
]

COULD_STEP: Final = Frame("(could step)", "")
"""The last frame of a holder that could step when another task began to wait for it."""

ITSELF: Final = Frame("(waits for itself)", "")
"""The last frame of a holder that waits for what it holds: it will wait for ever."""

TASK_IS_OVER: Final = Frame("(its task is over)", "")
"""The last frame of a holder that has ended, and has not released what it held."""

UNKNOWN_HOLDER: Final = Frame("(unknown)", "")
"""The frame of a holder that had it before the recording began to see it."""


class Resource(NamedTuple):
    """What a resource is known by.

    Attributes:
        kind: the name of its class, such as ``Lock``.
        place: the function and the line of the program that made it; where it was used first, if it
            was made before it was recorded.
        is_made: whether `place` is where it was made.
    """

    kind: str
    place: Frame
    is_made: bool = True

    @property
    def label(self) -> str:
        """Return what a report calls it."""
        if self.place.file == "":
            return f"{self.kind} ({self.place.name})"
        how = "" if self.is_made else "first used at "
        return f"{self.kind} ({how}{self.place.location})"


class Waits(NamedTuple):
    """How long tasks waited: for their turn, or for an item.

    Attributes:
        count: how many waits.
        total: how long all of them took, in nanoseconds.
        max: how long the longest took.
        given_up: how many ended without what was waited for: cancelled, or by an error.
    """

    count: int = 0  # type: ignore[assignment]  # tuples have a method of that name, of no use here
    total: int = 0
    max: int = 0
    given_up: int = 0

    def plus(self, other: Waits) -> Waits:
        """Return both together."""
        return Waits(
            self.count + other.count,
            self.total + other.total,
            max(self.max, other.max),
            self.given_up + other.given_up,
        )


class Holds(NamedTuple):
    """How long tasks held something.

    Attributes:
        count: how often it was held.
        total: for how long in all, in nanoseconds.
        max: for how long at most, at a time.
        rest: of the total, how long the task that held it did not step: it waited for something
            else, or for its turn to step.
    """

    count: int = 0  # type: ignore[assignment]  # as above
    total: int = 0
    max: int = 0
    rest: int = 0

    def plus(self, other: Holds) -> Holds:
        """Return both together."""
        return Holds(
            self.count + other.count,
            self.total + other.total,
            max(self.max, other.max),
            self.rest + other.rest,
        )


class _Adds(Protocol):
    def plus(self, other: Any, /) -> Any:
        """Return both together."""


_Value = TypeVar("_Value", bound=_Adds)
_Key = TypeVar("_Key")

_TABLES: Final = ("holds", "waits", "blockers", "getters")


@dataclass(frozen=True)
class ResourceUse:
    """What was done with the resources of one class that one line has made.

    A path ends with the function and the line of the program that acquired it, or wanted to.

    Attributes:
        count: how many were used.
        size: how many tasks can hold one at a time, or how many items it takes; of the largest;
            ``None`` without a limit.
        lived: for how long they were there, in nanoseconds, all added up: from when they were first
            used in a recorded loop until they, or the loop, were gone.
        saturated: of that, how long a task that wanted one would have had to wait: all was held,
            or the queue was full. Without a limit, or with a limit of 0, it is not counted.
        most_waiting: how many tasks waited for the same one at most.
        holds: how long it was held, by who held it. Queues have none.
        waits: how long tasks waited for their turn, or for a place in a full queue, by who waited.
        blockers: the same waits by who held it when they began, the one that had held it for the
            longest. The last frame says what that one awaited.
        getters: how long tasks waited for an item of an empty queue, by who waited.
        lengths: how long a queue was, one value whenever an item was put or taken.
        length_time: its length times the nanoseconds for which it was so long, added up.
        items: how many items were put.
        taken: how many were taken.
    """

    count: int = 0
    size: int | None = 0
    lived: int = 0
    saturated: int = 0
    most_waiting: int = 0
    holds: Mapping[StackPath, Holds] = field(default_factory=dict)
    waits: Mapping[StackPath, Waits] = field(default_factory=dict)
    blockers: Mapping[StackPath, Waits] = field(default_factory=dict)
    getters: Mapping[StackPath, Waits] = field(default_factory=dict)
    lengths: Histogram = EMPTY
    length_time: int = 0
    items: int = 0
    taken: int = 0

    def __post_init__(self) -> None:
        for name in _TABLES:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled, or copied deeply; the dictionary behind it can.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        tables = {name: dict(values[name]) for name in _TABLES}
        return type(self), tuple((values | tables).values())

    @property
    def held(self) -> Holds:
        """All that it was held, whoever held it."""
        return reduce(Holds.plus, self.holds.values(), Holds())

    @property
    def waited(self) -> Waits:
        """All waits for a turn, or for a place, whoever waited."""
        return reduce(Waits.plus, self.waits.values(), Waits())

    @property
    def got_late(self) -> Waits:
        """All waits for an item, whoever waited."""
        return reduce(Waits.plus, self.getters.values(), Waits())

    @property
    def is_queue(self) -> bool:
        """Whether items go through it."""
        return bool(self.lengths.buckets or self.getters)

    @property
    def saturation(self) -> float:
        """The share of the time in which it was saturated, from 0 to 1."""
        return self.saturated / self.lived if self.lived else 0.0

    @property
    def mean_length(self) -> float:
        """The mean length of a queue over time."""
        return self.length_time / self.lived if self.lived else 0.0

    def plus(self, other: ResourceUse) -> ResourceUse:
        """Return both together. Associative and commutative."""
        sizes = (self.size, other.size)
        return ResourceUse(
            count=self.count + other.count,
            size=None if None in sizes else max(filter(None, sizes), default=0),
            lived=self.lived + other.lived,
            saturated=self.saturated + other.saturated,
            most_waiting=max(self.most_waiting, other.most_waiting),
            holds=_added(self.holds, other.holds),
            waits=_added(self.waits, other.waits),
            blockers=_added(self.blockers, other.blockers),
            getters=_added(self.getters, other.getters),
            lengths=self.lengths.plus(other.lengths),
            length_time=self.length_time + other.length_time,
            items=self.items + other.items,
            taken=self.taken + other.taken,
        )


def _added(one: Mapping[_Key, _Value], other: Mapping[_Key, _Value]) -> dict[_Key, _Value]:
    """Return both mappings together; where both have a key, its values are added."""
    both = dict(one)
    for key, value in other.items():
        known = both.get(key)
        both[key] = value if known is None else known.plus(value)
    return both


def merged_resources(
    each: Iterable[Mapping[Resource, ResourceUse]],
) -> dict[Resource, ResourceUse]:
    """Add up what several profiles know of resources."""
    merged: dict[Resource, ResourceUse] = {}
    for resources in each:
        merged = _added(merged, resources)
    return merged
