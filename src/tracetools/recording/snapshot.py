"""Copies the state of loops at one moment, and sums up the numbers of a profile from it.

The copy is made while the loop goes on in another thread, so a profile never stops a program.
`Moment` and `Rows` are the references of `native/moments.c` and `native/rows.c`.
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
from tracetools.core.native import accelerated
from tracetools.core.stacks import OF_LOOP, ROOT, Frame, Stack, StackPath, Times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    from tracetools.attribution.division import Numbers
    from tracetools.core.accounting import ThreadAccount
    from tracetools.core.stacks import StackTree
    from tracetools.recording.loops import RecordedLoop

    class Divider(Protocol):
        """Divides the time of stacks over stacks below them."""

        def divided(self, times: Numbers, /) -> Iterator[tuple[Stack, Stack, int]]:
            """Yield how much time goes from which stack to which below it."""


__all__ = ["Moment", "Rows", "Sums", "copy_moment"]


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

BUSY, REST, SCHEDULED, THREAD = range(4)


def _getters(row: type[NamedTuple]) -> list[attrgetter[Any]]:
    return [attrgetter(name) for name in row._fields]


_LOOP, _TASK, _STACK = _getters(LoopRow), _getters(TaskRow), _getters(StackRow)


@accelerated
class Moment:
    """The state of a loop at one moment.

    Its numbers are kept by columns. A row for each task would be as many objects as there are
    tasks, and set off full collections of garbage: 1.4 s at 100,000 tasks.

    All rows are copied by one call that runs in C alone, so that the interpreter does not switch
    threads within it. Nearly every event changes an account by plain stores, between which it does
    not switch either. The other events set `LoopAccount.changing` meanwhile. What may still spoil a
    copy is a switch after the tasks were listed and before they are copied, or a finaliser that the
    collector runs in between. All of that can be seen from the copy.

    Attributes:
        loop: its account.
        current: the task that was stepping; ``None`` for none.
        began: when the last step began.
        paused: as `LoopAccount.paused`.
        lifetimes: of the tasks that have exited, in nanoseconds.
        changing: not 0 if it is not of one moment, for something was just being changed.
    """

    __slots__ = (
        "began",
        "changing",
        "current",
        "lifetimes",
        "loop",
        "paused",
        "stack_columns",
        "stacks",
        "task_columns",
        "tasks",
    )

    def __init__(self, loop: RecordedLoop) -> None:
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
        is_whole = cells[0] == changes and len(stacks) == len(loop.tree.stacks)
        rest = iter(cells)
        of_loop, of_tasks, of_stacks = (
            [list(islice(rest, len(things))) for _ in getters] for getters, things in parts
        )
        row = LoopRow(*(column[0] for column in of_loop))
        self.loop = loop
        self.current, self.began, self.paused = row.current, row.began, row.paused
        self.lifetimes = row.lifetimes
        self.changing = row.changing if is_whole else row.changing + 1
        self.tasks, self.task_columns = tasks, of_tasks
        self.stacks, self.stack_columns = stacks, of_stacks

    @property
    def task_rows(self) -> Iterator[TaskRow]:
        """The rows of the tasks, made one by one."""
        return map(TaskRow._make, zip(*self.task_columns, strict=True))


def copy_moment(loop: RecordedLoop) -> Moment:
    """Copy the state of a loop, which may run in another thread meanwhile."""
    for _ in range(1000):
        moment = Moment(loop)
        if not moment.changing or loop.thread == get_ident():  # it would wait for itself
            break
        time.sleep(0)  # let the loop come to the end of what it does
    return moment


@accelerated
class Rows:
    """The numbers of stacks from several trees, each parent before its children.

    Attributes:
        polite: whether loops run in other threads meanwhile, which must not wait for long. The
            reference lets Python switch threads, and does no more.
    """

    __slots__ = ("_rows", "polite")

    def __init__(self, polite: bool = False) -> None:
        self.polite = polite
        self._rows: dict[Stack, list[int]] = {}

    def add_stacks(self, stacks: list[Stack]) -> None:
        """Add the numbers of stacks that no loop changes just now."""
        for stack, numbers in zip(stacks, map(STACK_ROW, stacks), strict=True):
            self._add_row(stack, numbers)

    def add_moment(self, moment: Moment, now: int) -> int:
        """Add a running loop; return how long its tasks have lived up to `now`, in sum."""
        columns = zip(*moment.stack_columns, strict=True)
        for stack, numbers in zip(moment.stacks, columns, strict=True):
            self._add_row(stack, numbers)
        return moment.lifetimes + self._add_tasks(moment, now)

    def add(self, stack: Stack, what: int, time_of_it: int) -> None:
        """Add to one of the numbers of a stack: the index of it in `StackRow`."""
        self._row(stack)[what] += time_of_it

    def number(self, stack: Stack, what: int) -> int:
        """Return one of the numbers of a stack, by its index in `StackRow`."""
        return self._rows[stack][what] if stack in self._rows else 0

    def busy(self) -> int:
        """Return the busy time of all stacks, in nanoseconds."""
        return sum(row[BUSY] for row in self._rows.values())

    def keep_laws(self, duration: int, task_time: int, of_loop: tuple[Frame, ...]) -> bool:
        """Return whether both laws of time hold, as in `Profile.check`.

        `of_loop` are the frames below the root of what is no task.
        """
        own, lived, without_life = duration - self.busy(), 0, set[Stack]()
        for stack, row in self._rows.items():
            parent = stack.parent
            numbers = row if parent is not None else row[REST:]
            if min(numbers) < 0 or row[REST] < row[SCHEDULED]:
                return False
            is_below = parent is not None and parent.parent is not None
            if parent in without_life if is_below else parent is None or stack.frame in of_loop:
                without_life.add(stack)
            own += row[BUSY] if parent is None else 0
            lived += row[REST] + (0 if stack in without_life else row[BUSY])
        return own >= 0 and lived == task_time

    def paths(
        self,
        shorten: Callable[[Frame], Frame],
        shown: dict[Frame, Frame],
        times: type[Times],
    ) -> dict[StackPath, Times]:
        """Return the numbers by path, as `times`.

        Args:
            shorten: returns a frame as it is shown.
            shown: the frames that it has returned so far.
            times: the class of the numbers.
        """
        paths: dict[Stack, StackPath] = {}
        stacks: dict[StackPath, Times] = {}
        for stack, row in self._rows.items():
            frame = shown.get(stack.frame)
            if frame is None:
                frame = shown[stack.frame] = shorten(stack.frame)
            above = () if stack.parent is None else paths[stack.parent]
            path = paths[stack] = (*above, frame)
            busy, rest, scheduled, *others = row
            found = times(busy, scheduled, rest - scheduled, *others)
            stacks[path] = found.plus(stacks[path]) if path in stacks else found
        return stacks

    def _row(self, stack: Stack) -> list[int]:
        """Return the row of a stack. If it is new, so may be those of its parents, before it."""
        row = self._rows.get(stack)
        if row is None:
            if stack.parent is not None:
                self._row(stack.parent)
            row = self._rows[stack] = [0] * len(StackRow._fields)
        return row

    def _add_row(self, stack: Stack, numbers: tuple[int, ...]) -> None:
        row = self._row(stack)
        row[:] = map(int.__add__, row, numbers)

    def _add_passed(self, stack: Stack, until: Readings, since: Readings) -> None:
        self.add(stack, BUSY, until.busy - since.busy)
        self.add(stack, REST, until.rest - since.rest)

    def _add_tasks(self, moment: Moment, now: int) -> int:
        """Add what living tasks did up to `now`; return how long they have lived, in sum."""
        lived = 0
        for task, row in zip(moment.tasks, moment.task_rows, strict=True):
            stepping = task is moment.current
            until = read(row.busy, now, stepping=stepping)
            rested = until.rest if task.is_callback else row.born
            self._add_passed(row.base, until, Readings(0, rested))
            for opened in outwards(row.innermost):
                since = readings_at(opened)
                self._add_passed(opened.stack, until, since)
                self._add_passed(stack_around(opened, row.base), since, until)
            if row.ready is not None and not stepping:
                self.add(row.stack, SCHEDULED, now - row.ready)
            lived += 0 if task.is_callback else now - row.born
        return lived


class _Column:
    """One of the numbers of all stacks, found by stack."""

    def __init__(self, rows: Rows, what: int) -> None:
        self._rows = rows
        self._what = what

    def get(self, stack: Stack, _: int, /) -> int:
        return self._rows.number(stack, self._what)


class Sums(Rows):
    """Adds up the numbers of stacks from several trees, for a profile."""

    __slots__ = ()

    def add_tree(self, tree: StackTree) -> None:
        """Add the numbers of a tree that no running loop uses."""
        self.add_stacks(tree.stacks)

    def add_unseen(self, moment: Moment, busy: int, now: int) -> None:
        """Add estimates of what a loop did between steps; `busy` is the time that is known."""
        for stack, time_of_it in moment.loop.estimates(busy, now).items():
            self.add(stack, BUSY, time_of_it)

    def move_wait(self, task: TaskAccount, stack: Stack, now: int) -> None:
        """Attribute the wait of a task, which goes on, to the stack of what it awaits."""
        idle = (now if task.ready is None else task.ready) - task.parked
        self.add(task.stack, REST, -idle)
        self.add(stack, REST, idle)

    def divide(
        self,
        divider: Divider,
        what: Literal["busy", "rest", "thread"],
        times: Mapping[Stack, int] | None = None,
    ) -> None:
        """Divide one kind of time of all stacks, or the part in `times`, by samples."""
        column = StackRow._fields.index(what)
        numbers = _Column(self, column) if times is None else times
        for own, below, part in list(divider.divided(numbers)):  # all are read before any changes
            self.add(own, column, -part)
            self.add(below, column, part)

    def add_thread(self, account: ThreadAccount, now: int) -> None:
        """Add what is open in a worker thread."""
        for opened in outwards(account.innermost):
            passed = now - opened.since
            self.add(opened.stack, THREAD, passed)
            if opened.outer is not None:
                self.add(opened.outer.stack, THREAD, -passed)

    def are_lawful(self, duration: int, task_time: int) -> bool:
        """Return whether both laws of time hold, as in `Profile.check`."""
        return self.keep_laws(duration, task_time, OF_LOOP)

    def by_path(
        self,
        duration: int,
        shorten: Callable[[Frame], Frame],
        shown: dict[Frame, Frame] | None = None,
        *,
        polite: bool = False,
    ) -> dict[StackPath, Times]:
        """Return the numbers by path; the root's self time is what no task had of `duration`."""
        self.polite = polite
        stacks = self.paths(shorten, {} if shown is None else shown, Times)
        root = stacks.get((ROOT,), Times())
        stacks[ROOT,] = root._replace(busy=root.busy + duration - self.busy())
        return stacks
