"""A thread that looks at what loops and worker threads do: functions, and who holds a loop.

What may live here: when it looks, and what becomes of that. What must not: how one looks (`looks`),
what that means for the times of stacks (`shares`), what is said of it at once (`alarm`), and how
long a step took (`accounting`): that is known exactly, and never from here.

It looks at random moments, as often as it was told. How soon it is awake then, and has its turn, is
`punctual`.
"""

from __future__ import annotations

import threading
from random import Random
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tracetools.alarm import Alarm
from tracetools.looks import Seen, line_at_fault, see, see_thread
from tracetools.punctual import Turns, make_waker
from tracetools.recorder import logger
from tracetools.stacks import HOLDS, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.accounting import LoopAccount, Place, ThreadAccount
    from tracetools.recorder import Recorder

__all__ = ["Watch"]

_PAUSE: Final = 50_000
"""Nanoseconds between two steps; after more of them, the loop has let other threads run."""

_LOOKS_A_LIMIT: Final = 5
_LONGEST_PAUSE: Final = 50_000_000
_SHORTEST_PAUSE: Final = 1_000_000

_SHARE: Final = 20
"""One part in so many of the time may be taken from steps by looks."""

_HAND_OVER: Final = 30_000
"""Nanoseconds that a step loses beside, until it has its turn again."""

_SMOOTH: Final = 64
"""Over how many looks their cost is averaged."""

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
        self._was_at_work = False
        self._cost = 0.0
        self._used = 0
        self._queues: WeakKeyDictionary[LoopAccount, tuple[int, int]] = WeakKeyDictionary()

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
        """Look until it is over: at moments that have nothing to do with what the program does."""
        pause = least = self._pause()
        try:
            wake_in_time()
            self._used = thread_time_ns()
            uniform = Random().uniform  # noqa: S311  # nor is it the program's, which may be seeded
            wanted = last = perf_counter_ns()
            while not self._recorder.stopped:
                wait = round(pause * uniform(0.5, 1.5))
                wanted += wait
                self._expect(wait)
                self._turns.end_turn()
                if self._turns.sleep(over, max(wanted - perf_counter_ns(), 0) / 1e9):
                    break
                now = perf_counter_ns()
                late = now - wanted
                if late > pause:  # what it sees now has lasted for a while
                    wanted = now
                self._look(wanted - last, late)
                last = wanted
                pause = max(least, self._affordable())
        except Exception:  # noqa: BLE001  # the program under observation comes first
            self._recorder.stop("the watch failed")
        finally:
            if self._over is over:  # and not another thread's turn by now
                self._turns.end()

    def _pause(self) -> int:
        """Return the nanoseconds between two looks."""
        longest = self._recorder.longest
        every = _LONGEST_PAUSE if self._every is None else self._every
        if longest is None:
            return every
        return min(every, max(longest // _LOOKS_A_LIMIT, _SHORTEST_PAUSE))

    def _affordable(self) -> int:
        """Return the nanoseconds until the next look that the last ones allow.

        What they took from steps is at most a part of the time: looks are the dearer the deeper
        stacks are, and where this thread has to share a processor with the loop's.
        """
        used, self._used = self._used, thread_time_ns()
        took = self._used - used + _HAND_OVER if self._was_at_work else 0
        self._cost += (took - self._cost) / _SMOOTH
        return round(self._cost * _SHARE)

    # -- a look ----------------------------------------------------------------------------------

    def _expect(self, wait: int) -> None:
        """Have loops give way at the end of a step when the next look is wanted, or overdue.

        And have them look back in time at a step that takes too long, whatever comes between.
        """
        for loop in self._recorder.loops:
            now = self._recorder.clock_of(loop.thread)()
            part = loop.longest // _LOOKS_A_LIMIT
            is_long = loop.current is not None and now - loop.began > part
            soon = wait if self._every is not None else wait - _AHEAD
            loop.due = 0 if is_long else now + min(soon, part)

    def _look(self, stands_for: int, late: int = 0) -> None:
        """Look at all that goes on, later than wanted; what is seen stands for some nanoseconds."""
        recorder = self._recorder
        now = perf_counter_ns()
        self._was_at_work = False
        loops = recorder.loops
        for loop in loops:
            if loop.current is not None:
                self._was_at_work = True
                is_outer = len(loops) > 1 and any(_runs_within(loop, one) for one in loops)
                self._look_at_step(loop, stands_for, late, is_outer=is_outer)
            if loop.last_hold is not None:
                self._alarm.sound(loop, *loop.last_hold)
        if self._every is not None:
            for account in recorder.open_threads():
                self._look_at_thread(account, stands_for)
        if recorder.scheduled and now >= self._next_trend:
            self._next_trend = now + _TREND
            for loop in loops:
                self._note_queue(loop)

    def _look_at_step(
        self, loop: LoopAccount, stands_for: int, late: int, *, is_outer: bool
    ) -> None:
        began = loop.began
        took = self._recorder.clock_of(loop.thread)() - began
        has_waited = began - loop.mark > _PAUSE
        is_long = took * _LOOKS_A_LIMIT > loop.longest
        if not is_long and self._every is None:
            return
        seen = see(loop, is_outer=is_outer, with_lines=is_long)
        if seen is None:
            return
        if seen.began is not began:  # another step has begun meanwhile
            took, is_long, has_waited = 0, False, False
        if self._every is not None:
            # Whoever wants to look while the loop still waits does so then. So the begin of a step
            # after a pause is never seen, for as long as it takes to get a turn; what is seen in
            # the time after that answers for it.
            is_early = has_waited and took < 2 * late
            self._recorder.shares.add(seen.own, seen.key, seen, stands_for * (1 + is_early))
        if is_long:
            self._note(loop, seen, took)

    def _note(self, loop: LoopAccount, seen: Seen, took: int) -> None:
        """Note where a long step is; say so when it is too long."""
        place = self._place(seen)
        looks = loop.looks if loop.looks and loop.looks[0][0] is seen.began else []
        if len(looks) < _MOST_LOOKS:
            loop.looks = [*looks, (seen.began, place)]
        if took > loop.longest:
            self._alarm.sound(loop, seen.began, place, took)

    def _look_at_thread(self, account: ThreadAccount, stands_for: int) -> None:
        seen = see_thread(account)
        if seen is not None:
            self._recorder.thread_shares.add(seen.own, seen.key, seen, stands_for)

    def _place(self, seen: Seen) -> Place:
        """Say where a step is: its functions, and at last the line that holds the loop."""
        fault = line_at_fault(seen.links)
        frames = self._recorder.functions.frames(seen.codes, seen.base, seen.own)
        return seen.own, (*frames[-_MOST_SHOWN:], Frame(HOLDS, *(fault or (None, 0))))

    def _note_queue(self, loop: LoopAccount) -> None:
        """Note how long the queue was on average since the last time."""
        lengths, _, buckets = loop.queue.sums()
        times = sum(buckets.values())
        times_then, lengths_then = self._queues.get(loop, (0, 0))
        self._queues[loop] = times, lengths
        more = times - times_then
        loop.trend.add((lengths - lengths_then) * 1000 // more if more else 0)


def _runs_within(outer: LoopAccount, other: LoopAccount) -> bool:
    """Whether a loop runs within a step of another one, in the same thread."""
    return (
        other is not outer
        and other.thread == outer.thread
        and other.current is not None
        and other.began >= outer.began
    )
