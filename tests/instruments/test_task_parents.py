"""Under which stack a task stands, however it came to be known."""

from __future__ import annotations

import pytest

from tracetools.core.accounting import LoopAccount
from tracetools.core.stacks import RUNTIME, Frame, StackTree
from tracetools.instruments.task_parents import (
    parent_of_adopted,
    parent_of_runtime,
    parent_of_spawned,
    spawner,
)


@pytest.fixture
def loop():
    return LoopAccount(StackTree(), 0)


@pytest.fixture
def task(loop):
    return loop.spawn(loop.tree.root, Frame("task"), 0)


@pytest.fixture
def other(loop):
    return loop.spawn(loop.tree.root, Frame("other"), 0)


def test_the_task_that_steps_is_the_spawner_whatever_the_context_says(loop, task, other):
    task.begin_step(1)
    assert spawner(loop, None) is spawner(loop, other) is task


def test_outside_of_a_step_it_is_the_task_of_the_context(loop, task):
    assert spawner(loop, task) is task
    assert spawner(loop, None) is None


def test_what_the_backends_own_task_spawns_is_the_contexts(loop, task, other):
    task.is_of_runtime = True
    task.begin_step(1)
    assert spawner(loop, other) is other
    assert spawner(loop, None) is None


def test_of_a_context_whose_task_has_exited_it_is_the_one_above(loop, task, other):
    other.spawner = task
    loop.exit(other, 5)
    assert spawner(loop, other) is task
    loop.exit(task, 6)
    assert spawner(loop, other) is None


def test_a_task_of_another_loop_spawns_nothing_here(loop, task):
    assert spawner(LoopAccount(StackTree(), 0), task) is None


def test_a_spawned_task_stands_under_the_current_span_of_its_spawner(loop, task):
    task.begin_step(1)
    task.open(Frame("span"), 2)
    assert parent_of_spawned(loop, task) is task.stack is not task.base
    assert parent_of_spawned(loop, None) is loop.tree.root


def test_an_adopted_task_stands_under_the_owner_of_its_nursery(loop, task):
    task.begin_step(1)
    task.open(Frame("span"), 2)
    assert parent_of_adopted(loop, task) is task.base
    assert parent_of_adopted(loop, None) is loop.tree.root
    task.is_of_runtime = True
    assert parent_of_adopted(loop, task) is loop.tree.root


def test_tasks_of_the_backend_stand_in_one_frame_below_the_root(loop):
    stack = parent_of_runtime(loop)
    assert (stack.frame, stack.parent) == (RUNTIME, loop.tree.root)
    assert parent_of_runtime(loop) is stack
