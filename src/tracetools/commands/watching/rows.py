"""The rows of each table: numbers of an update by second, sorted, filtered, as a tree or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.commands.watching.cells import short
from tracetools.live.text import task_in_words, wait_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracetools.core.resources import Resource
    from tracetools.core.stacks import Frame
    from tracetools.live.updates import Finding, ResourceUpdate, StackUpdate, Update
    from tracetools.live.values import Dump, TaskDump

__all__ = [
    "FINDINGS",
    "RESOURCES",
    "SPANS",
    "TABLES",
    "TASKS",
    "Column",
    "Dumped",
    "Row",
    "Table",
    "View",
    "finding_in_words",
    "finding_rows",
    "rows_of",
]


class Column(NamedTuple):
    """A column.

    Attributes:
        key: its name, for sorting.
        title: what stands above it.
        width: how many columns of the terminal it has; 0 for all that is left.
        kind: how its values are shown: ``percent``, ``count``, ``time``, ``text``.
        least: from how wide a terminal on it is shown.
    """

    key: str
    title: str
    width: int
    kind: str
    least: int = 0


class Table(NamedTuple):
    """A table: its title, its columns, and the one by which it is sorted at first."""

    title: str
    columns: tuple[Column, ...]
    sort: str


SPANS: Final = Table(
    "Spans",
    (
        Column("busy", "BUSY%", 6, "percent"),
        Column("scheduled", "SCHED", 6, "count"),
        Column("idle", "IDLE", 6, "count"),
        Column("alive", "ALIVE", 6, "count"),
        Column("polls", "POLL/s", 6, "count", 90),
        Column("entries", "NEW/s", 6, "count", 100),
        Column("p50", "P50", 7, "time", 100),
        Column("p99", "P99", 7, "time"),
        Column("name", "TASK OR SPAN", 0, "text"),
        Column("awaits", "WAITS FOR", 0, "text"),
    ),
    "busy",
)
TASKS: Final = Table(
    "Tasks",
    (
        Column("number", "#", 6, "count"),
        Column("state", "STATE", 8, "text"),
        Column("since", "SINCE", 7, "time"),
        Column("name", "TASK", 0, "text"),
        Column("awaits", "WAITS FOR", 0, "text"),
    ),
    "state",
)
RESOURCES: Final = Table(
    "Resources",
    (
        Column("waiting", "WAIT", 6, "count"),
        Column("held", "HELD", 6, "count"),
        Column("size", "SIZE", 6, "count", 100),
        Column("length", "LENGTH", 6, "count"),
        Column("waits", "WAIT/s", 6, "count", 100),
        Column("wait_time", "MEAN", 7, "time"),
        Column("since", "OLDEST", 7, "time"),
        Column("name", "RESOURCE", 0, "text"),
        Column("awaits", "HELD BY", 0, "text"),
    ),
    "waiting",
)
FINDINGS: Final = Table(
    "Findings",
    (
        Column("ago", "AGO", 7, "time"),
        Column("count", "TIMES", 6, "count"),
        Column("time", "TIME", 7, "time"),
        Column("max", "MAX", 7, "time"),
        Column("name", "WHAT", 0, "text"),
    ),
    "ago",
)
TABLES: Final = (SPANS, TASKS, RESOURCES, FINDINGS)

_ASCENDING: Final = {"name", "number", "ago", "awaits"}
"""Columns that are sorted from the least on."""

_STATES: Final = {"running": 3, "dead": 2, "ready": 1, "waiting": 0}


@dataclass(frozen=True)
class View:
    """What is shown, and how.

    Attributes:
        table: the index of the table in `TABLES`.
        sorts: by which column each table is sorted.
        inverted: the tables that are sorted the other way round.
        matching: a text that rows must have in them; upper and lower case are alike.
        is_tree: whether tasks and spans are a tree.
        is_paused: whether updates are not shown.
    """

    table: int = 0
    sorts: tuple[str, ...] = tuple(table.sort for table in TABLES)
    inverted: frozenset[int] = frozenset()
    matching: str = ""
    is_tree: bool = False
    is_paused: bool = False

    @property
    def sort(self) -> str:
        """The column by which the table is sorted."""
        return self.sorts[self.table]

    @property
    def is_inverted(self) -> bool:
        """Whether it is the other way round."""
        return self.table in self.inverted

    def sorted_by(self, key: str) -> View:
        """Sort by another column."""
        sorts = list(self.sorts)
        sorts[self.table] = key
        return replace(self, sorts=tuple(sorts), inverted=self.inverted - {self.table})

    def sorted_by_next(self, step: int) -> View:
        """Sort by the next column, or the one before."""
        keys = [column.key for column in TABLES[self.table].columns]
        return self.sorted_by(keys[(keys.index(self.sort) + step) % len(keys)])

    def inverted_sort(self) -> View:
        """Sort the other way round."""
        return replace(self, inverted=self.inverted ^ {self.table})


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        key: tells it from the others, also in the next update.
        values: numbers and texts, by the keys of columns; None where there is nothing to say.
        above: where it is, beside its name.
        whole: its name with the folder of its file.
        depth: how far it is indented.
        style: how it looks.
        of: what it is made of, for the details.
    """

    key: Hashable
    values: Mapping[str, float | str | None]
    above: str = ""
    whole: str = ""
    depth: int = 0
    style: str = ""
    of: object = field(default=None, compare=False)

    def matches(self, text: str) -> bool:
        """Whether a text is in it, whose case is folded."""
        texts = (self.values.get("name"), self.values.get("awaits"), self.above, self.whole)
        return any(text in str(each).casefold() for each in texts if each)


class Dumped:
    """What is shown of a dump, made once: there may be very many tasks.

    Attributes:
        dump: the dump.
        rows: a row for each task.
        waits: what most tasks of each function wait for, or spans that are innermost.
        resources: a row for each lock, semaphore or queue that a task waits for.
    """

    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        self.rows = _tasks(dump)
        self.waits = _waits_by_function(dump)
        self.resources = _resources_of(dump)


def rows_of(
    view: View, update: Update | None, dumped: Dumped | None, findings: Sequence[Row]
) -> list[Row]:
    """Return the rows of the table that is shown, in order."""
    table = TABLES[view.table]
    if table is SPANS:
        return (
            [] if update is None else _spans(view, update, {} if dumped is None else dumped.waits)
        )
    if table is TASKS:
        rows = [] if dumped is None else dumped.rows
    elif table is RESOURCES:
        rows = _resources(update, dumped)
    else:
        rows = [*findings]
    return _sorted(_matching(rows, view), view)


def _matching(rows: Iterable[Row], view: View) -> list[Row]:
    text = view.matching.casefold()
    return [row for row in rows if not text or row.matches(text)]


def _sorted(rows: Iterable[Row], view: View) -> list[Row]:
    is_up = (view.sort in _ASCENDING) != view.is_inverted
    return sorted(rows, key=lambda row: _order(row, view.sort), reverse=not is_up)


def _order(row: Row, key: str) -> tuple[float, str]:
    value = row.values.get(key)
    if key == "state":
        return _STATES.get(str(value), 0), ""
    if value is None:
        return -1, ""
    return (0, value.casefold()) if isinstance(value, str) else (value, "")


# -- tasks and spans -----------------------------------------------------------------------------


def _spans(view: View, update: Update, waits: Mapping[Frame, str]) -> list[Row]:
    by_number = {stack.number: stack for stack in update.stacks}
    rows = {stack.number: _span(stack, update, by_number, waits) for stack in update.stacks}
    if not view.is_tree:
        return _sorted(_matching(rows.values(), view), view)
    return _tree(view, rows, {stack.number: stack.parent for stack in update.stacks})


def _span(
    stack: StackUpdate,
    update: Update,
    by_number: Mapping[int, StackUpdate],
    waits: Mapping[Frame, str],
) -> Row:
    elapsed = update.elapsed
    above = by_number.get(stack.parent)
    ended = stack.latency.ended
    awaited = [short(each.frame.label.removeprefix("await ")) for each in stack.awaits[:1]]
    values: dict[str, float | str | None] = {
        "busy": (stack.busy + stack.thread) / elapsed,
        "scheduled": stack.scheduled / elapsed,
        "idle": stack.idle / elapsed,
        "alive": None if stack.is_of_loop else stack.alive,
        "polls": stack.polls * 1e9 / elapsed,
        "entries": stack.entries * 1e9 / elapsed,
        "p50": stack.latency.p50 if ended else None,
        "p99": stack.latency.p99 if ended else None,
        "name": short(stack.frame.label),
        "awaits": "" if stack.is_of_loop else (awaited or [waits.get(stack.frame, "")])[0],
    }
    return Row(
        key=stack.number,
        values=values,
        above="" if above is None else above.frame.name,
        whole=stack.frame.label,
        style="dim" if stack.is_of_loop else "",
        of=stack,
    )


def _tree(view: View, rows: Mapping[int, Row], parents: Mapping[int, int]) -> list[Row]:
    """Return rows as a tree: siblings in order, by the best that there is below each."""
    children: dict[int, list[int]] = {}
    for number, parent in parents.items():
        children.setdefault(parent if parent in rows else 0, []).append(number)
    kept = {number for number, row in rows.items() if not _left_out(row, view)}
    is_up = (view.sort in _ASCENDING) != view.is_inverted
    best: dict[int, tuple[float, str]] = {}
    for number in reversed([*rows]):  # each after those below it
        own = _order(rows[number], view.sort)
        below = [best[each] for each in children.get(number, ()) if each in best]
        if number in kept or below:
            best[number] = own if view.sort == "name" else (min if is_up else max)([own, *below])
    ordered: list[Row] = []
    work = [(number, 0) for number in _ordered(children.get(0, ()), best, is_up)]
    while work:
        number, depth = work.pop()
        ordered.append(replace(rows[number], depth=depth, above=""))
        work += [(each, depth + 1) for each in _ordered(children.get(number, ()), best, is_up)]
    return ordered


def _left_out(row: Row, view: View) -> bool:
    return bool(view.matching) and not row.matches(view.matching.casefold())


def _ordered(
    numbers: Iterable[int], best: Mapping[int, tuple[float, str]], is_up: bool
) -> list[int]:
    """Return numbers in order, the first one last."""
    return sorted((each for each in numbers if each in best), key=best.__getitem__, reverse=is_up)


# -- tasks of a dump -----------------------------------------------------------------------------


def _waits_by_function(dump: Dump) -> dict[Frame, str]:
    counts: dict[Frame, Counter[str]] = {}
    for task in (each for loop in dump.loops for each in loop.tasks):
        if task.wait is not None:
            innermost = task.spans[-1] if task.spans else task.function
            words = short(wait_in_words(task, with_holders=False))
            counts.setdefault(innermost, Counter())[words] += 1
    return {frame: known.most_common(1)[0][0] for frame, known in counts.items()}


def _tasks(dump: Dump) -> list[Row]:
    dead = {number for each in dump.deadlocks for number in (*each.cycle, *each.others)}
    seen: Counter[tuple[object, ...]] = Counter()
    rows = []
    for task in (each for loop in dump.loops for each in loop.tasks):
        called = task.name, task.function
        seen[called] += 1
        rows.append(_task(task, dead, (*called, seen[called])))
    return rows


def _task(task: TaskDump, dead: set[int], key: Hashable) -> Row:
    """Return the row of a task. Its number is another one in each dump."""
    is_dead = task.number in dead
    state = "dead" if is_dead else task.state
    since = None if task.wait is None else task.wait.since
    spans = " > ".join(span.name for span in task.spans)
    return Row(
        key=key,
        values={
            "number": task.number,
            "state": state,
            "since": since,
            "name": short(task_in_words(task)),
            "awaits": ("DEADLOCK: " if is_dead else "") + short(wait_in_words(task)),
        },
        above=spans,
        whole=task.function.label,
        style={"dead": "alarm", "running": "busy", "ready": "warn"}.get(state, ""),
        of=task,
    )


# -- resources -----------------------------------------------------------------------------------


def _resources(update: Update | None, dumped: Dumped | None) -> list[Row]:
    """Return what the recording knows; of what was used before it began, what the dump knows."""
    known = () if update is None else update.resources or ()
    rows = [] if update is None else [*map(_resource(update), known)]
    names = {each.resource for each in known}
    more = () if dumped is None else dumped.resources
    return [*rows, *(row for row in more if row.key[0] not in names)]  # type: ignore[index]


def _resources_of(dump: Dump) -> list[Row]:
    waiting: dict[tuple[Resource, int], list[TaskDump]] = {}
    tasks = {task.number: task for loop in dump.loops for task in loop.tasks}
    for task in tasks.values():
        if task.wait is not None and task.wait.resource is not None:
            waiting.setdefault((task.wait.resource, task.wait.instance), []).append(task)
    return [_resource_of(key, those, tasks) for key, those in waiting.items()]


def _resource_of(
    key: tuple[Resource, int], waiting: Sequence[TaskDump], tasks: Mapping[int, TaskDump]
) -> Row:
    resource, instance = key
    waits = [task.wait for task in waiting if task.wait is not None]
    holders = [tasks[each.task] for each in waits[0].holders if each.task in tasks]
    place = resource.place
    return Row(
        key=key,
        values={
            "waiting": len(waiting),
            "held": len(waits[0].holders) or None,
            "since": max((wait.since for wait in waits if wait.since is not None), default=None),
            "name": short(resource.label) if place.file else f"{resource.kind} {instance}",
            "awaits": short(holders[0].function.label) if holders else "",
        },
        style="warn",
        of=waiting[0],
    )


def _resource(update: Update) -> Callable[[ResourceUpdate], Row]:
    def row(each: ResourceUpdate) -> Row:
        waiting = each.waiting + each.getting
        holder = each.holders[0] if each.holders else None
        oldest = each.waiters[0].since if each.waiters else None
        return Row(
            key=each.resource,
            values={
                "waiting": waiting,
                "held": None if each.is_queue else each.held,
                "size": each.size,
                "length": each.length if each.is_queue else None,
                "waits": each.waits * 1e9 / update.elapsed,
                "wait_time": each.wait_time / each.waits if each.waits else None,
                "since": oldest,
                "name": short(each.resource.label)
                + (f" x{each.count:,}" if each.count > 1 else ""),
                "awaits": "" if holder is None else short(holder.task.label),
            },
            whole=each.resource.label,
            style="warn" if each.waiting else "",
            of=each,
        )

    return row


# -- findings ------------------------------------------------------------------------------------


def finding_rows(known: Mapping[Hashable, tuple[Finding, float]], now: float) -> list[Row]:
    """Return rows of findings: each with when it was last seen, in seconds."""
    return [
        Row(
            key=key,
            values={
                "ago": max(now - seen, 0) * 1e9,
                "count": each.count,
                "time": each.time,
                "max": each.max,
                "name": short(finding_in_words(each)),
            },
            style="" if each.is_stall else "warn",
            of=each,
        )
        for key, (each, seen) in known.items()
    ]


def finding_in_words(finding: Finding) -> str:
    """Return what was found, in words."""
    place = finding.place
    where = "" if place is None else f" at {place.label}"
    kind = f": {finding.kind}" if finding.kind else ""
    what = "stall:" if finding.is_stall else "blocks the loop:"
    return f"{what} {finding.task.label}{where}{kind}"
