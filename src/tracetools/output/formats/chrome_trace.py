"""A timeline as Chrome's trace events in JSON, which Perfetto and chrome://tracing open.

The program is a process, and each task is a thread of it with slices for what it did, within slices
for its spans. Where a span begins or ends within a step, the step has a slice on each side. A span
that overlaps another one in part has a track of its own. Arrows lead from the step that made a task
ready to the step of that task. The first thread is the loop with all steps of all tasks, and worker
threads come last.

Times count from the beginning of the timeline. The text is made piece by piece, so it takes little
memory.
"""

from __future__ import annotations

import json
import os
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from functools import lru_cache
from itertools import count, islice, pairwise, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from tracetools.core.errors import StackFileError
from tracetools.core.native.version import VERSION
from tracetools.guest.pace import paced
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.formats import chrome_events as events
from tracetools.output.formats.files import explain, write_atomically
from tracetools.timelines.nesting import nest
from tracetools.timelines.notes import NO_NOTES, function_of, last_frame, task_name
from tracetools.timelines.states import States

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tracetools.core.edges import Waker
    from tracetools.core.stacks import Frame
    from tracetools.output.formats.chrome_events import Args
    from tracetools.timelines.nesting import Stretch
    from tracetools.timelines.notes import Notes
    from tracetools.timelines.states import Interval, State
    from tracetools.timelines.timeline import SpanTime, Step, Timeline, Wake, Work

__all__ = ["chrome_trace", "write_chrome_trace"]

_LOOP: Final = events.PID
"""The loop's thread. Perfetto takes the one with the number of the process for the main thread."""

_EVENTS_A_PIECE: Final = 2_000
_LEVEL: Final = 1
"""Makes a file 11 times smaller; the default level, at three times the cost, 13 times."""

_STATES: Final[dict[State, tuple[str, str]]] = {
    "busy": ("busy", "busy"),
    "scheduled": ("ready", "scheduled"),
    "waiting": ("waiting", "idle"),
}
"""The name and the category of slices, by state."""

_NO_ARGS: Final[events.Args] = ()
_Timed = TypeVar("_Timed", "SpanTime", "Work", "Step")

_show_time = amount_formatter("ns")


def write_chrome_trace(
    path: str | os.PathLike[str], timeline: Timeline, notes: Notes = NO_NOTES
) -> None:
    """Write a timeline into a file, which is replaced at once; gzipped, if its name ends in `.gz`.

    Raises:
        StackFileError: the file cannot be written; what was there before is untouched.
    """
    compress = _gzipped if os.fspath(path).endswith(".gz") else iter
    try:
        write_atomically(
            Path(path), lambda: compress(map(str.encode, chrome_trace(timeline, notes)))
        )
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot write {path}: {explain(error)}") from error


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces compressed. No moment is written, so equal pieces stay equal."""
    compressor = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def chrome_trace(timeline: Timeline, notes: Notes = NO_NOTES) -> Iterator[str]:
    """Yield the text of a file, piece by piece; equal timelines give equal text."""
    about = json.dumps(_about(timeline, notes), separators=(",", ":"))
    yield f'{{"displayTimeUnit":"ns","otherData":{about},"traceEvents":[\n'
    piece: list[str] = []
    separator = ""
    for event in paced(_Tracks(timeline, notes).events()):
        piece.append(event)
        if len(piece) == _EVENTS_A_PIECE:
            yield separator + ",\n".join(piece)
            separator = ",\n"
            piece.clear()
    if piece:
        yield separator + ",\n".join(piece)
    yield "\n]}\n"


def _about(timeline: Timeline, notes: Notes) -> dict[str, str]:
    about = {"exporter": f"tracetools@{VERSION}"}
    if notes.program:
        about["program"] = events.clean(notes.program)
    if notes.trace_id:
        about["trace_id"] = events.clean(notes.trace_id)
    if timeline.starts:
        about["starts"] = str(timeline.starts)  # a number that floats cannot hold
    if timeline.is_cut:
        about["is_cut"] = "yes"
    return about


class _Tracks:
    """Makes the events of a timeline, track by track."""

    def __init__(self, timeline: Timeline, notes: Notes) -> None:
        self._timeline = timeline
        self._notes = notes
        self._length = timeline.end - timeline.begin
        self._states = states = States(timeline)
        tids = count(_LOOP + 1)
        self._critical = next(tids)
        self._tids = {number: next(tids) for number in states.tasks if self._is_seen(number)}
        threads = dict.fromkeys(work.thread for work in timeline.works)
        self._threads = {thread: next(tids) for thread in threads}
        self._loose = count(1)
        self._ready, self._ready_no_more = array("q"), array("q")
        self._wakes: list[Wake] = []
        self._woken_at = array("q")
        self._names: dict[int | None, str] = {
            number: task_name(timeline, number) for number in timeline.lives
        }
        self._wake_args = lru_cache(maxsize=10_000)(self._args_of_wake)

    def events(self) -> Iterator[str]:
        """Yield all events.

        Arrows come last: what is at one moment is read in the order of the file, and an arrow needs
        the slices at its ends.
        """
        yield from self._tracks()
        yield from self._subject()
        yield from self._critical_path()
        yield from self._steps_of_the_loop()
        for number, tid in self._tids.items():
            yield from self._task(tid, number)
        yield from self._works()
        yield from self._counters()
        yield from self._arrows()

    def _is_seen(self, number: int) -> bool:
        """Whether a task lived for some time within the timeline, or has steps or spans."""
        life = self._timeline.lives.get(number)
        if life is None or self._since(life.born) < self._since(life.end):
            return True
        return bool(self._states.steps_of(number) or self._states.spans_of(number))

    # -- names

    def _tracks(self) -> Iterator[str]:
        program = events.clean(self._notes.program or "tracetools")
        yield events.metadata("process_name", 0, program)
        if self._notes.trace_id:
            label = events.clean(f"trace {self._notes.trace_id}")
            yield events.metadata("process_labels", 0, label, "labels")
        tracks = {self._critical: "critical path"} if self._notes.critical else {}
        tracks[_LOOP] = "loop"
        tracks |= {tid: self._name_of(number) for number, tid in self._tids.items()}
        for index, tid in enumerate(self._threads.values(), start=1):
            tracks[tid] = f"worker thread {index}"
        for index, (tid, name) in enumerate(tracks.items()):
            yield events.metadata("thread_name", tid, events.clean(name))
            yield events.metadata("thread_sort_index", tid, index, "sort_index")

    def _name_of(self, number: int | None) -> str:
        return self._names.get(number) or task_name(self._timeline, number)

    # -- slices

    def _since(self, moment: int | None) -> int:
        """Return how long after the beginning a moment is; the end if it is ``None``."""
        if moment is None:
            return self._length
        since = moment - self._timeline.begin
        return since if 0 <= since <= self._length else min(max(since, 0), self._length)

    def _stretch(self, timed: _Timed) -> Stretch[_Timed]:
        begin = self._since(timed.begin)
        return begin, max(begin, self._since(timed.end)), timed

    def _loose_slice(self, stretch: Stretch[SpanTime | Work], tid: int) -> tuple[str, str]:
        begin, end, timed = stretch
        frame, number = last_frame(timed.path), next(self._loose)
        return events.Slice(frame.name, "loose", tid, begin, end, _place(frame)).loose(number)

    def _subject(self) -> Iterator[str]:
        """Yield the span that is asked about on a track of its own."""
        if self._timeline.subject is not None:
            begin, end, span = self._stretch(self._timeline.subject)
            args = self._span_args(span)
            name, number = last_frame(span.path).name, next(self._loose)
            yield from events.Slice(name, "subject", _LOOP, begin, end, args).loose(number)

    def _critical_path(self) -> Iterator[str]:
        tid = self._critical
        for task, first, last in self._notes.critical:
            name, begin, end = self._name_of(task), self._since(first), self._since(last)
            yield events.Slice(name, "critical", tid, begin, max(begin, end)).nested()

    def _steps_of_the_loop(self) -> Iterator[str]:
        """Yield the steps of all tasks on one track, and marks on those that block it."""
        threshold = self._notes.blocking_threshold
        steps: Iterable[Stretch[Step]] = map(self._stretch, self._timeline.steps)
        if any(later.begin < step.end for step, later in pairwise(self._timeline.steps)):
            steps, _ = nest(steps)
        functions = {number: function_of(self._timeline, number) for number in self._tids}
        for begin, end, step in steps:
            args: Args = (("task", self._name_of(step.task)),)
            name = functions[step.task]
            yield events.Slice(name, "step", _LOOP, begin, end, args).nested()
            if threshold is not None and step.end - step.begin > threshold:
                args += (("length", _show_time(step.end - step.begin)),)
                yield events.instant("blocking step", "blocking", _LOOP, begin, args)

    def _task(self, tid: int, number: int) -> Iterator[str]:
        """Yield what a task did, within its spans."""
        spans, loose = nest(map(self._stretch, self._states.spans_of(number)))
        edges = sorted({moment for begin, end, _ in spans for moment in (begin, end)})
        coming = deque(spans)
        for interval in self._states.history(number):
            begin, end = self._since(interval.begin), self._since(interval.end)
            self._note(interval, begin, end)
            for first, last in _cut(begin, end, edges) if edges else ((begin, end),):
                while coming and coming[0][0] <= first:
                    yield self._span(tid, coming.popleft())
                yield self._state(tid, first, last, interval)
        for span in coming:
            yield self._span(tid, span)
        for span in loose:
            yield from self._loose_slice(span, tid)

    def _note(self, interval: Interval, begin: int, end: int) -> None:
        """Keep what counters and arrows need."""
        wake = interval.wake
        if interval.state == "scheduled":
            self._ready.append(begin)
            self._ready_no_more.append(end)
        elif interval.state == "busy" and wake is not None and wake.waker is not None:
            self._wakes.append(wake)
            self._woken_at.append(begin)

    def _span(self, tid: int, stretch: Stretch[SpanTime]) -> str:
        begin, end, span = stretch
        category = "subject" if span == self._timeline.subject else "span"
        name = last_frame(span.path).name
        return events.Slice(name, category, tid, begin, end, self._span_args(span)).nested()

    def _span_args(self, span: SpanTime) -> Args:
        args = _place(last_frame(span.path))
        if span == self._timeline.subject:
            args += (("subject", "yes"),)
            if self._notes.trace_id:
                args += (("trace_id", self._notes.trace_id),)
        return args if span.end is not None else (*args, ("left", "not yet"))

    def _state(self, tid: int, begin: int, end: int, interval: Interval) -> str:
        state, wake = interval.state, interval.wake
        (name, category), args = _STATES[state], _NO_ARGS
        if wake is not None and state != "busy":
            args = self._wake_args(wake.by, wake.waker, _line(wake))
        if interval.is_named:
            frame = last_frame(interval.path)
            name, args = frame.name, _place(frame) + args
        return events.Slice(name, category, tid, begin, end, args).nested()

    def _args_of_wake(self, by: Waker, waker: int | None, line: Frame | None) -> Args:
        args: Args = (("woken by", by),)
        if waker is not None:
            args += (("waker", self._name_of(waker)),)
        return args if line is None else (*args, ("waker at", line.label))

    def _works(self) -> Iterator[str]:
        """Yield what worker threads did, a track each."""
        of_thread: dict[int, list[Work]] = {thread: [] for thread in self._threads}
        for work in self._timeline.works:
            of_thread[work.thread].append(work)
        for thread, tid in self._threads.items():
            whole, loose = nest(map(self._stretch, of_thread[thread]))
            for begin, end, work in whole:
                frame = last_frame(work.path)
                args = (*_place(frame), ("task", self._name_of(work.task)))
                yield events.Slice(frame.name, "thread", tid, begin, end, args).nested()
            for each in loose:
                yield from self._loose_slice(each, tid)

    # -- between tracks

    def _counters(self) -> Iterator[str]:
        begun, ended = array("q"), array("q")
        for begin, end, _ in paced(map(self._stretch, self._timeline.steps)):
            begun.append(begin)
            ended.append(end)
        yield from _counter("busy", begun, ended)
        yield from _counter("ready", self._ready, self._ready_no_more)

    def _arrows(self) -> Iterator[str]:
        """Yield the arrows to steps from those of other tasks that made them possible."""
        numbers = count(1)
        for wake, moment in paced(zip(self._wakes, self._woken_at, strict=True)):
            start = None if wake.waker == wake.task else self._within_a_step(wake)
            if start is not None:
                args = self._wake_args(wake.by, wake.waker, _line(wake))
                end = (self._tids[wake.task], moment)
                yield from events.arrow("wakes", next(numbers), start, end, args)

    def _within_a_step(self, wake: Wake) -> tuple[int, int] | None:
        """Return the track of the waker and a moment at which the slice of its step is open."""
        steps = self._states.steps_of(wake.waker or 0)
        index = bisect_right(steps, wake.moment, key=lambda step: step.begin) - 1
        if index < 0 or not max(self._timeline.begin, wake.moment) <= steps[index].end:
            return None
        begin, end, step = self._stretch(steps[index])
        moment = max(begin, min(self._since(wake.moment), end - 1))
        return self._tids[step.task], moment


def _line(wake: Wake) -> Frame | None:
    """Return where the waker was, as far as that is known."""
    return wake.line or (last_frame(wake.path) if wake.path else None)


def _place(frame: Frame) -> Args:
    return (("at", frame.location),) if frame.file else _NO_ARGS


def _cut(begin: int, end: int, edges: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the parts of a stretch between the edges that lie within it."""
    index = bisect_right(edges, begin)
    while index < len(edges) and edges[index] < end:
        yield begin, edges[index]
        begin = edges[index]
        index += 1
    yield begin, end


def _counter(name: str, begun: array[int], ended: array[int]) -> Iterator[str]:
    """Yield how many tasks there are of a kind, at first and whenever that changes."""
    changes = sorted([2 * moment + 1 for moment in begun] + [2 * moment for moment in ended])
    value = shown = 0
    if changes and changes[0] > 1:
        yield events.counter(name, 0, 0)
    elif changes:
        shown = -1
    followed = zip_longest(changes, islice(changes, 1, None), fillvalue=-1)
    for change, following in paced(followed):
        value += 1 if change & 1 else -1
        if change >> 1 != following >> 1 and value != shown:
            yield events.counter(name, change >> 1, value)
            shown = value
