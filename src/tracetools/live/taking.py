"""Takes the dump of this process, from any thread, and without stopping the program.

A loop is read in its own thread, by a callback, in slices. So nothing of it is kept alive by
another thread, and its finalisers run where they would. A loop that does not answer is blocked.
Nothing moves in it, so it is read from here. What that keeps alive, the loop lets go of when it
goes on.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock
from contextlib import suppress
from itertools import starmap
from threading import get_ident
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tracetools import compat
from tracetools.attribution.functions import is_ours, owner_of, qualified_name, register_step
from tracetools.core.interruptions import is_interruption
from tracetools.core.labels import PathShortener, stable_name
from tracetools.core.stacks import Frame
from tracetools.live import asyncio_tasks, trio_tasks
from tracetools.live.assembly import ReadLoop, Shower, assemble
from tracetools.live.finding import Running, running_loops
from tracetools.live.values import Blocked, Dump
from tracetools.output.frame_kinds import kind_of_frame
from tracetools.recording.current import recorded_loops
from tracetools.recording.loops import RecordedLoop
from tracetools.recording.notebooks import cell_of_file
from tracetools.recording.recorder import program_name
from tracetools.sampling.unwind import count_of_step, links_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from tracetools.live.reading import Found

    Steps: TypeAlias = Iterator[Found | None]
    Kept: TypeAlias = list[Any] | None

__all__ = ["functions_of_step", "take_dump"]

PATIENCE: Final = 0.2
"""Seconds. A loop that does not answer for so long is blocked."""

_SLICE: Final = 1_000_000
"""Nanoseconds: how long a loop is kept from its work at a time, plus the reading of one task."""

_PYTHON: Final = ".".join(map(str, sys.version_info[:3]))
_FOR_EVER: Final = 1 << 62
_TRIES: Final = 3


def take_dump(patience: float = PATIENCE) -> Dump:
    """Return what every task of this process waits for just now.

    It may be called in any thread, in one with a running loop as well: then that loop is read at
    once. No code of the program runs for it, and the loops go on meanwhile.

    Args:
        patience: for how many seconds a loop may not answer before it is taken for blocked.
    """
    when, began = time.time_ns(), time.thread_time_ns()
    step = compat.trio_step_code()
    if step is not None:
        register_step(step)
    visits = [_Visit(running, patience) for running in running_loops()]
    for visit in visits:
        visit.start()
    loops = [visit.finish() for visit in visits]
    for guest in _guests_of(visits):
        visits.append(guest)
        guest.start()
        loops.append(guest.finish())
    pairs = [(v, loop) for v, loop in zip(visits, loops, strict=True) if not v.has_ended]
    loops = [loop for _, loop in pairs]
    shortener = PathShortener(cell_of_file=cell_of_file)
    shower = Shower(shortener, lambda frame: kind_of_frame(frame, shortener.origins))
    compat.forget_classes()
    made = assemble(loops, shower)
    again = [visit.check(loop, made.dead_in(loop)) for visit, loop in pairs]
    if again != loops:
        made = assemble(again, shower)
    cost = time.thread_time_ns() - began + sum(visit.cost for visit in visits)
    return Dump(os.getpid(), program_name(), _PYTHON, when, made.loops, made.deadlocks, cost)


def _guests_of(visits: list[_Visit]) -> list[_Visit]:
    """Return visits of runs of trio in guest mode that only their hosts know of just now."""
    known = {id(visit.loop) for visit in visits}
    found = {id(visit.guest): visit for visit in visits if visit.guest is not None}
    return [visit.of_guest() for identity, visit in found.items() if identity not in known]


class _Visit:
    """Reads one loop.

    Args:
        running: the loop.
        patience: for how many seconds it may not answer.

    Attributes:
        has_ended: whether the loop has ended meanwhile.
    """

    def __init__(self, running: Running, patience: float) -> None:
        self._running = running
        self._patience = patience
        self._thread = running.thread
        self._is_here = running.thread == get_ident()
        self._slice: _Slices | None = None
        self._asked: list[_Slices] = []
        self._problem = ""
        self.has_ended = False

    @property
    def cost(self) -> int:
        """How much CPU time the loop has spent to read itself, in nanoseconds."""
        return sum(each.cost for each in self._asked)

    @property
    def loop(self) -> Any:
        """The loop."""
        return self._running.loop

    @property
    def guest(self) -> Any:
        """The runner of trio that was found in its thread; None if there is none."""
        return None if self._slice is None else self._slice.guest

    def of_guest(self) -> _Visit:
        """Return a visit of that runner."""
        return _Visit(Running("trio", self.guest, self._thread), self._patience)

    def start(self) -> None:
        """Have the loop call back, if it runs in another thread."""
        if not self._is_here:
            self._slice = self._ask(self._steps())

    def finish(self) -> ReadLoop:
        """Return what was read, as soon as it was."""
        began = perf_counter_ns()
        if self._is_here:
            return self._made([*filter(None, self._steps())])
        for _ in range(_TRIES):
            if self._slice is None:
                break
            if self._slice.wait(self._patience):
                self._thread = self._slice.thread or self._thread
                self._problem = self._problem or self._slice.problem
                return self._made(self._slice.found)
            found = self._read_from_here(self._slice)
            if found is not None:
                codes = {task.runs for task in found if task.runs}
                self._thread = self._thread or thread_that_runs(codes)
                return self._made(found, perf_counter_ns() - began)
            self._slice = self._ask(self._steps())
        return self._made([])

    def check(self, loop: ReadLoop, dead: frozenset[int]) -> ReadLoop:
        """Return a loop after a second look at tasks that seem to be dead.

        In the first, one slice may have seen a task before, and another one a task after something
        changed. The second is made in one slice.
        """
        if not dead or self._slice is None or self._slice.turns <= 1 or loop.blocked is not None:
            return loop
        again = self._ask(self._steps(dead), at_once=True)
        if again is None or not again.wait(self._patience):
            return loop._replace(tasks=[task for task in loop.tasks if task.identity not in dead])
        living = [task for task in loop.tasks if task.identity not in dead]
        return loop._replace(tasks=[*living, *again.found])

    def _made(self, tasks: list[Found], waited: int | None = None) -> ReadLoop:
        """Return the loop; `waited` is for how long it has not answered."""
        name = compat.name_of_thread(self._thread)
        made = ReadLoop(self._running.backend, name, tasks, problem=self._problem)
        if not any(task.runs for task in tasks) and waited is None:
            return made
        links = links_of_step(self._thread)
        functions = tuple(starmap(_frame, links))
        function = _frame(links[0][0], links[0][0].co_firstlineno) if links else None
        blocked = None
        if waited is not None:
            lasts = _step_lasts(self._thread)
            is_exact = lasts is not None
            blocked = Blocked(functions, waited if lasts is None else lasts, is_exact=is_exact)
        return made._replace(functions=functions, function=function, blocked=blocked)

    def _steps(self, only: frozenset[int] | None = None, kept: Kept = None) -> Steps:
        if self._running.backend == "trio":
            return trio_tasks.read_tasks(self._running.loop, only, kept)
        return asyncio_tasks.read_tasks(self._running.loop, only, kept)

    def _ask(self, steps: Steps, *, at_once: bool = False) -> _Slices | None:
        """Have the loop read itself; None if it has ended, or cannot be asked."""
        slices = _Slices(steps, self._post, _FOR_EVER if at_once else _SLICE)
        try:
            if self._post(slices):
                self._asked.append(slices)
                return slices
            self._problem = "it is a loop of another library, which cannot be asked"
        except RuntimeError:
            self.has_ended = True
        return None

    def _post(self, callback: Callable[[], object]) -> bool:
        """Have the loop call something; return whether it can be asked for that.

        Raises:
            RuntimeError: it has ended.
        """
        if self._running.backend != "trio":
            from tracetools.instruments import loop_state  # noqa: PLC0415  # it imports asyncio

            return loop_state.call_soon_threadsafe(self._running.loop, callback)
        queue = compat.stored(self._running.loop, "entry_queue")
        if queue is None:
            return False
        queue.run_sync_soon(callback)  # trio.RunFinishedError is a RuntimeError
        return True

    def _read_from_here(self, slices: _Slices) -> list[Found] | None:
        """Read a loop that is blocked; None if it goes on meanwhile."""
        slices.give_up()
        kept: list[Any] = []
        found: list[Found] = []
        for task in self._steps(kept=kept):
            if task is not None:
                found.append(task)
            if slices.is_called:
                break
        with suppress(RuntimeError):
            self._post(kept.clear)
        return None if slices.is_called else found


def _step_lasts(thread: int) -> int | None:
    """Return for how long the step of a loop in a thread lasts, if it is recorded."""
    known = recorded_loops.get(thread, ())
    for loop in (known,) if isinstance(known, RecordedLoop) else known:
        if loop.current is not None:
            lasts: int = loop.clock() - loop.began
            return max(lasts, 0)
    return None


class _Slices:
    """What a loop calls to read itself, a slice at a time.

    Args:
        steps: reads one task after another.
        post: has the loop call something.
        longest: how long a slice lasts, in nanoseconds.

    Attributes:
        found: the tasks.
        turns: how many slices there were.
        cost: how much CPU time they took, in nanoseconds.
        thread: the thread of the loop; 0 before the first.
        problem: why not all was read.
        guest: the runner of trio in the thread of the loop, if there is one.
        is_called: whether the loop has called it since it was given up.
    """

    def __init__(
        self, steps: Steps, post: Callable[[Callable[[], object]], object], longest: int
    ) -> None:
        self._steps = steps
        self._post = post
        self._longest = longest
        self._is_over = self._is_given_up = self.is_called = False
        self._turn = allocate_lock()
        self._turn.acquire()
        self.found: list[Found] = []
        self.turns = self.thread = self.cost = 0
        self.problem = ""
        self.guest: Any = None

    def wait(self, patience: float) -> bool:
        """Wait until all is read; return False if the loop has not gone on for so many seconds."""
        while not self._is_over:
            turns = self.turns
            is_called = self._turn.acquire(timeout=patience)
            if not is_called and turns == self.turns and not self._is_over:
                return False
        return True

    def give_up(self) -> None:
        """Read no more, but say when the loop goes on."""
        self._is_given_up = True

    def __call__(self) -> None:
        """Read on for one slice. Called by the loop, into which nothing of ours is raised."""
        if self._is_given_up:
            self.is_called = True
            return
        began = time.thread_time_ns()
        self.thread = get_ident()
        self.guest = compat.trio_runner()
        try:
            self._is_over = self._read_on()
        except BaseException as error:
            self._is_over = True
            self.problem = f"its tasks could not all be read: {error!r}"
            if is_interruption(error):
                raise
        finally:
            self.turns += 1
            self.cost += time.thread_time_ns() - began
            if self._turn.locked():
                self._turn.release()

    def _read_on(self) -> bool:
        """Read for as long as a slice lasts; return whether that was all."""
        began = perf_counter_ns()
        for found in self._steps:
            if found is not None:
                self.found.append(found)
            if perf_counter_ns() - began > self._longest:
                self._post(self)
                return False
        return True


# -- the functions of a thread -------------------------------------------------------------------


def links_of_step(thread: int) -> list[tuple[CodeType, int | None]]:
    """Return the functions that run in a step in a thread, with lines, outermost first.

    Those of the loop are left out.
    """
    links = links_of(thread)
    end = count_of_step([code for code, _ in links])
    own = [link for link in reversed(links[:end] or links) if not is_ours(link[0])]
    owners = [owner_of(code.co_filename) for code, _ in own]
    return own[owners.index("program") :] if "program" in owners else own


def functions_of_step(thread: int) -> tuple[Frame, ...]:
    """Return the functions that run in a step in a thread, outermost first, each with its line."""
    return tuple(starmap(_frame, links_of_step(thread)))


def _frame(code: CodeType, line: int | None) -> Frame:
    return Frame(stable_name(qualified_name(code)), code.co_filename or None, line or 0)


def thread_that_runs(codes: set[int]) -> int:
    """Return the thread that runs one of some functions, by their identities; 0 if none does."""
    for thread in compat.threads_running():
        if any(id(code) in codes for code, _ in links_of(thread)):
            return thread
    return 0
