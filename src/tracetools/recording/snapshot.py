"""Copies the state of loops at one moment, and sums up the numbers of a profile from it.

The copy is made while the loop goes on in another thread, so a profile never stops a program.
"""

from __future__ import annotations

import time
from itertools import chain, islice
from operator import attrgetter
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from tracetools.core.accounting import (
    Opened,
    Readings,
    TaskAccount,
    outwards,
    read,
    readings_at,
    stack_around,
)
from tracetools.core.stacks import ROOT, Frame, Stack, Times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Protocol

    from tracetools.core.accounting import ThreadAccount
    from tracetools.core.stacks import StackPath, StackTree
    from tracetools.recording.loops import RecordedLoop

    class Divider(Protocol):
        """Divides the time of stacks over stacks below them."""

        def divided(self, times: Mapping[Stack, int], /) -> Iterator[tuple[Stack, Stack, int]]:
            """Yield how much time goes from which stack to which below it."""


__all__ = ["Moment", "Sums", "copy_moment"]


class LoopRow(NamedTuple):
    """What changes of a `LoopAccount`, copied."""

    changes: int
    changing: int
    current: TaskAccount | None
    began: int
    lifetimes: int
    paused: int | None


class TaskRow(NamedTuple):
    """What changes of a `TaskAccount`, copied."""

    base: Stack
    stack: Stack
    innermost: Opened | None
    born: int
    busy: int
    ready: int | None
    parked: int


class StackRow(NamedTuple):
    """The numbers of a `Stack`, copied."""

    busy: int
    rest: int
    scheduled: int
    thread: int
    steps: int
    entries: int
    self_wakes: int
    left_open: int

    def times(self) -> Times:
        """Return the numbers as a profile has them."""
        busy, rest, scheduled, *others = self
        return Times(busy, scheduled, rest - scheduled, *others)


STACK_ROW: Final = attrgetter(*StackRow._fields)


def _getters(row: type[NamedTuple]) -> list[attrgetter[Any]]:
    return [attrgetter(name) for name in row._fields]


_LOOP, _TASK, _STACK = _getters(LoopRow), _getters(TaskRow), _getters(StackRow)


class Moment(NamedTuple):
    """The state of a loop at one moment.

    Its numbers are kept by columns. A row for each task would be as many objects as there are
    tasks, and set off full collections of garbage: 1.4 s at 100,000 tasks.
    """

    loop: RecordedLoop
    loop_row: LoopRow
    tasks: list[TaskAccount]
    task_columns: list[list[Any]]
    stacks: list[Stack]
    stack_columns: list[list[int]]

    @property
    def task_rows(self) -> Iterator[TaskRow]:
        """The rows of the tasks, made one by one."""
        return map(TaskRow._make, zip(*self.task_columns, strict=True))


def copy_moment(loop: RecordedLoop) -> Moment:
    """Copy the state of a loop, which may run in another thread meanwhile.

    All rows are copied by one call that runs in C alone, so that the interpreter does not switch
    threads within it. Nearly every event changes an account by plain stores, between which it does
    not switch either. The other events set `LoopAccount.changing` meanwhile. What may still spoil a
    copy is a switch after the tasks were listed and before they are copied, or a finaliser that the
    collector runs in between. All of that can be seen from the copy, and then it is made again.
    """
    for _ in range(1000):
        moment, is_whole = _try_copy(loop)
        if is_whole or loop.thread == get_ident():  # this thread would wait for itself
            break
        time.sleep(0)  # let the loop come to the end of what it does
    return moment


def _try_copy(loop: RecordedLoop) -> tuple[Moment, bool]:
    """Copy the state of a loop; return whether all of it is of one moment, too."""
    changes = loop.changes
    tasks = [*loop.tasks, *loop.callbacks.values()]
    stacks = list(loop.tree.stacks)
    parts: list[tuple[list[attrgetter[Any]], Sequence[object]]] = [
        (_LOOP, (loop,)),
        (_TASK, tasks),
        (_STACK, stacks),
    ]
    columns = [map(get, things) for getters, things in parts for get in getters]
    # One call in C, that makes nothing but one flat list: no objects that could set off the
    # collector, which before Python 3.12 runs finalisers right here.
    cells = list(chain(*columns))
    is_whole = cells[:2] == [changes, 0] and len(stacks) == len(loop.tree.stacks)
    rest = iter(cells)
    of_loop, of_tasks, of_stacks = (
        [list(islice(rest, len(things))) for _ in getters] for getters, things in parts
    )
    loop_row = LoopRow(*(column[0] for column in of_loop))
    return Moment(loop, loop_row, tasks, of_tasks, stacks, of_stacks), is_whole


class Sums:
    """Adds up the numbers of stacks from several trees, for a profile."""

    def __init__(self) -> None:
        self._rows: dict[Stack, list[int]] = {}

    def add_tree(self, tree: StackTree) -> None:
        """Add the numbers of a tree that no running loop uses."""
        self._add_stacks(tree.stacks, map(STACK_ROW, tree.stacks))

    def add_loop(self, moment: Moment, now: int) -> int:
        """Add a running loop; return how long its tasks have lived up to `now`, in sum."""
        self._add_stacks(moment.stacks, zip(*moment.stack_columns, strict=True))
        return moment.loop_row.lifetimes + self._add_tasks(moment, now)

    def add_unseen(self, moment: Moment, busy: int, now: int) -> None:
        """Add estimates of what a loop did between steps; `busy` is the time that is known."""
        for stack, time_of_it in moment.loop.estimates(busy, now).items():
            self._add_new(stack, moment.loop.tree.root)
            self._add(stack, busy=time_of_it)

    def move_wait(self, row: TaskRow, stack: Stack, now: int) -> None:
        """Attribute the wait of a task, which goes on, to the stack of what it awaits."""
        idle = (now if row.ready is None else row.ready) - row.parked
        self._add_new(stack, row.stack)
        self._add(row.stack, rest=-idle)
        self._add(stack, rest=idle)

    def divide(
        self,
        divider: Divider,
        what: Literal["busy", "rest", "thread"],
        times: Mapping[Stack, int] | None = None,
    ) -> None:
        """Divide one kind of time of all stacks, or the part in `times`, by samples."""
        column = StackRow._fields.index(what)
        if times is None:
            times = {own: row[column] for own, row in self._rows.items()}
        for own, below, part in divider.divided(times):
            self._add_new(below, own)
            self._rows[own][column] -= part
            self._rows[below][column] += part

    def add_thread(self, account: ThreadAccount, now: int) -> None:
        """Add what is open in a worker thread."""
        for opened in outwards(account.innermost):
            passed = now - opened.since
            self._add(opened.stack, thread=passed)
            if opened.outer is not None:
                self._add(opened.outer.stack, thread=-passed)

    def _add_stacks(self, stacks: Iterable[Stack], rows: Iterable[tuple[int, ...]]) -> None:
        """Add the numbers of stacks, each parent before its children."""
        self._rows.update(zip(stacks, map(list, rows), strict=True))

    def _add_new(self, stack: Stack, known: Stack) -> None:
        """Add a stack that may be new, and those between it and a known one above it."""
        new: list[Stack] = []
        while stack is not known and stack.parent is not None:
            new.append(stack)
            stack = stack.parent
        for each in reversed(new):  # parents first
            self._add(each)

    def _add(
        self, stack: Stack, *, busy: int = 0, rest: int = 0, scheduled: int = 0, thread: int = 0
    ) -> None:
        """Add to the numbers of one stack."""
        row = self._rows.setdefault(stack, [0] * len(StackRow._fields))
        row[:4] = row[0] + busy, row[1] + rest, row[2] + scheduled, row[3] + thread

    def _add_passed(self, stack: Stack, until: Readings, since: Readings) -> None:
        self._add(stack, busy=until.busy - since.busy, rest=until.rest - since.rest)

    def _add_tasks(self, moment: Moment, now: int) -> int:
        """Add what living tasks did up to `now`; return how long they have lived, in sum."""
        lived = 0
        for task, row in zip(moment.tasks, moment.task_rows, strict=True):
            stepping = task is moment.loop_row.current
            until = read(row.busy, now, stepping=stepping)
            rested = until.rest if task.is_callback else row.born
            self._add_passed(row.base, until, Readings(0, rested))
            for opened in outwards(row.innermost):
                since = readings_at(opened)
                self._add_passed(opened.stack, until, since)
                self._add_passed(stack_around(opened, row.base), since, until)
            if row.ready is not None and not stepping:
                self._add(row.stack, scheduled=now - row.ready)
            lived += 0 if task.is_callback else now - row.born
        return lived

    def busy(self) -> int:
        """Return the busy time of all stacks, in nanoseconds."""
        return sum(row[0] for row in self._rows.values())

    def by_path(self, duration: int, shorten: Callable[[Frame], Frame]) -> dict[StackPath, Times]:
        """Return the numbers by path; the root's self time is what no task had of `duration`."""
        paths: dict[Stack, StackPath] = {}
        stacks: dict[StackPath, Times] = {}
        for stack, row in self._rows.items():
            above = () if stack.parent is None else paths[stack.parent]
            path = paths[stack] = (*above, shorten(stack.frame))
            times = StackRow(*row).times()
            stacks[path] = times.plus(stacks[path]) if path in stacks else times
        busy = self.busy()
        root = stacks.get((ROOT,), Times())
        stacks[ROOT,] = root._replace(busy=root.busy + duration - busy)
        return stacks
