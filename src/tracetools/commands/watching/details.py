"""The lines that say all that is known of one row: its numbers, histogram, waits, functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.commands.watching.cells import Line, Piece, count, fit, percent, right, time
from tracetools.commands.watching.rows import finding_in_words
from tracetools.core.histogram import middle_of
from tracetools.live.text import task_in_words, wait_in_words
from tracetools.live.updates import Finding, ResourceUpdate, StackUpdate
from tracetools.live.values import TaskDump

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetools.commands.watching.rows import Dumped
    from tracetools.core.histogram import Histogram
    from tracetools.live.updates import Update, User

__all__ = ["bars", "details"]

_MOST_BARS: Final = 16
_BAR: Final = 40
_MOST_TASKS: Final = 5


def details(
    of: object,
    update: Update | None,
    dumped: Dumped | None,
    histogram: Histogram | None,
    width: int,
) -> list[Line]:
    """Return what is known of what a row is made of.

    Args:
        of: a value of the update or the dump.
        update: the update.
        dumped: the dump.
        histogram: how long spans of the row have lasted; None if that was not asked yet.
        width: how wide the terminal is.
    """
    if isinstance(of, StackUpdate) and update is not None:
        pieces = _stack(of, update, dumped, histogram)
    elif isinstance(of, TaskDump):
        pieces = _task(of, dumped)
    elif isinstance(of, ResourceUpdate):
        pieces = _resource(of)
    elif isinstance(of, Finding):
        pieces = _finding(of)
    else:
        pieces = iter([Piece("it is gone", "dim")])
    return [(Piece(fit(f" {piece.text}", width), piece.style),) for piece in pieces]


def _stack(
    stack: StackUpdate, update: Update, dumped: Dumped | None, histogram: Histogram | None
) -> Iterator[Piece]:
    yield Piece(stack.frame.label, "bold")
    by_number = {each.number: each for each in update.stacks}
    above = by_number.get(stack.parent)
    while above is not None:
        yield Piece(f"  in {above.frame.label}", "dim")
        above = by_number.get(above.parent)
    yield Piece("")
    whole = max(stack.busy + stack.scheduled + stack.idle, 1)
    names = (("busy", stack.busy), ("scheduled", stack.scheduled), ("idle", stack.idle))
    for name, part in names:
        mean = part / update.elapsed
        bar = "|" * round(_BAR * part / whole)
        style = {"busy": "busy", "scheduled": "warn", "idle": "waits"}[name]
        yield Piece(
            f"{name:<10}{right(percent(part / whole), 5)}% {count(mean):>6} tasks  {bar}", style
        )
    if stack.thread:
        yield Piece(f"in threads {percent(stack.thread / update.elapsed)}% of the time")
    polls = stack.polls * 1e9 / update.elapsed
    mean_poll = f", {time(stack.busy // stack.polls)} each" if stack.polls else ""
    entries = stack.entries * 1e9 / update.elapsed
    yield Piece(
        f"{count(polls)} polls a second{mean_poll}; {count(entries)} began a second,"
        f" {stack.alive:,} are alive"
    )
    yield from _awaits(stack, update)
    yield from _latency(stack, histogram)
    yield from _waiting_tasks(stack, dumped)


def _awaits(stack: StackUpdate, update: Update) -> Iterator[Piece]:
    if stack.awaits:
        yield Piece("")
        yield Piece("waits that have ended, since the update before: tasks on average", "bold")
    for each in stack.awaits:
        mean = count(each.time / update.elapsed)
        yield Piece(f"  {mean:>6}  {each.frame.label.removeprefix('await ')}", "waits")


def _latency(stack: StackUpdate, histogram: Histogram | None) -> Iterator[Piece]:
    latency = stack.latency
    if not latency.ended:
        return
    yield Piece("")
    yield Piece("how long they lasted from begin to end", "bold")
    yield Piece(
        f"  {latency.ended:,} ended: mean {time(latency.mean)}, p50 {time(latency.p50)},"
        f" p99 {time(latency.p99)}, max {time(latency.max)}"
    )
    for least, number, share in () if histogram is None else bars(histogram):
        filled = "#" * round(_BAR * share)
        yield Piece(f"  {time(least):>7} {count(number):>6} {filled or '.'}", "busy")


def bars(histogram: Histogram) -> list[tuple[int, int, float]]:
    """Return at most 16 bars: from which time on, how many, and that by the most of a bar."""
    if not histogram.buckets:
        return []
    values = sorted((middle_of(bucket), number) for bucket, number in histogram.buckets.items())
    least, most = max(values[0][0], 1), max(values[-1][0], 1)
    steps = max(most.bit_length() - least.bit_length() + 1, 1)
    each = -(-steps // _MOST_BARS)
    sums: dict[int, int] = {}
    for value, number in values:
        index = (max(value, 1).bit_length() - least.bit_length()) // each
        sums[index] = sums.get(index, 0) + number
    longest = max(sums.values())
    first = 1 << (least.bit_length() - 1)
    return [
        (first << (index * each), sums.get(index, 0), sums.get(index, 0) / longest)
        for index in range(max(sums) + 1)
    ]


def _waiting_tasks(stack: StackUpdate, dumped: Dumped | None) -> Iterator[Piece]:
    if dumped is None:
        return
    tasks = [task for loop in dumped.dump.loops for task in loop.tasks]
    found = [task for task in tasks if stack.frame in (task.function, *task.spans)]
    if not found:
        return
    yield Piece("")
    more = f", {_MOST_TASKS} of {len(found):,}" if len(found) > _MOST_TASKS else ""
    yield Piece(f"where tasks are, when that was asked last{more}", "bold")
    for task in found[:_MOST_TASKS]:
        yield from _chain(task)


def _chain(task: TaskDump) -> Iterator[Piece]:
    """Yield a task and its await stack."""
    yield Piece(f"  #{task.number} {task_in_words(task)}: {task.state}")
    if len(task.functions) > 1:
        for depth, frame in enumerate(task.functions):
            yield Piece(f"    {'  ' * min(depth, 10)}{frame.label}", "dim")
    if task.wait is not None:
        since = "" if task.wait.since is None else f" {time(task.wait.since)}"
        yield Piece(f"    waits{since} for {wait_in_words(task)}", "waits")


def _task(task: TaskDump, dumped: Dumped | None) -> Iterator[Piece]:
    yield Piece(f"#{task.number} {task_in_words(task)}", "bold")
    yield Piece(f"  {task.state}", "dim")
    tasks = {} if dumped is None else _by_number(dumped)
    parent = tasks.get(task.parent or 0)
    seen = {task.number}
    while parent is not None and parent.number not in seen:
        seen.add(parent.number)
        yield Piece(f"  below #{parent.number} {task_in_words(parent)}", "dim")
        parent = tasks.get(parent.parent or 0)
    if task.spans:
        yield Piece("")
        yield Piece("open spans", "bold")
        for depth, span in enumerate(task.spans):
            yield Piece(f"  {'  ' * depth}{span.label}")
    yield Piece("")
    yield Piece("await stack", "bold")
    for depth, frame in enumerate(task.functions or (task.function,)):
        yield Piece(f"  {'  ' * min(depth, 10)}{frame.label}")
    if task.wait is None:
        return
    since = "" if task.wait.since is None else f" {time(task.wait.since)}"
    yield Piece(f"  waits{since} for {wait_in_words(task)}", "waits")
    yield from _needs(task, tasks)


def _by_number(dumped: Dumped) -> dict[int, TaskDump]:
    return {task.number: task for loop in dumped.dump.loops for task in loop.tasks}


def _needs(task: TaskDump, tasks: dict[int, TaskDump]) -> Iterator[Piece]:
    """Yield the tasks that a task waits for, and those that these wait for, as far as one leads."""
    seen = {task.number}
    at: TaskDump | None = task
    if task.wait is None or not task.wait.tasks:
        return
    yield Piece("")
    yield Piece("who it waits for", "bold")
    while at is not None and at.wait is not None and at.wait.tasks:
        number = at.wait.tasks[0]
        at = tasks.get(number)
        if at is None:
            return
        yield Piece(f"  #{number} {task_in_words(at)}: {at.state} {wait_in_words(at)}")
        if number in seen:
            yield Piece("  and so on for ever: a deadlock", "alarm")
            return
        seen.add(number)


def _resource(resource: ResourceUpdate) -> Iterator[Piece]:
    yield Piece(resource.resource.label, "bold")
    size = "no limit" if resource.size is None else f"{resource.size:,}"
    yield Piece(
        f"  {resource.count:,} of them, {'room for' if resource.is_queue else 'tokens'}: {size}"
    )
    if resource.is_queue:
        yield Piece(
            f"  {resource.length:,} items; {resource.waiting:,} wait to put,"
            f" {resource.getting:,} to take"
        )
    else:
        yield Piece(f"  {resource.held:,} held, {resource.waiting:,} wait")
    yield from _users("has it for", resource.holders)
    yield from _users("waits", resource.waiters)


def _users(what: str, users: Sequence[User]) -> Iterator[Piece]:
    if users:
        yield Piece("")
        yield Piece(f"who {what}, longest first", "bold")
    for user in users:
        where = "" if user.place is None else f" at {user.place.label}"
        yield Piece(f"  {time(user.since):>7}  {user.task.label}{where}")


def _finding(finding: Finding) -> Iterator[Piece]:
    yield Piece(finding_in_words(finding), "bold")
    yield Piece(
        f"  {finding.count:,} times, {time(finding.time)} in all, {time(finding.max)} at most"
    )
