"""Keeps what led to slow spans and other things: a flight recorder, as Go has one.

The journal has the last events of all loops. When a span was slow, or one of the `triggers` has
fired, this makes a timeline of the time around it, in a thread of ours, and gives it away. The
journal is read a little later, so that it has what came afterwards as well.
"""

from __future__ import annotations

import threading
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.interruptions import is_interruption
from tracetools.core.journal import MOST_LOOPS, RECORD_BYTES, SLOW, Journal
from tracetools.core.slow_spans import SlowSpans, TraceOfSpan
from tracetools.core.steps import ALWAYS, NEVER
from tracetools.guest.pace import Pace
from tracetools.guest.threads import HiddenThread
from tracetools.recording.pending import Pending
from tracetools.recording.replay import paced_records_of_kind
from tracetools.recording.traces import Traces, wanting
from tracetools.recording.triggers import Fired, Signals, Triggers, signal_number
from tracetools.timelines.breakdown import breakdown
from tracetools.timelines.critical_path import critical_path
from tracetools.timelines.states import States
from tracetools.timelines.timeline import SpanTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tracetools.core.stacks import Frame, Stack, StackPath
    from tracetools.recording.pending import Name
    from tracetools.recording.recorder import Recorder
    from tracetools.recording.replay import Paths
    from tracetools.recording.triggers import Why
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

_SIGNALLED: Final = 10.0
"""Seconds before a signal that are kept, at least: whoever sends it has seen something."""

_MOST_PENDING: Final = 1000
_MOST_NAMES: Final = 1000
_MOST_ENOUGH: Final = 10_000


class Slow(float):
    """Which spans are slow, and how many of them are kept: what `slow` returns.

    As a number, it is the seconds from which on a span is slow.

    Attributes:
        most: how many spans of each name are kept at most: the slowest ones.
        before: seconds before the span that are kept with it.
        after: seconds after it.
        apart: seconds between the ends of two spans of one name that are kept, at least.
        memory: bytes that the last events take.
        blocking: whether steps that block a loop are kept as well.
        errors: whether spans that an exception ends are, of all names or of these.
        signal: the number of the signal at which the last seconds are kept; ``None`` for none.
    """

    most: int = 10
    before: float = 0.1
    after: float = 0.1
    apart: float = 0.0
    memory: int = 32 << 20
    blocking: bool = False
    errors: bool | tuple[str, ...] = False
    signal: int | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return _slow_of, (float(self), vars(self))

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in sorted(vars(self).items()))
        return f"slow({float(self):g}{options})"


def slow(  # noqa: PLR0913  # options, each with a default
    seconds: float | None = 0.0,
    *,
    blocking: bool = Slow.blocking,
    errors: bool | Iterable[str] = Slow.errors,
    signal: int | bool | None = Slow.signal,
    most: int = Slow.most,
    before: float = Slow.before,
    after: float = Slow.after,
    apart: float = Slow.apart,
    memory: int = Slow.memory,
) -> Slow:
    """Say what is kept: ``record("stack", keep=slow(0.5, errors=True))``.

    Args:
        seconds: spans that last longer are slow. With 0, the slowest of each name are kept; with
            ``None``, none for being slow.
        blocking: whether steps that block a loop are kept as well; see the option of that name.
        errors: whether spans are kept that an exception ends, of all names or of these. The page
            has the type of the exception, and not its message. Cancellations are no errors, nor
            is ``StopIteration``.
        signal: a signal at which the last ten seconds are kept, or more if `before` is more. True
            for ``SIGUSR2``. The handler of the program is called as well.
        most: how many of each name are kept at most: the slowest spans and steps, the first spans
            of each type of error, the last signals.
        before: seconds before that are kept with it.
        after: seconds after it.
        apart: seconds between the ends of two of one name that are kept, at least.
        memory: bytes that the last events of the program take: 32 for each step, wait and span. A
            span that lasted longer than they reach back is cut, and so is one with more than
            50,000 of them.

    Raises:
        TypeError, ValueError: an argument is of another type, or out of bounds.
    """
    seconds = float(_LONGEST) if seconds is None else seconds
    times = {"seconds": seconds, "before": before, "after": after, "apart": apart}
    for name, value in times.items():
        _check_seconds(name, value)
    for name, number, least in (("most", most, 1), ("memory", memory, RECORD_BYTES)):
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{name} is a whole number, not {number!r}")
        if number < least:
            raise ValueError(f"{name} is at least {least}, not {number!r}")
    if not isinstance(blocking, bool):
        raise TypeError(f"blocking is True or False, not {blocking!r}")
    options = {
        "most": most,
        "before": before,
        "after": after,
        "apart": apart,
        "memory": memory,
        "blocking": blocking,
        "errors": _checked_errors(errors),
        "signal": signal_number(signal),
    }
    return _slow_of(seconds, options)


def _checked_errors(errors: bool | Iterable[str]) -> bool | tuple[str, ...]:
    if isinstance(errors, bool):
        return errors
    try:
        names = () if isinstance(errors, str) else tuple(errors)
    except TypeError:
        names = ()
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"errors is True, False, or names of spans, not {errors!r}")
    return names


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
    """A slow span that is kept, or something else.

    Attributes:
        name: the name of the span, or of the task that has blocked its loop, or of the signal.
        latency: how long the span or the step lasted, in nanoseconds.
        timeline: what all tasks of its loop did, with the span or the step as its subject.
        critical: the critical path: the number of a task, when a piece begins, and when it ends.
        why: for what it is kept.
        detail: the type of the error.
        trace_id: the trace of OpenTelemetry that it belongs to, in hexadecimal; empty for none.
    """

    name: str
    latency: int
    timeline: Timeline
    critical: tuple[tuple[int, int, int], ...] = ()
    why: Why = "slow"
    detail: str = ""
    trace_id: str = ""


class _Known(NamedTuple):
    """What is known of something that is kept."""

    rank: int
    take_back: Callable[[], object]
    path: StackPath
    slow: SlowSpans | None


class Keeper:
    """Looks for slow spans, and what else is to be kept, while loops run.

    Args:
        recorder: what is recorded. It gets a journal.
        how: which spans are slow, what else is kept, and how much.
        keep: called with each that is kept, in a thread of ours or at the end of a loop. It returns
            what takes it back, for a slower span of the same name takes its place.
    """

    def __init__(
        self, recorder: Recorder, how: Slow, keep: Callable[[Kept], Callable[[], object]]
    ) -> None:
        self._recorder = recorder
        self._how = how
        self._keep = keep
        self._journal = recorder.journal = Journal(max(how.memory // RECORD_BYTES, 1))
        recorder.slow_after = round(how * 1e9)
        self._triggers = recorder.triggers = Triggers(
            self._journal, blocking=how.blocking, errors=how.errors
        )
        self._signals = None if how.signal is None else Signals(how.signal, recorder.messages)
        self._traces = recorder.traces = Traces()
        recorder.not_kept = lambda: self.skipped
        if recorder.resources is not None:
            recorder.resources.keep_lengths()
        self._seen = self._read = 0
        self._pending = Pending(_MOST_PENDING)
        self._frames: dict[int, Frame | None] = {}
        self._kept: dict[Name, list[_Known]] = {}
        self._last: dict[Name, int] = {}
        self._skipped = 0
        self._fails = False
        self._lock = threading.Lock()
        self._new_event = threading.Event
        self._hand_over = threading.RLock()  # a signal handler may end it while it is started
        self._running: tuple[HiddenThread, threading.Event] | None = None

    @property
    def skipped(self) -> int:
        """How many were not kept, for there were too many at once, or too soon after another."""
        return self._skipped + self._pending.skipped + self._triggers.lost

    @property
    def most(self) -> int:
        """How many of each name are kept at most."""
        return self._how.most

    def catch_signal(self) -> None:
        """Look out for the signal from now on, if there is one, and if this is the main thread."""
        if self._signals is not None:
            self._signals.catch()

    def let_go_of_signal(self) -> None:
        """Do so no more."""
        if self._signals is not None:
            self._signals.let_go()

    def take_slow(self) -> dict[StackPath, SlowSpans]:
        """Return what is known of the slow spans that are kept, and begin anew: forget them.

        So each part of a recording has its own slowest ones. If many are just being looked at,
        nothing is taken, and all stay for the next time.
        """
        if not self._lock.acquire(timeout=_PATIENCE):
            return {}
        try:
            taken = self._sums()
            self._kept.clear()
            self._last.clear()
            self._triggers.enough.clear()
            self._recorder.slow = {}
            self._recorder.forget_slow_after()
        finally:
            self._lock.release()
        return taken

    # -- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Look from now on, unless that is done already. Several threads may ask for it."""
        wanting.add(self)
        with self._hand_over:
            if self._running is not None:
                return
            over = self._new_event()
            thread = HiddenThread(target=self._go_on, args=(over,), name="tracetools keeper")
            try:
                thread.start()
            except RuntimeError as error:
                messages = self._recorder.messages
                messages.warning("slow spans are kept at the end only: %s", error)
            else:
                self._running = thread, over

    def pause(self) -> HiddenThread | None:
        """Let the thread end, and return it if it can be waited for."""
        if not self._recorder.at_home:  # the lock may be held by a thread that does not exist here
            return None
        with self._hand_over:
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
            thread.await_end()
        stops = _after(_LONGEST_END)
        self.look(is_last=True, stops=stops)
        while self._pending and self._recorder.at_home and not stops():
            self.look(is_last=True, stops=stops)
        self._pending.clear()

    def _go_on(self, over: threading.Event) -> None:
        rest = _INTERVAL
        while not over.wait(rest):
            begin = perf_counter()
            with Pace():
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
        """Keep what is to be kept, as far as what came after it is known. Never raises.

        In a forked child nothing is done: what was slow there was so in the parent.

        Args:
            is_last: nothing more is going to be known.
            stops: returns whether the others wait for the next look; asked when one was kept.
        """
        if not self._recorder.at_home:
            return
        try:
            with self._lock:
                self._add_new()
                self._keep_some(is_last=is_last, stops=stops)
        except Exception as error:  # the program under observation comes first
            if is_interruption(error):
                raise
            self._pending.clear()
            if not self._fails:
                messages = self._recorder.messages
                messages.error("a slow span could not be kept: %s", error, exc_info=True)
            self._fails = True

    def _add_new(self) -> None:
        """Find what has happened since the last look."""
        fired = [*self._triggers.take(), *self._signalled()]
        named = self._named(fired + list(self._slow()))
        for name, each in named:
            self._pending.add(name, each)
        self._pending.bound()

    def _slow(self) -> Iterator[Fired]:
        """Yield the slow spans that the journal has noted since the last look."""
        journal = self._journal
        noted, slow = journal.noted, journal.slow
        if slow == self._seen:
            self._read = noted
            return
        packed = journal.since(ALWAYS, first=self._read)
        first = max(self._read, journal.lost)
        self._seen, self._read = slow, first + len(packed) // RECORD_BYTES
        for index, record in paced_records_of_kind(packed, SLOW):
            place = record.loop, record.begin, record.end, record.task, record.stack
            yield Fired("slow", *place, first + index)

    def _signalled(self) -> Iterator[Fired]:
        """Yield the last signal since the last look, for each loop."""
        moments = () if self._signals is None else self._signals.take()
        if self._signals is None or not moments:
            return
        self._skipped += len(moments) - 1
        ago, noted = max(perf_counter_ns() - moments[-1], 0), self._journal.noted
        for loop in self._recorder.loops:
            end = self._recorder.clock_of_loop(loop)() - ago
            number = loop.number % MOST_LOOPS
            yield Fired("signal", number, end, end, 0, 0, noted, self._signals.name)

    def _named(self, found: Iterable[Fired]) -> Iterator[tuple[Name, Fired]]:
        """Yield each with its name; what comes of a stack that is not known is left out."""
        paths: Paths | None = None
        for fired in found:
            if fired.stack and fired.stack not in self._frames:
                paths = self._recorder.paths() if paths is None else paths
                stack = paths.stack(fired.stack)
                self._frames[fired.stack] = None if stack is None else stack.frame
            frame = self._frames.get(fired.stack)
            if frame is not None or not fired.stack:
                yield (fired.why, frame, fired.detail), fired

    def _keep_some(self, *, is_last: bool, stops: Callable[[], bool]) -> None:
        complete = self._complete(is_last=is_last)
        if not complete:
            return
        paths = self._recorder.paths()
        left = _AT_ONCE
        for index, (name, fired) in enumerate(complete):
            if not self._is_wanted(name, fired, paths.stack(fired.stack)):
                continue
            if not left:
                if name in self._kept:
                    self._skipped += 1
                else:
                    self._pending.add(name, fired)
                continue
            left -= 1
            self._take(name, fired, paths)
            if stops():
                for each in complete[index + 1 :]:
                    self._pending.add(*each)
                break
        if left < _AT_ONCE:
            self._recorder.slow = self._sums()

    def _complete(self, *, is_last: bool) -> list[tuple[Name, Fired]]:
        """Take those out of what was found of which is known what came after them."""
        after, clocks = round(self._how.after * 1e9), dict[int, int]()

        def is_complete(fired: Fired) -> bool:
            if fired.loop not in clocks:
                clocks[fired.loop] = self._now(fired.loop)
            return is_last or clocks[fired.loop] >= fired.end + after

        return self._pending.take(is_complete)

    def _now(self, loop: int) -> int:
        return self._recorder.clock_of_number(loop)()

    def _is_wanted(self, name: Name, fired: Fired, stack: Stack | None) -> bool:
        """Whether one ranks before one of the same name that is kept, or there is room.

        If it does not, those with its stack that do not either are not even found from now on.
        """
        known = self._kept.get(name)
        if known is None:
            if len(self._kept) < _MOST_NAMES:
                return True
            self._find_no_more(fired, stack, NEVER)
            return False
        if abs(fired.end - self._last[name]) < self._how.apart * 1e9:
            self._skipped += 1
            return False
        if len(known) < self._how.most or fired.rank > known[0].rank:
            return True
        self._find_no_more(fired, stack, known[0].rank)
        return False

    def _find_no_more(self, fired: Fired, stack: Stack | None, rank: int) -> None:
        if fired.why == "slow" and stack is not None:
            stack.slow_after = max(stack.slow_after, rank)
        elif fired.why == "error" and len(self._triggers.enough) < _MOST_ENOUGH:
            self._triggers.enough.add((fired.stack, fired.detail))

    def _take(self, name: Name, fired: Fired, paths: Paths) -> None:
        path = paths.of(fired.stack)
        span = SpanTime(fired.task, fired.begin, fired.end, path) if fired.stack else None
        timeline = self._timeline(fired, span, paths)
        trace_id = self._traces.of(timeline, fired.loop)
        slow: SlowSpans | None = None
        pieces: tuple[tuple[int, int, int], ...] = ()
        if span is not None:
            states = States(timeline)
            critical = critical_path(states, span)
            pieces = tuple((piece.task, piece.begin, piece.end) for piece in critical.pieces)
            if fired.why == "slow":
                traces = (TraceOfSpan(fired.latency, trace_id),) if trace_id else ()
                slow = SlowSpans(breakdown(states, span), critical.times(), traces)
        _, frame, detail = name
        called = detail if frame is None else frame.name
        kept = Kept(called, fired.latency, timeline, pieces, fired.why, detail, trace_id)
        take_back = self._keep(kept)
        known = self._kept.setdefault(name, [])
        known.append(_Known(fired.rank, take_back, path, slow))
        self._last[name] = fired.end
        known.sort(key=lambda each: each.rank)
        if len(known) > self._how.most:
            known.pop(0).take_back()
        if len(known) == self._how.most and frame is not None and fired.why == "slow":
            self._recorder.raise_slow_after(frame, known[0].rank)

    def _timeline(self, fired: Fired, span: SpanTime | None, paths: Paths) -> Timeline:
        before, after = self._how.before, round(self._how.after * 1e9)
        if fired.why == "signal":
            before = max(before, _SIGNALLED)
        end = min(fired.end + after, max(self._now(fired.loop), fired.end))
        return self._recorder.replay(
            self._journal,
            paths,
            fired.loop,
            fired.begin - round(before * 1e9),
            end,
            span,
            first=max(fired.number - _MOST_EVENTS, 0),
            most=2 * _MOST_EVENTS,
        )

    def _sums(self) -> dict[StackPath, SlowSpans]:
        found: dict[StackPath, SlowSpans] = {}
        for known in self._kept.values():
            for each in known:
                if each.slow is not None:
                    found[each.path] = each.slow.plus(found.get(each.path, SlowSpans()))
        return found


_PATIENCE: Final = 0.5
"""Seconds to wait for a look to be over."""


def _after(seconds: float) -> Callable[[], bool]:
    """Return a function that returns whether so much time has passed since now."""
    until = perf_counter() + seconds
    return lambda: perf_counter() > until


def _any(*conditions: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that returns whether one of these returns true."""
    return lambda: any(condition() for condition in conditions)
