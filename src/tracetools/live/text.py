"""A dump as text: deadlocks first, then each loop with its tasks as a tree.

All is ASCII, but for the names that users gave.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.answers.words import listed
from tracetools.output.lints import amount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetools.core.stacks import StackPath
    from tracetools.live.values import Blocked, Deadlock, Dump, LoopDump, TaskDump, Wait

__all__ = ["render_dump", "task_in_words", "wait_in_words"]

_ALIKE: Final = 3
"""So many siblings that say the same are told as one."""

_MOST_TASKS: Final = 6
"""How many tasks are named that another one waits for."""

_AWAIT: Final = "await "
_GIVEN_BY_ASYNCIO: Final = re.compile(r"Task-\d+|.*\.<locals>\..*")


def render_dump(dump: Dump) -> str:
    """Return a dump as text, with a line break at its end."""
    return "".join(f"{_printable(line)}\n" for line in _lines(dump))


def _printable(line: str) -> str:
    """Return a line without what would move the cursor: names are of the program's making."""
    return "".join(each if each.isprintable() else "?" for each in line)


def _lines(dump: Dump) -> Iterator[str]:
    when = datetime.fromtimestamp(dump.when / 1e9, timezone.utc)
    program = dump.program or "a program"
    yield (
        f"{program} (process {dump.pid}, Python {dump.python})"
        f" at {when.isoformat(' ', 'seconds').removesuffix('+00:00')} UTC"
    )
    tasks = {task.number: task for loop in dump.loops for task in loop.tasks}
    for deadlock in dump.deadlocks:
        yield ""
        yield from _deadlock(deadlock, tasks)
    dead = {number for each in dump.deadlocks for number in (*each.cycle, *each.others)}
    for loop in dump.loops:
        yield ""
        yield from _loop(loop, dead)
    if not dump.loops:
        yield ""
        yield "no loop of trio or asyncio runs"


# -- deadlocks -----------------------------------------------------------------------------------


def _deadlock(deadlock: Deadlock, tasks: dict[int, TaskDump]) -> Iterator[str]:
    cycle = [tasks[number] for number in deadlock.cycle]
    count = len(cycle)
    if count == 1:
        yield "deadlock: a task waits for itself, and will for ever"
    else:
        yield f"deadlock: {count} tasks wait for one another, and will for ever"
    for index, task in enumerate(cycle):
        yield f"  {_called(task)}"
        yield from (f"     {line}" for line in _link(task, cycle[(index + 1) % count].number))
    yield f"  {_called(cycle[0])}"
    if deadlock.others:
        those = listed([f"#{number}" for number in deadlock.others], _MOST_TASKS)
        yield f"  because of that, these can never go on either: {those}"


def _link(task: TaskDump, following: int) -> Iterator[str]:
    """Yield what a task waits for, up to the name of the task that it needs."""
    wait = task.wait
    if wait is None:  # in a dump that others have made
        return
    yield f"{_waits(wait)} {_thing(wait)}{_at(task)}"
    held = next((each for each in wait.holders if each.task == following), None)
    if held is None:
        yield "which needs"
        return
    since = "" if held.since is None else f" for {amount(held.since)}"
    place = "" if held.place is None else f", acquired at {held.place.location},"
    others = len({each.task for each in wait.holders}) - 1
    yield f"held{since}{place} by{f' {others} more, and by' if others else ''}"


# -- loops ---------------------------------------------------------------------------------------


def _loop(loop: LoopDump, dead: set[int]) -> Iterator[str]:
    states = [task.state for task in loop.tasks]
    counts = [f"{states.count(state):,} {state}" for state in ("running", "ready", "waiting")]
    known = ", ".join(each for each in counts if not each.startswith("0 "))
    thread = f" in {loop.thread}" if loop.thread else ""
    tasks = "1 task" if len(states) == 1 else f"{len(states):,} tasks"
    yield f"{loop.backend}{thread}: {tasks}{': ' if known else ''}{known}"
    if loop.blocked is not None:
        yield _blocked(loop.blocked)
    if loop.problem:
        yield f"not all is known: {loop.problem}"
    yield from _tree(loop.tasks, dead)


def _blocked(blocked: Blocked) -> str:
    least = "" if blocked.is_exact else "at least "
    where = f", by {_path(blocked.functions)}" if blocked.functions else ""
    return f"blocked for {least}{amount(blocked.lasts)}{where}"


# -- the tree ------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """A task in the tree.

    Attributes:
        task: the task.
        before: what stands before its lines.
        is_last: whether it is the last one below its parent.
        is_root: whether it has no parent.
        alike: the further tasks that it stands for.
    """

    task: TaskDump
    before: str
    is_last: bool
    is_root: bool
    alike: tuple[int, ...]


def _tree(tasks: Sequence[TaskDump], dead: set[int]) -> Iterator[str]:
    children: dict[int | None, list[TaskDump]] = {}
    for task in tasks:
        children.setdefault(task.parent, []).append(task)
    leaves = {task.number for task in tasks if task.number not in children}
    work = _places(children.get(None, []), "", leaves, dead, is_root=True)
    while work:
        place = work.pop()
        inner = place.before
        if not place.is_root:
            inner += "   " if place.is_last else "|  "
        below = children.get(place.task.number, [])
        yield f"{place.before}{'' if place.is_root else '+- '}{_told(place.task, dead)}"
        rest = f"{inner}{'|' if below else ' '}    "
        yield from (f"{rest}{line}" for line in _details(place.task))
        if place.alike:
            those = listed([f"#{number}" for number in place.alike], _MOST_TASKS)
            yield f"{rest}and {len(place.alike):,} more like it: {those}"
        work += _places(below, inner, leaves, dead)


def _places(
    tasks: Sequence[TaskDump], before: str, leaves: set[int], dead: set[int], is_root: bool = False
) -> list[_Place]:
    """Return siblings, the last one first; of many leaves that say the same, only one."""
    groups: dict[object, list[TaskDump]] = {}
    for task in tasks:
        is_leaf = task.number in leaves and task.number not in dead
        groups.setdefault(_says(task) if is_leaf else task.number, []).append(task)
    shown: list[tuple[TaskDump, tuple[int, ...]]] = []
    for group in groups.values():
        if len(group) < _ALIKE:
            shown += [(task, ()) for task in group]
        else:
            shown.append((group[0], tuple(task.number for task in group[1:])))
    shown.sort(key=lambda each: each[0].number)
    last = len(shown) - 1
    return [
        _Place(task, before, index == last, is_root, alike)
        for index, (task, alike) in enumerate(shown)
    ][::-1]


def _says(task: TaskDump) -> object:
    """Return what is told of a task, but for its number and name, and for how long it waits."""
    wait = task.wait
    of_wait = wait and (
        wait.awaits,
        wait.resource,
        wait.instance,
        wait.tasks,
        wait.rule,
        wait.has_deadline,
    )
    return task.function, task.state, task.spans, task.functions, of_wait


def _told(task: TaskDump, dead: set[int]) -> str:
    """Return the first line of a task."""
    sign = "  [deadlock]" if task.number in dead else ""
    if task.wait is None:
        does = "is running" if task.state == "running" else "is ready"
        return f"{_called(task)} {does}{_at(task)}"
    wait = task.wait
    until = ", until a deadline at most" if wait.has_deadline and wait.tasks else ""
    return f"{_called(task)} {_waits(wait)} {_thing(wait)}{_at(task)}{_for_whom(wait)}{until}{sign}"


def _details(task: TaskDump) -> Iterator[str]:
    if task.spans:
        yield f"in {_path(task.spans)}"
    if len(task.functions) > 1:
        yield _path(task.functions)


def wait_in_words(task: TaskDump, *, with_holders: bool = True) -> str:
    """Return what a task waits for, with its line, and who has that; empty if it does not wait."""
    if task.wait is None:
        return ""
    holders = _for_whom(task.wait) if with_holders else ""
    thing, at = _thing(task.wait), _at(task)
    is_there = at and thing.endswith(f"({at.removeprefix(' at ')})")
    return f"{thing}{'' if is_there else at}{holders}"


def task_in_words(task: TaskDump) -> str:
    """Return the name of a task, if the program has given it one, and its function."""
    return _called(task).partition(" ")[2]


def _called(task: TaskDump) -> str:
    given = task.name
    is_own = given and not _GIVEN_BY_ASYNCIO.fullmatch(given)
    is_other = is_own and given.rpartition(".")[2] != task.function.name.rpartition(".")[2]
    name = f' "{given}"' if is_other else ""
    return f"#{task.number}{name} {task.function.label}"


def _waits(wait: Wait) -> str:
    return "waits for" if wait.since is None else f"waits {amount(wait.since)} for"


def _thing(wait: Wait) -> str:
    """Return what a task waits for."""
    awaited = "something unknown" if wait.awaits is None else wait.awaits.name
    name = awaited.removeprefix(_AWAIT)
    if name == "?":
        name = "something unknown"
    if wait.resource is None:
        return name
    if wait.resource.place.file is None:  # no recording knows where it was made
        kind = wait.resource.kind
        return f"{name}{'' if name == kind else f' ({kind})'} {wait.instance}"
    place = wait.resource.place.location if wait.resource.place.file else wait.resource.place.name
    return f"{name} ({place})"


def _for_whom(wait: Wait) -> str:
    """Return who has what a task waits for, or which tasks it needs."""
    those = listed([f"#{number}" for number in wait.tasks], _MOST_TASKS)
    if wait.resource is not None and not wait.is_queue:
        if not wait.holders:
            return ", held by an unknown task"
        more = " and perhaps others" if wait.rule == "unknown" else ""
        return f", held by {_holders(wait)}{more}"
    if not those:
        return ""
    if len(wait.tasks) == 1:
        return f": {those}"
    return f": {'all' if wait.rule == 'all' else 'any'} of {those}"


def _holders(wait: Wait) -> str:
    told = []
    for holder in wait.holders:
        since = "" if holder.since is None else f" for {amount(holder.since)}"
        place = "" if holder.place is None else f" (acquired at {holder.place.location})"
        told.append(f"#{holder.task}{since}{place}")
    return listed(told, _MOST_TASKS)


def _at(task: TaskDump) -> str:
    """Return the line that a task is at."""
    awaits = None if task.wait is None else task.wait.awaits
    if awaits is not None and awaits.file:
        return f" at {awaits.location}"
    located = [frame for frame in task.functions if frame.file]
    return f" at {located[-1].location}" if located else ""


def _path(frames: StackPath) -> str:
    return " > ".join(frame.label for frame in frames)
