"""The table of a page: what the span's task did, interval by interval, in words."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.guest.pace import paced
from tracetools.output.timeline.words import STATES, ended_by, show_time, waits_for
from tracetools.timelines.notes import task_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetools.output.timeline.tracks import Picture
    from tracetools.timelines.notes import Notes
    from tracetools.timelines.states import Interval, State
    from tracetools.timelines.timeline import Timeline

__all__ = ["CriticalRow", "CriticalRows", "Row", "Rows", "critical_rows", "make_rows"]

_MOST_ROWS: Final = 200
_MOST_PIECES: Final = 30
_LEAST_PIECE: Final = 100
"""From which part of the span on a piece of the critical path has a row: one in so many."""

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
    """One piece of the critical path.

    Attributes:
        begin: when it begins.
        length: how long it is.
        task: whose it is.
        what: what that task did for most of it.
    """

    begin: int
    length: int
    task: str
    what: str


class CriticalRows(NamedTuple):
    """The critical path.

    Attributes:
        rows: its long pieces, in order of time.
        left_out: how many pieces have no row.
        left_out_time: how long these are together, in nanoseconds.
    """

    rows: Sequence[CriticalRow]
    left_out: int
    left_out_time: int


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
    for interval in paced(intervals):
        sums[interval.state] += _length(interval)
    longest = nlargest(_MOST_ROWS, enumerate(intervals), key=lambda item: _length(item[1]))
    rows = [
        Row(
            number,
            interval,
            waits_for(interval) if interval.state == "waiting" else STATES[interval.state],
            _who(timeline, picture, interval),
            interval.state == "busy"
            and notes.blocking_threshold is not None
            and _length(interval) > notes.blocking_threshold,
        )
        for number, interval in paced(sorted(longest))
    ]
    shown = sum(_length(row.interval) for row in rows)
    return Rows(rows, len(intervals) - len(rows), sum(sums.values()) - shown, sums.most_common())


def _length(interval: Interval) -> int:
    return interval.end - interval.begin


def _who(timeline: Timeline, picture: Picture, interval: Interval) -> str:
    if interval.state == "waiting":
        return ended_by(timeline, interval.wake)
    if interval.state == "scheduled":
        return _stepped(timeline, picture, interval)
    return ""


def _stepped(timeline: Timeline, picture: Picture, interval: Interval) -> str:
    """Return which tasks stepped while one was ready, those that did so for longest first."""
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
    return f"while these stepped: {', '.join(shown)}" if times else "while no task stepped"


def critical_rows(timeline: Timeline, picture: Picture, notes: Notes) -> CriticalRows:
    """Return the critical path; of pieces that are many or short, the longest have rows."""
    window = picture.chosen.window
    pieces = [
        (max(begin, window.begin) - window.begin, min(end, window.end) - window.begin, task)
        for task, begin, end in notes.critical
    ]
    pieces = [piece for piece in pieces if piece[0] < piece[1]]
    least = picture.length // _LEAST_PIECE
    longest = nlargest(_MOST_PIECES, pieces, key=_length_of_piece)
    kept = sorted(piece for piece in longest if _length_of_piece(piece) >= least)
    rows = [
        CriticalRow(
            begin,
            end - begin,
            task_name(timeline, task),
            _mostly(timeline, picture, picture.intervals.get(task, ()), (begin, end)),
        )
        for begin, end, task in kept
    ]
    rest = sum(map(_length_of_piece, pieces)) - sum(map(_length_of_piece, kept))
    return CriticalRows(rows, len(pieces) - len(rows), rest)


def _length_of_piece(piece: tuple[int, int, int]) -> int:
    return piece[1] - piece[0]


def _mostly(
    timeline: Timeline,
    picture: Picture,
    intervals: Sequence[Interval],
    piece: tuple[int, int],
) -> str:
    """Return what a task did for most of a stretch of time."""
    begin, end = piece
    found: Interval | None = None
    first = bisect_right(intervals, begin, key=lambda interval: interval.end)
    for index in range(first, len(intervals)):
        if intervals[index].begin >= end:
            break
        part = intervals[index]._replace(
            begin=max(begin, intervals[index].begin), end=min(end, intervals[index].end)
        )
        if found is None or _length(part) > _length(found):
            found = part
    if found is None:
        return ""
    if found.state == "waiting":
        return waits_for(found)
    who = _stepped(timeline, picture, found) if found.state == "scheduled" else ""
    return f"{STATES[found.state]}, {who}" if who else STATES[found.state]
