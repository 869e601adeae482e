"""A thread that looks at what loops and worker threads do: functions, and who holds a loop.

What may live here: when it looks, what it sees of a thread's frames, and what it says at once. What
must not: what looks mean for the times of stacks (`shares`), and how long a step took
(`accounting`): that is known exactly, and never from here.

Nothing is asked of the program: a look takes the frames of a thread and their code in one call that
runs in C alone, so that no frame, and nothing in it, is kept alive while another thread runs.

It looks at random moments, as often as it was told. How soon it is awake then, and has its turn, is
`punctual`.
"""

from __future__ import annotations

import gc
import linecache
import os
import random
import re
import sys
import threading
from collections import deque
from functools import partial
from itertools import accumulate, chain, compress, repeat, starmap, takewhile
from operator import attrgetter, is_not, methodcaller
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from tracetools.functions import Shown, owner_of, qualified_name
from tracetools.labels import PathShortener, memoised_frames
from tracetools.punctual import Turns, wake_in_time
from tracetools.recorder import logger
from tracetools.stacks import Frame, frames_between, stack_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType

    from tracetools.accounting import LoopAccount, Place, ThreadAccount
    from tracetools.recorder import Recorder
    from tracetools.stacks import Stack, StackTree

__all__ = ["Watch", "step_begins_below"]

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

_MOST_FRAMES: Final = 2000
_MOST_SHOWN: Final = 100
_MOST_LOOKS: Final = 100
_MOST_KNOWN: Final = 4096
_QUIET: Final = 10_000_000_000
"""Nanoseconds in which no two lines are logged of the same place."""

_LINE_GAP: Final = 1_000_000_000
"""Nanoseconds between any two lines."""

_ONCE: Final = ((),)
_CODE: Final = attrgetter("f_code")
_CODE_AND_LINE: Final = attrgetter("f_code", "f_lineno")
_INSTALLED: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_LIBRARY: Final = os.path.dirname(os.path.abspath(os.__file__)) + os.sep

_steps: Final[dict[int, CodeType]] = {}


def step_begins_below(code: CodeType) -> None:
    """Note that a task's own functions lie below this one while it steps."""
    _steps[id(code)] = code


class _Seen(NamedTuple):
    """A step that was looked at: which one, of what stack, and its functions, outermost first.

    `links` are the functions with the lines that they are at, if these were asked for, innermost
    first.
    """

    began: int
    base: Stack
    own: Stack
    codes: list[CodeType]
    links: list[Any]


class Watch:
    """Looks at the loops of one recording, from a thread of its own.

    Args:
        recorder: the recording.
        every: nanoseconds between two looks at functions, on average; ``None`` for none.
    """

    def __init__(self, recorder: Recorder, every: int | None) -> None:
        self._recorder = recorder
        self._every = every
        self._functions = _FunctionStacks()
        self._shorten = PathShortener()
        self._guard = threading.Lock()
        self._over: Any = None
        self._thread: threading.Thread | None = None
        self._turns = Turns(always=every is not None)
        self._next_trend = self._next_due = 0
        self._was_at_work = False
        self._cost = 0.0
        self._queues: WeakKeyDictionary[LoopAccount, tuple[int, int]] = WeakKeyDictionary()
        self._told: dict[object, int] = {}
        self._next_line = self._untold = 0
        self._told_steps: deque[int] = deque(maxlen=_MOST_LOOKS)

    # -- the thread ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to look, unless it does already or nothing is to be seen."""
        recorder = self._recorder
        if self._every is None and recorder.longest is None:
            return
        with self._guard:
            if self._thread is not None or not recorder.at_home:
                return
            self._over = threading.Lock()
            self._over.acquire()
            thread = threading.Thread(
                target=self._run, args=(self._over,), name="tracetools watch", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                logger.warning("nobody watches what holds the loop: %s", error)
            else:
                self._thread = thread

    def end(self) -> None:
        """Look no more. It does not wait for a line that is being logged for long."""
        if not self._recorder.at_home:
            return
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._over.release()
        if thread is not threading.current_thread():
            thread.join(1)

    def _run(self, over: Any) -> None:
        """Look until it is over: at moments that have nothing to do with what the program does."""
        pause = least = self._pause()
        try:
            wake_in_time()
            wanted = last = perf_counter_ns()
            while not self._recorder.stopped:
                wait = round(pause * random.uniform(0.5, 1.5))  # noqa: S311
                wanted += wait
                self._expect(wait)
                if over.acquire(timeout=max(wanted - perf_counter_ns(), 0) / 1e9):
                    break
                self._turns.come()
                now = perf_counter_ns()
                late = now - wanted
                if late > pause:  # what it sees now has lasted for a while
                    wanted = now
                self._look(wanted - last, late)
                last = wanted
                pause = max(least, self._affordable(now))
        except Exception:  # noqa: BLE001  # the program under observation comes first
            self._recorder.stop("the watch failed")
        finally:
            for loop in self._recorder.loops:
                loop.give_way = None
            self._turns.restore()

    def _pause(self) -> int:
        """Return the nanoseconds between two looks."""
        longest = self._recorder.longest
        every = _LONGEST_PAUSE if self._every is None else self._every
        if longest is None:
            return every
        return min(every, max(longest // _LOOKS_A_LIMIT, _SHORTEST_PAUSE))

    def _affordable(self, began: int) -> int:
        """Return the nanoseconds until the next look that the last ones allow.

        What they took from steps is at most a part of the time: looks are the dearer the deeper
        stacks are.
        """
        took = perf_counter_ns() - began + _HAND_OVER if self._was_at_work else 0
        self._cost += (took - self._cost) / _SMOOTH
        return round(self._cost * _SHARE)

    # -- a look ----------------------------------------------------------------------------------

    def _expect(self, wait: int) -> None:
        """Have loops give way at the end of a step when the next look is wanted.

        And have them look back in time at a step that takes too long, whatever comes between.
        """
        longest = self._recorder.longest
        now = perf_counter_ns()
        if longest is None or now < self._next_due:
            return
        if self._every is not None:  # turns come soon anyway
            self._next_due = now + longest // (2 * _LOOKS_A_LIMIT)
        for loop in self._recorder.loops:
            loop.give_way = self._turns.shorten
            part = loop.longest // _LOOKS_A_LIMIT
            now = self._recorder.clock_of(loop.thread)()
            is_long = loop.current is not None and now - loop.began > part
            loop.due = 0 if is_long else now + (min(wait, part) if self._every is None else part)

    def _look(self, stands_for: int, late: int = 0) -> None:
        """Look at all that goes on, later than wanted; what is seen stands for some nanoseconds."""
        recorder = self._recorder
        now = recorder.clock()
        self._was_at_work = False
        for loop in recorder.loops:
            if loop.current is not None:
                self._was_at_work = True
                self._look_at_step(loop, stands_for, late)
            if loop.last_hold is not None:
                self._tell(loop, *loop.last_hold)
        if self._every is not None:
            for account in recorder.open_threads():
                self._look_at_thread(account, stands_for)
        if recorder.scheduled and now >= self._next_trend:
            self._next_trend = now + _TREND
            for loop in recorder.loops:
                self._note_queue(loop)

    def _look_at_step(self, loop: LoopAccount, stands_for: int, late: int) -> None:
        took = self._recorder.clock_of(loop.thread)() - loop.began
        has_waited = loop.began - loop.mark > _PAUSE
        is_long = took * _LOOKS_A_LIMIT > loop.longest
        if not is_long and self._every is None:
            return
        seen = _see(loop, is_outer=self._is_outer(loop), with_lines=is_long)
        if seen is None:
            return
        if self._every is not None:
            place = self._functions.stack(seen.codes, seen.base, seen.own, loop.tree)
            # Whoever wants to look while the loop still waits does so then. So the begin of a step
            # after a pause is never seen, for as long as it takes to get a turn; what is seen in
            # the time after that answers for it.
            is_early = has_waited and took < 2 * late
            self._recorder.shares.add(seen.own, place, stands_for * (1 + is_early))
        if is_long:
            self._note(loop, seen, took)

    def _note(self, loop: LoopAccount, seen: _Seen, took: int) -> None:
        """Note where a long step is; say so when it is too long."""
        place = self._place(seen)
        looks = loop.looks if loop.looks and loop.looks[0][0] is seen.began else []
        if len(looks) < _MOST_LOOKS:
            loop.looks = [*looks, (seen.began, place)]
        if took > loop.longest:
            self._tell(loop, seen.began, place, took)

    def _is_outer(self, loop: LoopAccount) -> bool:
        """Whether another loop runs within a step of this one, in the same thread."""
        loops = self._recorder.loops
        return len(loops) > 1 and any(
            other.thread == loop.thread and other.current is not None
            for other in loops[loops.index(loop) + 1 :]
        )

    def _look_at_thread(self, account: ThreadAccount, stands_for: int) -> None:
        opened = account.innermost
        codes: list[Any] = []
        _look_into(account.thread, codes, with_lines=False)()
        if opened is None or account.innermost is not opened:
            return
        place = self._functions.stack(codes[::-1], account.base, opened[2], account.tree)
        self._recorder.thread_shares.add(opened[2], place, stands_for)

    def _place(self, seen: _Seen) -> Place:
        """Say where a step is: its functions, and at last the line that holds the loop."""
        fault = _line_at_fault(seen.links)
        frames = self._functions.frames(seen.codes, seen.base, seen.own)
        return seen.own, (*frames[-_MOST_SHOWN:], Frame("holds the loop", *(fault or (None, 0))))

    def _note_queue(self, loop: LoopAccount) -> None:
        """Note how long the queue was on average since the last time."""
        lengths, _, buckets = loop.queue.sums()
        times = sum(buckets.values())
        times_then, lengths_then = self._queues.get(loop, (0, 0))
        self._queues[loop] = times, lengths
        more = times - times_then
        loop.trend.add((lengths - lengths_then) * 1000 // more if more else 0)

    # -- what is said at once --------------------------------------------------------------------

    def _tell(self, loop: LoopAccount, began: int, place: Place, took: int) -> None:
        """Log one line about a step that holds the loop, or did; not too many, nor the same."""
        if began in self._told_steps:
            return
        self._told_steps.append(began)
        now = perf_counter_ns()
        if now < self._next_line or now < self._told.get(place, 0):
            self._untold += 1
            return
        if len(self._told) > _MOST_KNOWN:
            self._told.clear()
        self._told[place] = now + _QUIET
        self._next_line = now + _LINE_GAP
        logger.warning("%s", self._sentence(loop, began, place, took))
        self._untold = 0

    def _sentence(self, loop: LoopAccount, began: int, place: Place, took: int) -> str:
        own, frames = place
        goes_on = loop.current is not None and loop.began is began
        names = " > ".join(frame.name for frame in stack_path(own)[1:])
        at = f" at {self._line(frames[-1])}" if frames and frames[-1].file else ""
        since = f" ({self._untold} more such steps were not logged)" if self._untold else ""
        return (
            f"the loop {'is' if goes_on else 'was'} held for {took / 1e9:.3f} s"
            f"{' so far' if goes_on else ''} by {names or 'a task'}{at}{since}"
        )

    def _line(self, frame: Frame) -> str:
        """Give the place of a line, and its text if it can be read."""
        text = linecache.getline(frame.file or "", frame.line).strip()
        return f"{self._shorten(frame).location}{': ' + text if text else ''}"


# -- the frames of a thread ----------------------------------------------------------------------


def _look_into(thread: int, found: list[Any], *, with_lines: bool) -> Callable[[], object]:
    """Return a function that adds the functions of a thread to a list, innermost first.

    All of it is made of C functions, so that it is not interrupted.
    """
    top = map(methodcaller("get", thread), starmap(sys._current_frames, _ONCE))  # noqa: SLF001
    frames = accumulate(chain(top, repeat("f_back", _MOST_FRAMES)), getattr)
    there_are = takewhile(partial(is_not, None), frames)
    look = partial(found.extend, map(_CODE_AND_LINE if with_lines else _CODE, there_are))
    return _without_collector(look) if _IS_DEADLY else look


_IS_DEADLY: Final = sys.version_info[:2] == (3, 11)
"""Whether the collector may set in while Python lists frames, and a finaliser wait for ever for the
lock that is held then (CPython's issue 106883, mended in 3.11.8)."""


def _without_collector(look: Callable[[], None]) -> Callable[[], object]:
    """Return a function that looks while the collector is off, again in C alone."""
    from operator import call  # type: ignore[attr-defined]  # noqa: PLC0415  # none on Python 3.10

    was_on: list[bool] = []
    ask = partial(was_on.extend, map(call, (gc.isenabled,)))
    return partial(
        deque, map(call, chain((ask, gc.disable, look), compress((gc.enable,), was_on))), maxlen=0
    )


def _see(loop: LoopAccount, *, is_outer: bool, with_lines: bool) -> _Seen | None:
    """Look at the step that a loop makes; None if there is none, or it has ended meanwhile."""
    found: list[Any] = []
    look = _look_into(loop.thread, found, with_lines=with_lines)
    account = loop.current
    if account is None:
        return None
    began, own = loop.began, account.stack
    look()
    if loop.current is not account or loop.began is not began or account.stack is not own:
        return None
    codes = [link[0] for link in found] if with_lines else found
    end = 0
    for index, code in enumerate(codes):
        if id(code) in _steps:
            end = index
            if not is_outer:
                break
    return _Seen(began, account.base, own, codes[:end][::-1], found[:end])


def _line_at_fault(links: list[tuple[CodeType, int | None]]) -> tuple[str, int] | None:
    """Return the innermost line of the program's own, or else of any library but a backend."""
    library = None
    for code, line in links:
        file = code.co_filename
        if owner_of(file) == "program":
            if not (file.startswith((_LIBRARY, "<")) or _INSTALLED.search(file)):
                return file, line or 0
            library = library or (file, line or 0)
    return library


class _Chain:
    """The outermost functions of a step, and what is known of those that may run within them.

    Attributes:
        shown: what still has a frame above the next function.
        frames: those of the functions up to here, without what has one already.
        code: the innermost of these functions; kept, so that its identity stays its own.
        within: longer chains, by the identity of the next function.
        stack: of the frames, once it was asked for.
    """

    __slots__ = ("code", "frames", "shown", "stack", "within")

    def __init__(self, shown: Shown, frames: list[Frame], code: CodeType | None) -> None:
        self.shown = shown
        self.frames = frames
        self.code = code
        self.within: dict[int, _Chain] = {}
        self.stack: Stack | None = None


class _FunctionStacks:
    """The stacks of functions below those of tasks; chains that were seen are remembered."""

    def __init__(self) -> None:
        self._function = memoised_frames()
        self._known: dict[tuple[Stack, Stack], _Chain] = {}
        self._size = 0

    def stack(self, codes: Iterable[CodeType], base: Stack, own: Stack, tree: StackTree) -> Stack:
        """Return the stack of functions, given outermost first, that run under `own`."""
        chain = self._chain(codes, base, own)
        if chain.stack is None:
            chain.stack = tree.detail(own, chain.frames)
        return chain.stack

    def frames(self, codes: Iterable[CodeType], base: Stack, own: Stack) -> list[Frame]:
        """Return the frames that functions, given outermost first, have under `own`."""
        return self._chain(codes, base, own).frames

    def _chain(self, codes: Iterable[CodeType], base: Stack, own: Stack) -> _Chain:
        if self._size > _MOST_KNOWN:
            self._known.clear()
            self._size = 0
        chain = self._known.get((base, own))
        if chain is None:
            chain = self._known[base, own] = _Chain(Shown(frames_between(base, own)), [], None)
        for code in codes:
            chain = chain.within.get(id(code)) or self._longer(chain, code)
        return chain

    def _longer(self, chain: _Chain, code: CodeType) -> _Chain:
        """Return a chain with one function more."""
        self._size += 1
        shown, frames = chain.shown, chain.frames
        after = shown.after(code)
        if after is not None:
            shown, frames = after, []
        elif owner_of(code.co_filename) == "program":
            frames = [*frames, self._function(qualified_name(code), code)]
        longer = chain.within[id(code)] = _Chain(shown, frames, code)
        return longer
