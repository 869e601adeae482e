"""Tells why the loops could not run, by a thread that could not run either.

A thread that wants the GIL and does not get it wakes often, to ask for it. One that is stopped, or
has no processor, does not. Linux knows how often threads wake. Elsewhere nothing is said.

The native core watches the main thread, and its own. Without it, the sampler's thread of Python
watches itself: it sleeps for as long as it likes, and if it wakes late, it could not run.
"""

from __future__ import annotations

import sys
import threading
import time
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.labels import thread_name
from tracetools.core.stacks import COLLECTIONS, HOLDS_THE_GIL, KINDS, Frame
from tracetools.recording import collector
from tracetools.recording.usage import (
    Usage,
    looks_like_gil,
    read_cpu,
    read_own_usage,
    read_usage,
    stopped_time,
)
from tracetools.sampling.unwind import is_of_program, line_at_fault, links_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.core.stacks import StackPath
    from tracetools.recording.recorder import Recorder

__all__ = ["LEAST", "FoundStall", "Stall", "StallWatch"]

LEAST: Final = 20_000_000
"""Nanoseconds: a shorter stall is not told."""

_USUAL_WORK: Final = 50_000_000
"""Nanoseconds: how long a sample may take, each time that it has to wait for the GIL."""

_EVERY: Final = 100_000_000
"""Nanoseconds between two readings of what threads have used."""

_LEAST_OF_ALL: Final = 5
_LEAST_PART: Final = 100
"""Who holds the GIL computes at least for such a part of the time, however busy the machine is."""

_READINGS: Final = 3
_MOST_THREADS: Final = 64
_MOST_FRAMES: Final = 100

_SOME_THREAD: Final = "a worker thread"
"""The name of a thread that is over."""

# What threads have, whatever classes of the program's say.
_IDENT: Final = vars(threading.Thread)["ident"].__get__
_NATIVE_ID: Final = vars(threading.Thread)["native_id"].__get__
_THREAD_NAME: Final = vars(threading.Thread)["name"].__get__

SUSPENDED: Final = "the system was suspended"


class Stall(NamedTuple):
    """A time in which no thread of the program could run but one.

    Attributes:
        kind: an attribute of `Blocks`: ``gil``, ``stopped`` or ``starved``.
        path: the kind in words; then, for the GIL, the thread that held it and where.
        begin: when it began, by `time.perf_counter_ns`.
        took: nanoseconds.
    """

    kind: str
    path: StackPath
    begin: int
    took: int


def _suspension(now: int, took: int) -> Stall:
    return Stall("stopped", (Frame(KINDS["stopped"], ""), Frame(SUSPENDED, "")), now, took)


class FoundStall(NamedTuple):
    """A time in which a thread could not run.

    Attributes:
        end: when it ended, by `time.perf_counter_ns`.
        took: nanoseconds.
        before: what the thread had used a little after it had begun, or before.
        after: what it had used at the end.
        threads: how long all threads had computed before, by the system's numbers for them.
    """

    end: int
    took: int
    before: Usage
    after: Usage
    threads: dict[int, int]


class StallWatch:
    """Keeps what threads have used, and tells what stalls were. Used in the sampler's thread."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        recorder.pulse.usage = None  # of an earlier thread, which has ended since
        self._native = threading.get_native_id()
        self._cpu: dict[int, int] = {}
        self._next = 0
        self._suspended = max(_suspended() for _ in range(_READINGS))

    def look(self, now: int, late: int, wait: int = 0) -> Iterator[Stall]:
        """Yield what has kept this thread from running, since this was called last.

        Args:
            now: the moment at which it woke.
            late: by how many nanoseconds it woke late.
            wait: for how long it wanted to sleep.
        """
        pulse = self._recorder.pulse
        before, woke = pulse.usage, pulse.woke(now)
        if late < LEAST and before is not None:  # perhaps it was delayed before it slept
            late = max(now - before.moment - wait - _USUAL_WORK, late)
        if late >= LEAST and before is not None and (own := read_own_usage(self._native)):
            stall = self._stall(now, late, before, own)
            if stall is not None:
                yield stall
        if now >= self._next or late >= LEAST:
            self._next = now + _EVERY
            known = self._suspended
            self._suspended = max(_suspended(), known)
            if self._suspended - known >= LEAST:
                yield _suspension(now, self._suspended - known)
            self._read()
        pulse.beat(woke)

    def judge(self, slept: int, found: FoundStall | None) -> Iterator[Stall]:
        """Yield what has kept the loops from running, as the native core has found it.

        Args:
            slept: for how long the system has slept, in nanoseconds.
            found: what was seen of threads.
        """
        if slept:
            yield _suspension(time.perf_counter_ns(), slept)
        if found is not None:
            self._cpu = found.threads
            stall = self._stall(found.end, found.took, found.before, found.after)
            if stall is not None:
                yield stall

    def _read(self) -> None:
        """Read what threads have used up to now: first what takes no file, and so does not wait."""
        if sys.platform != "linux":
            return
        natives = [_NATIVE_ID(thread) or 0 for thread in threading.enumerate()[:_MOST_THREADS]]
        self._cpu = {native: cpu for native in natives if (cpu := read_cpu(native)) is not None}
        self._recorder.pulse.native = self._native
        self._recorder.pulse.usage = read_own_usage(self._native)
        for loop in self._recorder.loops:
            # else the beginning of its step would be forgotten
            if loop.current is None or time.perf_counter_ns() - loop.began < LEAST:
                loop.usage = (0, read_usage(loop.native))

    def _stall(self, now: int, late: int, before: Usage, after: Usage) -> Stall | None:
        """Return what it was; ``None`` if that is not known, or if it was a step of a loop."""
        begin = now - late
        waited_for_gil = looks_like_gil(late, after.switches - before.switches)
        if waited_for_gil is None:
            return None
        if not waited_for_gil:
            stopped, starved = stopped_time(late, before, after), after.delay - before.delay
            if not stopped and 2 * starved < late:
                return None
            kind = "stopped" if stopped else "starved"
            return Stall(kind, (Frame(KINDS[kind], ""),), begin, stopped or min(starved, late))
        by_others = after.process - before.process - after.cpu + before.cpu
        holder = self._holder(by_others, late)
        if holder is None and any(loop.current is not None for loop in self._recorder.loops):
            return None  # a step may have waited with the GIL, or computed
        if holder is None:
            where = tuple(self._latest_work(begin))
        else:
            where = tuple(self._location(holder, begin, now))
        # without any, it may have been a step of a loop that has ended
        return Stall("gil", (Frame(KINDS["gil"], ""), *where), begin, late) if where else None

    def _holder(self, computed: int, late: int) -> threading.Thread | None:
        """Return the thread without a loop that has computed most.

        ``None`` if it is over, or if it has computed little: less than a loop in a step, or than
        threads that wait for the GIL may, for they ask for it often.
        """
        stepping = {loop.thread for loop in self._recorder.loops if loop.current is not None}
        loops = {loop.thread for loop in self._recorder.loops}
        used, least = (
            list[tuple[int, threading.Thread]](),
            max(computed // _LEAST_OF_ALL, late // _LEAST_PART),
        )
        for thread in threading.enumerate():
            native = _NATIVE_ID(thread) or 0
            cpu = read_cpu(native)
            if cpu is None or native == self._native:
                continue
            passed = cpu - self._cpu.get(native, 0)
            if _IDENT(thread) in stepping:
                least = max(least, passed)
            elif _IDENT(thread) not in loops:
                used.append((passed, thread))
        most, holder = max(used, key=itemgetter(0), default=(0, None))
        return holder if most >= least else None

    def _latest_work(self, begin: int) -> Iterator[Frame]:
        """Yield the frames of the one piece of work of a thread that has ended since then."""
        if len(works := self._recorder.latest_works(begin)) == 1:
            yield Frame(_SOME_THREAD, "")
            yield works[0]
            yield Frame(HOLDS_THE_GIL, works[0].file, works[0].line)

    def _location(self, holder: threading.Thread, begin: int, now: int) -> Iterator[Frame]:
        """Yield the frames of a thread that held the GIL until now."""
        thread = _IDENT(holder) or 0
        yield Frame(thread_name(_THREAD_NAME(holder)), "")
        collection = collector.struck_elsewhere(thread, begin, now)
        links = links_of(thread)
        file, line = line_at_fault(links) or (None, 0)
        codes = [code for code, _ in links]
        functions = self._recorder.functions.functions(codes[::-1])
        if not is_of_program(file):  # it has gone on with something else, or is about to
            work = self._recorder.latest_work(thread, begin)
            if work is not None:
                functions, file, line = [work], work.file, work.line
        yield from functions[-_MOST_FRAMES:]
        if collection is not None:
            yield from COLLECTIONS[collection : collection + 1]
        yield Frame(HOLDS_THE_GIL, file, line)


def _suspended() -> int:
    """Return for how long the system has slept, in nanoseconds, from any zero.

    It is less by what passes between the two readings, if this thread cannot run just then.
    """
    boot: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    if boot is None:
        return 0
    return time.clock_gettime_ns(boot) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
