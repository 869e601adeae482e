"""Collections of garbage in the accounting: exact, and never charged twice."""

from __future__ import annotations

import pytest

from tests.strategies import by_names
from tracetools.core.accounting import LoopAccount
from tracetools.core.garbage import begin_collection, end_collection
from tracetools.core.stacks import COLLECTIONS, WAITING, Frame, StackTree, Times
from tracetools.testing import ScriptedLoop

pytestmark = pytest.mark.usefixtures("no_collections")

OLD, YOUNG = COLLECTIONS[2].name, COLLECTIONS[0].name


def checked(loop):
    profile = loop.finish()
    profile.check()
    return by_names(profile)


def test_a_collection_has_a_frame_below_the_current_stack_by_generation():
    loop = ScriptedLoop()
    task = loop.spawn("task")
    loop.begin_step(task)
    loop.tick(1)
    loop.collect(10, generation=0)
    span = loop.open("span")
    loop.tick(2)
    loop.collect(100, generation=2)
    loop.collect(100, generation=2)
    loop.close(span)
    loop.end_step()
    found = checked(loop)
    assert found["task"] == Times(busy=1, steps=1, entries=1)
    assert found[f"task;{YOUNG}"] == Times(busy=10, entries=1)
    assert found["task;span"] == Times(busy=2, entries=1)
    assert found[f"task;span;{OLD}"] == Times(busy=200, entries=2)
    assert found[""] == Times()


def test_a_collection_between_two_steps_stands_below_the_root():
    loop = ScriptedLoop()
    loop.tick(3)
    loop.collect(100)
    profile = loop.finish()
    profile.check()
    assert by_names(profile) == {"": Times(busy=3), OLD: Times(busy=100, entries=1)}
    assert (profile.own, profile.busy, profile.collecting) == (103, 0, 100)


def test_a_callback_is_struck_as_a_task_is():
    loop = ScriptedLoop()
    account = loop.loop.callback(Frame("called"), loop.clock())
    account.begin_step(loop.clock())
    loop.tick(1)
    loop.collect(10)
    loop.loop.end_callback(account, loop.clock())
    found = checked(loop)
    assert found["(callbacks);called"].busy == 1
    assert found[f"(callbacks);called;{OLD}"].busy == 10


def test_what_finalisers_do_in_spans_is_theirs():
    loop = ScriptedLoop()
    task = loop.spawn("task")
    loop.begin_step(task)
    begin_collection(loop.loop, loop.clock())
    loop.tick(10)
    span = loop.open("finaliser")
    loop.tick(5)
    loop.close(span)
    end_collection(loop.loop, 2, loop.clock())
    loop.end_step()
    found = checked(loop)
    assert found[f"task;{OLD}"].busy == 10
    assert found["task;finaliser"].busy == 5
    assert found["task"].busy == 0


def test_the_step_of_an_eager_task_that_a_finaliser_makes_is_its_own():
    loop = ScriptedLoop()
    task, eager = loop.spawn("task"), loop.spawn("eager")
    loop.begin_step(task)
    begin_collection(loop.loop, loop.clock())
    loop.tick(10)
    loop.begin_step(eager)
    loop.tick(5)
    loop.end_step()
    end_collection(loop.loop, 2, loop.clock())
    loop.end_step()
    found = checked(loop)
    assert (found[f"task;{OLD}"].busy, found["eager"].busy, found["task"].busy) == (10, 5, 0)


def test_if_finalisers_change_what_is_current_nothing_is_told_apart():
    loop = ScriptedLoop()
    task = loop.spawn("task")
    loop.begin_step(task)
    span = loop.open("span")
    begin_collection(loop.loop, loop.clock())
    loop.tick(10)
    loop.close(span)
    end_collection(loop.loop, 2, loop.clock())
    loop.end_step()
    found = checked(loop)
    assert found["task;span"].busy == 10
    assert not any(OLD in name for name in found)


def test_a_beginning_without_an_end_is_forgotten():
    loop = ScriptedLoop()
    task = loop.spawn("task")
    loop.begin_step(task)
    begin_collection(loop.loop, loop.clock())  # and the program clears `gc.callbacks`
    loop.tick(10)
    loop.end_step()
    loop.begin_step(task)
    end_collection(loop.loop, 2, loop.clock())
    end_collection(loop.loop, 2, loop.clock())
    loop.end_step()
    assert checked(loop) == {"": Times(), "task": Times(busy=10, steps=2, entries=1)}


def test_a_collection_that_takes_no_time_makes_no_stack():
    loop = ScriptedLoop()
    loop.collect(0)
    loop.begin_step(loop.spawn("task"))
    loop.collect(0)
    loop.end_step()
    assert checked(loop).keys() == {"", "task"}


def test_where_there_is_no_room_for_its_stack_the_time_stays():
    loop = ScriptedLoop(max_stacks=2)
    task = loop.spawn("task")
    loop.begin_step(task)
    loop.collect(10)
    loop.end_step()
    assert checked(loop)["task"].busy == 10


# ---------------------------------------------------- a clock that was read before the collection


def collect(loop, begin, end):
    begin_collection(loop, begin)
    end_collection(loop, 2, end)


@pytest.fixture
def loop():
    return LoopAccount(StackTree(), 0)


def busy(loop, *names):
    stack = loop.tree.root
    for name in names:
        stack = next(below for frame, below in stack.children.items() if frame.name == name)
    return stack.busy


def test_a_step_whose_beginning_is_struck_begins_after_that(loop):
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    collect(loop, 10, 30)
    task.begin_step(5)
    task.end_step(50)
    loop.exit(task, 50)
    assert (busy(loop, OLD), busy(loop, "task")) == (20, 20)
    assert task.base.rest == 30


def test_steps_are_plain_again_after_that(loop):
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    usual = loop.plain_wait
    collect(loop, 10, 30)
    assert loop.plain_wait != usual
    task.begin_step(30)
    assert loop.plain_wait == usual


def test_a_step_whose_end_is_struck_ends_after_that(loop):
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(0)
    collect(loop, 10, 30)
    task.end_step(5)
    assert (task.busy, task.parked) == (30, 30)
    loop.exit(task, 40)
    assert (busy(loop, "task"), busy(loop, "task", OLD), task.base.rest) == (10, 20, 10)


def test_a_step_after_whose_end_the_loop_is_struck_has_ended(loop):
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(0)
    collect(loop, 1, 2)
    task.end_step(5)
    collect(loop, 10, 30)
    assert loop.step_ended(task, loop.began, 5) == 5
    assert task.busy == 5


def test_a_span_whose_opening_is_struck_opens_after_that(loop):
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(0)
    collect(loop, 10, 30)
    opened = task.open(Frame("span"), 5)
    task.close(opened, 50)
    task.end_step(50)
    loop.exit(task, 50)
    assert (busy(loop, "task"), busy(loop, "task", OLD)) == (10, 20)
    assert busy(loop, "task", "span") == 20


def test_a_span_whose_closing_is_struck_closes_after_that(loop):
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(0)
    opened = task.open(Frame("span"), 0)
    collect(loop, 10, 30)
    assert not task.close_current(opened, 5)
    task.close(opened, 5)
    task.end_step(50)
    loop.exit(task, 50)
    assert (busy(loop, "task", "span"), busy(loop, "task", "span", OLD)) == (10, 20)
    assert busy(loop, "task") == 20


def test_an_exit_that_is_struck_is_after_that(loop):
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(0)
    collect(loop, 10, 30)
    loop.exit(task, 5)
    assert (busy(loop, "task"), busy(loop, "task", OLD)) == (10, 20)
    assert (task.base.rest, loop.lifetimes) == (0, 30)


def test_an_eager_step_that_is_struck_begins_and_ends_after_that(loop):
    outer, inner = (loop.spawn(loop.tree.root, Frame(name), 0) for name in ("outer", "inner"))
    outer.begin_step(0)
    collect(loop, 10, 30)
    inner.begin_step(5)
    collect(loop, 40, 60)
    inner.end_step(35)
    outer.end_step(70)
    for task in (outer, inner):
        loop.exit(task, 70)
    assert (busy(loop, "outer"), busy(loop, "outer", OLD)) == (20, 20)
    assert (busy(loop, "inner"), busy(loop, "inner", OLD)) == (10, 20)


def test_a_wait_for_events_does_not_count_a_collection_in_it(loop):
    collect(loop, 1, 4)
    collect(loop, 10, 30)
    collect(loop, 55, 60)  # after the clock was read
    loop.waited(5, 50)
    assert (busy(loop, WAITING.name), busy(loop, OLD)) == (25, 28)
