"""Intervals of tasks: one state each, without gaps."""

import pytest
from hypothesis import given

from tests.timelines.random_timelines import CUT_TIMELINES, TIMELINES
from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.intervals import Interval, histories
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake

MAIN = (ROOT, Frame("main", "app.py", 3))
LOCK = (*MAIN, Frame("await lock"))


def of_one(*, born=0, dead=None, **more):
    """Return the intervals of a task of a timeline from 10 to 50."""
    [found] = histories(Timeline(10, 50, {1: Life(1, MAIN, None, born, dead)}, **more)).values()
    return [*found.intervals()]


def test_a_wait_ends_when_the_task_becomes_ready():
    wait, wake = Wait(1, 22, 30, LOCK), Wake(1, 30, "timer")
    assert of_one(steps=(Step(1, 20, 22), Step(1, 33, 40)), waits=(wait,), wakes=(wake,)) == [
        Interval(10, 20, "idle"),
        Interval(20, 22, "busy"),
        Interval(22, 30, "idle", wait, wake),
        Interval(30, 33, "scheduled", None, wake),
        Interval(33, 40, "busy", None, wake),
        Interval(40, 50, "idle"),
    ]


def test_without_a_wake_a_wait_says_when_the_task_became_ready():
    wait = Wait(1, 22, 30, LOCK)
    assert of_one(born=20, steps=(Step(1, 20, 22), Step(1, 33, 50)), waits=(wait,)) == [
        Interval(20, 22, "busy"),
        Interval(22, 30, "idle", wait),
        Interval(30, 33, "scheduled"),
        Interval(33, 50, "busy"),
    ]


def test_without_either_the_task_was_idle():
    assert [each.state for each in of_one(born=20, steps=(Step(1, 20, 22), Step(1, 33, 50)))] == [
        *("busy", "idle", "busy")
    ]


def test_a_task_that_has_woken_itself_is_scheduled():
    wake = Wake(1, 21, "task", 1)
    steps = (Step(1, 20, 22), Step(1, 33, 50))
    assert of_one(born=20, steps=steps, wakes=(wake,))[1:] == [
        Interval(22, 33, "scheduled", None, wake),
        Interval(33, 50, "busy", None, wake),
    ]


def test_a_task_that_is_spawned_is_scheduled():
    assert of_one(born=20, dead=35, steps=(Step(1, 30, 35),)) == [
        Interval(20, 30, "scheduled"),
        Interval(30, 35, "busy"),
    ]


def test_a_task_may_be_ready_when_the_timeline_ends():
    wake = Wake(1, 40, "loop")
    assert of_one(born=20, steps=(Step(1, 20, 30),), wakes=(wake,))[1:] == [
        Interval(30, 40, "idle", None, wake),
        Interval(40, 50, "scheduled", None, wake),
    ]


def test_a_wait_that_began_before_the_timeline_is_known():
    wait = Wait(1, 5, 15, LOCK)
    assert of_one(waits=(wait,), steps=(Step(1, 20, 22),))[:2] == [
        Interval(10, 15, "idle", wait),
        Interval(15, 20, "scheduled"),
    ]


def test_each_wake_leads_to_one_step_where_no_time_passes():
    first, second = Wake(1, 20, "timer"), Wake(1, 20, "task", 1)
    steps = (Step(1, 20, 20), Step(1, 20, 20))
    assert of_one(born=20, dead=20, steps=steps, wakes=(first, second)) == [
        Interval(20, 20, "busy", None, first),
        Interval(20, 20, "busy", None, second),
    ]


def test_a_task_may_have_neither_a_step_nor_any_time():
    assert of_one(born=0, dead=0) == []
    assert of_one() == [Interval(10, 50, "idle")]


@pytest.mark.parametrize("steps", [(Step(1, 30, 20),), (Step(1, 30, 40), Step(1, 20, 35))])
def test_moments_may_go_backwards(steps):
    found = of_one(steps=steps)
    assert sum(each.end - each.begin for each in found) == 40
    assert all(each.begin <= each.end for each in found)


def test_tasks_come_as_they_were_spawned():
    lives = {n: Life(n, MAIN, None, born, None) for n, born in ((3, 5), (1, 9), (2, 5))}
    spans = (SpanTime(1, 10, 20, MAIN),)
    found = histories(Timeline(0, 50, lives, spans=spans))
    assert [*found] == [2, 3, 1]
    assert found[1].spans == [*spans]


def test_a_task_without_a_life_lives_all_the_time():
    found = histories(Timeline(0, 50, {1: Life(1, MAIN, None, 0, None)}, (Step(2, 10, 20),)))
    assert [*found] == [1, 2]
    assert [each[:3] for each in found[2].intervals()] == [
        (0, 10, "idle"),
        (10, 20, "busy"),
        (20, 50, "idle"),
    ]


@given(TIMELINES | CUT_TIMELINES)
def test_intervals_add_up_to_lives(timeline):
    for history in histories(timeline).values():
        found = [*history.intervals()]
        edges = [moment for each in found for moment in (each.begin, each.end)]
        assert [history.begin, *edges, history.end] == [
            *sorted([history.begin, *edges, history.end])
        ]
        assert sum(each.end - each.begin for each in found) == history.end - history.begin
        assert all(each.begin < each.end for each in found if each.state != "busy")


@given(TIMELINES)
def test_busy_intervals_are_the_steps(timeline):
    for number, history in histories(timeline).items():
        assert [each[:2] for each in history.intervals() if each.state == "busy"] == [
            (step.begin, step.end) for step in timeline.steps if step.task == number
        ]


@given(TIMELINES)
def test_each_wait_is_an_idle_interval(timeline):
    for number, history in histories(timeline).items():
        assert [each.wait for each in history.intervals() if each.wait] == [
            wait for wait in timeline.waits if wait.task == number and wait.begin < wait.end
        ]
