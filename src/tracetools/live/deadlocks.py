"""Finds deadlocks: which tasks can never go on, and the cycles in which they wait.

A task lives if it could go on by itself: it steps, is ready, or waits for anything else than tasks.
A task that needs any of several lives if one of them does; one that needs all of them, only if all
do. So the dead ones are the greatest set of tasks in which each waits for what only dead ones can
give. Each of them waits for a dead one. So whoever follows that comes to a cycle.

What a living task does is not known here. It is taken for granted that it ends some day, gives up
what it has, and raises no error. An error in one task of a group cancels the others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tracetools.live.values import Deadlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Need", "dead_tasks", "find_deadlocks"]

Rule: TypeAlias = Literal["all", "any"]


class Need(NamedTuple):
    """What a task needs before it can go on.

    Attributes:
        tasks: the numbers of tasks.
        rule: whether it needs all of them to end, or any of them.
    """

    tasks: tuple[int, ...]
    rule: Rule = "all"


def dead_tasks(needs: Mapping[int, Need]) -> set[int]:
    """Return the tasks that can never go on; those without a need live."""
    wanted_by: dict[int, list[int]] = {}
    missing: dict[int, int] = {}
    for task, need in needs.items():
        tasks = set(need.tasks)
        missing[task] = len(tasks) if need.rule == "all" else min(len(tasks), 1)
        for other in tasks:
            wanted_by.setdefault(other, []).append(task)
    living = deque(other for other in wanted_by if other not in needs)
    living.extend(task for task, count in missing.items() if not count)
    dead = {task for task, count in missing.items() if count}
    while living:
        for task in wanted_by.get(living.popleft(), ()):
            missing[task] -= 1
            if missing[task] == 0:
                dead.discard(task)
                living.append(task)
    return dead


def find_deadlocks(needs: Mapping[int, Need]) -> tuple[Deadlock, ...]:
    """Return the deadlocks: one cycle for each group of tasks that are dead by themselves.

    A task that can never go on, and is in no cycle, is among the others of a cycle that it waits
    for.
    """
    dead = dead_tasks(needs)
    edges = {task: _dead_ones(needs[task], dead) for task in sorted(dead)}
    found = (_cycle_in(group, needs) for group in _groups(edges))
    cycles = sorted(cycle for cycle in found if cycle)
    others = _leading_to(cycles, edges)
    return tuple(map(Deadlock, cycles, others))


def _dead_ones(need: Need, dead: set[int]) -> list[int]:
    return [task for task in sorted(set(need.tasks)) if task in dead]


def _groups(edges: Mapping[int, list[int]]) -> Iterator[set[int]]:
    """Yield the strongly connected groups of a graph: Tarjan's way, without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    place: dict[int, int] = {}  # on the path; without those whose group is known
    path: list[int] = []
    for root in edges:
        work = [] if root in index else [(root, iter(edges[root]))]
        while work:
            task, others = work[-1]
            if task not in index:
                index[task] = low[task] = len(index)
                place[task] = len(path)
                path.append(task)
            other = next(others, None)
            if other is not None:
                if other not in index:
                    work.append((other, iter(edges[other])))
                elif other in place:
                    low[task] = min(low[task], index[other])
                continue
            work.pop()
            if work:
                outer = work[-1][0]
                low[outer] = min(low[outer], low[task])
            if low[task] == index[task]:
                group = path[place[task] :]
                del path[place[task] :]
                for each in group:
                    del place[each]
                yield {*group}


def _cycle_in(group: set[int], needs: Mapping[int, Need]) -> tuple[int, ...]:
    """Return a cycle of tasks that are dead though all outside of their group may live; or none."""
    within = {task: needs[task] for task in group}
    own = dead_tasks(within)
    edges = {task: _dead_ones(needs[task], own) for task in own}
    return next(filter(None, (_cycle_from(task, edges) for task in sorted(own))), ())


def _cycle_from(start: int, edges: Mapping[int, list[int]]) -> tuple[int, ...]:
    """Return the shortest cycle through a task; or nothing if there is none."""
    came_from: dict[int, int] = {}
    found = deque([start])
    while found:
        task = found.popleft()
        for other in edges[task]:
            if other == start:
                cycle = [task]
                while cycle[-1] != start:
                    cycle.append(came_from[cycle[-1]])
                return tuple(reversed(cycle))
            if other not in came_from:
                came_from[other] = task
                found.append(other)
    return ()


def _leading_to(
    cycles: list[tuple[int, ...]], edges: Mapping[int, list[int]]
) -> Iterator[tuple[int, ...]]:
    """Yield the tasks that lead to each cycle; each leads to one of them only."""
    back: dict[int, list[int]] = {}
    for task, others in edges.items():
        for other in others:
            back.setdefault(other, []).append(task)
    seen = {task for cycle in cycles for task in cycle}
    for cycle in cycles:
        found: list[int] = []
        work = deque(cycle)
        while work:
            more = [task for task in back.get(work.popleft(), ()) if task not in seen]
            seen.update(more)
            found += more
            work.extend(more)
        yield tuple(sorted(found))
