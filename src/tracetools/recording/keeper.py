"""Keeps what led to slow spans: a flight recorder, as Go has one.

The journal has the last events of all loops. When a span was slow, this makes a timeline of the
time around it, in a thread of ours, and gives it away. The journal is read a little later, so that
it has what came after the span as well.
"""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.interruptions import is_interruption
from tracetools.core.journal import MOST_LOOPS, RECORD_BYTES, SLOW, Journal, records_of_kind
from tracetools.core.slow_spans import SlowSpans, TraceOfSpan
from tracetools.core.steps import ALWAYS, NEVER
from tracetools.guest.threads import HiddenThread
from tracetools.recording.traces import Traces, wanting
from tracetools.timelines.breakdown import breakdown
from tracetools.timelines.critical_path import critical_path
from tracetools.timelines.states import States
from tracetools.timelines.timeline import SpanTime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.core.journal import Record
    from tracetools.core.stacks import Frame, Stack, StackPath
    from tracetools.recording.recorder import Recorder
    from tracetools.recording.replay import Paths
    from tracetools.timelines.timeline import Timeline

__all__ = ["Keeper", "Kept", "Slow", "slow"]

_LONGEST: Final = 10 * 86_400
"""Seconds: ten days."""

_INTERVAL: Final = 0.1
"""Seconds between two looks for slow spans."""

_AT_ONCE: Final = 10
"""So many are kept at one look, the slowest ones."""

_LONGEST_LOOK: Final = 0.1
"""Seconds after which a look ends with the span that it keeps just then; the others wait."""

_REST: Final = 4
"""How much longer than a look the rest after it is, at least: the loop shares the GIL with us."""

_LONGEST_END: Final = 2.0
"""The same of the last look; the others are not kept."""

_MOST_DUMPED: Final = 100_000
"""So many events are in a dump at most: to write one takes 50 µs."""

_MOST_EVENTS: Final = 50_000
"""So many events of a span are read, its last ones, and so many after it: each takes us 20 µs."""

_MOST_PENDING: Final = 1000
_MOST_NAMES: Final = 1000


class Slow(float):
    """Which spans are slow, and how many of them are kept: what `slow` returns.

    As a number, it is the seconds from which on a span is slow.

    Attributes:
        most: how many spans of each name are kept at most: the slowest ones.
        before: seconds before the span that are kept with it.
        after: seconds after it.
        apart: seconds between the ends of two spans of one name that are kept, at least.
        memory: bytes that the last events take.
    """

    most: int = 10
    before: float = 0.1
    after: float = 0.1
    apart: float = 0.0
    memory: int = 32 << 20

    def __reduce__(self) -> tuple[object, ...]:
        return _slow_of, (float(self), vars(self))

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in sorted(vars(self).items()))
        return f"slow({float(self):g}{options})"


def slow(  # noqa: PLR0913  # options, each with a default
    seconds: float = 0.0,
    *,
    most: int = Slow.most,
    before: float = Slow.before,
    after: float = Slow.after,
    apart: float = Slow.apart,
    memory: int = Slow.memory,
) -> Slow:
    """Say which spans are kept: ``record("stack", keep=slow(0.5))``.

    Args:
        seconds: spans that last longer are slow. With 0, the slowest of each name are kept.
        most: how many spans of each name are kept at most: the slowest ones.
        before: seconds before the span that are kept with it.
        after: seconds after it.
        apart: seconds between the ends of two spans of one name that are kept, at least.
        memory: bytes that the last events of the program take: 32 for each step, wait and span. A
            span that lasted longer than they reach back is cut, and so is one with more than
            50,000 of them.

    Raises:
        TypeError, ValueError: a number is of another type, or out of bounds.
    """
    times = {"seconds": seconds, "before": before, "after": after, "apart": apart}
    for name, value in times.items():
        _check_seconds(name, value)
    for name, number, least in (("most", most, 1), ("memory", memory, RECORD_BYTES)):
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{name} is a whole number, not {number!r}")
        if number < least:
            raise ValueError(f"{name} is at least {least}, not {number!r}")
    options = {"most": most, "before": before, "after": after, "apart": apart, "memory": memory}
    return _slow_of(seconds, options)


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"{name} is a number of seconds from 0 to {_LONGEST:,}, not {value!r}")


def _slow_of(seconds: float, options: Mapping[str, object]) -> Slow:
    made = Slow(seconds)
    vars(made).update(options)
    return made


class Kept(NamedTuple):
    """A slow span that is kept.

    Attributes:
        name: the name of the span.
        latency: how long it lasted, in nanoseconds.
        timeline: what all tasks of its loop did, with the span as its subject.
        critical: the critical path: the number of a task, when a piece begins, and when it ends.
        trace_id: the trace of OpenTelemetry that it belongs to, in hexadecimal; empty for none.
    """

    name: str
    latency: int
    timeline: Timeline
    critical: tuple[tuple[int, int, int], ...] = ()
    trace_id: str = ""


class _Found(NamedTuple):
    """A slow span that was found.

    Attributes:
        record: what the journal says of it.
        number: the number of that event, or of one soon after it.
    """

    record: Record
    number: int

    @property
    def latency(self) -> int:
        return self.record.end - self.record.begin


class _Known(NamedTuple):
    """What is known of a span that is kept."""

    latency: int
    take_back: Callable[[], object]
    path: StackPath
    slow: SlowSpans


class Keeper:
    """Looks for slow spans while loops run.

    Args:
        recorder: what is recorded. It gets a journal.
        how: which spans are slow, and how many are kept.
        keep: called with each span that is kept, in a thread of ours or at the end of a loop.
            It returns what takes it back, for a slower span of the same name takes its place.

    Attributes:
        skipped: how many slow spans were not kept, for there were too many at once, or too soon
            after another one.
    """

    def __init__(
        self, recorder: Recorder, how: Slow, keep: Callable[[Kept], Callable[[], object]]
    ) -> None:
        self._recorder = recorder
        self._how = how
        self._keep = keep
        self._journal = recorder.journal = Journal(max(how.memory // RECORD_BYTES, 1))
        recorder.slow_after = round(how * 1e9)
        self._traces = recorder.traces = Traces()
        recorder.not_kept = lambda: self.skipped
        if recorder.resources is not None:
            recorder.resources.keep_lengths()
        self._seen = self._read = 0
        self._pending: list[_Found] = []
        self._kept: dict[Frame, list[_Known]] = {}
        self._last: dict[Frame, int] = {}
        self.skipped = 0
        self._fails = False
        self._lock = threading.Lock()
        self._new_event = threading.Event
        self._running: tuple[threading.Thread, threading.Event] | None = None

    # -- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Look from now on, unless that is done already."""
        wanting.add(self)
        if self._running is None:
            over = self._new_event()
            thread = HiddenThread(target=self._go_on, args=(over,), name="tracetools keeper")
            try:
                thread.start()
            except RuntimeError as error:
                messages = self._recorder.messages
                messages.warning("slow spans are kept at the end only: %s", error)
            else:
                self._running = thread, over

    def pause(self) -> threading.Thread | None:
        """Let the thread end, and return it if it can be waited for."""
        running, self._running = self._running, None
        if running is None:
            return None
        thread, over = running
        over.set()
        return None if thread.ident == threading.get_ident() else thread

    def end(self) -> None:
        """Look a last time, also for what has just ended. Never raises."""
        wanting.discard(self)
        thread = self.pause()
        if thread is not None:
            thread.join()
        self.look(is_last=True, stops=_after(_LONGEST_END))
        self.skipped += len(self._pending)
        self._pending.clear()

    def _go_on(self, over: threading.Event) -> None:
        rest = _INTERVAL
        while not over.wait(rest):
            begin = perf_counter()
            self.look(stops=_any(over.is_set, _after(_LONGEST_LOOK)))
            rest = max(_INTERVAL, _REST * (perf_counter() - begin))

    # -- what is kept ----------------------------------------------------------------------------

    def dump(self, seconds: float) -> list[Timeline]:
        """Return what the last events are, a timeline for each loop that runs.

        At most `_MOST_DUMPED` are read; what came before them is cut.

        Raises:
            TypeError, ValueError: `seconds` is no number of seconds, or out of bounds.
        """
        _check_seconds("seconds", seconds)
        found = []
        paths = self._recorder.paths()
        first = max(self._journal.noted - _MOST_DUMPED, 0)
        for loop in self._recorder.loops:
            end = self._recorder.clock_of_loop(loop)()
            begin = end - round(seconds * 1e9)
            number = loop.number % MOST_LOOPS
            timeline = self._recorder.replay(self._journal, paths, number, begin, end, first=first)
            found.append(timeline)
        return found

    def look(self, *, is_last: bool = False, stops: Callable[[], bool] = lambda: False) -> None:
        """Keep what was slow, as far as what came after it is known. Never raises.

        In a forked child nothing is done: what was slow there was so in the parent.

        Args:
            is_last: nothing more is going to be known.
            stops: returns whether the others wait for the next look; asked when one was kept.
        """
        if not self._recorder.at_home:
            return
        try:
            with self._lock:
                self._find()
                self._keep_some(is_last=is_last, stops=stops)
        except Exception as error:  # the program under observation comes first
            if is_interruption(error):
                raise
            self._pending.clear()
            if not self._fails:
                messages = self._recorder.messages
                messages.error("a slow span could not be kept: %s", error, exc_info=True)
            self._fails = True

    def _find(self) -> None:
        """Read what the journal has noted since the last look."""
        journal = self._journal
        noted, slow = journal.noted, journal.slow
        if slow == self._seen:
            self._read = noted
            return
        packed = journal.since(ALWAYS, first=self._read)
        first = max(self._read, journal.lost)
        self._seen, self._read = slow, first + len(packed) // RECORD_BYTES
        for index, record in records_of_kind(packed, SLOW):
            self._pending.append(_Found(record, first + index))
            if len(self._pending) > 2 * _MOST_PENDING:
                self._drop_fastest()
        self._drop_fastest()

    def _drop_fastest(self) -> None:
        if len(self._pending) > _MOST_PENDING:
            self._pending.sort(key=_latency)
            self.skipped += len(self._pending) - _MOST_PENDING
            del self._pending[:-_MOST_PENDING]

    def _keep_some(self, *, is_last: bool, stops: Callable[[], bool]) -> None:
        complete = self._complete(is_last=is_last)
        if not complete:
            return
        complete.sort(key=_latency, reverse=True)
        paths = self._recorder.paths()
        left = _AT_ONCE
        for index, each in enumerate(complete):
            stack = paths.stack(each.record.stack)
            if stack is None or not self._is_wanted(stack, each.record):
                continue
            if not left:
                self.skipped += 1
                continue
            left -= 1
            self._take(stack.frame, each, paths)
            if stops():
                self._pending += complete[index + 1 :]
                break
        if left < _AT_ONCE:
            self._recorder.slow = self._sums()

    def _complete(self, *, is_last: bool) -> list[_Found]:
        """Take those out of what was found of which is known what came after them."""
        after = round(self._how.after * 1e9)
        now = {loop: self._now(loop) for loop in {each.record.loop for each in self._pending}}
        complete: list[_Found] = []
        pending: list[_Found] = []
        for each in self._pending:
            is_complete = is_last or now[each.record.loop] >= each.record.end + after
            (complete if is_complete else pending).append(each)
        self._pending = pending
        return complete

    def _now(self, loop: int) -> int:
        return self._recorder.clock_of_number(loop)()

    def _is_wanted(self, stack: Stack, record: Record) -> bool:
        """Whether a span is slower than one of the same name that is kept, or there is room.

        If it is not, those with its stack that are no slower are not even found from now on.
        """
        known, latency = self._kept.get(stack.frame), record.end - record.begin
        if known is None:
            if len(self._kept) < _MOST_NAMES:
                return True
            stack.slow_after = NEVER
            return False
        if abs(record.end - self._last[stack.frame]) < self._how.apart * 1e9:
            self.skipped += 1
            return False
        if len(known) < self._how.most or latency > known[0].latency:
            return True
        stack.slow_after = max(stack.slow_after, known[0].latency)
        return False

    def _take(self, frame: Frame, found: _Found, paths: Paths) -> None:
        record = found.record
        span = SpanTime(record.task, record.begin, record.end, paths.of(record.stack))
        timeline = self._timeline(found, span, paths)
        states = States(timeline)
        critical = critical_path(states, span)
        pieces = tuple((piece.task, piece.begin, piece.end) for piece in critical.pieces)
        trace_id = self._traces.of(timeline, record.loop)
        traces = (TraceOfSpan(found.latency, trace_id),) if trace_id else ()
        slow = SlowSpans(breakdown(states, span), critical.times(), traces)
        take_back = self._keep(Kept(frame.name, found.latency, timeline, pieces, trace_id))
        known = self._kept.setdefault(frame, [])
        known.append(_Known(found.latency, take_back, span.path, slow))
        self._last[frame] = record.end
        known.sort(key=_latency)
        if len(known) > self._how.most:
            known.pop(0).take_back()
        if len(known) == self._how.most:
            self._recorder.raise_slow_after(frame, known[0].latency)

    def _timeline(self, found: _Found, span: SpanTime, paths: Paths) -> Timeline:
        record = found.record
        before, after = round(self._how.before * 1e9), round(self._how.after * 1e9)
        end = min(record.end + after, max(self._now(record.loop), record.end))
        return self._recorder.replay(
            self._journal,
            paths,
            record.loop,
            record.begin - before,
            end,
            span,
            first=max(found.number - _MOST_EVENTS, 0),
            most=2 * _MOST_EVENTS,
        )

    def _sums(self) -> dict[StackPath, SlowSpans]:
        found: dict[StackPath, SlowSpans] = {}
        for known in self._kept.values():
            for each in known:
                found[each.path] = each.slow.plus(found.get(each.path, SlowSpans()))
        return found


def _latency(span: _Found | _Known) -> int:
    return span.latency


def _after(seconds: float) -> Callable[[], bool]:
    """Return a function that returns whether so much time has passed since now."""
    until = perf_counter() + seconds
    return lambda: perf_counter() > until


def _any(*conditions: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that returns whether one of these returns true."""
    return lambda: any(condition() for condition in conditions)
