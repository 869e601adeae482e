"""Estimates what a loop does between steps, where nothing but steps can be seen, as on uvloop.

The CPU clock of its thread says how long it worked. Linux says how long it was ready to, and had no
processor. The rest of its time it waited for events, unless samples have seen it in a callback that
waits. All of that is bounded by what steps leave of its time.
"""

from __future__ import annotations

import time
from contextlib import suppress
from threading import get_ident, get_native_id
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tracetools.core.interruptions import is_interruption
from tracetools.core.stacks import ESTIMATED_CALLBACKS, ESTIMATED_WAITING, Blocks

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = ["UnseenTime", "can_be_estimated"]

_Location: TypeAlias = "tuple[Stack, tuple[Frame, ...]]"

_CLOCK_OF: Final = getattr(time, "pthread_getcpuclockid", None)


def can_be_estimated() -> bool:
    """Whether the system has a CPU clock for each thread that other threads can read."""
    return _CLOCK_OF is not None


class _Run(NamedTuple):
    """One run of a loop: when it began, and how long its thread had worked then."""

    begin: int
    worked: int
    clock: int
    thread: int


class UnseenTime:
    """What is known of one loop between its steps.

    Attributes:
        blocking: callbacks that blocked the loop, as far as samples have seen them.
    """

    def __init__(self, tree: StackTree) -> None:
        self.blocking: dict[_Location, Blocks] = {}
        self._tree = tree
        self._busy_before = sum(stack.busy for stack in tree.stacks)
        self._waited: dict[Stack, int] = {}
        self._worked: dict[Stack, int] = {}
        self._last_block = 0, 0
        self._ran = self._work = self._last_cpu = self._last_delay = 0
        self._run: _Run | None = None

    def start(self, now: int) -> None:
        """Note that the loop runs from now on, in this thread."""
        if _CLOCK_OF is not None and self._run is None:
            self._last_cpu = self._last_delay = 0
            run = _Run(now, 0, _CLOCK_OF(get_ident()), get_native_id())
            self._run = run._replace(worked=self._worked_in(run))

    def end(self, now: int) -> None:
        """Note that the loop does not run any more."""
        self._ran, self._work = self._sums(now)
        self._run = None

    @property
    def cpu(self) -> int:
        """The CPU clock of the loop's thread, while it runs; it is read in any thread."""
        return 0 if self._run is None else self._cpu_in(self._run)

    def _cpu_in(self, run: _Run) -> int:
        with suppress(OSError):  # the thread is over
            self._last_cpu = max(time.clock_gettime_ns(run.clock), self._last_cpu)
        return self._last_cpu

    def _worked_in(self, run: _Run) -> int:
        """Return for how long a thread has worked, or was ready to, up to now."""
        path = f"/proc/self/task/{run.thread}/schedstat"
        try:
            with open(path, "rb") as file:
                self._last_delay = max(int(file.read().split()[1]), self._last_delay)
        except Exception as error:  # it is over, this is not Linux, or an audit hook forbids it
            if is_interruption(error):
                raise
        return self._cpu_in(run) + self._last_delay

    def _sums(self, now: int) -> tuple[int, int]:
        """Return for how long the loop ran, and for how long of that its thread worked."""
        run = self._run
        if run is None:
            return self._ran, self._work
        worked = self._work + self._worked_in(run) - run.worked
        return self._ran + max(now - run.begin, 0), worked

    def callback(self, frame: Frame) -> Stack:
        """Return the stack of a callback, by the frame of its function."""
        return self._tree.child(self._tree.child(self._tree.root, ESTIMATED_CALLBACKS), frame)

    def add(self, callback: Stack, nanoseconds: int, *, waited: bool) -> None:
        """Add time in which a callback was seen: it waited for something, or it computed."""
        times = self._waited if waited else self._worked
        times[callback] = times.get(callback, 0) + nanoseconds

    def blocks(self, location: _Location, first: int, lasted: int) -> None:
        """Count a callback that blocks the loop; once, though it may be seen several times.

        Args:
            location: where it is.
            first: when it was seen for the first time.
            lasted: the nanoseconds since then.
        """
        known, (last, counted) = self.blocking.get(location, Blocks()), self._last_block
        more = Blocks(0, lasted - counted) if last == first else Blocks(1, lasted)
        self.blocking[location] = known.plus(more._replace(max=lasted))
        self._last_block = first, lasted

    def split(self, busy: int, now: int) -> dict[Stack, int]:
        """Return the time of callbacks and of waiting, by stack.

        Args:
            busy: the busy time of all stacks of the tree.
            now: the moment.
        """
        ran, work = self._sums(now)
        busy -= self._busy_before
        own = max(ran - busy, 0)
        waited, worked = self._waited.copy(), self._worked.copy()
        in_waiting = min(sum(waited.values()), own)
        in_work = min(sum(worked.values()), own - in_waiting)
        work = min(max(work - busy, in_work), own - in_waiting)
        found = {self._tree.child(self._tree.root, ESTIMATED_WAITING): own - in_waiting - work}
        for times, most in ((waited, in_waiting), (worked, in_work)):
            total = sum(times.values())
            for stack, time_of_one in times.items():
                found[stack] = found.get(stack, 0) + time_of_one * most // max(total, 1)
        return found
