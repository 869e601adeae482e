"""A thread that looks at what loops and worker threads do: functions, and who holds a loop.

What may live here: when it looks, and what becomes of that. What must not: how one looks (`looks`),
what that means for the times of stacks (`shares`), what is said of it at once (`alarm`), and how
long a step took (`accounting`): that is known exactly, and never from here.

When the moments are is `pace`; how soon it is awake then, and has its turn, is `punctual`.
"""

from __future__ import annotations

import threading
from functools import partial
from random import Random
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tracetools.core.accounting import NEVER
from tracetools.core.stacks import BLOCKS_THE_LOOP, Frame
from tracetools.recording.recorder import logger
from tracetools.sampling.alarm import Alarm
from tracetools.sampling.gil import Turns, make_waker
from tracetools.sampling.schedule import NOTHING, Pace
from tracetools.sampling.unwind import line_at_fault, see, see_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.attribution.functions import Seen
    from tracetools.recording.loops import Location, RecordedLoop, RecordedThread
    from tracetools.recording.recorder import Recorder

__all__ = ["Watch"]

_LOOKS_A_LIMIT: Final = 5
_LONGEST_PAUSE: Final = 50_000_000
_SHORTEST_PAUSE: Final = 1_000_000

_LOOKS_THAT_MEET: Final = 10
"""How many looks by chance meet a step, in all likelihood; fewer have to be made evenly."""

_TREND: Final = 250_000_000
"""Nanoseconds between two looks at how long the queue was."""

_AHEAD: Final = 1_000_000
"""Nanoseconds by which a loop gives way before a look; a thread that wants its turn already, and
waits for it as long as usual, is not helped."""

_MOST_SHOWN: Final = 100
_MOST_LOOKS: Final = 100


class Watch:
    """Looks at the loops of one recording, from a thread of its own.

    Args:
        recorder: the recording.
        every: nanoseconds between two looks at functions, on average; ``None`` for none.
    """

    def __init__(self, recorder: Recorder, every: int | None) -> None:
        self._recorder = recorder
        self._every = every
        self._alarm = Alarm()
        # A signal handler of the program's may end the recording while this thread holds it.
        self._guard = threading.RLock()
        self._over: Any = None
        self._thread: threading.Thread | None = None
        self._turns = Turns(always=every is not None)
        self._is_wanted = every is not None or recorder.longest is not None
        self._next_trend = 0
        self._queues: WeakKeyDictionary[RecordedLoop, tuple[int, int]] = WeakKeyDictionary()

    # -- the thread ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to look, unless it does already or nothing is to be seen."""
        if not self._is_wanted:
            return
        with self._guard:
            if self._thread is not None or not self._recorder.at_home:
                return
            over = self._over = threading.Lock()
            over.acquire()
            self._turns.begin()
            self._recorder.let_give_way(self._turns.shorten)
            self._thread = threading.Thread(
                target=self._run, args=(over, make_waker()), name="tracetools watch", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError as error:
                self._thread = None
                logger.warning("nobody watches what holds the loop: %s", error)

    def end(self) -> None:
        """Look no more. It does not wait for a line that is being logged."""
        if not self._recorder.at_home:
            return
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._over.release()
            self._recorder.let_give_way(None)
            self._turns.end()
        if (
            thread.is_alive()
            and thread is not threading.current_thread()
            and not self._alarm.is_sounding
        ):
            thread.join(1)

    def _run(self, over: Any, wake_in_time: Callable[[], None]) -> None:
        """Look until it is over."""
        try:
            wake_in_time()
            pace = self._pace()
            then = thread_time_ns()
            while not self._recorder.stopped:
                wait = pace.next(perf_counter_ns())
                self._expect(wait)
                self._turns.end_turn()
                if self._turns.sleep(over, wait / 1e9):
                    break
                begun = thread_time_ns()
                lasted = self._look(*pace.look(perf_counter_ns()))
                ended = thread_time_ns()
                pace.looked(lasted, ended - begun, begun - then)
                then = ended
        except Exception:  # noqa: BLE001  # the program under observation comes first
            self._recorder.stop("the watch failed")
        finally:
            if self._over is over:  # and not another thread's turn by now
                self._turns.end()

    def _pace(self) -> Pace:
        """Say when to look: by chance for functions, evenly for steps that take long.

        The random numbers are not the program's, which may be seeded.
        """
        random = Random()  # noqa: S311
        by_chance, evenly = partial(random.expovariate, 1), partial(random.uniform, 0.5, 1.5)
        every, longest = self._every or _LONGEST_PAUSE, self._recorder.longest
        if longest is None:
            return Pace(every, NEVER, by_chance)
        watched = max(min(longest // _LOOKS_A_LIMIT, _LONGEST_PAUSE), _SHORTEST_PAUSE)
        is_met = self._every is not None and longest >= _LOOKS_THAT_MEET * every
        return Pace(min(every, watched), 2 * watched, by_chance if is_met else evenly)

    # -- a look ----------------------------------------------------------------------------------

    def _expect(self, wait: int) -> None:
        """Have loops give way at the end of a step when the next look is wanted, or overdue.

        And have them look back in time at a step that takes too long, whatever comes between.
        """
        for loop in self._recorder.loops:
            now = self._recorder.clock_of(loop.thread)()
            part = loop.threshold // _LOOKS_A_LIMIT
            is_long = loop.current is not None and now - loop.began > part
            soon = wait if self._every is not None else wait - _AHEAD
            loop.due = 0 if is_long else now + min(soon, part)

    def _look(self, stands_for: int, missed: int = 0) -> int | None:
        """Look at all that goes on.

        What is seen stands for some nanoseconds, and for those that were missed if it has lasted
        for so long.

        Returns:
            For how long it has; `NOTHING` if it could not be seen, ``None`` if no loop was at work.
        """
        recorder = self._recorder
        now = perf_counter_ns()
        longest: int | None = None
        loops = recorder.loops
        for loop in loops:
            if loop.current is not None:
                is_outer = len(loops) > 1 and any(_runs_within(loop, one) for one in loops)
                took = self._look_at_step(loop, stands_for, missed, is_outer=is_outer)
                longest = took if longest is None else max(took, longest)
            if loop.last_blocking is not None:
                self._alarm.sound(loop, *loop.last_blocking)
        if self._every is not None:
            for account in recorder.open_threads():
                self._look_at_thread(account, stands_for, missed)
        if recorder.scheduled and now >= self._next_trend:
            self._next_trend = now + _TREND
            for loop in loops:
                self._note_queue(loop)
        return longest

    def _look_at_step(
        self, loop: RecordedLoop, stands_for: int, missed: int, *, is_outer: bool
    ) -> int:
        """Look at the step that a loop makes; return how long it took up to now, in nanoseconds."""
        began = loop.began
        took = self._recorder.clock_of(loop.thread)() - began
        is_long = took * _LOOKS_A_LIMIT > loop.threshold
        if not is_long and self._every is None:
            return took
        seen = see(loop, is_outer=is_outer, with_lines=is_long)
        if seen is None:
            return NOTHING
        if seen.began is not began:  # another step has begun meanwhile
            took, is_long = 0, False
        if self._every is not None:
            weight = _weight(stands_for, missed, took)
            self._recorder.shares.add(seen.own, seen.key, seen, weight)
        if is_long:
            self._note(loop, seen, took)
        return took

    def _note(self, loop: RecordedLoop, seen: Seen, took: int) -> None:
        """Note where a long step is; say so when it is too long."""
        place = self._place(seen)
        looks = loop.samples if loop.samples and loop.samples[0][0] is seen.began else []
        if len(looks) < _MOST_LOOKS:
            loop.samples = [*looks, (seen.began, place)]
        if took > loop.threshold:
            self._alarm.sound(loop, seen.began, place, took)

    def _look_at_thread(self, account: RecordedThread, stands_for: int, missed: int) -> None:
        opened = account.innermost
        seen = see_thread(account)
        if seen is None or opened is None:
            return
        lasted = self._recorder.clock_of(account.thread)() - opened[3]
        weight = _weight(stands_for, missed, lasted)
        self._recorder.thread_shares.add(seen.own, seen.key, seen, weight)

    def _place(self, seen: Seen) -> Location:
        """Say where a step is: its functions, and at last the line that holds the loop."""
        fault = line_at_fault(seen.links)
        frames = self._recorder.functions.frames(seen.codes, seen.base, seen.own)
        return seen.own, (*frames[-_MOST_SHOWN:], Frame(BLOCKS_THE_LOOP, *(fault or (None, 0))))

    def _note_queue(self, loop: RecordedLoop) -> None:
        """Note how long the queue was on average since the last time."""
        lengths, _, buckets = loop.queue.sums()
        times = sum(buckets.values())
        times_then, lengths_then = self._queues.get(loop, (0, 0))
        self._queues[loop] = times, lengths
        more = times - times_then
        loop.trend.add((lengths - lengths_then) * 1000 // more if more else 0)


def _weight(stands_for: int, missed: int, lasted: int) -> int:
    """Return for how long a look answers, if what it sees has lasted for so long."""
    return stands_for + (missed if lasted >= missed else 0)


def _runs_within(outer: RecordedLoop, other: RecordedLoop) -> bool:
    """Whether a loop runs within a step of another one, in the same thread."""
    return (
        other is not outer
        and other.thread == outer.thread
        and other.current is not None
        and other.began >= outer.began
    )
