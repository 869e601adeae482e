"""The table of a page: what the span's task did, interval by interval, in words."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.timeline.words import STATES, ended_by, show_time, waits_for
from tracetools.timelines.notes import task_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetools.output.timeline.tracks import Picture
    from tracetools.timelines.intervals import Interval, State
    from tracetools.timelines.notes import Notes
    from tracetools.timelines.timeline import Timeline

__all__ = ["CriticalRow", "Row", "Rows", "critical_rows", "make_rows"]

_MOST_ROWS: Final = 200
_NAMES: Final = 3
_WORTH_SAYING: Final = 20
"""From which part on of a wait for its turn the time without any step is told: one in so many."""


class Row(NamedTuple):
    """One interval of the span's task.

    Attributes:
        number: of the interval, from 0.
        interval: the interval.
        what: what the task did or waited for.
        who: who ended that, or what stepped meanwhile.
        is_blocking: whether it is a step that lasts longer than the threshold.
    """

    number: int
    interval: Interval
    what: str
    who: str
    is_blocking: bool


class CriticalRow(NamedTuple):
    """One piece of the critical path."""

    begin: int
    length: int
    task: str
    what: str


class Rows(NamedTuple):
    """The table.

    Attributes:
        rows: in order of time.
        left_out: how many intervals have no row, since they are shorter than all that have one.
        left_out_time: how long these are together, in nanoseconds.
        sums: how long the task was in each state, the longest first.
    """

    rows: Sequence[Row]
    left_out: int
    left_out_time: int
    sums: Sequence[tuple[State, int]]


def make_rows(timeline: Timeline, picture: Picture, notes: Notes) -> Rows:
    """Return the table of the span's task; of too many intervals, the longest have rows."""
    subject = picture.chosen.subject
    intervals = () if subject is None else picture.intervals.get(subject, ())
    sums: Counter[State] = Counter()
    for interval in intervals:
        sums[interval.state] += _length(interval)
    longest = nlargest(_MOST_ROWS, enumerate(intervals), key=lambda item: _length(item[1]))
    rows = [
        Row(
            number,
            interval,
            waits_for(interval) if interval.state == "idle" else STATES[interval.state],
            _who(timeline, picture, interval),
            interval.state == "busy"
            and notes.blocking_threshold is not None
            and _length(interval) > notes.blocking_threshold,
        )
        for number, interval in sorted(longest)
    ]
    shown = sum(_length(row.interval) for row in rows)
    return Rows(rows, len(intervals) - len(rows), sum(sums.values()) - shown, sums.most_common())


def _length(interval: Interval) -> int:
    return interval.end - interval.begin


def _who(timeline: Timeline, picture: Picture, interval: Interval) -> str:
    if interval.state == "idle":
        return ended_by(timeline, interval.wake)
    if interval.state == "scheduled":
        return _stepped(timeline, picture, interval)
    return ""


def _stepped(timeline: Timeline, picture: Picture, interval: Interval) -> str:
    """Return which tasks stepped meanwhile, those that did so for longest first."""
    times: Counter[int] = Counter()
    steps = picture.steps
    for index in range(bisect_right(steps, interval.begin, key=lambda step: step[1]), len(steps)):
        begin, end, task = steps[index]
        if begin >= interval.end:
            break
        times[task] += min(end, interval.end) - max(begin, interval.begin)
    shown = [
        f"{task_name(timeline, task)} for {show_time(time)}"
        for task, time in times.most_common(_NAMES)
    ]
    if len(times) > _NAMES:
        shown.append(f"{len(times) - _NAMES:,} more")
    rest = _length(interval) - sum(times.values())
    if rest * _WORTH_SAYING >= _length(interval):
        shown.append(f"no task for {show_time(rest)}")
    return ", ".join(shown)


def critical_rows(
    timeline: Timeline, picture: Picture, notes: Notes
) -> tuple[list[CriticalRow], int]:
    """Return the pieces of the critical path, and how many shorter ones are left out."""
    window = picture.chosen.window
    pieces = [
        (max(begin, window.begin), min(end, window.end), task)
        for task, begin, end in notes.critical
    ]
    pieces = [piece for piece in pieces if piece[0] < piece[1]]
    longest = sorted(nlargest(_MOST_ROWS, pieces, key=lambda piece: piece[1] - piece[0]))
    rows = [
        CriticalRow(
            begin - window.begin,
            end - begin,
            task_name(timeline, task),
            _mostly(picture.intervals.get(task, ()), begin - window.begin, end - window.begin),
        )
        for begin, end, task in longest
    ]
    return rows, len(pieces) - len(rows)


def _mostly(intervals: Sequence[Interval], begin: int, end: int) -> str:
    """Return what a task did for most of a stretch of time."""
    times: Counter[str] = Counter()
    first = bisect_right(intervals, begin, key=lambda interval: interval.end)
    for index in range(first, len(intervals)):
        interval = intervals[index]
        if interval.begin >= end:
            break
        what = waits_for(interval) if interval.state == "idle" else STATES[interval.state]
        times[what] += min(interval.end, end) - max(interval.begin, begin)
    return times.most_common(1)[0][0] if times else ""
