"""Recording at run time: which recordings follow which threads, and one moment of them all.

A `Recorder` owns what one recording has (clock, stacks, loops, threads) and makes a `Profile` of
it at any moment. The instruments tell it of loops and tasks; `open_span` and `close_span` tell it
of spans, wherever they happen. No backend is known here, and no file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable  # noqa: TC003  # for readers of the type alias
from contextvars import ContextVar
from itertools import chain
from operator import attrgetter
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from tracetools.accounting import (
    LoopAccount,
    Opened,
    Readings,
    TaskAccount,
    ThreadAccount,
    outwards,
    read,
    readings_at,
    stack_around,
)
from tracetools.labels import PathShortener
from tracetools.profile import Path, Profile
from tracetools.stacks import ROOT, Frame, Stack, StackTree, Times

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Clock",
    "Opening",
    "Recorder",
    "close_span",
    "is_here",
    "logger",
    "open_span",
    "recorded_loops",
    "when_recording_changes",
]

logger: Final = logging.getLogger("tracetools")

Clock: TypeAlias = "Callable[[], int]"
"""Any monotonic clock in integer nanoseconds, such as `time.perf_counter_ns`."""

Opening: TypeAlias = "Opened | list[Opened]"
"""What `open_span` opened; where several recordings follow the thread, one for each."""

recorded_loops: Final[dict[int, LoopAccount | tuple[LoopAccount, ...]]] = {}
"""The loops that are being recorded, by the thread that they run in: one, or else several.

Empty: nothing is recorded.
"""

_recorders: Final[set[Recorder]] = set()
_switches: Final[list[Callable[[bool], None]]] = []


def when_recording_changes(switch: Callable[[bool], None]) -> None:
    """Have `switch` called with True when the first loop is recorded, and False after the last."""
    _switches.append(switch)


def _set_loops(thread: int, loops: tuple[LoopAccount, ...]) -> None:
    """Say which recorded loops run in a thread."""
    before = bool(recorded_loops)
    if loops:
        recorded_loops[thread] = loops if len(loops) > 1 else loops[0]
    else:
        recorded_loops.pop(thread, None)
    if bool(recorded_loops) != before:
        for switch in _switches:
            switch(bool(recorded_loops))


def _loops_in(thread: int) -> tuple[LoopAccount, ...]:
    """Return the recorded loops that run in a thread."""
    loops = recorded_loops.get(thread, ())
    return (loops,) if isinstance(loops, LoopAccount) else loops


def open_span(frame: Frame, entries: int = 1) -> Opening | None:
    """Open a span in whatever this thread does just now, for every recording that follows it.

    `entries` is 0 for a span that was entered before and is merely current again.
    Never raises; ``None`` where there is nothing to close.
    """
    try:
        loop = recorded_loops.get(get_ident())
        if type(loop) is LoopAccount:
            task = loop.current
            if task is None:  # between two steps: in a guest run, the host's own work
                return None
            return task.open(frame, task.clock(), entries)
        if not recorded_loops:
            return None
        return _open_several(loop, frame, entries)
    except RecursionError:  # the program's own; there is no room to record anything just now
        return None
    except Exception:  # noqa: BLE001  # the program under observation comes first
        _stop_all()
        return None


def close_span(opened: Opening | None) -> None:
    """Close what `open_span` opened; from anywhere, in any order, more than once. Never raises."""
    try:
        if type(opened) is tuple:
            account = opened[0]
            # No thread but the loop's own sees its span innermost in a task that steps, unless the
            # step itself waits for that thread.
            if type(account) is not TaskAccount:
                account.keeper.close_in_thread(account, opened)
            elif not account.close_current(opened, account.clock()):
                _close_elsewhere(account, opened)
        elif isinstance(opened, list):
            for one in reversed(opened):
                close_span(one)
    except RecursionError:
        return
    except Exception:  # noqa: BLE001
        _stop_all()


def _close_elsewhere(account: TaskAccount, opened: Opened) -> None:
    """Close a span out of order, from another task, or from another thread."""
    if account.loop.thread == get_ident():
        account.close(opened, account.clock())
    else:  # the account is its own thread's: it will see that the span is closed
        account.closed.append(opened)


def is_here(opened: Opening) -> bool:
    """Whether what was opened belongs to the task or worker thread that asks."""
    if isinstance(opened, list):
        return is_here(opened[0])
    account = opened[0]
    if type(account) is TaskAccount:
        return account.loop.current is account and account.loop.thread == get_ident()
    return bool(account.keeper.is_here(account))


def _open_several(loops: Any, frame: Frame, entries: int) -> list[Opened] | None:
    """Open a span in each of several loops in this thread, or in this worker thread."""
    if loops is None:
        return [recorder.open_in_thread(frame, entries) for recorder in tuple(_recorders)] or None
    tasks = [loop.current for loop in loops if loop.current is not None]
    opened = [task.open(frame, task.clock(), entries) for task in tasks]
    return [one for one in opened if one is not None] or None


def _stop_all() -> None:
    """Stop every recording after an error of ours that no single recorder can be blamed for."""
    for recorder in tuple(_recorders):
        recorder.stop("a span could not be recorded")


class Recorder:
    """One recording: of any number of loops, one after another or side by side.

    Attributes:
        clock: the clock of the recording.
        host: in the context of every recorded task, and so in that of the worker threads that are
            started from it, the account of that task.
        stopped: an error of ours ended the recording; what was recorded before is kept.
    """

    def __init__(
        self,
        *,
        clock: Clock = time.perf_counter_ns,
        backend: str = "",
        scheduled: bool = False,
        max_stacks: int = 10_000,
        max_depth: int = 256,
    ) -> None:
        self.clock = clock
        self.host: ContextVar[TaskAccount | None] = ContextVar("tracetools_host", default=None)
        self.stopped = False
        self._scheduled = scheduled
        self._backend = backend
        self._bounds = {"max_stacks": max_stacks, "max_depth": max_depth}
        self._shorten = PathShortener()
        self._start = time.time_ns()
        self._pid = os.getpid()
        self._loops: dict[LoopAccount, None] = {}
        self._trees: list[StackTree] = []
        self._duration = self._task_time = self._runs = 0
        self._lock = threading.RLock()  # a finaliser may open a span while this thread holds it
        self._thread_tree = self._new_tree()
        self._threads: weakref.WeakSet[ThreadAccount] = weakref.WeakSet()
        self._here = threading.local()

    # ------------------------------------------------------------------ loops

    @property
    def at_home(self) -> bool:
        """Whether this is the process that made the recorder, and not a fork of it."""
        return os.getpid() == self._pid

    @property
    def loops(self) -> tuple[LoopAccount, ...]:
        """The loops that are being recorded."""
        return tuple(self._loops)

    def begin_loop(self, now: int) -> LoopAccount:
        """Begin to record the loop that runs in this thread."""
        with self._lock:
            loop = LoopAccount(self._free_tree(), now, thread=get_ident())
            self._loops[loop] = None
            self._runs += 1
        _recorders.add(self)
        _set_loops(loop.thread, (*_loops_in(loop.thread), loop))
        return loop

    def end_loop(self, loop: LoopAccount, now: int) -> None:
        """End the recording of a loop. A second time does nothing."""
        with self._lock:
            if loop not in self._loops:
                return
            loop.finish(now)
            del self._loops[loop]
            self._duration += now - loop.begin
            self._task_time += loop.lifetimes
            if not self._loops:
                _recorders.discard(self)
        self._unhook(loop)

    def stop(self, why: str) -> None:
        """Stop recording after an error of ours: say so once, keep what there is, never raise."""
        if self.stopped:
            return
        self.stopped = True
        for loop in self.loops:
            self._unhook(loop)
        _recorders.discard(self)
        with contextlib.suppress(Exception):
            logger.error(
                "tracetools stopped recording: %s; the program goes on", why, exc_info=True
            )

    def forget(self) -> None:
        """Record nothing more: this is the forked copy of a recording that goes on elsewhere."""
        self.stopped = True
        self._lock = threading.RLock()  # it may be held by a thread that does not exist here

    def _unhook(self, loop: LoopAccount) -> None:
        """Let spans in the loop's thread no longer find it."""
        others = [other for other in _loops_in(loop.thread) if other is not loop]
        _set_loops(loop.thread, tuple(others))

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

    def open_in_thread(self, frame: Frame, entries: int) -> Opened:
        """Open a span in this worker thread, under the stack of the task that waits for it."""
        host = self.host.get()
        with self._lock:
            account: ThreadAccount | None = getattr(self._here, "account", None)
            if account is None or account.innermost is None or self._here.host is not host:
                # nothing is open here, or only what an earlier piece of work left open
                account = self._thread_account(host)
                self._here.account, self._here.host = account, host
                self._threads.add(account)
            return account.open(frame, self.clock(), entries)

    def close_in_thread(self, account: ThreadAccount, opened: Opened) -> None:
        """Close a span of a worker thread; from another thread, it is merely marked as closed."""
        if not self.is_here(account):
            account.closed.append(opened)
            return
        with self._lock:
            account.close(opened, self.clock())
            if account.innermost is None:
                self._threads.discard(account)
                self._here.account = None

    def is_here(self, account: ThreadAccount) -> bool:
        """Whether `account` is that of the thread that asks."""
        return getattr(self._here, "account", None) is account

    def _thread_account(self, host: TaskAccount | None) -> ThreadAccount:
        if host is not None:
            return ThreadAccount(host.loop.tree, host.stack, self)
        tree = self._thread_tree
        name = Frame(threading.current_thread().name, "")
        return ThreadAccount(tree, tree.child(tree.root, name), self)

    # --------------------------------------------------------------- snapshot

    def profile(self) -> Profile:
        """Return all that was recorded up to now, open intervals included. From any thread."""
        with self._lock:
            moments = [copy_moment(loop) for loop in self._loops]
            in_use = {id(moment.loop.tree) for moment in moments}
            sums = _Sums()
            for tree in self._trees:
                if id(tree) not in in_use:
                    sums.add_stacks(tree.stacks, map(STACK_ROW, tree.stacks))
            duration, task_time = self._duration, self._task_time
            for moment in moments:
                now = self._now(moment)
                sums.add_stacks(moment.stacks, moment.stack_rows)
                task_time += moment.loop_row.lifetimes + sums.add_tasks(moment, now)
                duration += now - moment.loop.begin
            for account in self._threads:
                self._add_thread(account, sums)
            truncated = any(tree.truncated for tree in self._trees)
            runs = self._runs
        return Profile(
            stacks=sums.by_path(duration, self._shorten),
            duration=duration,
            task_time=task_time,
            start=self._start,
            programs=(os.path.basename(sys.argv[0] if sys.argv else "") or "python",),
            backends=(self._backend,) if self._backend else (),
            runs=runs,
            scheduled_measured=self._scheduled,
            truncated=truncated,
        )

    def _now(self, moment: Moment) -> int:
        """Return the end of the open intervals of `moment`, never before its last event."""
        known = [row.innermost[3] for row in moment.task_rows if row.innermost]
        last = max(moment.loop_row.mark, *known, *(row.born for row in moment.task_rows), 0)
        if self._foreign_clock(moment.loop.thread):
            return last
        return max(last, self.clock())

    def _foreign_clock(self, thread: int) -> bool:
        """Whether the clock, read here, says nothing about `thread`."""
        return self.clock is time.thread_time_ns and thread != get_ident()

    def _add_thread(self, account: ThreadAccount, sums: _Sums) -> None:
        """Add the interval that is open in a worker thread."""
        if self.clock is not time.thread_time_ns:
            now = self.clock()
            for _, outer, stack, since, *_ in outwards(account.innermost):
                sums.add(stack, thread=now - since)
                if outer is not None:
                    sums.add(outer[2], thread=since - now)


class LoopRow(NamedTuple):
    """What changes of a `LoopAccount`, copied."""

    changes: int
    current: TaskAccount | None
    mark: int
    lifetimes: int


class TaskRow(NamedTuple):
    """What changes of a `TaskAccount`, copied."""

    base: Stack
    innermost: Opened | None
    born: int
    busy: int
    queued: int
    ready: int | None
    steps: int


LOOP_ROW: Final = attrgetter(*LoopRow._fields)
TASK_ROW: Final = attrgetter(*TaskRow._fields)
STACK_ROW: Final = attrgetter(*Times._fields)


class Moment(NamedTuple):
    """All that was known of a loop at one moment."""

    loop: LoopAccount
    loop_row: LoopRow
    tasks: list[TaskAccount]
    task_rows: list[TaskRow]
    stacks: list[Stack]
    stack_rows: list[tuple[int, ...]]


def copy_moment(loop: LoopAccount) -> Moment:
    """Copy what is known of a loop while it runs, perhaps in another thread, and is not stopped.

    All rows are copied by one call that runs in C alone, so that the interpreter does not switch
    threads within it; and an event changes an account by plain stores, between which it does not
    switch either. What may still spoil the copy is a switch between listing what is to be copied
    and copying it, or a finaliser that the collector runs within it. Both show, and then it is
    made again.
    """
    for _ in range(1000):
        changes = loop.changes
        tasks = list(loop.tasks)
        stacks = list(loop.tree.stacks)
        rows = list(
            chain(
                map(LOOP_ROW, (loop,)),
                map(TASK_ROW, tasks),
                map(STACK_ROW, stacks),
                map(LOOP_ROW, (loop,)),
            )
        )
        same_tasks = rows[0] == rows[-1] and rows[0][0] == changes
        if same_tasks and len(stacks) == len(loop.tree.stacks):
            break
    return Moment(
        loop,
        LoopRow(*rows[0]),
        tasks,
        [TaskRow(*row) for row in rows[1 : 1 + len(tasks)]],
        stacks,
        rows[1 + len(tasks) : -1],
    )


class _Sums:
    """The numbers of stacks from several trees, on their way into a profile."""

    def __init__(self) -> None:
        self._rows: dict[Stack, list[int]] = {}

    def add_stacks(self, stacks: Iterable[Stack], rows: Iterable[tuple[int, ...]]) -> None:
        """Take the settled numbers of `stacks`, each parent before its children."""
        self._rows.update(zip(stacks, map(list, rows), strict=True))

    def add(self, stack: Stack, **more: int) -> None:
        """Add to the numbers of one stack."""
        row = self._rows.setdefault(stack, [0] * len(Times._fields))
        for name, number in more.items():
            row[Times._fields.index(name)] += number

    def add_tasks(self, moment: Moment, now: int) -> int:
        """Add what living tasks did up to `now`; return how long they have lived, in sum."""
        lived = 0
        for task, row in zip(moment.tasks, moment.task_rows, strict=True):
            stepping = task is moment.loop_row.current
            until = read(row.busy, row.queued, row.ready, row.steps, now, stepping=stepping)
            self._add(row.base, until, Readings(0, row.born, 0, 0))
            for opened in outwards(row.innermost):
                since = readings_at(opened)
                self._add(opened[2], until, since)
                self._add(stack_around(opened, row.base), since, until)
            lived += now - row.born
        return lived

    def _add(self, stack: Stack, until: Readings, since: Readings) -> None:
        times = until.times_since(since)
        self.add(stack, **times._asdict())

    def by_path(self, duration: int, shorten: Callable[[Frame], Frame]) -> dict[Path, Times]:
        """Return the numbers by path; the root's self time is what no task had of `duration`."""
        paths: dict[Stack, Path] = {}
        stacks: dict[Path, Times] = {}
        for stack, row in self._rows.items():
            above = () if stack.parent is None else paths[stack.parent]
            path = paths[stack] = (*above, shorten(stack.frame))
            times = Times(*row)
            stacks[path] = times.plus(stacks[path]) if path in stacks else times
        busy = sum(row[0] for row in self._rows.values())
        root = stacks.get((ROOT,), Times())
        stacks[ROOT,] = root._replace(busy=root.busy + duration - busy)
        return stacks


def _forget_in_child() -> None:
    """In a forked process: record nothing, so that only the parent writes what it recorded."""
    for thread in tuple(recorded_loops):
        _set_loops(thread, ())
    for recorder in tuple(_recorders):
        recorder.forget()
    _recorders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
