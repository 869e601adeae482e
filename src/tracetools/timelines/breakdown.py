"""What the time of a span was: steps, turns and waits of its own task, which make its duration.

Of the waits it is told as well how much was for tasks below the span, and how much threads worked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetools.timelines.states import Interval, States
    from tracetools.timelines.timeline import SpanTime

__all__ = ["Breakdown", "breakdown", "merged"]


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


def breakdown(states: States, span: SpanTime) -> Breakdown:
    """Return what the time of a span was, up to the end of the timeline if it is open then."""
    end = states.timeline.end if span.end is None else span.end
    times: Counter[str] = Counter()
    waits: Counter[str] = Counter()
    children = _Children(states, span)
    for each in states.intervals(span.task, span.begin, end):
        time = each.end - each.begin
        if each.is_named:
            waits[each.path[-1].label if each.path else ""] += time
        else:
            times[each.state] += time
        if each.state == "waiting":
            times["threads"] += _thread_time(states, span.task, each)
            if each.wake and each.wake.by == "task" and children.has(each.wake.waker):
                times["children"] += time
    return Breakdown(
        times["busy"],
        times["scheduled"],
        waits,
        times["waiting"],
        times["unborn"] + times["over"] + times["unknown"],
        times["children"],
        times["threads"],
        max(end - span.begin, 0),
        1,
    )


def _thread_time(states: States, task: int, wait: Interval) -> int:
    parts = states.thread_work(task, wait.begin, wait.end)
    return sum(end - begin for begin, end, path in parts if path)


class _Children:
    """Which tasks were spawned in a span, by its task or by another such one."""

    def __init__(self, states: States, span: SpanTime) -> None:
        self._lives = states.timeline.lives
        self._begin = span.begin
        self._known = {span.task: True}

    def has(self, task: int | None) -> bool:
        chain: list[int] = []
        while task is not None and task not in self._known:
            self._known[task] = False  # until more is known: spawners may lead back to here
            chain.append(task)
            life = self._lives.get(task)
            task = life.spawner if life and life.born >= self._begin else None
        found = task is not None and self._known[task]
        self._known.update(dict.fromkeys(chain, found))
        return found


def merged(some: Iterable[Breakdown]) -> Breakdown:
    """Add up. Associative and commutative."""
    many = list(some)
    waits: Counter[str] = Counter()
    for each in many:
        waits.update(each.waits)
    return Breakdown(
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
