"""Which tasks can never go on, and the cycles that they are in."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.live.deadlocks import Need, dead_tasks, find_deadlocks
from tracetools.live.values import Deadlock


def every(*tasks: int) -> Need:
    return Need(tasks, "all")


def either(*tasks: int) -> Need:
    return Need(tasks, "any")


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ({}, ()),
        ({1: either(2)}, ()),
        ({1: either(1)}, (Deadlock((1,)),)),
        ({1: either(2), 2: either(1)}, (Deadlock((1, 2)),)),
        ({1: either(2), 2: either(3), 3: either(1)}, (Deadlock((1, 2, 3)),)),
        ({1: every(2, 3), 2: either(3), 3: either(2)}, (Deadlock((2, 3), (1,)),)),
        ({1: every(2), 2: either(1)}, (Deadlock((1, 2)),)),
        ({1: either(2, 3), 2: either(1)}, ()),
        ({1: either(2, 3), 2: either(1), 3: either(1)}, (Deadlock((1, 2), (3,)),)),
        ({1: every(2, 3), 2: every(), 3: either(3)}, (Deadlock((3,), (1,)),)),
        ({1: every()}, ()),
        ({1: either()}, ()),
        ({1: either(2), 2: either(1), 3: either(4), 4: either(3)},
         (Deadlock((1, 2)), Deadlock((3, 4)))),
        # two causes, of which one waits for the other as well
        ({1: every(2, 3), 2: every(1), 3: every(3)}, (Deadlock((1, 2)), Deadlock((3,)))),
        # a cycle that another one would resolve is not told: it is no cause
        ({1: either(2, 3), 2: either(1), 3: either(3)}, (Deadlock((3,), (1, 2)),)),
    ],
)  # fmt: skip
def test_deadlocks_are_named_as_cycles(needs, found):
    assert find_deadlocks(needs) == found


def test_a_long_chain_takes_no_recursion():
    count = 5000
    needs = {task: either(task % count + 1) for task in range(1, count + 1)}
    assert find_deadlocks(needs) == (Deadlock(tuple(range(1, count + 1))),)


TASKS = range(1, 7)
NEEDS = st.dictionaries(
    st.sampled_from(TASKS),
    st.builds(
        Need,
        st.lists(st.sampled_from(TASKS), max_size=4).map(tuple),
        st.sampled_from(["all", "any"]),
    ),
)


def who_can_end(needs: Mapping[int, Need]) -> set[int]:
    """Play it: whoever can go on ends, and gives what it has, until nobody can."""
    ended: set[int] = set()

    def can_end(task: int) -> bool:
        need = needs.get(task)
        if need is None or not need.tasks:
            return True
        given = [other in ended for other in need.tasks]
        return all(given) if need.rule == "all" else any(given)

    while more := {task for task in TASKS if task not in ended and can_end(task)}:
        ended |= more
    return ended


@given(NEEDS)
def test_the_dead_are_those_that_cannot_end_however_it_goes(needs):
    assert dead_tasks(needs) == set(TASKS) - who_can_end(needs)


@given(NEEDS)
def test_each_dead_task_is_told_once(needs):
    found = find_deadlocks(needs)
    told = [task for each in found for task in each.others]
    in_cycles = {task for each in found for task in each.cycle}
    assert len(told) == len(set(told))
    assert set(told) | in_cycles == dead_tasks(needs)
    assert not set(told) & in_cycles


@given(NEEDS)
def test_each_task_of_a_cycle_needs_the_next_one(needs):
    for deadlock in find_deadlocks(needs):
        for task, following in zip(
            deadlock.cycle, deadlock.cycle[1:] + deadlock.cycle[:1], strict=True
        ):
            assert following in needs[task].tasks
        assert len(set(deadlock.cycle)) == len(deadlock.cycle)


class Program:
    """Tasks with locks and semaphores, and what each of them waits for."""

    def __init__(self, tokens: list[int], acquires: list[list[int]]) -> None:
        self.free = list(tokens)
        self.has: dict[int, list[int]] = {task: [] for task in range(len(acquires))}
        self.wants = {task: list(wanted) for task, wanted in enumerate(acquires)}

    def step(self, task: int) -> bool:
        """Let a task take what it wants next; one that wants nothing more ends."""
        if not self.wants[task]:
            for resource in self.has.pop(task):
                self.free[resource] += 1
            del self.wants[task]
            return True
        resource = self.wants[task][0]
        if self.free[resource] == 0:
            return False
        self.free[resource] -= 1
        self.has[task].append(self.wants[task].pop(0))
        return True

    def needs(self) -> dict[int, Need]:
        """Return what those that cannot step need."""
        found = {}
        for task, wanted in self.wants.items():
            if wanted and self.free[wanted[0]] == 0:
                holders = [other for other, has in self.has.items() if wanted[0] in has]
                found[task] = Need(tuple(holders), "any")
        return found

    def copy(self) -> Program:
        copied = Program([], [])
        copied.free = list(self.free)
        copied.has = {task: list(has) for task, has in self.has.items()}
        copied.wants = {task: list(wants) for task, wants in self.wants.items()}
        return copied

    def ends(self, order: tuple[int, ...]) -> bool:
        """Play it on: the first one of an order that can step does. Return whether all end."""
        while self.wants:
            if not any(self.step(task) for task in order if task in self.wants):
                return False
        return True


PROGRAMS = st.tuples(
    st.lists(st.integers(1, 2), min_size=2, max_size=3),
    st.lists(st.lists(st.integers(0, 1), max_size=3), min_size=2, max_size=4),
    st.lists(st.integers(0, 3), max_size=10),
)


@given(PROGRAMS)
def test_a_task_is_dead_at_most_if_no_order_of_steps_lets_it_end(drawn):
    tokens, acquires, schedule = drawn
    program = Program(tokens, acquires)
    for task in schedule:
        if task in program.wants:
            program.step(task)
    dead = dead_tasks(program.needs())
    for order in permutations(program.wants):
        later = program.copy()
        later.ends(order)
        assert dead <= later.wants.keys()


@given(PROGRAMS)
def test_whoever_stands_still_for_ever_is_dead(drawn):
    tokens, acquires, schedule = drawn
    program = Program(tokens, acquires)
    for task in schedule:
        if task in program.wants:
            program.step(task)
    program.ends(tuple(program.wants))
    assert dead_tasks(program.needs()) == program.wants.keys()
