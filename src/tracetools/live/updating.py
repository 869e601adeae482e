"""Makes the updates that `tracetools top` shows, of a recording that goes on.

It works in a thread of its own, on copies: no loop waits for it for longer than for any other
thread. What is not shown is not made.
"""

from __future__ import annotations

from heapq import nlargest
from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools import compat
from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.stacks import (
    ALL_CALLBACKS,
    ALL_WAITING,
    OF_LOOP,
    Blocks,
    Frame,
    Stack,
)
from tracetools.live.taking import functions_of_step
from tracetools.live.updates import (
    Await,
    Finding,
    Latency,
    LoopUpdate,
    ResourceUpdate,
    StackUpdate,
    Update,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from tracetools.core.buckets import HistogramBuilder
    from tracetools.core.resource_accounts import Want
    from tracetools.recording.glance import Glance, LoopGlance
    from tracetools.recording.recorder import Recorder
    from tracetools.recording.resources import Used

__all__ = ["MOST_ROWS", "SORTS", "Updater", "Wanted"]

MOST_ROWS: Final = 1000

SORTS: Final = ("busy", "scheduled", "idle", "polls", "entries", "alive", "p50", "p99", "name")
"""What rows can be chosen by."""

_MOST_RESOURCES: Final = 200
_MOST_FINDINGS: Final = 20
_MOST_USERS: Final = 5
_MOST_AWAITS: Final = 5
_MOMENT: Final = 50_000_000
"""Nanoseconds: a step that takes longer is told while it lasts."""

_COLUMNS: Final = (0, 1, 2, 3, 4, 5)
"""Of `Sums`: busy, rest, scheduled, thread, steps, entries."""

_BUSY, _REST, _SCHEDULED, _THREAD, _STEPS, _ENTRIES = _COLUMNS
_NOTHING: Final = (0, 0, 0, 0, 0, 0)
_AWAIT: Final = "await "


class Wanted(NamedTuple):
    """What is shown.

    Attributes:
        most: how many stacks at most, those above them not counted.
        sort: by what these are chosen.
        inverted: whether those with the least are.
        matching: a text that names or files have in them; those above such are shown as well.
    """

    most: int = 200
    sort: str = "busy"
    inverted: bool = False
    matching: str = ""


class _Row:
    """A stack that is told, and those below it that are part of it.

    Attributes:
        kind: the frame of `OF_LOOP` that it is, or is below; None if it is a task's.
        numbers: its numbers, by `_COLUMNS`.
        passed: by how much they have grown.
        alive: how many there are just now.
        awaits: for how much longer which stack below it was awaited.
    """

    __slots__ = ("alive", "awaits", "kind", "numbers", "parent", "passed", "stack")

    def __init__(self, stack: Stack, parent: _Row | None, kind: Frame | None) -> None:
        self.stack = stack
        self.parent = parent
        self.kind: Frame | None = kind if parent is None else parent.kind
        self.numbers: list[int] = [*_NOTHING]
        self.passed: tuple[int, ...] = _NOTHING
        self.alive = 0
        self.awaits: list[tuple[int, Stack]] = []

    @property
    def root(self) -> Stack:
        """The outermost stack above it."""
        row = self
        while row.parent is not None:
            row = row.parent
        return row.stack.parent or row.stack


class _Totals:
    """What the tasks of one loop have done, and the loop itself, in nanoseconds."""

    def __init__(self) -> None:
        self.busy = self.callbacks = self.waiting = 0

    def add(self, row: _Row) -> None:
        """Add a row."""
        time = row.numbers[_BUSY]
        if row.kind is None:
            self.busy += time
        elif row.kind in ALL_CALLBACKS:
            self.callbacks += time
        elif row.kind in ALL_WAITING:
            self.waiting += time


class Updater:
    """Makes updates of one recording, for one who watches.

    Args:
        recorder: the recording.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._last: int | None = None
        self._began = 0
        self._stacks: dict[int, tuple[int, ...]] = {}
        self._awaited: dict[int, int] = {}
        self._loops: dict[int, tuple[int, ...]] = {}
        self._delays: dict[int, Histogram] = {}
        self._blocks: dict[Hashable, Blocks] = {}
        self._used: dict[Hashable, tuple[int, int]] = {}
        self._latencies: dict[int, tuple[int, Latency]] = {}

    def update(self, wanted: Wanted = Wanted()) -> Update:  # noqa: B008  # a value
        """Return what has happened since the last call; all of it for the first one."""
        glance = self.recorder.glance()
        is_first = self._last is None
        if self._last is None:
            begins = (each.loop.begin for each in glance.loops)
            self._last = self._began = min(begins, default=glance.now)
        elapsed = max(glance.now - self._last, 1)
        self._last = glance.now
        rows = self._rows(glance)
        totals: dict[Stack, _Totals] = {}
        for row in rows:
            totals.setdefault(row.root, _Totals()).add(row)
        return Update(
            elapsed=elapsed,
            is_first=is_first,
            lasts=max(glance.now - self._began, 1),
            loops=tuple(self._loop(loop, totals) for loop in glance.loops),
            stacks=self._stacks_of(rows, wanted),
            hidden=max(len(rows) - wanted.most, 0),
            resources=None if glance.resources is None else self._resources(glance.resources),
            findings=self._findings(glance),
        )

    # -- stacks ------------------------------------------------------------------------------------

    def _rows(self, glance: Glance) -> list[_Row]:
        """Return what has happened in all stacks, by task and span, each after its parent."""
        number_of = glance.sums.number
        found: dict[Stack, _Row] = {}
        rows: list[_Row] = []
        last, awaited = self._awaited, dict[int, int]()
        for stack in glance.stacks:
            parent = stack.parent
            if parent is None:
                continue
            above = found.get(parent)
            numbers = [number_of(stack, column) for column in _COLUMNS]
            kind = stack.frame if above is None and stack.frame in OF_LOOP else None
            if above is None or numbers[_ENTRIES]:
                row = found[stack] = _Row(stack, above, kind)
                rows.append(row)
            else:
                row = found[stack] = above
                rest = numbers[_REST]
                if rest and stack.frame.name.startswith(_AWAIT):
                    awaited[stack.number] = rest
                    row.awaits.append((rest - last.get(stack.number, 0), stack))
            row.numbers[:] = map(add, row.numbers, numbers)
        for loop in glance.loops:
            for stack, count in loop.alive.items():
                if stack in found:
                    found[stack].alive += count
        self._awaited = awaited
        self._pass(rows)
        return rows

    def _pass(self, rows: list[_Row]) -> None:
        """Give rows what has happened since the last time."""
        now: dict[int, tuple[int, ...]] = {}
        for row in rows:
            number, numbers = row.stack.number, row.numbers
            before = self._stacks.get(number, _NOTHING)
            now[number] = tuple(numbers)
            row.passed = _minus(numbers, before)
        self._stacks = now

    def _stacks_of(self, rows: list[_Row], wanted: Wanted) -> tuple[StackUpdate, ...]:
        """Return those rows that are wanted, and those above them."""
        rows = [row for row in rows if row.kind not in ALL_WAITING]
        if wanted.matching:
            matching = wanted.matching.casefold()
            rows = [row for row in rows if matching in self._shown_of(row).label.casefold()]
        if len(rows) > wanted.most:
            rows = self._chosen(rows, wanted)
        chosen = {above: None for row in rows for above in _down_to(row)}
        return tuple(map(self._stack, chosen))

    def _chosen(self, rows: list[_Row], wanted: Wanted) -> list[_Row]:
        if wanted.sort == "name":
            return sorted(rows, key=lambda row: self._shown_of(row).label, reverse=wanted.inverted)[
                : wanted.most
            ]
        sign = -1 if wanted.inverted else 1
        return nlargest(wanted.most, rows, key=lambda row: sign * self._key(row, wanted.sort))

    def _key(self, row: _Row, sort: str) -> int:
        """Return a number of a row by its name."""
        passed = row.passed
        if sort == "alive":
            return row.alive
        if sort in {"p50", "p99"}:
            latency = self._latency(row.stack)
            return latency.p50 if sort == "p50" else latency.p99
        if sort == "idle":
            return passed[_REST] - passed[_SCHEDULED]
        return passed[_COLUMN_OF[sort]]

    def _stack(self, row: _Row) -> StackUpdate:
        busy, rest, scheduled, thread, steps, entries = row.passed
        awaits = nlargest(_MOST_AWAITS, (each for each in row.awaits if each[0] > 0), key=_first)
        stack = row.stack
        return StackUpdate(
            number=stack.number,
            parent=0 if row.parent is None else row.parent.stack.number,
            frame=self._shown_of(row),
            busy=busy,
            scheduled=scheduled,
            idle=max(rest - scheduled, 0),
            thread=thread,
            polls=steps,
            entries=entries,
            alive=row.alive,
            latency=self._latency(stack),
            awaits=tuple(Await(self.recorder.shown(each.frame), time) for time, each in awaits),
            is_of_loop=row.kind is not None,
        )

    def _shown_of(self, row: _Row) -> Frame:
        return self.recorder.shown(row.stack.frame)

    def _latency(self, stack: Stack) -> Latency:
        """Return how long spans with a stack have lasted. It is made once for each that ends."""
        builder = stack.latency
        if builder is None:
            return _NO_LATENCY
        total, longest, buckets = builder.sums()
        known = self._latencies.get(stack.number)
        count = sum(buckets.values())
        if known is None or known[0] != count:
            known = count, _latency_of(Histogram(total, longest, buckets))
            self._latencies[stack.number] = known
        return known[1]

    def histogram(self, number: int) -> Histogram:
        """Return how long the spans of a stack have lasted, by its number."""
        for stack in self.recorder.stacks:
            if stack.number == number and stack.latency is not None:
                return Histogram.of(stack.latency)
        return EMPTY

    # -- loops -------------------------------------------------------------------------------------

    def _loop(self, glance: LoopGlance, totals: Mapping[Stack, _Totals]) -> LoopUpdate:
        loop = glance.loop
        of_tree = totals.get(loop.tree.root, _Totals())
        numbers = (glance.duration, of_tree.busy, of_tree.callbacks, of_tree.waiting)
        before = self._loops.get(loop.number, (0, 0, 0, 0))
        self._loops[loop.number] = numbers
        elapsed, busy, callbacks, waiting = _minus(numbers, before)
        stepping = glance.stepping if glance.lasts > _MOMENT else None
        return LoopUpdate(
            number=loop.number,
            backend=loop.backend,
            thread=compat.name_of_thread(loop.thread),
            tasks=glance.tasks,
            ready=glance.ready,
            elapsed=elapsed,
            busy=busy,
            callbacks=callbacks,
            waiting=waiting,
            delays=self._delay(loop.number, loop.delays),
            stepping=None if stepping is None else self._task_of(stepping),
            lasts=0 if stepping is None else glance.lasts,
            functions=() if stepping is None else self._functions(loop.thread),
        )

    def _delay(self, number: int, builder: HistogramBuilder) -> Latency:
        now = Histogram.of(builder)
        before = self._delays.get(number, EMPTY)
        self._delays[number] = now
        return _latency_of(_difference(now, before))

    def _functions(self, thread: int) -> tuple[Frame, ...]:
        return tuple(map(self.recorder.shown, functions_of_step(thread)))

    def _task_of(self, stack: Stack) -> Frame:
        """Return the task or span that a stack is in."""
        while stack.parent is not None and stack.parent.parent is not None and not stack.entries:
            stack = stack.parent
        return self.recorder.shown(stack.frame)

    # -- resources ---------------------------------------------------------------------------------

    def _resources(self, found: Sequence[Used]) -> tuple[ResourceUpdate, ...]:
        before = self._used
        self._used = {each.resource: (each.waits, each.wait_time) for each in found}
        most = nlargest(
            _MOST_RESOURCES,
            (each for each in found if each.count),
            key=lambda used: (len(used.waiters) + len(used.getters), used.wait_time),
        )
        return tuple(self._resource(used, before.get(used.resource, (0, 0))) for used in most)

    def _resource(self, used: Used, before: tuple[int, int]) -> ResourceUpdate:
        place = self.recorder.shown(used.resource.place)
        return ResourceUpdate(
            resource=used.resource._replace(place=place),
            count=used.count,
            size=used.size,
            length=used.length,
            is_queue=used.is_queue,
            held=len(used.holders),
            waiting=len(used.waiters),
            getting=len(used.getters),
            waits=max(used.waits - before[0], 0),
            wait_time=max(used.wait_time - before[1], 0),
            holders=self._users(used.holders),
            waiters=self._users([*used.waiters, *used.getters]),
        )

    def _users(self, users: Iterable[tuple[int, Want]]) -> tuple[User, ...]:
        longest = nlargest(_MOST_USERS, users, key=_first)
        return tuple(
            User(
                self._task_of(want.stack),
                self.recorder.shown(want.line[-1]) if want.line else None,
                max(since, 0),
            )
            for since, want in longest
        )

    # -- findings ----------------------------------------------------------------------------------

    def _findings(self, glance: Glance) -> tuple[Finding, ...]:
        found: list[Finding] = []
        blocks: dict[Hashable, Blocks] = {}
        named: list[tuple[Hashable, Frame, Frame | None, Blocks, bool]] = [
            (key, self._task_of(key[0]), _line_of(key[1]), each, False)
            for key, each in glance.blocking.items()
        ]
        named += [
            (path, path[0], _line_of(path[1:]), each, True) for path, each in glance.stalls.items()
        ]
        for key, task, place, each, is_stall in named:
            blocks[key] = each
            before = self._blocks.get(key, Blocks())
            if each.total > before.total:
                found.append(
                    Finding(
                        is_stall=is_stall,
                        task=task,
                        place=None if place is None else self.recorder.shown(place),
                        count=max(each.count - before.count, 0),
                        time=each.total - before.total,
                        max=each.max,
                        kind=each.kind,
                    )
                )
        self._blocks = blocks
        return tuple(nlargest(_MOST_FINDINGS, found, key=lambda each: each.time))


_COLUMN_OF: Final = {
    "busy": _BUSY,
    "scheduled": _SCHEDULED,
    "polls": _STEPS,
    "entries": _ENTRIES,
}
_NO_LATENCY: Final = Latency()


def _first(pair: tuple[int, object]) -> int:
    return pair[0]


def _line_of(functions: Sequence[Frame]) -> Frame | None:
    """Return the line that blocks, with the name of its function."""
    if not functions or not functions[-1].file:
        return None
    *above, last = functions
    return last._replace(name=above[-1].name) if above else last


def _minus(now: Iterable[int], before: Iterable[int]) -> tuple[int, ...]:
    """Return by how much numbers have grown."""
    return tuple(max(new - old, 0) for new, old in zip(now, before, strict=True))


def _down_to(row: _Row) -> list[_Row]:
    """Return a row and those above it, outermost first."""
    found = [row]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found[::-1]


def _difference(now: Histogram, before: Histogram) -> Histogram:
    """Return the histogram of what has come since then; its maximum is that of all."""
    more = {
        bucket: count - before.buckets.get(bucket, 0)
        for bucket, count in now.buckets.items()
        if count > before.buckets.get(bucket, 0)
    }
    return Histogram(max(now.total - before.total, 0), now.max, more)


def _latency_of(histogram: Histogram) -> Latency:
    return Latency(
        ended=histogram.count,
        mean=round(histogram.mean),
        p50=histogram.quantile(0.5),
        p99=histogram.quantile(0.99),
        max=histogram.max,
    )
