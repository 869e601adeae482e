"""What each task of a timeline did when: one state after the other, without gaps or overlaps."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import islice, pairwise, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, TypeVar

from tracetools.core.edges import UNKNOWN
from tracetools.guest.pace import paced
from tracetools.timelines.timeline import Wake
from tracetools.timelines.wakers import Children

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracetools.core.stacks import StackPath
    from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Work

    _Event = TypeVar("_Event", Step, Wake, Wait, SpanTime, Work)

__all__ = ["UNKNOWN", "Interval", "State", "States"]

State: TypeAlias = Literal["unborn", "busy", "scheduled", "waiting", "over", "unknown"]
"""What a task does: it is not spawned yet; it steps; it could step; it waits; it has exited. Or
nothing is known of it: the timeline has no such task, or is of another time."""

_LIVING: Final[frozenset[State]] = frozenset({"busy", "scheduled", "waiting"})
"""What a task may do while it lives, as far as that is known."""

_ENDLESS: Final = 1 << 200
"""A moment after all others."""


class Interval(NamedTuple):
    """What one task did in a stretch of time.

    Attributes:
        state: what.
        begin: from when.
        end: until when; later than `begin`.
        path: of its innermost open span, else its own; while it waits, that of what it awaits, if
            that is known.
        wake: what made it ready: it ends a wait, and leads to a step. ``None`` if that is not
            known, or if the wait lasted longer.
        is_named: whether it waits and `path` is what it awaits.
    """

    state: State
    begin: int
    end: int
    path: StackPath
    wake: Wake | None = None
    is_named: bool = False


class States:
    """What each task of a timeline did when.

    A task is *scheduled* from when it becomes ready until it steps. A wake tells when that is, else
    the end of what it awaited. If neither is known, a task is ready as soon as it is spawned; later
    it waits until it steps. A task that steps while another one does interrupts it: the other waits
    for it meanwhile.

    The clock of a timeline may have gone backwards, and any of its tasks and events may be missing.
    The states of a task tile any stretch of time all the same.

    Attributes:
        timeline: the timeline.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._steps = _by_task(timeline.steps)
        self._wakes = _by_task(timeline.wakes)
        self._waits = _by_task(timeline.waits)
        self._spans = _by_task(timeline.spans)
        self._works = _by_task(timeline.works)
        self._interruptions = _interruptions(timeline.steps)
        self._stretches: list[Step] | None = None
        self._tasks: dict[int, _Task] = {}
        self._known_since = _known_since(timeline)
        self._children = Children(timeline.lives.values())

    @property
    def tasks(self) -> list[int]:
        """The numbers of all tasks, in the order in which they were spawned.

        Those without a life come last.
        """
        lives = sorted(self.timeline.lives.values(), key=attrgetter("born", "number"))
        found = dict.fromkeys(life.number for life in lives)
        for events in (self._steps, self._wakes, self._waits, self._spans):
            found |= dict.fromkeys(events)
        return [*found]

    def intervals(self, task: int, begin: int, end: int) -> list[Interval]:
        """Return what a task did from one moment to another; nothing if `end` is not later."""
        return self._task(task).intervals(begin, end)

    def history(self, task: int) -> list[Interval]:
        """Return what is known of what a task did within the timeline while it lived, in order.

        Steps are whole, even if spans begin or end in them. A step without any time has an interval
        as well.
        """
        return self._task(task).history(self.timeline.begin, self.timeline.end)

    def steps_of(self, task: int) -> Sequence[Step]:
        """Return the steps of a task, in the order of the timeline."""
        return self._steps.get(task, ())

    def spans_of(self, task: int) -> Sequence[SpanTime]:
        """Return the spans of a task, in the order of the timeline."""
        return self._spans.get(task, ())

    def steps_between(self, begin: int, end: int) -> list[Step]:
        """Return the steps of all tasks from one moment to another, cut where it needs be.

        They are in order and do not overlap: a step within another one takes its place.
        """
        if self._stretches is None:
            self._stretches = _without_overlaps(self.timeline.steps)
        first = bisect_right(self._stretches, begin, key=attrgetter("end"))
        found = takewhile(lambda step: step.begin < end, islice(self._stretches, first, None))
        return [
            step._replace(begin=max(step.begin, begin), end=min(step.end, end)) for step in found
        ]

    def path_at(self, task: int, moment: int) -> StackPath:
        """Return the path of a task's innermost open span, else its own."""
        return self._task(task).spans.at(moment)

    def steps_after(self, task: int, moment: int) -> bool:
        """Whether a task begins a step after a moment."""
        return any(step.begin > moment for step in self._steps.get(task, ())[-1:])

    def thread_work(self, task: int, begin: int, end: int) -> list[tuple[int, int, StackPath]]:
        """Return begin, end and path of what threads did for a task; `path` is empty between."""
        return self._task(task).works.between(begin, end)

    def ended_children(self, task: int, begin: int, end: int) -> Sequence[Life]:
        """Return the tasks spawned by a task that have exited after one moment, up to another.

        They are in the order of their ends.
        """
        return self._children.ended(task, begin, end)

    def _task(self, number: int) -> _Task:
        found = self._tasks.get(number)
        if found is None:
            found = self._tasks[number] = self._look_up(number)
        return found

    def _look_up(self, number: int) -> _Task:
        timeline = self.timeline
        life = timeline.lives.get(number)
        steps = sorted(self._steps.get(number, ()), key=attrgetter("begin"))
        tiler = _Tiler(
            self._wakes.get(number, ()), self._waits.get(number, ()), self._interruptions
        )
        tiler.tile(
            [step for step in steps if step.begin <= step.end], life, timeline, self._known_since
        )
        spans = self._spans.get(number, [])
        subject = timeline.subject
        if subject is not None and subject.task == number and subject not in spans:
            spans = [*spans, subject]
        return _Task(
            tiler,
            _Paths(spans, life.path if life else ()),
            _Paths(self._works.get(number, ()), ()),
        )


class _Task:
    """What one task did: tiles from before all moments to after all, and paths of its spans."""

    def __init__(self, tiler: _Tiler, spans: _Paths, works: _Paths) -> None:
        self._ends, self._states = tiler.ends, tiler.states
        self._wakes, self._waits = tiler.wakes, tiler.awaited
        self.spans = spans
        self.works = works

    def intervals(self, begin: int, end: int) -> list[Interval]:
        found: list[Interval] = []
        index = bisect_right(self._ends, begin)
        while begin < end:
            until = min(self._ends[index], end)
            if self._states[index] == "busy":
                wake = self._wakes[index]
                parts = self.spans.between(begin, until)
                found += [Interval("busy", *part, wake) for part in parts]
            else:
                found.append(self._whole(index, begin, until))
            begin = until
            index += 1
        return found

    def history(self, begin: int, end: int) -> list[Interval]:
        found = []
        last = -_ENDLESS
        for index, until in paced(enumerate(self._ends)):
            first = max(begin, last)
            cut = min(end, until)
            is_within = first < cut or first == last == until == cut
            if is_within and self._states[index] in _LIVING:
                found.append(self._whole(index, first, cut))
            last = until
        return found

    def _whole(self, index: int, begin: int, until: int) -> Interval:
        """Return a part of a tile, with the path at the beginning of the tile."""
        state, wait, wake = self._states[index], self._waits[index], self._wakes[index]
        if state == "waiting" and until < self._ends[index]:
            wake = None
        if wait is not None:
            return Interval(state, begin, until, wait.path, wake, True)
        first = self._ends[index - 1] if index else -_ENDLESS
        return Interval(state, begin, until, self.spans.at(first), wake)


def _by_task(events: Iterable[_Event]) -> dict[int, list[_Event]]:
    found: defaultdict[int, list[_Event]] = defaultdict(list)
    for event in paced(events):
        if event.task is not None:
            found[event.task].append(event)
    return dict(found)


def _known_since(timeline: Timeline) -> int:
    """Return since when no event is missing: if it is cut, since the first one that is kept."""
    if not timeline.is_cut:
        return timeline.begin
    ends = [
        *(step.end for step in timeline.steps[:1]),
        *(wake.moment for wake in timeline.wakes[:1]),
        *(wait.end for wait in timeline.waits[:1]),
        *(span.end for span in timeline.spans[:1] if span.end is not None),
    ]
    return max(timeline.begin, min(ends, default=timeline.begin))


def _interruptions(steps: Sequence[Step]) -> dict[Step, list[Step]]:
    """Return the steps of other tasks that lie directly within a step, in order."""
    if all(one.begin <= one.end <= other.begin for one, other in pairwise(steps)):
        return {}
    found: dict[Step, list[Step]] = {}
    ended: list[Step] = []
    for step in paced(sorted(steps, key=attrgetter("end"))):
        inner = []
        while ended and ended[-1].begin >= step.begin:
            inner.append(ended.pop())
        others = [each for each in inner[::-1] if each.task != step.task and each.begin < each.end]
        if others:
            found[step] = others
        ended.append(step)
    return found


def _without_overlaps(steps: Iterable[Step]) -> list[Step]:
    """Return pieces of steps in order. While one goes on, those that began before have none."""
    found: list[Step] = []
    going: list[Step] = []
    at = -_ENDLESS

    def go(until: int) -> None:
        nonlocal at
        if going and at < min(until, going[-1].end):
            found.append(going[-1]._replace(begin=at, end=min(until, going[-1].end)))
        at = max(at, until)

    for step in paced(sorted(steps, key=attrgetter("begin"))):
        while going and going[-1].end <= step.begin:
            go(going[-1].end)
            going.pop()
        go(step.begin)
        going.append(step)
    while going:
        go(going[-1].end)
        going.pop()
    return found


# ------------------------------------------------------------------------------- from step to step


class _Tiler:
    """Makes the tiles of one task, from the first to the last.

    Attributes:
        ends: when each tile ends. It begins where the one before ends.
        states: what the task does in it.
        wakes: what ends it if it is a wait, else what has led to it.
        awaited: what the task awaits in it.
        at: the end of the last one.
    """

    def __init__(
        self,
        wakes: Sequence[Wake],
        waits: Sequence[Wait],
        interruptions: Mapping[Step, list[Step]],
    ) -> None:
        self.ends: list[int] = []
        self.states: list[State] = []
        self.wakes: list[Wake | None] = []
        self.awaited: list[Wait | None] = []
        self.at = -_ENDLESS
        self._wakes = sorted(wakes, key=attrgetter("moment"))
        self._next_wake = 0
        self._waits = sorted(waits, key=attrgetter("end"))
        self._next_wait = 0
        self._interruptions = interruptions

    def tile(
        self, steps: Sequence[Step], life: Life | None, timeline: Timeline, since: int
    ) -> None:
        """Make all tiles; the steps are in order, and none that ended after `since` is missing."""
        first = [step.begin for step in steps[:1]]
        known_first = [*first, *(max(wait.begin, timeline.begin) for wait in self._waits[:1])]
        last = max((step.end for step in steps), default=timeline.begin)
        if life is None:
            self.add(min(first, default=timeline.begin), "unknown")
            known = end = last
        else:
            self.add(min([life.born, *first]), "unborn")
            end = _ENDLESS if life.end is None else max(life.end, last, self.at)
            self.add(min([since, end, *known_first]), "unknown")
            known = min(end, max(timeline.end, last))
        is_new = life is not None and life.born >= since
        for step in paced(steps):
            wake = self.rest(step.begin, is_new=is_new)
            if self._interruptions and step in self._interruptions:
                wake = self.interrupt(step, wake)
            has_no_time = step.begin == step.end == self.at
            self.add(step.end, "busy", wake, even_without_time=has_no_time)
            is_new = False
        self.rest(known, is_new=is_new)
        self.add(end, "unknown")
        self.add(_ENDLESS, "over" if life else "unknown")

    def add(
        self,
        end: int,
        state: State,
        wake: Wake | None = None,
        *,
        even_without_time: bool = False,
    ) -> None:
        if end > self.at or even_without_time:
            self.ends.append(end)
            self.states.append(state)
            self.wakes.append(wake)
            self.awaited.append(self._wait(end) if state == "waiting" else None)
            self.at = end

    def rest(self, end: int, *, is_new: bool) -> Wake | None:
        """Let the task wait until it is ready, and be scheduled until `end`; return what woke it.

        Args:
            end: when it steps.
            is_new: whether it is ready from its birth on, if nothing else tells.
        """
        wake = self._wake(end, is_new=is_new)
        if wake is not None:
            ready = wake.moment
        else:
            wait = self._wait(end)
            ready = wait.end if wait else self.at if is_new else end
        self.add(min(ready, end), "waiting", wake)
        self.add(end, "scheduled", wake)
        return wake

    def _wake(self, end: int, *, is_new: bool) -> Wake | None:
        """Return the next wake up to a moment, and leave out others before that.

        A task that wakes itself does so while it steps. So if two wakes have the moment at which a
        step begins, as with a clock that stands still, the second one is for the next step. So is
        one by the task itself, if the task did nothing just before.
        """
        wakes, found = self._wakes, None
        if self._next_wake < len(wakes) and wakes[self._next_wake].moment <= end:
            found = wakes[self._next_wake]
            is_later = is_new or found.moment == end > self.at
            if is_later and found.waker == found.task:
                return None
            self._next_wake += 1
        while self._next_wake < len(wakes) and wakes[self._next_wake].moment < end:
            self._next_wake += 1
        return found

    def _wait(self, end: int) -> Wait | None:
        """Return what the task awaited first after the last tile, up to a moment."""
        waits = self._waits
        while self._next_wait < len(waits) and waits[self._next_wait].end <= self.at:
            self._next_wait += 1
        found = waits[self._next_wait] if self._next_wait < len(waits) else None
        return found if found and found.begin < end else None

    def interrupt(self, step: Step, wake: Wake | None) -> Wake | None:
        """Let the task wait whenever another one interrupts a step; return what made it go on."""
        for inner in self._interruptions[step]:
            self.add(inner.begin, "busy", wake)
            wake = Wake(step.task, inner.end, "task", inner.task)
            self.add(inner.end, "waiting", wake)
        return wake


# ------------------------------------------------------------------------------------ what is open


class _Paths:
    """Which path is current when: that of the span that was entered last and is open."""

    def __init__(self, spans: Sequence[SpanTime | Work], base: StackPath) -> None:
        self._begins = [-_ENDLESS]
        self._paths = [base]
        is_open: set[int] = set()
        entered: list[int] = []
        for moment, enters, number in _entries_and_exits(spans):
            if enters:
                is_open.add(number)
                entered.append(number)
            else:
                is_open.discard(number)
                while entered and entered[-1] not in is_open:
                    entered.pop()
            self._go_on(moment, spans[entered[-1]].path if entered else base)

    def _go_on(self, moment: int, path: StackPath) -> None:
        if moment == self._begins[-1]:
            self._paths[-1] = path
        else:
            self._begins.append(moment)
            self._paths.append(path)

    def at(self, moment: int) -> StackPath:
        return self._paths[bisect_right(self._begins, moment) - 1]

    def between(self, begin: int, end: int) -> list[tuple[int, int, StackPath]]:
        """Return begin, end and path of each stretch, in order."""
        found: list[tuple[int, int, StackPath]] = []
        index = bisect_right(self._begins, begin)
        while begin < end:
            path = self._paths[index - 1]
            until = min(self._begins[index], end) if index < len(self._begins) else end
            if found and found[-1][2] == path:
                found[-1] = (found[-1][0], until, path)
            else:
                found.append((begin, until, path))
            begin = until
            index += 1
        return found


def _entries_and_exits(spans: Sequence[SpanTime | Work]) -> list[tuple[int, bool, int]]:
    """Return moment, whether it is an entry, and the index of the span, in order.

    Of spans that begin at once, the one with the shorter path is the outer one; if these are as
    long, the one that ends later.
    """
    events = []
    for number, span in enumerate(spans):
        end = _ENDLESS if span.end is None else span.end
        if span.begin < end:
            events.append((span.begin, True, len(span.path), -end, -number))
            events.append((end, False, 0, 0, -number))
    return [(moment, enters, -number) for moment, enters, _, _, number in sorted(events)]
