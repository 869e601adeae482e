"""The public fakes do what they say."""

from __future__ import annotations

import pytest

from tests.strategies import numbers
from tracetools import observe, span
from tracetools.core.stacks import Times
from tracetools.testing import FakeClock, ScriptedLoop


def test_the_clock_stands_still_until_it_is_told_to_go_on():
    clock = FakeClock(5)
    assert (clock(), clock()) == (5, 5)
    clock.tick(0)
    clock.tick(7)
    assert clock() == clock.now == 12


def test_the_clock_never_goes_back():
    clock = FakeClock()
    with pytest.raises(ValueError, match="forward only, not by -1 ns"):
        clock.tick(-1)
    assert clock() == FakeClock()()


def test_a_script_gives_exactly_the_profile_that_it_spells_out():
    loop = ScriptedLoop(scheduled=True)
    loop.tick(1)
    task = loop.spawn("task")
    loop.begin_step(task)
    opened = loop.open("span")
    loop.tick(10)
    child = loop.spawn("child")
    loop.end_step()
    loop.wake(child)
    loop.tick(100)
    loop.begin_step(child)
    loop.tick(1000)
    loop.exit(child)
    loop.begin_step(task)
    loop.close(opened)
    loop.tick(10000)
    loop.exit(task)
    loop.tick(2)
    profile = loop.finish()
    profile.check()
    assert numbers(profile) == {
        ("all-spans",): Times(busy=103),
        ("all-spans", "task"): Times(busy=10000, steps=1, entries=1),
        ("all-spans", "task", "span"): Times(busy=10, idle=1100, steps=1, entries=1),
        ("all-spans", "task", "span", "child"): Times(busy=1000, scheduled=100, steps=1, entries=1),
    }
    assert (profile.duration, profile.task_time) == (11113, 12210)
    assert (profile.runs, profile.backends, profile.scheduled_measured) == (1, ("script",), True)


def test_the_profile_can_be_had_at_any_moment_and_goes_on():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    loop.tick(3)
    before = loop.profile
    loop.tick(4)
    after = loop.finish()
    assert [numbers(p)["all-spans", "task"].busy for p in (before, after)] == [3, 7]


def test_spans_of_the_program_itself_belong_to_the_task_that_steps():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))

    @observe(name="observed")
    def observed():
        loop.tick(5)

    with span("span"):
        observed()
    times = numbers(loop.finish())
    assert times["all-spans", "task", "span", "observed"] == Times(busy=5, entries=1)


def test_no_span_opens_where_no_task_steps():
    loop = ScriptedLoop()
    with pytest.raises(RuntimeError, match="no task steps just now"):
        loop.open("span")
    assert loop.finish().truncated is False


def test_bounds_are_passed_on():
    loop = ScriptedLoop(max_stacks=2, max_depth=3)
    loop.begin_step(loop.spawn("task"))
    loop.open("span")
    assert ("all-spans", "task", "(other)") in numbers(loop.finish())


def test_a_span_that_is_the_tasks_own_function_is_closed_without_effect():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    loop.spans.append(None)
    loop.close(0)
    loop.tick(1)
    assert numbers(loop.finish())["all-spans", "task"].busy == 1
