"""Makes the dump of loops of the tasks that were read: numbers, the tree, holders, deadlocks."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.live.deadlocks import Need, find_deadlocks
from tracetools.live.values import Blocked, Deadlock, Holder, LoopDump, TaskDump, Wait
from tracetools.output.folding import fold_libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tracetools.core.stacks import StackPath
    from tracetools.live.reading import Found, FoundHolder, Wanted
    from tracetools.live.values import WaitRule
    from tracetools.output.frame_kinds import FrameKind

__all__ = ["Assembled", "ReadLoop", "Shower", "assemble", "needs_of"]

_NO_PLACE: Final = Frame("?")
_AWAIT: Final = "await "


class Shower:
    """How frames are shown. Of equal ones, each is made once: there may be very many tasks.

    Args:
        shorten: makes files relative.
        kind_of: says whose a frame is.
    """

    def __init__(
        self, shorten: Callable[[Frame], Frame], kind_of: Callable[[Frame], FrameKind]
    ) -> None:
        self.shorten = lru_cache(maxsize=None)(shorten)
        self.kind_of = lru_cache(maxsize=None)(kind_of)
        self._functions: dict[StackPath, StackPath] = {}

    def functions(self, frames: StackPath) -> StackPath:
        """Return functions as they are shown: those of libraries folded."""
        found = self._functions.get(frames)
        if found is None:
            short = tuple(map(self.shorten, frames))
            found = self._functions[frames] = fold_libraries(short, self.kind_of)
        return found


class ReadLoop(NamedTuple):
    """A loop, as it was read.

    Attributes:
        backend: its backend.
        thread: the name of its thread.
        tasks: its tasks.
        functions: the functions that run in it, if a task runs.
        function: the first of them, where it is defined.
        blocked: what blocks it.
        problem: why not all is known.
    """

    backend: str
    thread: str
    tasks: list[Found]
    functions: tuple[Frame, ...] = ()
    function: Frame | None = None
    blocked: Blocked | None = None
    problem: str = ""


class Assembled(NamedTuple):
    """The dumps of loops.

    Attributes:
        loops: the dumps.
        deadlocks: the deadlocks among their tasks.
        identities: the identity of each task, by its number.
    """

    loops: tuple[LoopDump, ...]
    deadlocks: tuple[Deadlock, ...]
    identities: dict[int, int]

    def dead_in(self, loop: ReadLoop) -> frozenset[int]:
        """Return the identities of the tasks of a loop that can never go on."""
        dead = {task for lock in self.deadlocks for task in (*lock.cycle, *lock.others)}
        known = {task.identity for task in loop.tasks}
        return frozenset(self.identities[number] for number in dead) & known


def assemble(loops: Iterable[ReadLoop], shower: Shower) -> Assembled:
    """Return the dumps of loops."""
    made: list[LoopDump] = []
    deadlocks: list[Deadlock] = []
    identities: dict[int, int] = {}
    for loop in loops:
        tasks = _Tasks(loop, len(identities) + 1, shower)
        dump = tasks.dump()
        made.append(dump)
        deadlocks += find_deadlocks(needs_of(dump.tasks))
        identities.update(tasks.identities())
    return Assembled(tuple(made), tuple(deadlocks), identities)


def needs_of(tasks: Iterable[TaskDump]) -> dict[int, Need]:
    """Return what tasks need of other tasks before they can go on; those left out live."""
    found: dict[int, Need] = {}
    for task in tasks:
        wait = task.wait
        if wait is None or wait.has_deadline or wait.rule == "unknown":
            continue
        found[task.number] = Need(wait.tasks, wait.rule)
    return found


class _Tasks:
    """The tasks of one loop."""

    def __init__(self, loop: ReadLoop, first: int, shower: Shower) -> None:
        self._loop = loop
        tasks = loop.tasks
        found = {task.identity: task for task in tasks}
        self._shower = shower
        self._by_account = {
            (task.recorded.recording, task.recorded.account): task.identity
            for task in tasks
            if task.recorded.account
        }
        self._waiting_for = {task.future: task.identity for task in tasks if task.future}
        self._found = found
        in_order = sorted(found.values(), key=_spawned)
        self._parents = _without_circles({task.identity: self._parent(task) for task in in_order})
        self._order = _in_order(self._parents)
        self._numbers = {identity: number for number, identity in enumerate(self._order, first)}
        self._inside: dict[int, list[int]] = {}
        for task in found.values():
            for lock in task.holds:
                self._inside.setdefault(lock, []).append(task.identity)
        self._instances: dict[int, int] = {}
        self._with_deadline = self._find_deadlines()

    def identities(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the identity of each task."""
        return ((number, identity) for identity, number in self._numbers.items())

    def dump(self) -> LoopDump:
        """Return the dump of the loop."""
        loop, blocked = self._loop, self._loop.blocked
        if blocked is not None:
            blocked = replace(blocked, functions=self._shower.functions(blocked.functions))
        tasks = tuple(map(self._dump, map(self._found.__getitem__, self._order)))
        return LoopDump(loop.backend, loop.thread, tasks, blocked, loop.problem)

    def _parent(self, task: Found) -> int | None:
        """Return who spawned a task; else whose group it is in, or who waits for it."""
        candidates = (
            self._by_account.get((task.recorded.recording, task.recorded.spawner)),
            task.parent,
            *map(self._waiting_for.get, task.waited_by),
            *task.waited_by,
            self._waiting_for.get(task.identity),
        )
        known = (each for each in candidates if each in self._found and each != task.identity)
        return next(known, None)

    def _dump(self, task: Found) -> TaskDump:
        parent = self._parents[task.identity]
        functions = self._loop.functions if task.state == "running" else task.functions
        return TaskDump(
            number=self._numbers[task.identity],
            name=task.name,
            function=self._function(task),
            parent=None if parent is None else self._numbers[parent],
            state=task.state,
            spans=tuple(map(self._shower.shorten, task.recorded.spans)),
            functions=self._shower.functions(functions),
            wait=self._wait(task) if task.state == "waiting" else None,
        )

    def _function(self, task: Found) -> Frame:
        """Return the function of a task; of one that runs, a library's may be around it."""
        function, within = self._shower.shorten(task.recorded.function), self._loop.function
        if task.state != "running" or within is None or self._shower.kind_of(function) == "own":
            return function
        return self._shower.shorten(within)

    def _wait(self, task: Found) -> Wait:
        awaits = None if task.awaits is None else self._shower.shorten(task.awaits)
        wait = Wait(awaits, task.recorded.since, has_deadline=task.identity in self._with_deadline)
        if task.wanted is not None:
            return self._for_resource(wait, task.wanted)
        known = tuple(self._numbers[each] for each in task.group.tasks if each in self._numbers)
        is_whole = task.group.rule == "all" or len(known) == len(task.group.tasks)
        rule = task.group.rule if is_whole and known else "unknown"
        return replace(wait, tasks=tuple(sorted(known)), rule=rule)

    def _for_resource(self, wait: Wait, wanted: Wanted) -> Wait:
        holders, is_whole = self._holders(wanted)
        resource = wanted.resource or Resource(wanted.kind, _NO_PLACE)
        instance = self._instances.setdefault(wanted.identity, len(self._instances) + 1)
        rule: WaitRule = "any" if is_whole and holders else "unknown"
        return replace(
            wait,
            resource=resource._replace(place=self._shower.shorten(resource.place)),
            instance=instance,
            is_queue=wanted.is_queue,
            holders=tuple(holders),
            tasks=tuple(sorted({holder.task for holder in holders})),
            rule=rule,
        )

    def _holders(self, wanted: Wanted) -> tuple[list[Holder], bool]:
        """Return who has something, and whether these are all."""
        if wanted.holders is not None:
            known = [*map(self._holder, wanted.holders)]
            found = [each for each in known if each is not None]
            is_sure = all(each.is_sure for each in wanted.holders)
            return found, is_sure and len(found) == len(known)
        inside = sorted(self._numbers[each] for each in self._inside.get(wanted.identity, ()))
        is_whole = wanted.taken == len(inside)
        if wanted.taken == 1 and not is_whole:
            return [], False  # one has a lock: which one is not known
        return [Holder(number) for number in inside], is_whole

    def _holder(self, holder: FoundHolder) -> Holder | None:
        identity = holder.task or self._by_account.get((holder.recording, holder.account), 0)
        number = self._numbers.get(identity)
        if number is None:
            return None
        place = None if holder.place is None else self._shower.shorten(holder.place)
        return Holder(number, holder.since, place)

    def _find_deadlines(self) -> set[int]:
        """Return the tasks whose wait ends by itself, for they or who waits for them is cancelled.

        Who waits for tasks, and is cancelled, cancels them.
        """
        ended = [
            task.identity
            for task in self._found.values()
            if task.has_deadline or task.group.has_deadline
        ]
        found = set(ended)
        children: dict[int, list[int]] = {}
        for child, parent in self._parents.items():
            if parent is not None:
                children.setdefault(parent, []).append(child)
        while ended:
            task = self._found[ended.pop()]
            below = {*task.group.tasks, *self._of_group(task.identity, children)}
            more = [each for each in below if each in self._found and each not in found]
            found.update(more)
            ended += more
        return found

    def _of_group(self, parent: int, children: Mapping[int, list[int]]) -> Iterator[int]:
        """Yield the tasks in a task group of a task."""
        for child in children.get(parent, ()):
            if self._found[child].parent == parent:
                yield child


def _spawned(task: Found) -> tuple[float, list[tuple[int, str]]]:
    """Return by what siblings are ordered: when they were spawned, as far as that is known."""
    parts = _NUMBER.split(task.name)
    return task.recorded.account or math.inf, [
        (int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts)
    ]


_NUMBER: Final = re.compile(r"(\d{1,18})")


def _without_circles(parents: dict[int, int | None]) -> dict[int, int | None]:
    """Return parents without those that make a circle: tasks may wait for one another."""
    found: dict[int, int | None] = {}
    for start in parents:
        path: dict[int, None] = {}
        task: int | None = start
        while task is not None and task not in found and task not in path:
            path[task] = None
            task = parents[task]
        for each in path:
            found[each] = parents[each]
        if task is not None and task in path:
            found[task] = None
    return found


def _in_order(parents: Mapping[int, int | None]) -> list[int]:
    """Return tasks in the order of a tree: each after its parent, with what is below it."""
    children: dict[int | None, list[int]] = {}
    for task, parent in parents.items():
        children.setdefault(parent, []).append(task)
    found: list[int] = []
    work = children.get(None, [])[::-1]
    while work:
        found.append(work.pop())
        work += reversed(children.get(found[-1], ()))
    return found
