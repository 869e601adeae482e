"""The recorder: its clock, loops and threads, and the profile of them at any moment."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping  # noqa: TC003  # for readers of the type alias
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from itertools import islice
from threading import get_ident
from typing import TYPE_CHECKING, Final, TypeAlias

from tracetools import compat
from tracetools.attribution.division import WeightedSamples
from tracetools.attribution.functions import FunctionStacks
from tracetools.attribution.waits import Waits
from tracetools.core.accounting import NEVER
from tracetools.core.edge_table import MOST_EDGES, EdgeTable
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.core.journal import MOST_LOOPS
from tracetools.core.labels import PathShortener, thread_name
from tracetools.core.made_later import MadeLater
from tracetools.core.profile import Profile
from tracetools.core.stacks import Blocks, Frame, Stack, StackTree
from tracetools.core.wake_sites import know_runtime
from tracetools.guest.messages import to_log
from tracetools.recording import (
    collector,  # noqa: F401  # it watches while loops are recorded
    current,
    forks,
    notebooks,
    outer_spans,
)
from tracetools.recording.edges import EdgeSums, edges_by_path
from tracetools.recording.glance import Glance, glance_at
from tracetools.recording.latencies import copy_latencies, latencies_by_path
from tracetools.recording.loop_statistics import LoopStatistics
from tracetools.recording.loops import RecordedLoop, RecordedThread
from tracetools.recording.snapshot import Moment, Sums, copy_moment
from tracetools.recording.unseen import UnseenTime, can_be_estimated
from tracetools.recording.usage import Pulse, read_usage

if TYPE_CHECKING:
    from contextvars import Context

    from tracetools.attribution.functions import Sample
    from tracetools.core.accounting import Opened, TaskAccount
    from tracetools.core.journal import Journal
    from tracetools.core.resources import Resource, ResourceUse
    from tracetools.core.slow_spans import SlowSpans
    from tracetools.core.stacks import StackPath
    from tracetools.guest.messages import Messages
    from tracetools.recording.loops import Watch, Work
    from tracetools.recording.replay import Paths
    from tracetools.recording.resources import Resources, Used
    from tracetools.recording.traces import Traces
    from tracetools.recording.triggers import Triggers
    from tracetools.timelines.timeline import SpanTime, Timeline

__all__ = ["Clock", "Recorder", "program_name"]

_SMALL: Final = 1_000_000
_NO_WORK: Final = (None, None)

_TRIES: Final = 100
"""How many profiles are made until one is of one moment."""

_MAX_STALLS: Final = 1000

_MAX_WAITS: Final = 300
"""So many waits that go on are attributed in a profile; the loop waits meanwhile."""

_MAX_SHOWN: Final = 100_000

_TRUSTED: Final = (time.perf_counter_ns, time.monotonic_ns)
"""Clocks that never fail, and are not near zero when the program starts."""

Clock: TypeAlias = "Callable[[], int]"
"""Any monotonic clock in integer nanoseconds, such as `time.perf_counter_ns`."""


_free_variables: Final[list[ContextVar[TaskAccount | None]]] = []
"""Those of recordings that have ended.

Nothing takes a variable out of a context, and contexts live on with their tasks. So the next
recording takes the place of one that has ended: else all of them would stay in memory, with what
was recorded, and contexts would grow.
"""


def _take_variable() -> ContextVar[TaskAccount | None]:
    with suppress(IndexError):
        return _free_variables.pop()
    return ContextVar("tracetools_task", default=None)


class Recorder:
    """One recording: of any number of loops, one after another or side by side.

    Attributes:
        clock: the clock of the recording.
        context_task: in the context of every recorded task, and of the worker threads that it
            starts, the account of that task; or one of an earlier recording, see `task_in`.
        stopped: nothing more is recorded, because the recording was closed or an error of ours
            ended it. What was recorded before is kept.
        scheduled: whether scheduled time is measured, in all loops.
        threshold: how long a step may take before it blocks the loop, in nanoseconds; ``None`` for
            any time.
        functions: makes the stacks of functions below those of tasks.
        shows_functions: whether busy time is divided over functions.
        pulse: when the sampler could run last.
        watch: what takes samples just now; ``None`` if nothing does.
        samples: samples of the functions that run within the stacks of tasks.
        thread_samples: the same for worker threads.
        samples_by_thread: how many of both a thread of Python took, rather than the native core.
        waits: attributes idle time to what tasks await.
        untracked: how many tasks of recorded loops cannot be followed.
        messages: where messages go.
        journal: keeps the last events of all loops that begin; ``None`` if nothing does.
        slow_after: spans that last longer, in nanoseconds, are slow.
        triggers: what else the last events are kept for; ``None`` for nothing.
        slow: what the time of the slow spans was that are kept.
        not_kept: returns how many slow spans were not kept though they may be among the slowest.
        traces: the traces of OpenTelemetry that spans belong to; ``None`` if nobody asks.
        counts_forks: whether processes that are forked are not recorded otherwise.
        forks: how many were forked and are not recorded.
        resources: the accounts of locks, queues and the like; ``None`` if they are not recorded.
        wakers: whether it is added up who has ended which waits.
    """

    _is_given_back = False
    """Whether the next recording may have `context_task`."""

    def __init__(  # noqa: PLR0913  # options, each with a default
        self,
        *,
        clock: Clock = time.perf_counter_ns,
        scheduled: bool = False,
        least_wait: int | None = None,
        threshold: int | None = None,
        max_stacks: int = 10_000,
        max_depth: int = 256,
        resources: bool = False,
        wakers: bool = False,
        messages: Messages = to_log,
    ) -> None:
        self.messages = messages
        _check_bound("max_stacks", max_stacks)
        _check_bound("max_depth", max_depth)
        if not callable(clock):
            raise TypeError(f"clock is a function that returns nanoseconds, not {clock!r}")
        self.clock: Clock = self._usable(clock)
        self.context_task = _take_variable()
        self.stopped = False
        self.scheduled = scheduled
        self.threshold = threshold
        self.functions = FunctionStacks()
        self.shows_functions = False
        self.shows_libraries = True
        self.pulse = Pulse()
        self._stalls: dict[StackPath, Blocks] = {}
        self._work: dict[int, tuple[Frame, int]] = {}
        self.samples = WeightedSamples(self._stack_of)
        self.thread_samples = WeightedSamples(self._stack_of)
        self.samples_by_thread = 0
        self.waits = Waits(least_wait, self.clock(), sampled=not wakers)
        self.resources = self._made_resources() if resources else None
        self.wakers = wakers
        self._edges = EdgeSums()
        self.untracked = 0
        self.journal: Journal | None = None
        self.slow_after = NEVER
        self.triggers: Triggers | None = None
        self.slow: Mapping[StackPath, SlowSpans] = {}
        self.traces: Traces | None = None
        self.not_kept: Callable[[], int] = int
        self.counts_forks, self.forks = True, 0
        self._statistics = LoopStatistics()
        self._backends: set[str] = set()
        self._has_guests = False
        self._last: Profile | None = None
        self._bounds = {"max_stacks": max_stacks, "max_depth": max_depth}
        self._shorten = PathShortener(cell_of_file=notebooks.cell_of_file)
        self._shown: dict[Frame, Frame] = {}
        self._start = time.time_ns()
        self._opened_since = outer_spans.OpenedSince()
        self._pid = os.getpid()
        self.watch: Watch | None = None
        self._loops: dict[RecordedLoop, None] = {}
        self._trees: list[StackTree] = []
        self._duration = self._task_time = self._runs = 0
        self._lock = threading.RLock()  # a finaliser may open a span while this thread holds it
        self._thread_tree = self._new_tree()
        self._threads: weakref.WeakSet[RecordedThread] = weakref.WeakSet()
        self._here = threading.local()
        _known.add(self)

    def start_now(self) -> None:
        """Let the recording start now, not when it was made. No loop is recorded yet."""
        self._start = time.time_ns()

    # ------------------------------------------------------------------ loops

    @property
    def at_home(self) -> bool:
        """Whether this is the process that made the recorder, and not a fork of it."""
        return os.getpid() == self._pid

    @property
    def loops(self) -> tuple[RecordedLoop, ...]:
        """The loops that are being recorded."""
        return tuple(self._loops)

    def begin_loop(
        self, *, backend: str = "", running: bool = True, is_guest: bool = False
    ) -> RecordedLoop:
        """Start to record the loop that runs in this thread, or is going to run.

        A guest that is started within a step of its host is part of that step until it is over. One
        that joins while the recording ends in another thread is not recorded.
        """
        with self._lock:
            host = self._host_here() if is_guest else None
            loop = RecordedLoop(
                StackTree(**self._bounds) if self.stopped else self._free_tree(),
                self.clock_of(get_ident()),
                self,
                thread=compat.this_thread(),
                threshold=NEVER if self.threshold is None else self.threshold,
                waits=self.waits,
            )
            loop.number, loop.journal = self._runs, self.journal
            loop.backend = backend
            if self.stopped:
                loop.halt()
                return loop
            loop.slow_after = self.slow_after
            if self.wakers:
                know_runtime()
                loop.edges = EdgeTable(MOST_EDGES)
                loop.take_note_of_waits(loop.least_wait)
            self._loops[loop] = None
            loop.tree.stand_below(self._outer_spans())
            loop.is_guest = is_guest
            guests = ([loop] if host else []) if is_guest else self._guests_here()
            for guest in guests:
                guest.share(loop.begin, is_shared=True)
                self._has_guests = True
            (host or loop).is_host = bool(guests)
            running = running and (host is None or host.current is None)
            if self.tells_kinds and self.threshold is not None:
                loop.usage = (0, read_usage(loop.native))
            self._runs += 1
            self._backends |= {backend} - {""}
        if running:
            self._follow(loop)
        else:
            loop.pause(loop.begin)
        return loop

    def _host_here(self, thread: int | None = None) -> RecordedLoop | None:
        """Return a recorded loop in this thread, or another one, that may be host of others."""
        here = get_ident() if thread is None else thread
        loops = (loop for loop in self._loops if loop.thread == here and not loop.is_guest)
        return next(loops, None)

    def _guests_here(self, thread: int | None = None) -> list[RecordedLoop]:
        """Return the guests in this thread, or another one."""
        here = get_ident() if thread is None else thread
        return [loop for loop in self._loops if loop.thread == here and loop.is_guest]

    def pause_loop(self, loop: RecordedLoop, now: int) -> None:
        """Note that a loop does not run any more, though it may again."""
        if loop.running:
            loop.pause(now)
            self._unfollow(loop)

    def resume_loop(self, loop: RecordedLoop) -> None:
        """Note that a loop runs again, in this thread."""
        if loop.is_guest:
            host = self._host_here()
            if host is not None and host.current is not None:
                return
        with self._lock:  # the recording may end in another thread
            if loop.paused is None or self.stopped:
                return
            loop.thread, loop.native = compat.this_thread(), compat.native_thread()
            if isinstance(loop.clock, _ClockOfThread):
                loop.clock.move_to(loop.thread, loop.paused)
            loop.resume()
            loop.tree.stand_below(self._outer_spans())
        self._follow(loop)

    def _outer_spans(self) -> StackPath:
        """Return the frames of the spans around the runs in this thread, if they are shown."""
        return self._opened_since.here() if self.shows_libraries else ()

    def outer_spans_changed(self) -> None:
        """Note that spans around the runs in this thread were opened or closed."""
        here = self._outer_spans()
        for loop in self.loops:
            if loop.thread == get_ident():
                loop.tree.stand_below(here)

    def end_loop(self, loop: RecordedLoop, now: int) -> None:
        """End the recording of a loop. A second time does nothing."""
        watch = self.watch
        if loop.unseen is not None and watch is not None:
            watch.collect()  # the callbacks that were sampled last
        with self._lock:
            if loop not in self._loops:
                return
            end = now if loop.paused is None else loop.paused
            self.waits.end_all(loop, end, loop.clock)
            loop.finish(end)
            end = max(end, loop.end or end)  # garbage was collected since the clock was read
            if self.resources is not None:
                self.resources.end_loop(loop, end)
            self._settle_unseen(loop, end)
            self._statistics.add_loop(loop, end)
            if loop.edges is not None:
                self._edges.add(loop.edges.packed())
            del self._loops[loop]
            self._duration += loop.own_duration(end)
            if not loop.is_guest and self._host_here(loop.thread) is None:
                for guest in self._guests_here(loop.thread):
                    guest.share(end, is_shared=False)
            self._task_time += loop.lifetimes
        self._unfollow(loop)

    def estimate_unseen(self, loop: RecordedLoop) -> None:
        """Estimate what a loop, which runs in this thread, does between its steps.

        Only where the clock counts real time, as CPU clocks are compared with it.
        """
        if self.clock in _TRUSTED and can_be_estimated():
            loop.unseen = loop.unseen or UnseenTime(loop.tree)
            loop.unseen.start(loop.clock())
            self._tell_watch()

    def _settle_unseen(self, loop: RecordedLoop, now: int) -> None:
        """Add what was estimated of a loop to its stacks."""
        if loop.unseen is not None:
            busy = sum(stack.busy for stack in loop.tree.stacks)
            for stack, time_of_it in loop.estimates(busy, now).items():
                stack.busy += time_of_it

    def close(self) -> None:
        """End the recording of all loops, from wherever this is called.

        A loop of another thread may not be changed from here, though it stands still: it may make
        tasks. The last profile has what it did up to now; what its tasks do from now on is not
        recorded.
        """
        if self.stopped:
            return
        with Insist(quietly=True) as insist:
            with self._lock:  # a loop may be about to join, or to run again
                self.stopped = True
                for loop in self.loops:
                    if loop.thread == get_ident():
                        insist.do(self.end_loop, loop, self.clock_of_loop(loop)())
            insist.do(self._keep_last)
            for loop in self.loops:
                loop.halt()
                insist.do(self._unfollow, loop)
            insist.do(self._give_back_variable)

    def _give_back_variable(self) -> None:
        """Let the next recording have the variable. A second time does nothing."""
        with self._lock:
            is_given_back, self._is_given_back = self._is_given_back, True
        if not is_given_back:
            _free_variables.append(self.context_task)

    def _keep_last(self) -> None:
        """Make the last profile, and forget the samples that it was made of."""
        self._last = self.profile()
        self.samples.forget()
        self.thread_samples.forget()
        self.waits.forget()

    def stop(self, why: str) -> None:
        """Stop recording after an error of ours. Log it once, keep what there is, never raise.

        Where there is no memory even for that, the recording goes on.
        """
        if self.stopped:
            return
        try:
            with Insist(quietly=True) as insist:
                insist.do(self.close)
                insist.do(self._say_why, why)
        except MemoryError:
            return

    def _say_why(self, why: str) -> None:
        self.messages.error(
            "tracetools stopped recording: %s; the program goes on", why, exc_info=True
        )

    def _follow(self, loop: RecordedLoop) -> None:
        """Let spans find a loop, unless the recording has ended meanwhile, in another thread."""
        with self._lock:
            if self.stopped:
                return
            current.recorders.add(self)
            current.follow(loop)
        self._tell_watch()

    def _unfollow(self, loop: RecordedLoop) -> None:
        """Let spans no longer find a loop."""
        with self._lock:
            current.unfollow(loop)
            if not any(other.running for other in self.loops):
                current.recorders.discard(self)
        self._tell_watch()

    def _tell_watch(self) -> None:
        watch = self.watch
        if watch is not None:
            watch.loops_changed()

    def forget(self) -> None:
        """Record nothing more, in a forked copy of the process that records."""
        self.stopped = True
        self._lock = threading.RLock()  # it may be held by a thread that does not exist here
        self.watch = None
        if self.resources is not None:
            self.resources.is_stopped = True

    def _new_tree(self) -> StackTree:
        tree = StackTree(**self._bounds)
        self._trees.append(tree)
        return tree

    def _free_tree(self) -> StackTree:
        """Return a tree that no running loop uses: each is grown and charged by one thread."""
        used = {id(loop.tree) for loop in self._loops} | {id(self._thread_tree)}
        return (
            next((tree for tree in self._trees if id(tree) not in used), None) or self._new_tree()
        )

    # ---------------------------------------------------------------- threads

    def task_in(self, context: Context | None = None) -> TaskAccount | None:
        """Return the task whose context it is, or a copy of that; None if this recording has none.

        Args:
            context: a context; the current one by default.
        """
        variable = self.context_task
        task = variable.get() if context is None else context.get(variable)
        return task if task is not None and task.loop.owner is self else None

    def open_in_thread(self, frame: Frame, entries: int, lasts: bool = True) -> Opened:
        """Open a span in this worker thread, under the stack of the task that waits for it."""
        task = self.task_in()
        with self._lock:
            account: RecordedThread | None = getattr(self._here, "account", None)
            work, giver = getattr(self._here, "work", _NO_WORK)
            if task is None and work is not None and not work.is_over:
                task = giver
            if account is None or account.innermost is None or self._here.task is not task:
                # nothing is open here, or only what an earlier piece of work left open
                account = self._thread_account(task)
                self._here.account, self._here.task = account, task
                self._watch_thread(account)
            return account.open(frame, self.clock(), entries, lasts)

    def open_work(
        self, work: Work, frame: Frame | None, task: TaskAccount, stack: Stack
    ) -> Opened | None:
        """Open the span of work that a task, whose stack was `stack`, has given to this thread.

        Until the work is over, spans without a task of their own belong to the one that gave it.
        """
        with self._lock:
            if self.stopped or task.loop.end is not None:
                return None
            self._here.work, self._here.account = (work, task), None
            if frame is None:
                return None
            account = self._new_thread(task.loop.tree, stack, task)
            self._here.account, self._here.task = account, task
            self._watch_thread(account)
            return account.open(frame, self.clock())

    def _watch_thread(self, account: RecordedThread) -> None:
        """Have samples taken of a worker thread in which a span is opened."""
        self._threads.add(account)
        if self.watch is not None:
            self.watch.threads_changed()

    def open_threads(self) -> list[RecordedThread]:
        """Return the accounts of worker threads in which spans are open just now."""
        if not self._threads:
            return []
        with self._lock:
            return list(self._threads)

    @property
    def has_open_threads(self) -> bool:
        """Whether spans are open in worker threads just now."""
        return bool(self._threads)

    def close_in_thread(self, account: RecordedThread, opened: Opened) -> None:
        """Close a span of a worker thread, from wherever it is closed.

        Frameworks enter a context manager in one thread of a pool and leave it in another.
        """
        with self._lock:
            account.close(opened, self._clock_in(account.thread))
            if account.innermost is None:
                self._note_work(account.thread, opened.stack.frame)
                self._threads.discard(account)
                if self.is_here(account):
                    self._here.account = None

    def _note_work(self, thread: int, frame: Frame) -> None:
        """Note that a thread has ended a piece of work just now."""
        if len(self._work) >= _MAX_STALLS:
            self._work.clear()
        self._work[thread] = (frame, time.perf_counter_ns())

    def latest_work(self, thread: int, since: int) -> Frame | None:
        """Return the work that a thread does; else the last that it has ended since a moment."""
        for account in self.open_threads():
            opened = account.innermost
            if account.thread == thread and opened is not None:
                return opened.stack.frame
        frame, end = self._work.get(thread, (None, 0))
        return frame if end >= since else None

    def latest_works(self, since: int) -> list[Frame]:
        """Return the last piece of work of each thread that has ended one since a moment."""
        return [frame for frame, end in tuple(self._work.values()) if end >= since]

    def is_here(self, account: RecordedThread) -> bool:
        """Whether `account` is that of the thread that asks."""
        return getattr(self._here, "account", None) is account

    def _thread_account(self, task: TaskAccount | None) -> RecordedThread:
        if task is not None:
            return self._new_thread(task.loop.tree, task.stack, task)
        tree = self._thread_tree
        name = Frame(thread_name(compat.thread_name()), "")
        return self._new_thread(tree, tree.child(tree.root, name), None)

    def _new_thread(self, tree: StackTree, base: Stack, task: TaskAccount | None) -> RecordedThread:
        return RecordedThread(tree, base, self, thread=compat.this_thread(), task=task)

    # --------------------------------------------------------------- snapshot

    def profile(self) -> Profile:
        """Return all that was recorded up to now, open intervals included. From any thread.

        The copy of a loop that runs in another thread is of one moment, unless a tracer (of a
        debugger, or of coverage) lets threads switch anywhere. So the laws of time are checked
        first, and the profile is made again if they do not hold.
        """
        if self._last is not None:
            return self._last
        watch = self.watch
        if watch is not None:
            watch.collect()
        for samples in (self.samples, self.thread_samples):
            samples.find_stacks()  # before the lock is taken
        for _ in range(_TRIES):
            profile, is_lawful = self._make_profile()
            if is_lawful:
                break
            time.sleep(0)  # let the loop come to the end of what it does
        return profile

    def glance(self) -> Glance:
        """Return what is known just now, for those who look often. From any thread."""
        skipped = self.waits.skipped()
        with self._lock:
            moments = [copy_moment(loop) for loop in self._loops]
            in_use = {id(moment.loop.tree) for moment in moments}
            sums = Sums(_is_elsewhere({loop.thread for loop in self._loops}))
            for tree in self._trees:
                if id(tree) not in in_use:
                    sums.add_tree(tree)
            statistics = self._statistics.copy()
            loops = []
            for moment in moments:
                now = self._now_in(moment)
                before = 0 if moment.loop.unseen is None else sums.busy()
                sums.add_moment(moment, now)
                if moment.loop.unseen is not None:
                    sums.add_unseen(moment, sums.busy() - before, now)
                statistics.add_loop(moment.loop, now)
                loops.append(glance_at(moment.loop, now))
            sums.divide(self.waits, "rest", skipped)
            return Glance(
                now=self.clock(),
                loops=loops,
                stacks=self.stacks,
                sums=sums,
                blocking=statistics.blocking,
                stalls=self._stalls,
                resources=self._resources_now(),
            )

    def _resources_now(self) -> list[Used] | None:
        return None if self.resources is None else self.resources.now(self._latest_of)

    @property
    def stacks(self) -> list[Stack]:
        """All stacks, each after its parent."""
        return [stack for tree in tuple(self._trees) for stack in tree.stacks[:]]

    def shown(self, frame: Frame) -> Frame:
        """Return a frame as it is shown."""
        return self._shorten(frame)

    def _make_profile(self) -> tuple[Profile, bool]:
        """Make a profile of what is known just now; return whether the laws of time hold, too."""
        with self._lock:
            skipped = self.waits.skipped()  # first, so that the moments have all of them
            edges = self._copied_edges()  # likewise: what the moments have, edges may lack
            moments = [copy_moment(loop) for loop in self._loops]
            in_use = {id(moment.loop.tree) for moment in moments}
            threads = {loop.thread for loop in self._loops}
            sums = Sums(_is_elsewhere(threads))
            for tree in self._trees:
                if id(tree) not in in_use:
                    sums.add_tree(tree)
            duration, task_time = self._duration, self._task_time
            statistics = self._statistics.copy()
            for moment in moments:
                now = self._now_in(moment)
                before = 0 if moment.loop.unseen is None else sums.busy()
                task_time += sums.add_moment(moment, now)
                if moment.loop.unseen is not None:
                    sums.add_unseen(moment, sums.busy() - before, now)
                self._move_waits(sums, moment, now)
                statistics.add_loop(moment.loop, now)
                duration += moment.loop.own_duration(now)
            for account in self._threads:
                sums.add_thread(account, self._clock_in(account.thread))
            sums.divide(self.samples, "busy")
            sums.divide(self.thread_samples, "thread")
            sums.divide(self.waits, "rest", skipped)
            truncated = any(tree.truncated for tree in self._trees)
            runs = self._runs
            latencies = copy_latencies(self._trees)
            resources = self._resource_uses()
        if self._has_guests:  # their moments may be a little later than those of their hosts
            duration = max(duration, sums.busy())
        if len(self._shown) > _MAX_SHOWN:
            self._shown.clear()
        shorten, shown = self._shorten, self._shown  # the profile does not keep the recorder
        trees = [tree.stacks[:] for tree in self._trees] if self.wakers else []
        stacks = MadeLater(
            lambda: sums.by_path(duration, shorten, shown, polite=_is_elsewhere(threads))
        )
        profile = Profile(
            stacks=stacks,
            duration=duration,
            task_time=task_time,
            start=self._start,
            programs=(program_name(),),
            pythons=(_PYTHON,),
            backends=tuple(sorted(self._backends)),
            runs=runs,
            scheduled_measured=self.scheduled,
            truncated=truncated,
            blocking_threshold=self.threshold,
            samples=self.samples.count + self.thread_samples.count,
            samples_by_thread=self.samples_by_thread,
            untracked=self.untracked,
            forks=self.forks,
            limiters=self.waits.limiters.by_path(self._shorten),
            stalls={tuple(map(self._shorten, path)): each for path, each in self._stalls.items()},
            slow=self.slow,
            not_kept=self.not_kept(),
            latencies=MadeLater(lambda: latencies_by_path(latencies, shorten)),
            resources=resources,
            edges=MadeLater(lambda: edges_by_path(edges, trees, shorten, stacks) if trees else {}),
            origins=MadeLater(  # known with all paths
                lambda: shorten.origins if len(resources) + len(stacks) else {}
            ),
            **statistics.of_profile(self._shorten),
        )
        return profile, sums.are_lawful(duration, task_time)

    def _copied_edges(self) -> EdgeSums:
        """Return who has ended which waits up to now."""
        edges = self._edges.copy()
        for loop in self._loops:
            if loop.edges is not None:
                edges.add(loop.edges.packed())
        return edges

    def paths(self) -> Paths:
        """Return what finds the paths of all stacks by their numbers."""
        from tracetools.recording.replay import Paths  # noqa: PLC0415  # only if spans are kept

        with self._lock:
            return Paths(self._trees, self._shorten)

    def clock_of_number(self, number: int) -> Clock:
        """Return the clock of a loop, by its number; the loop may be over."""
        loop = self._numbered(number)
        return self.clock if loop is None else self.clock_of_loop(loop)

    def _numbered(self, number: int) -> RecordedLoop | None:
        with self._lock:
            return next((loop for loop in self._loops if loop.number % MOST_LOOPS == number), None)

    def replay(  # noqa: PLR0913, PLR0917  # what a timeline is made of
        self,
        journal: Journal,
        paths: Paths,
        number: int,
        begin: int,
        end: int,
        subject: SpanTime | None = None,
        *,
        first: int = 0,
        most: int = NEVER,
    ) -> Timeline:
        """Return what the tasks of a loop did, by its number. For the arguments, see `replay`.

        Any thread may ask; the loop may go on meanwhile, or be over.
        """
        from tracetools.recording.replay import replay  # noqa: PLC0415  # the same

        timeline = replay(
            journal,
            paths,
            number=number,
            loop=self._numbered(number),
            begin=begin,
            end=end,
            subject=subject,
            starts=time.time_ns() - (self.clock_of_number(number)() - begin),
            first=first,
            most=most,
        )
        if self.resources is None:
            return timeline
        lengths = self.resources.lengths(number % MOST_LOOPS, begin, end, self._shorten)
        return replace(timeline, lengths=lengths)

    def raise_slow_after(self, frame: Frame, latency: int) -> None:
        """Have spans with a frame taken for slow only if they last longer than `latency`."""
        with self._lock:
            trees = [*self._trees]
        for tree in trees:
            for stack in tree.stacks[:]:
                if stack.frame == frame:
                    stack.slow_after = max(stack.slow_after, latency)

    def forget_slow_after(self) -> None:
        """Have spans taken for slow again that last longer than `slow_after`, whatever was kept."""
        with self._lock:
            trees = [*self._trees]
        for tree in trees:
            for stack in tree.stacks[:]:
                stack.slow_after = 0

    @property
    def fullness(self) -> float:
        """How much of `max_stacks` is used, from 0 to 1, by the loop that uses most."""
        with self._lock:
            return max(len(tree.stacks) / tree.max_stacks for tree in self._trees)

    def _made_resources(self) -> Resources:
        from tracetools.recording.resources import Resources  # noqa: PLC0415  # if wanted only

        return Resources(self.waits, self.messages)

    def _resource_uses(self) -> Mapping[Resource, ResourceUse]:
        """Return what was done with locks, queues and the like up to now."""
        if self.resources is None:
            return {}
        return self.resources.uses(self._shorten, self._latest_of)

    def _latest_of(self, loop: RecordedLoop) -> int:
        """Return the moment up to which a loop is recorded."""
        if loop.end is not None:
            return loop.end
        return self.clock_of_loop(loop)() if loop.paused is None else loop.paused

    def _stack_of(self, sample: Sample) -> Stack:
        """Return the stack of the functions that a sample has seen."""
        return self.functions.stack(sample.codes, sample.base, sample.own, sample.tree)

    def _move_waits(self, sums: Sums, moment: Moment, now: int) -> None:
        """Attribute waits that go on to what is awaited, in the thread of their loop alone.

        In another thread we might keep a coroutine alive when its task is dropped. It would be
        closed there, and that runs code of the program.
        """
        loop = moment.loop
        if self.waits.least == NEVER or loop.thread != get_ident():
            return
        for task in list(islice(loop.tasks, _MAX_WAITS)):
            if task is not moment.current and now - task.parked > self.waits.least:
                sums.move_wait(task, self.waits.awaited(task, task.coroutine), now)

    def _now_in(self, moment: Moment) -> int:
        """Return the end of the time that a copy of a loop accounts for."""
        if moment.paused is not None:
            return moment.paused
        return max(self.clock_of_loop(moment.loop)(), moment.began)

    def clock_of(self, thread: int) -> Clock:
        """Return the clock of a thread, which can be read in any thread."""
        if isinstance(self.clock, _ThreadClock):
            return _ClockOfThread(self.clock, thread)
        return self.clock

    def clock_of_loop(self, loop: RecordedLoop) -> Clock:
        """Return the clock of a loop, which can be read in any thread."""
        return loop.clock if isinstance(loop.clock, _ClockOfThread) else self.clock

    @property
    def tells_kinds(self) -> bool:
        """Whether its clock is one that what threads have used can be compared with."""
        return self.clock in _TRUSTED

    def add_stall(self, path: StackPath, took: int) -> None:
        """Count a time in which no loop could run, though no step of it was to blame."""
        if path in self._stalls or len(self._stalls) < _MAX_STALLS:
            stalls = self._stalls.get(path, Blocks()).plus(Blocks(1, took, took))
            self._stalls = {**self._stalls, path: stalls}

    @property
    def delays_count(self) -> bool:
        """Whether scheduled time is measured, by a clock that tells how late a timer is."""
        return self.scheduled and not self.is_cpu_time

    @property
    def is_cpu_time(self) -> bool:
        """Whether the clock counts CPU time of threads, so that it stands while they sleep."""
        return isinstance(self.clock, _ThreadClock)

    def _usable(self, clock: Clock) -> Clock:
        """Return a clock that never fails, is not near zero, and can be read in any thread."""
        if clock is time.thread_time_ns:
            return _ThreadClock()
        return clock if clock in _TRUSTED else _GuardedClock(clock, self.stop, self.messages)

    def _clock_in(self, thread: int) -> int:
        return self.clock_of(thread)()


def _is_elsewhere(threads: set[int]) -> bool:
    """Whether loops run in other threads than this one, and in none but others."""
    return bool(threads) and get_ident() not in threads


def _check_bound(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} is at least 1, not {value!r}")


_PYTHON: Final = ".".join(map(str, sys.version_info[:3]))


def program_name() -> str:
    """Return the name of the script, of the package that `python -m` was given, or the notebook."""
    notebook = notebooks.notebook_name()
    if notebook is not None:
        return notebook
    folder, name = os.path.split(sys.argv[0] if sys.argv else "")
    return (os.path.basename(folder) if name == "__main__.py" else name) or "python"


class _GuardedClock:
    """A clock of the program, which may fail, step back, or be near zero.

    It stands still until it is where it was before it stepped back, so no time is negative. The
    accounting tells steps apart by the identity of numbers, and equal small ones are identical.
    """

    def __init__(
        self, clock: Clock, when_it_fails: Callable[[str], None], messages: Messages
    ) -> None:
        self._clock = clock
        self._messages = messages
        self._when_it_fails = when_it_fails
        self._stepped_back = False
        first = clock()
        if not isinstance(first, int):
            raise TypeError(f"clock is a function that returns whole nanoseconds, not {first!r}")
        self._shift = max(_SMALL - first, 0)
        self._last = first + self._shift

    def __call__(self) -> int:
        before = self._last
        try:
            now = self._clock() + self._shift
        except Exception as error:
            if is_interruption(error):
                raise
            self._when_it_fails("its clock failed")
            return self._last
        # Another thread may have read it meanwhile: then it is late, and has not stepped back.
        if now < self._last:
            if now < before and not self._stepped_back:
                self._say(before - now)
            return self._last + 0  # an object of its own
        self._last = now
        return now

    def _say(self, nanoseconds: int) -> None:
        """Log that it stepped back, once."""
        self._stepped_back = True
        self._messages.warning(
            "the clock of the recording stepped back by %.6f s: it stands still until it is where"
            " it was; give one that is monotonic",
            nanoseconds / 1e9,
        )


class _ThreadClock:
    """CPU time of the calling thread.

    Another thread can read it by the clock of the thread, where the system has such clocks. Else,
    and when the thread is over, it gets the last time that was read.
    """

    def __init__(self) -> None:
        self.last: dict[int, int] = {}
        self._clocks: dict[int, int] = {}
        self._here = threading.local()

    def __call__(self) -> int:
        thread = get_ident()
        if not hasattr(self._here, "is_known"):  # an identity may have been another thread's
            self._here.is_known = True
            self._clocks[thread] = _clock_of_this_thread()
        now = self.last[thread] = time.thread_time_ns()
        return now

    def read(self, thread: int) -> int:
        """Return the time of a thread."""
        if thread == get_ident():
            return self()
        last, clock = self.last.get(thread, 0), self._clocks.get(thread, _NO_CLOCK)
        if clock == _NO_CLOCK:
            return last
        try:
            return max(time.clock_gettime_ns(clock), last)
        except OSError:
            return last


class _ClockOfThread:
    """The CPU time of one thread.

    A loop may go on in another thread. Its clock then goes on from where it stood.
    """

    def __init__(self, clock: _ThreadClock, thread: int) -> None:
        self._clock = clock
        self._thread = thread
        self._shift = 0

    def __call__(self) -> int:
        return self._clock.read(self._thread) + self._shift

    def move_to(self, thread: int, moment: int) -> None:
        """Be the clock of this thread from now on, which is a moment of the clock so far."""
        if thread != self._thread:
            self._thread = thread
            self._shift = moment - self._clock()


_NO_CLOCK: Final = -1 << 40


def _clock_of_this_thread() -> int:
    """Return the number of the clock of this thread's CPU time."""
    # Not from another thread: for one that is over, it may crash.
    get: Callable[[int], int] = getattr(time, "pthread_getcpuclockid", lambda _: _NO_CLOCK)
    return get(get_ident())


_known: Final[weakref.WeakSet[Recorder]] = weakref.WeakSet()


def _forget_in_child() -> None:
    for recorder in tuple(_known):
        recorder.forget()


class _ForkCounter(forks.Follower):
    """Counts forks for all recorders."""

    def after_fork(self) -> None:
        if not forks.is_for_exec():
            for recorder in tuple(_known):
                recorder.forks += recorder.counts_forks and not recorder.stopped


forks.follow(_ForkCounter())


forks.renew_in_child(_forget_in_child)


def _outer_spans_changed() -> None:
    for recorder in tuple(_known):
        recorder.outer_spans_changed()


outer_spans.when_changed(_outer_spans_changed)
