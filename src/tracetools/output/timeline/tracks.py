"""The tracks of a page: the tasks that matter, what else the loop did, and worker threads."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.guest.pace import paced
from tracetools.output.timeline.chosen import choose
from tracetools.output.timeline.layout import Box, Item, in_lanes, merged
from tracetools.timelines.nesting import innermost, nest
from tracetools.timelines.notes import last_frame, task_name
from tracetools.timelines.states import States

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tracetools.output.timeline.chosen import Chosen
    from tracetools.timelines.notes import Notes
    from tracetools.timelines.states import Interval
    from tracetools.timelines.timeline import SpanTime, Timeline, Work

__all__ = ["Arrow", "Picture", "Track", "make_picture"]

_MOST_BOXES: Final = 20_000
"""How many boxes all tracks have together, about."""

_MOST_PIXELS: Final = 1_500
"""How many boxes one lane has side by side, about."""

_MOST_ARROWS: Final = 150
_MOST_THREADS: Final = 8


class Track(NamedTuple):
    """One track.

    Attributes:
        name: of the task or thread.
        about: what else is known of it, in a few words.
        spans: its spans in lanes, the outermost first.
        states: what it did.
        critical: when it is on the critical path.
        task: the number of the task; ``None`` if it is none.
    """

    name: str
    about: str
    spans: Sequence[Sequence[Box]]
    states: Sequence[Box]
    critical: Sequence[Box] = ()
    task: int | None = None


class Arrow(NamedTuple):
    """A task makes another one ready.

    Attributes:
        moment: when.
        start: the index of the track of the one.
        end: the index of the track of the other.
        interval: the wait that ends.
    """

    moment: int
    start: int
    end: int
    interval: Interval


class Picture(NamedTuple):
    """All that is drawn. Moments count from the beginning of the span.

    Attributes:
        length: of the time that is shown.
        pixel: what is shorter is drawn with its neighbours.
        tracks: from top to bottom.
        arrows: in order of time.
        intervals: what each task with a track did.
        steps: which task stepped when, in order of time.
        chosen: which tasks have tracks.
        spans_left_out: how many spans are too deep to be drawn.
    """

    length: int
    pixel: int
    tracks: Sequence[Track]
    arrows: Sequence[Arrow]
    intervals: Mapping[int, Sequence[Interval]]
    steps: Sequence[tuple[int, int, int]]
    chosen: Chosen
    spans_left_out: int


def make_picture(timeline: Timeline, notes: Notes) -> Picture:
    """Return what is drawn of a timeline."""
    return _Maker(timeline, notes).picture()


class _Maker:
    def __init__(self, timeline: Timeline, notes: Notes) -> None:
        self._timeline = timeline
        self._notes = notes
        self._states = States(timeline)
        self._chosen = choose(self._states, notes)
        self._begin, end = self._chosen.window
        self._length = end - self._begin
        lanes = len(self._chosen.roles) + 2
        self._pixel = max(1, self._length // min(_MOST_PIXELS, _MOST_BOXES // lanes))
        self._left_out = 0
        self._critical: dict[int, list[Item]] = {}
        for task, begin, last in notes.critical:
            item = Item(self._since(begin), self._since(last), "critical")
            self._critical.setdefault(task, []).append(item)

    def picture(self) -> Picture:
        intervals = {
            number: [*self._clipped(self._states.history(number))] for number in self._chosen.roles
        }
        steps = self._steps()
        tracks = [self._track(number, found) for number, found in intervals.items()]
        tracks += [*self._threads()]
        tracks += self._others(steps)
        return Picture(
            self._length,
            self._pixel,
            tracks,
            self._arrows(intervals),
            intervals,
            steps,
            self._chosen,
            self._left_out,
        )

    # -- time

    def _since(self, moment: int | None) -> int:
        if moment is None:
            return self._length
        return min(max(moment - self._begin, 0), self._length)

    def _clipped(self, intervals: Iterable[Interval]) -> Iterator[Interval]:
        """Yield what lies within the window, counted from its beginning."""
        for interval in paced(intervals):
            begin, end = self._since(interval.begin), self._since(interval.end)
            if begin < end or (interval.begin == interval.end and self._is_within(interval.begin)):
                yield interval._replace(begin=begin, end=end)

    def _is_within(self, moment: int) -> bool:
        return 0 <= moment - self._begin <= self._length

    def _items(self, timed: Iterable[SpanTime] | Iterable[Work], kind: str) -> list[Item]:
        """Return spans or works within the window, the outer ones first."""
        stretches = [
            (self._since(each.begin), max(self._since(each.begin), self._since(each.end)), each)
            for each in timed
            if each.begin - self._begin <= self._length
            and (each.end is None or each.end >= self._begin)
        ]
        whole, loose = nest(stretches)
        in_order = sorted([*whole, *loose], key=lambda stretch: (stretch[0], -stretch[1]))
        return [Item(begin, end, kind, each) for begin, end, each in in_order]

    # -- tracks

    def _track(self, number: int, intervals: Sequence[Interval]) -> Track:
        lanes, left_out = in_lanes(self._span_items(number))
        self._left_out += left_out
        life = self._timeline.lives.get(number)
        frame = last_frame(life.path if life else ())
        about = [frame.location] if frame.file else []
        about += [self._chosen.roles[number]] if self._chosen.roles[number] else []
        return Track(
            task_name(self._timeline, number),
            ", ".join(about),
            [merged(lane, self._pixel) for lane in lanes],
            merged((Item(i.begin, i.end, i.state, i) for i in intervals), self._pixel),
            merged(self._critical.get(number, ()), self._pixel),
            number,
        )

    def _span_items(self, number: int) -> list[Item]:
        subject = self._timeline.subject
        return [
            item._replace(kind="subject") if item.content == subject else item
            for item in self._items(self._states.spans_of(number), "span")
        ]

    def _threads(self) -> Iterator[Track]:
        """Yield tracks of the worker threads that worked for tasks with tracks."""
        works: dict[int, list[Work]] = {}
        for work in self._timeline.works:
            if work.task in self._chosen.roles:
                works.setdefault(work.thread, []).append(work)
        lanes = {thread: in_lanes(self._items(done, "thread")) for thread, done in works.items()}
        drawn = [thread for thread, (found, _) in lanes.items() if found]
        self._left_out += sum(left_out for _, left_out in lanes.values())
        for index, thread in enumerate(drawn[:_MOST_THREADS], start=1):
            found, _ = lanes[thread]
            bars = [merged(lane, self._pixel) for lane in found]
            yield Track(f"worker thread {index}", "", bars, ())

    def _steps(self) -> list[tuple[int, int, int]]:
        steps = (
            (self._since(step.begin), self._since(step.end), step.task)
            for step in paced(self._timeline.steps)
            if step.end > self._begin and step.begin - self._begin < self._length
        )
        return innermost((begin, max(begin, end), task) for begin, end, task in steps)

    def _others(self, steps: Iterable[tuple[int, int, int]]) -> list[Track]:
        """Return the track of all tasks without one of their own, if they did anything."""
        items = [
            Item(begin, end, "busy", task)
            for begin, end, task in paced(steps)
            if task not in self._chosen.roles
        ]
        if not items:
            return []
        tasks = len({item.content for item in items})
        about = f"steps of {tasks:,} {'task' if tasks == 1 else 'tasks'}"
        return [Track("all other tasks", about, (), merged(items, self._pixel))]

    # -- arrows

    def _arrows(self, intervals: dict[int, list[Interval]]) -> list[Arrow]:
        """Return who ended the waits that can be seen; of too many, the longest ones."""
        index_of = {number: index for index, number in enumerate(intervals)}
        found = [
            Arrow(interval.end, index_of[interval.wake.waker], index_of[number], interval)
            for number, done in intervals.items()
            for interval in paced(done)
            if interval.state == "waiting"
            and interval.end - interval.begin >= self._pixel
            and interval.wake is not None
            and interval.wake.waker is not None
            and interval.wake.waker != number
            and interval.wake.waker in index_of
            and interval.wake.moment <= self._begin + self._length
        ]
        longest = nlargest(_MOST_ARROWS, found, key=_length_of_wait)
        return sorted(longest, key=lambda arrow: (arrow.moment, arrow.end))


def _length_of_wait(arrow: Arrow) -> int:
    return arrow.interval.end - arrow.interval.begin
