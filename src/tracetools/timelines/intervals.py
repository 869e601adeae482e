"""What each task of a timeline did: its life as intervals of one state each, without gaps.

The intervals of a task add up to its life within the timeline, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from tracetools.timelines.timeline import Life, SpanTime, Step, Wait, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetools.timelines.timeline import Timeline

__all__ = ["History", "Interval", "State", "histories"]

State: TypeAlias = Literal["busy", "scheduled", "idle"]

_Event = TypeVar("_Event")


class Interval(NamedTuple):
    """A stretch of a task's life in which its state is the same.

    Attributes:
        begin: its first moment.
        end: its last one.
        state: *busy* is a step. A task is *scheduled* from when it becomes ready until it steps,
            and *idle* before that. Where nothing tells when it became ready, it is idle.
        wait: what the task awaited in an idle interval; ``None`` if that is not known.
        wake: what made the task ready: it ends an idle interval, begins a scheduled one, and leads
            to a step. ``None`` if that is not known.
    """

    begin: int
    end: int
    state: State
    wait: Wait | None = None
    wake: Wake | None = None


@dataclass
class History:
    """All that a timeline has of one task, in the order of the timeline.

    Attributes:
        life: the task.
        begin: its first moment within the timeline.
        end: its last one.
        is_born: whether it was spawned within the timeline.
        steps: its steps.
        wakes: what made it ready.
        waits: what it awaited.
        spans: its spans.
    """

    life: Life
    begin: int
    end: int
    is_born: bool
    steps: list[Step] = field(default_factory=list)
    wakes: list[Wake] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    spans: list[SpanTime] = field(default_factory=list)

    def intervals(self) -> Iterator[Interval]:
        """Yield what the task did, from its first moment to its last one.

        A step without any time has an interval; other states have none then. A moment that is
        before an earlier one counts as if no time had passed.
        """
        wakes = _Cursor(self.wakes, [wake.moment for wake in self.wakes], self.begin)
        waits = _Cursor(self.waits, [wait.begin for wait in self.waits], self.begin)
        now = last = self.begin
        is_ready = self.is_born
        for step in self.steps:
            begin = min(max(step.begin, now), self.end)
            wake, wait = wakes.take(last, begin), waits.take(last, begin)
            if now < begin:
                ready = _ready_at(now, begin, wait, wake, is_ready=is_ready)
                if now < ready:
                    yield Interval(now, ready, "idle", wait, wake)
                if ready < begin:
                    yield Interval(ready, begin, "scheduled", None, wake)
            now, last, is_ready = min(max(step.end, begin), self.end), begin, False
            yield Interval(begin, now, "busy", None, wake)
        wake, wait = wakes.take(last, self.end), waits.take(last, self.end)
        ready = _ready_at(now, self.end, wait, wake, is_ready=is_ready)
        if now < ready:
            yield Interval(now, ready, "idle", wait, wake)
        if ready < self.end:
            yield Interval(ready, self.end, "scheduled", None, wake)


class _Cursor(Generic[_Event]):
    """Goes through events once. What is before the beginning counts as if it were there."""

    def __init__(self, events: Sequence[_Event], moments: Sequence[int], begin: int) -> None:
        self._events = events
        self._moments = moments
        self._begin = begin
        self._next = 0

    def take(self, first: int, last: int) -> _Event | None:
        """Return the next event between two moments, if there is one; skip those before."""
        while self._next < len(self._events):
            moment = self._moments[self._next]
            if moment > last:
                break
            self._next += 1
            if moment >= first or first == self._begin:
                return self._events[self._next - 1]
        return None


def _ready_at(begin: int, end: int, wait: Wait | None, wake: Wake | None, *, is_ready: bool) -> int:
    """Return when a task became ready between two steps.

    `is_ready` says whether it was so at once if nothing else tells.
    """
    if wake is not None:
        return min(max(wake.moment, begin), end)
    if wait is not None:
        return min(max(wait.end, begin), end)
    return begin if is_ready else end


def histories(timeline: Timeline) -> dict[int, History]:
    """Return the history of each task, by number, in the order in which they were spawned.

    Tasks without a life come last; they are taken to live all the time.
    """
    found = _Histories(timeline)
    for step in timeline.steps:
        found[step.task].steps.append(step)
    for wake in timeline.wakes:
        found[wake.task].wakes.append(wake)
    for wait in timeline.waits:
        found[wait.task].waits.append(wait)
    for span in timeline.spans:
        found[span.task].spans.append(span)
    return dict(found)


class _Histories(dict[int, History]):
    """Has a history for each number that is asked for."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__((life.number, _history(life, timeline)) for life in _in_order(timeline))
        self._timeline = timeline

    def __missing__(self, number: int) -> History:
        life = Life(number, (), None, self._timeline.begin - 1, None)
        found = self[number] = _history(life, self._timeline)
        return found


def _in_order(timeline: Timeline) -> list[Life]:
    return sorted(timeline.lives.values(), key=lambda life: (life.born, life.number))


def _history(life: Life, timeline: Timeline) -> History:
    begin = min(max(life.born, timeline.begin), timeline.end)
    end = timeline.end if life.end is None else min(max(life.end, begin), timeline.end)
    return History(life, begin, end, is_born=life.born >= timeline.begin)
