"""The sampler: functions and blocking steps of loops, and the spans of worker threads.

Where there is a native core, it samples the loops of the main thread, and no thread of ours takes
the GIL meanwhile. All else is sampled by a thread of Python, at most 200 times a second. It has to
wait for the GIL: up to Python's switch interval, or until the program releases it. So functions
that release the GIL often are seen more often than others, and C code that keeps it never.
"""

from __future__ import annotations

import threading
from functools import partial
from random import getrandbits
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tracetools.core.stacks import BLOCKS_THE_LOOP, IMPORTING, Frame
from tracetools.guest.threads import HiddenThread
from tracetools.recording.usage import read_usage
from tracetools.sampling.blocking_log import BlockingLog
from tracetools.sampling.grid import Grid
from tracetools.sampling.main_thread import FOR_EVER, MainThread
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

    Weigh = Callable[[int], int]
    """Returns the weight of a sample of a step that has lasted for some nanoseconds."""

__all__ = ["Sampler"]

_SAMPLES_A_THRESHOLD: Final = 5
_LONGEST_INTERVAL: Final = 50_000_000
_SHORTEST_INTERVAL: Final = 1_000_000

_LEAST_OF_PYTHON: Final = 5_000_000
"""Nanoseconds between two samples of the thread of Python, on average, at least."""

_PAUSES: Final = (50e-6, 100e-6, 200e-6)
"""Seconds: how long is waited for a thread to compute. It is longer if many want the processor."""

_MAX_FRAMES: Final = 100
_MAX_SAMPLES: Final = 100
_MAX_THREADS: Final = 1000


class Sampler:
    """Samples the loops of one recording.

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
        self._main: MainThread | None = None
        self._ticks = False
        recorder.shows_functions = interval is not None
        self._collected: WeakKeyDictionary[RecordedLoop, int] = WeakKeyDictionary()
        self._is_wanted = interval is not None or recorder.threshold is not None
        self._sampled_at: dict[int, int] = {}
        self._pending: list[tuple[WeightedSamples[Sample], Sample, int, int, int]] = []
        threshold = recorder.threshold
        part = _LONGEST_INTERVAL if threshold is None else threshold // _SAMPLES_A_THRESHOLD
        self._part = part
        self._of_blocking = max(min(part, _LONGEST_INTERVAL), _SHORTEST_INTERVAL)

    # -- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start to sample, unless that goes on already or there is nothing to sample."""
        if not self._is_wanted:
            return
        with self._lock:
            if self._thread is not None or not self._recorder.at_home:
                return
            self._main = self._start_main()
            over = self._over = threading.Lock()
            over.acquire()
            self._thread = HiddenThread(
                target=self._run, args=(over, self._main), name="tracetools sampler"
            )
            try:
                self._thread.start()
            except RuntimeError as error:
                self._thread = None
                self._end_main()
                self._recorder.messages.warning(
                    "functions and blocking lines are not sampled: %s", error
                )
            else:
                self._recorder.watch = self
                self.loops_changed()

    def _start_main(self) -> MainThread | None:
        """Let the native core sample the main thread; None where it cannot."""
        if not MainThread.can_sample(self._recorder):
            return None
        interval = min(self._interval or _LONGEST_INTERVAL, self._of_blocking)
        main = MainThread(
            self._recorder, interval, self._part, functions=self._interval is not None
        )
        try:
            main.start()
        except RuntimeError:  # too many recordings at once, or no thread can be started
            return None
        return main

    def _end_main(self) -> None:
        main, self._main = self._main, None
        if main is not None:
            main.stop()
            self._collect_from(main)

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
            self._recorder.watch = None
            self._over.release()
            self._end_main()
        can_wait = thread.ident != threading.get_ident() and not self._log.is_logging
        return thread if can_wait else None

    def _run(self, over: Any, main: MainThread | None) -> None:
        """Take samples until the lock `over` is free."""
        try:
            stalls = StallWatch(self._recorder)
            grid = Grid(perf_counter_ns(), self._tick_interval(), getrandbits(64))
            sampled = grid.start
            while not self._recorder.stopped:
                begin = perf_counter_ns()
                wait = grid.following(begin) - begin
                if main is None:
                    self._recorder.pulse.sleep(begin + wait)
                if self._is_over(over, main, wait):
                    break
                now = perf_counter_ns()
                found = (
                    stalls.look(now, now - begin - wait, wait)
                    if main is None
                    else stalls.judge(*main.take_stall())
                )
                for stall in found:
                    self._note_stall(stall)
                self._sample(partial(_weight, grid, sampled, now))
                sampled = now
        except Exception:  # noqa: BLE001  # the program under observation comes first
            self._recorder.stop("the sampler failed")
        finally:
            if self._over is over:  # and no other thread of this sampler runs by now
                self._recorder.pulse.moment = 0

    def _tick_interval(self) -> int:
        """Return the mean nanoseconds between two samples of the thread of Python."""
        interval = min(self._interval or _LONGEST_INTERVAL, self._of_blocking)
        return max(interval, _LEAST_OF_PYTHON)

    def _is_over(self, over: Any, main: MainThread | None, wait: int) -> bool:
        """Sleep, or until there is something to do; return whether that was all."""
        if main is None:
            return bool(over.acquire(timeout=wait / 1e9))
        main.wait(wait if self._ticks else FOR_EVER)
        return bool(over.acquire(blocking=False))

    # -- what the recording says -------------------------------------------------------------------

    def loops_changed(self) -> None:
        """Watch the loops that run just now."""
        main = self._main
        if main is not None:
            main.watch()
            self.threads_changed()

    def threads_changed(self) -> None:
        """Sample worker threads as long as spans are open in them, and loops elsewhere."""
        main = self._main
        if main is not None and not self._ticks:
            self._ticks = self._has_to_tick(main)
            if self._ticks:
                main.wake()

    def _has_to_tick(self, main: MainThread) -> bool:
        """Whether the thread of Python has something to sample."""
        recorder = self._recorder
        others = (loop for loop in recorder.loops if loop.running)
        return any(not main.watches(loop) for loop in others) or (
            self._interval is not None and recorder.has_open_threads
        )

    def step_blocked(self) -> None:
        """Log a step that has blocked a loop, in the sampler's thread."""
        main = self._main
        if main is not None:
            main.wake()

    def bring(self, loop: RecordedLoop, began: int) -> None:
        """Give a loop all that is known of its step."""
        main = self._main
        if main is None or not main.watches(loop):
            return
        for each, sample, weight in main.take_long():
            each.add_sample(sample.began, self._location(sample), weight)
        step, used = main.used(loop)
        if used is not None:
            loop.usage = (began if step == began else 0, used)
        pulse = self._recorder.pulse
        pulse.moment, pulse.due, pulse.native, pulse.usage = main.pulse()

    def collect(self) -> None:
        """Give the recording all samples of functions up to now."""
        main = self._main
        if main is not None:
            self._collect_from(main)

    def _collect_from(self, main: MainThread) -> None:
        with self._lock:
            for taken in main.take():
                sample = taken.sample
                if taken.own is None:
                    self._unseen.add(taken)
                else:
                    self._recorder.samples.add(
                        taken.own, sample.key, sample, taken.weight, times=taken.times
                    )
            blocked = [
                (taken, location)
                for taken in main.take_blocked()
                if (location := self._unseen.count_blocked(taken)) is not None
            ]
        for taken, location in blocked:  # without the lock: the program's handlers are called
            self._unseen.log_blocked(taken, location)

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

    # -- a sample --------------------------------------------------------------------------------

    def _sample(self, weigh: Weigh) -> None:
        """Sample all loops and worker threads that the native core does not sample."""
        recorder, main = self._recorder, self._main
        loops = recorder.loops
        for loop in loops:
            is_outer = len(loops) > 1 and any(_runs_within(loop, one) for one in loops)
            if loop.current is not None:
                if main is not None and main.watches(loop):
                    self._look_at_long_step(loop, is_outer=is_outer)
                else:
                    self._sample_step(loop, weigh, is_outer=is_outer)
            elif loop.unseen is None:
                pass
            elif main is not None and main.watches(loop):
                self._unseen.look(loop, main.still_since)
            else:
                self._unseen.sample(loop, recorder.clock_of_loop(loop)())
            if loop.last_blocking is not None:
                self._log.log(loop, *loop.last_blocking)
        if self._interval is not None:
            for account in recorder.open_threads():
                self._sample_thread(account, weigh)
            self._add_pending()
        if main is not None:
            self._ticks = self._has_to_tick(main)
            self._collect_from(main)

    def _sample_step(self, loop: RecordedLoop, weigh: Weigh, *, is_outer: bool) -> None:
        """Sample the step of a loop."""
        began = loop.began
        took = self._recorder.clock_of_loop(loop)() - began
        is_long = took * _SAMPLES_A_THRESHOLD > loop.threshold
        if not is_long and self._interval is None:
            return
        sample = unwind_step(loop, is_outer=is_outer, with_lines=is_long)
        if sample is None:
            return
        if sample.began is not began:  # another step has begun meanwhile
            took, is_long = 0, False
        if self._interval is not None:
            weight = max(weigh(took) - self._collected_since(loop), 0)
            if loop.collecting is None or loop.collecting[1] is not began:
                self._add(self._recorder.samples, sample, weight, loop.thread)
        if is_long:
            is_early = 2 * took < loop.threshold  # else most of the step would be left out
            if is_early and loop.usage[0] is not began and self._recorder.tells_kinds:
                loop.usage = (began, read_usage(loop.native))
            self._keep_location(loop, sample, took)

    def _look_at_long_step(self, loop: RecordedLoop, *, is_outer: bool) -> None:
        """Log the step of a loop of the main thread if it blocks the loop.

        It may wait in a call, where the native core cannot sample it: then it is where it is now.
        """
        took = self._recorder.clock_of_loop(loop)() - loop.began
        if took > loop.threshold:
            sample = unwind_step(loop, is_outer=is_outer, with_lines=True)
            if sample is not None:
                self._keep_location(loop, sample, took)

    def _collected_since(self, loop: RecordedLoop) -> int:
        """Return for how long garbage was collected in steps since this was asked last.

        That time has frames of its own, and is not divided over functions.
        """
        before = self._collected.get(loop, 0)
        self._collected[loop] = collected = loop.collected_time
        return collected - before

    def _keep_location(self, loop: RecordedLoop, sample: Sample, took: int) -> None:
        """Keep the location of a long step; log it if it blocks the loop."""
        loop.add_sample(sample.began, self._location(sample), 1)
        if took > loop.threshold and loop.may_block(sample.own):
            location, blocks = loop.describe(sample.own, sample.began, sample.began + took)
            self._log.log(loop, sample.began, location, blocks)

    def _sample_thread(self, account: RecordedThread, weigh: Weigh) -> None:
        opened = account.innermost
        sample = unwind_thread(account)
        if sample is None or opened is None:
            return
        lasted = self._recorder.clock_of(account.thread)() - opened.since
        self._add(self._recorder.thread_samples, sample, weigh(lasted), account.thread)

    # -- samples of CPU time ---------------------------------------------------------------------

    def _add(
        self, samples: WeightedSamples[Sample], sample: Sample, weight: int, thread: int
    ) -> None:
        """Add a sample of a thread; later, if it has to be seen whether the thread sleeps."""
        if not self._recorder.is_cpu_time:
            self._add_at_once(samples, sample, weight)
            return
        now = self._recorder.clock_of(thread)()
        passed = now - self._sampled_at.get(thread, now - weight)
        if len(self._sampled_at) > _MAX_THREADS:
            self._sampled_at.clear()
        self._sampled_at[thread] = now
        if passed > 0:
            self._pending.append((samples, sample, thread, now, passed))

    def _add_at_once(self, samples: WeightedSamples[Sample], sample: Sample, weight: int) -> None:
        self._recorder.samples_by_thread += 1
        samples.add(sample.own, sample.key, sample, weight)

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
                    self._add_at_once(samples, sample, passed)
                else:
                    asleep.append((samples, sample, thread, then, passed))
            self._pending = asleep
            if not asleep:
                return
        self._pending.clear()

    def _pause(self, seconds: float) -> None:
        """Let other threads run for a moment."""
        over = self._over
        if over.acquire(timeout=seconds):
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


def _weight(grid: Grid, sampled: int, now: int, lasted: int) -> int:
    """Return the weight of a sample of a step that has lasted for some nanoseconds.

    These are the moments that fell due since the sample before, and in that step.
    """
    return grid.between(max(sampled, now - lasted), now) * grid.interval


def _runs_within(outer: RecordedLoop, other: RecordedLoop) -> bool:
    """Whether a loop runs within a step of another one, in the same thread."""
    return (
        other is not outer
        and other.thread == outer.thread
        and other.current is not None
        and other.began >= outer.began
    )
