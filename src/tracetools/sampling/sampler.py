"""The sampler: a thread that samples the steps of loops and the spans of worker threads."""

from __future__ import annotations

import threading
from functools import partial
from random import Random
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tracetools.core.accounting import NEVER
from tracetools.core.stacks import BLOCKS_THE_LOOP, IMPORTING, Frame
from tracetools.guest.threads import HiddenThread
from tracetools.recording.usage import read_usage
from tracetools.sampling.blocking_log import BlockingLog
from tracetools.sampling.gil import GilHandover, make_waker
from tracetools.sampling.schedule import NOT_SAMPLED, Schedule
from tracetools.sampling.stalls import StallWatch
from tracetools.sampling.unseen_callbacks import UnseenCallbacks
from tracetools.sampling.unwind import line_at_fault, unwind_step, unwind_thread, without_import

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.attribution.division import WeightedSamples
    from tracetools.attribution.functions import Sample
    from tracetools.recording.loops import Location, RecordedLoop, RecordedThread
    from tracetools.recording.recorder import Recorder
    from tracetools.sampling.stalls import Stall

__all__ = ["Sampler"]

_SAMPLES_A_THRESHOLD: Final = 5
_LONGEST_INTERVAL: Final = 50_000_000
_SHORTEST_INTERVAL: Final = 1_000_000

_SAMPLES_THAT_HIT: Final = 10
"""So many samples at random moments hit a step in all likelihood. Fewer are taken evenly."""

_TREND: Final = 250_000_000
"""Nanoseconds between two entries of the trend of the queue."""

_AHEAD: Final = 1_000_000
"""Nanoseconds by which a loop releases the GIL before a sample. A sampler that waits for the GIL
already, for as long as usual, would gain nothing."""

_PAUSES: Final = (50e-6, 100e-6, 200e-6)
"""Seconds: how long is waited for a thread to compute. It is longer if many want the processor."""

_MAX_FRAMES: Final = 100
_MAX_SAMPLES: Final = 100
_MAX_THREADS: Final = 1000


class Sampler:
    """Samples the loops of one recording, from a thread of its own.

    Args:
        recorder: the recording.
        interval: the mean nanoseconds between two samples of functions; ``None`` for no samples of
            functions, but of steps that block.
    """

    def __init__(self, recorder: Recorder, interval: int | None) -> None:
        self._recorder = recorder
        self._interval = interval
        self._log = BlockingLog(recorder.messages)
        self._unseen = UnseenCallbacks(self._log)
        # A signal handler of the program may end the recording while this thread has the lock.
        self._lock = threading.RLock()
        self._over: Any = None
        self._thread: threading.Thread | None = None
        self._gil = GilHandover(always=interval is not None)
        recorder.shows_functions = interval is not None
        self._collected: WeakKeyDictionary[RecordedLoop, int] = WeakKeyDictionary()
        self._is_wanted = interval is not None or recorder.threshold is not None
        self._next_trend = 0
        self._sampled_at: dict[int, int] = {}
        self._pending: list[tuple[WeightedSamples[Sample], Sample, int, int, int]] = []
        self._queues: WeakKeyDictionary[RecordedLoop, tuple[int, int]] = WeakKeyDictionary()

    # -- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, unless it runs already or there is nothing to sample."""
        if not self._is_wanted:
            return
        with self._lock:
            if self._thread is not None or not self._recorder.at_home:
                return
            over = self._over = threading.Lock()
            over.acquire()
            self._gil.start()
            self._recorder.set_gil_release(self._gil.request)
            self._thread = HiddenThread(
                target=self._run, args=(over, make_waker()), name="tracetools sampler"
            )
            try:
                self._thread.start()
            except RuntimeError as error:
                self._thread = None
                self._recorder.messages.warning(
                    "functions and blocking lines are not sampled: %s", error
                )

    def end(self) -> None:
        """End the thread. A line that is being logged is not waited for."""
        thread = self.pause()
        if thread is not None and thread.is_alive():
            thread.join(1)

    def pause(self) -> threading.Thread | None:
        """End the thread, and return it if it can be waited for. `start` starts another one."""
        if not self._recorder.at_home:
            return None
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return None
            self._over.release()
            self._recorder.set_gil_release(None)
            self._gil.end()
        can_wait = thread.ident != threading.get_ident() and not self._log.is_logging
        return thread if can_wait else None

    def _run(self, over: Any, wake_in_time: Callable[[], None]) -> None:
        """Take samples until the lock `over` is free."""
        try:
            wake_in_time()
            schedule = self._schedule()
            then = thread_time_ns()
            stalls = StallWatch(self._recorder)
            while not self._recorder.stopped:
                wait = schedule.next(perf_counter_ns())
                self._announce(wait)
                self._gil.before_sleep()
                begin = perf_counter_ns()
                self._recorder.pulse.sleep(begin + wait)
                if self._gil.sleep(over, wait / 1e9):
                    break
                start = thread_time_ns()
                now = perf_counter_ns()
                for stall in stalls.look(now, now - begin - wait, wait):
                    self._note_stall(stall)
                lasted = self._sample(*schedule.start_sample(now))
                end = thread_time_ns()
                schedule.end_sample(lasted, end - start, start - then)
                then = end
        except Exception:  # noqa: BLE001  # the program under observation comes first
            self._recorder.stop("the sampler failed")
        finally:
            if self._over is over:  # and no other thread of this sampler runs by now
                self._gil.end()
                self._recorder.pulse.moment = 0

    def _note_stall(self, stall: Stall) -> None:
        """Note what has kept all loops from running; log it if it was long."""
        recorder = self._recorder
        if not recorder.tells_kinds:
            return
        if stall.kind == "stopped":
            for loop in recorder.loops:
                if loop.began < stall.begin + stall.took:
                    loop.add_stop(stall.took)
        if recorder.threshold is not None and stall.took > recorder.threshold:
            recorder.add_stall(stall.path, stall.took)
            if stall.kind != "starved":  # on a busy machine that is nothing new
                self._log.log_stall(stall.path, stall.took)

    def _schedule(self) -> Schedule:
        """Return the schedule: random for functions, even for steps that block.

        The random numbers are not the program's, which may be seeded.
        """
        random = Random()  # noqa: S311
        at_random, evenly = partial(random.expovariate, 1), partial(random.uniform, 0.5, 1.5)
        interval, threshold = self._interval or _LONGEST_INTERVAL, self._recorder.threshold
        if threshold is None:
            return Schedule(interval, NEVER, at_random)
        of_blocking = threshold // _SAMPLES_A_THRESHOLD
        of_blocking = max(min(of_blocking, _LONGEST_INTERVAL), _SHORTEST_INTERVAL)
        is_hit = self._interval is not None and threshold >= _SAMPLES_THAT_HIT * interval
        return Schedule(
            min(interval, of_blocking), 2 * of_blocking, at_random if is_hit else evenly
        )

    # -- a sample --------------------------------------------------------------------------------

    def _announce(self, wait: int) -> None:
        """Let loops release the GIL after the step in which the next sample is due.

        Or after one that takes long, so that it is sampled in time.
        """
        for loop in self._recorder.loops:
            now = self._recorder.clock_of_loop(loop)()
            part = loop.threshold // _SAMPLES_A_THRESHOLD
            is_long = loop.current is not None and now - loop.began > part
            soon = wait if self._interval is not None else wait - _AHEAD
            loop.set_due(0 if is_long else now + min(soon, part))

    def _sample(self, weight: int, missed: int = 0) -> int | None:
        """Sample all loops and worker threads.

        Args:
            weight: the weight of the samples, in nanoseconds.
            missed: what is added to the weight of a sample whose step has lasted for so long.

        Returns:
            How long the longest step has lasted; `NOT_SAMPLED` if it could not be sampled, ``None``
            if no loop was busy.
        """
        recorder = self._recorder
        now = perf_counter_ns()
        longest: int | None = None
        loops = recorder.loops
        for loop in loops:
            if loop.current is not None:
                is_outer = len(loops) > 1 and any(_runs_within(loop, one) for one in loops)
                took = self._sample_step(loop, weight, missed, is_outer=is_outer)
                longest = took if longest is None else max(took, longest)
            elif loop.unseen is not None:
                lasted = self._unseen.sample(loop, recorder.clock_of_loop(loop)())
                longest = lasted if longest is None else max(lasted or 0, longest)
            if loop.last_blocking is not None:
                self._log.log(loop, *loop.last_blocking)
        if self._interval is not None:
            for account in recorder.open_threads():
                self._sample_thread(account, weight, missed)
            self._add_pending()
        if recorder.scheduled and now >= self._next_trend:
            self._next_trend = now + _TREND
            for loop in loops:
                self._add_to_trend(loop)
        return longest

    def _sample_step(self, loop: RecordedLoop, weight: int, missed: int, *, is_outer: bool) -> int:
        """Sample the step of a loop; return how long it took up to now, in nanoseconds."""
        began = loop.began
        took = self._recorder.clock_of_loop(loop)() - began
        is_long = took * _SAMPLES_A_THRESHOLD > loop.threshold
        if not is_long and self._interval is None:
            return took
        sample = unwind_step(loop, is_outer=is_outer, with_lines=is_long)
        if sample is None:
            return NOT_SAMPLED
        if sample.began is not began:  # another step has begun meanwhile
            took, is_long = 0, False
        if self._interval is not None:
            total = _weight(weight, missed - self._collected_since(loop), took)
            if loop.collecting is None or loop.collecting[1] is not began:
                self._add(self._recorder.samples, sample, total, loop.thread)
        if is_long:
            is_early = 2 * took < loop.threshold  # else most of the step would be left out
            if is_early and loop.usage[0] is not began and self._recorder.tells_kinds:
                loop.usage = (began, read_usage(loop.native))
            self._keep_location(loop, sample, took)
        return took

    def _collected_since(self, loop: RecordedLoop) -> int:
        """Return for how long garbage was collected in steps since this was asked last.

        That time has frames of its own, and is not divided over functions.
        """
        before = self._collected.get(loop, 0)
        self._collected[loop] = collected = loop.collected_time
        return collected - before

    def _keep_location(self, loop: RecordedLoop, sample: Sample, took: int) -> None:
        """Keep the location of a long step; log it if it blocks the loop."""
        location = self._location(sample)
        known = loop.samples if loop.samples and loop.samples[0][0] is sample.began else []
        if len(known) < _MAX_SAMPLES:
            loop.samples = [*known, (sample.began, location)]
        if took > loop.threshold and loop.may_block(sample.own):
            blocks = loop.blocks_of(sample.began, sample.began + took)
            self._log.log(loop, sample.began, location, blocks)

    def _sample_thread(self, account: RecordedThread, weight: int, missed: int) -> None:
        opened = account.innermost
        sample = unwind_thread(account)
        if sample is None or opened is None:
            return
        lasted = self._recorder.clock_of(account.thread)() - opened.since
        total = _weight(weight, missed, lasted)
        self._add(self._recorder.thread_samples, sample, total, account.thread)

    # -- samples of CPU time ---------------------------------------------------------------------

    def _add(
        self, samples: WeightedSamples[Sample], sample: Sample, weight: int, thread: int
    ) -> None:
        """Add a sample of a thread; later, if it has to be seen whether the thread sleeps."""
        if not self._recorder.is_cpu_time:
            samples.add(sample.own, sample.key, sample, weight)
            return
        now = self._recorder.clock_of(thread)()
        passed = now - self._sampled_at.get(thread, now - weight)
        if len(self._sampled_at) > _MAX_THREADS:
            self._sampled_at.clear()
        self._sampled_at[thread] = now
        if passed > 0:
            self._pending.append((samples, sample, thread, now, passed))

    def _add_pending(self) -> None:
        """Add the samples of threads that compute, and drop those of threads that sleep.

        The weight of a sample is the CPU time since the one before. A thread that sleeps just now
        may have computed since then, but not in the functions that the sample has. So it is
        weighed only if the thread computes right after it: if its clock goes on as soon as it may
        have the GIL.
        """
        for pause in _PAUSES if self._pending else ():
            self._pause(pause)
            asleep = []
            for samples, sample, thread, then, passed in self._pending:
                if self._recorder.clock_of(thread)() > then:
                    samples.add(sample.own, sample.key, sample, passed)
                else:
                    asleep.append((samples, sample, thread, then, passed))
            self._pending = asleep
            if not asleep:
                return
        self._pending.clear()

    def _pause(self, seconds: float) -> None:
        """Let other threads run for a moment."""
        over = self._over
        self._gil.before_sleep()
        if self._gil.sleep(over, seconds):
            over.release()  # the thread is to end: it finds out next

    def _location(self, sample: Sample) -> Location:
        """Return the location of a step: its functions, then the line that blocks the loop.

        For a step that imports, these are the functions and the line that asked for it.
        """
        links = without_import(sample.links)
        fault = line_at_fault(links)
        codes = [code for code, _ in reversed(links)]
        frames = self._recorder.functions.frames(codes, sample.base, sample.own)
        importing = (IMPORTING,) if len(links) < len(sample.links) else ()
        last = Frame(BLOCKS_THE_LOOP, *(fault or (None, 0)))
        return sample.own, (*frames[-_MAX_FRAMES:], *importing, last)

    def _add_to_trend(self, loop: RecordedLoop) -> None:
        """Add the mean length of the queue since the last entry of the trend."""
        lengths, _, buckets = loop.queue.sums()
        times = sum(buckets.values())
        times_then, lengths_then = self._queues.get(loop, (0, 0))
        self._queues[loop] = times, lengths
        more = times - times_then
        loop.trend.add((lengths - lengths_then) * 1000 // more if more else 0)


def _weight(weight: int, missed: int, lasted: int) -> int:
    """Return the weight of a sample of a step that has lasted for some nanoseconds."""
    return weight + (missed if lasted >= missed > 0 else 0)


def _runs_within(outer: RecordedLoop, other: RecordedLoop) -> bool:
    """Whether a loop runs within a step of another one, in the same thread."""
    return (
        other is not outer
        and other.thread == outer.thread
        and other.current is not None
        and other.began >= outer.began
    )
