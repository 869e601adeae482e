"""The states of a task tile its time, and are those that it was in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timelines.scripts import MOMENTS, SCRIPTS, TIMELINES, Script, names, path
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake


def shown(timeline, task, begin, end):
    """Return state, begin, end and path of what a task did."""
    found = States(timeline).intervals(task, begin, end)
    return [(each.state, each.begin, each.end, names(each.path)) for each in found]


MAIN = Life(1, path("main"), None, 10, 90)


def test_a_task_is_unborn_and_waits_and_is_scheduled_and_busy_and_over():
    timeline = Timeline(
        0,
        100,
        {1: MAIN},
        steps=(Step(1, 20, 30), Step(1, 60, 90)),
        wakes=(Wake(1, 15, "loop"), Wake(1, 50, "timer")),
        waits=(Wait(1, 30, 50, path("main/await sleep")),),
    )
    assert shown(timeline, 1, 0, 100) == [
        ("unborn", 0, 10, "main"),
        ("waiting", 10, 15, "main"),
        ("scheduled", 15, 20, "main"),
        ("busy", 20, 30, "main"),
        ("waiting", 30, 50, "main/await sleep"),
        ("scheduled", 50, 60, "main"),
        ("busy", 60, 90, "main"),
        ("over", 90, 100, "main"),
    ]
    assert shown(timeline, 1, 25, 45) == [
        ("busy", 25, 30, "main"),
        ("waiting", 30, 45, "main/await sleep"),
    ]


def test_a_wait_has_the_wake_that_ended_it_if_its_end_is_seen():
    timeline = Timeline(
        0, 50, {1: Life(1, path("main"), None, 0, None)}, wakes=(Wake(1, 20, "thread"),)
    )
    states = States(timeline)
    assert states.intervals(1, 5, 20)[0].wake == Wake(1, 20, "thread")
    assert states.intervals(1, 5, 19)[0].wake is None
    assert states.intervals(1, 5, 20)[0].is_named is False


def test_without_a_wake_before_a_step_no_time_is_scheduled():
    timeline = Timeline(
        0, 50, {1: Life(1, path("main"), None, 0, None)}, steps=(Step(1, 0, 10), Step(1, 40, 50))
    )
    assert shown(timeline, 1, 0, 50) == [
        ("busy", 0, 10, "main"),
        ("waiting", 10, 40, "main"),
        ("busy", 40, 50, "main"),
    ]


def test_a_task_that_wakes_itself_is_scheduled_when_its_step_ends():
    timeline = Timeline(
        0,
        30,
        {1: Life(1, path("main"), None, 0, None)},
        steps=(Step(1, 0, 10), Step(1, 20, 30)),
        wakes=(Wake(1, 5, "task", 1),),
    )
    assert shown(timeline, 1, 0, 30)[1] == ("scheduled", 10, 20, "main")


def test_of_two_wakes_when_a_step_without_length_begins_one_is_for_the_next_step():
    timeline = Timeline(
        0,
        30,
        {1: Life(1, path("main"), None, 0, None)},
        steps=(Step(1, 10, 10), Step(1, 20, 20)),
        wakes=(Wake(1, 10, "timer"), Wake(1, 10, "task", 1)),
    )
    assert shown(timeline, 1, 0, 30) == [
        ("waiting", 0, 10, "main"),
        ("scheduled", 10, 20, "main"),
        ("waiting", 20, 30, "main"),
    ]


def test_spans_cut_a_step():
    timeline = Timeline(
        0,
        50,
        {1: Life(1, path("main"), None, 0, None)},
        steps=(Step(1, 0, 50),),
        spans=(SpanTime(1, 20, 30, path("main/a/b")), SpanTime(1, 10, 40, path("main/a"))),
    )
    assert shown(timeline, 1, 0, 50) == [
        ("busy", 0, 10, "main"),
        ("busy", 10, 20, "main/a"),
        ("busy", 20, 30, "main/a/b"),
        ("busy", 30, 40, "main/a"),
        ("busy", 40, 50, "main"),
    ]


def test_a_span_that_is_closed_before_one_within_it_goes_on_to_be_passed_over():
    timeline = Timeline(
        0,
        50,
        {1: Life(1, path("main"), None, 0, None)},
        steps=(Step(1, 0, 50),),
        spans=(SpanTime(1, 10, 30, path("main/a")), SpanTime(1, 20, 40, path("main/a/b"))),
    )
    assert shown(timeline, 1, 20, 50) == [
        ("busy", 20, 40, "main/a/b"),
        ("busy", 40, 50, "main"),
    ]


def test_spans_that_begin_at_once_stand_in_order_of_their_depth():
    timeline = Timeline(
        0,
        10,
        {1: Life(1, path("main"), None, 0, None)},
        steps=(Step(1, 0, 10),),
        spans=(SpanTime(1, 0, 9, path("main/a/b")), SpanTime(1, 0, None, path("main/a"))),
    )
    assert shown(timeline, 1, 0, 10) == [("busy", 0, 9, "main/a/b"), ("busy", 9, 10, "main/a")]


def test_the_subject_is_a_span_of_its_task_even_if_it_is_not_among_the_others():
    span = SpanTime(1, 0, 10, path("main/a"))
    timeline = Timeline(
        0, 10, {1: Life(1, path("main"), None, 0, None)}, steps=(Step(1, 0, 10),), subject=span
    )
    assert shown(timeline, 1, 0, 10) == [("busy", 0, 10, "main/a")]


def test_a_task_waits_while_another_one_interrupts_its_step():
    timeline = Timeline(
        0,
        40,
        {1: Life(1, path("main"), None, 0, None), 2: Life(2, path("main/eager"), 1, 10, None)},
        steps=(Step(2, 10, 30), Step(1, 0, 40)),
    )
    states = States(timeline)
    assert shown(timeline, 1, 0, 40) == [
        ("busy", 0, 10, "main"),
        ("waiting", 10, 30, "main"),
        ("busy", 30, 40, "main"),
    ]
    assert states.intervals(1, 10, 30)[0].wake == Wake(1, 30, "task", 2)
    assert shown(timeline, 2, 0, 40) == [
        ("unborn", 0, 10, "main/eager"),
        ("busy", 10, 30, "main/eager"),
        ("waiting", 30, 40, "main/eager"),
    ]


def test_what_was_before_a_timeline_or_after_it_is_unknown():
    timeline = Timeline(
        20, 40, {1: Life(1, path("main"), None, 0, 60)}, steps=(Step(1, 25, 30),), is_cut=True
    )
    assert shown(timeline, 1, -10, 70) == [
        ("unborn", -10, 0, "main"),
        ("unknown", 0, 20, "main"),
        ("waiting", 20, 25, "main"),
        ("busy", 25, 30, "main"),
        ("waiting", 30, 40, "main"),
        ("unknown", 40, 60, "main"),
        ("over", 60, 70, "main"),
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), [("unknown", 0, 50, "")]),
        (
            (Step(1, 10, 20), Step(1, 30, 40)),
            [
                ("unknown", 0, 10, ""),
                ("busy", 10, 20, ""),
                ("waiting", 20, 30, ""),
                ("busy", 30, 40, ""),
                ("unknown", 40, 50, ""),
            ],
        ),
    ],
)
def test_of_a_task_that_is_missing_its_steps_are_known(steps, expected):
    assert shown(Timeline(0, 50, steps=steps), 1, 0, 50) == expected


def test_a_task_without_life_is_among_the_tasks():
    timeline = Timeline(0, 9, {4: MAIN}, steps=(Step(2, 0, 1),), wakes=(Wake(1, 0, "timer"),))
    assert States(timeline).tasks == [1, 2, 4]


def test_children_that_have_ended_are_known():
    child = Life(2, path("main/child"), 1, 0, 20)
    states = States(Timeline(0, 40, {1: MAIN, 2: child}))
    assert list(states.ended_children(1, 0, 40)) == [child]
    assert list(states.ended_children(2, 0, 40)) == []


def test_the_exit_of_a_child_has_ended_the_wait_for_it():
    timeline = Timeline(
        0,
        40,
        {1: MAIN._replace(born=0), 2: Life(2, path("main/child"), 1, 0, 20)},
        wakes=(Wake(1, 21, "loop"),),
        waits=(Wait(1, 0, 21, path("main/await gather")),),
    )
    [wait] = States(timeline).intervals(1, 0, 21)
    assert wait.wake == Wake(1, 21, "task", 2, path("main/child"))


def test_a_task_steps_after_a_moment_if_a_step_begins_then():
    states = States(Timeline(0, 9, {1: MAIN}, steps=(Step(1, 0, 2), Step(1, 4, 7))))
    assert [states.steps_after(1, moment) for moment in (3, 4, 7)] == [True, False, False]
    assert not states.steps_after(2, 0)


def test_work_of_threads_has_its_paths_and_nothing_between():
    script = Script()
    script.spawn("main")
    script.tick(10)
    script.work(0, "load", 5)
    script.tick(10)
    found = States(script.timeline()).thread_work(0, 0, 20)
    assert found == [(0, 5, ()), (5, 10, path("main/load")), (10, 20, ())]


# --------------------------------------------------------------------------------------- properties


def expanded(intervals):
    """Return state, path and wait of each nanosecond."""
    return [
        (each.state, each.path, each.is_named)
        for each in intervals
        for _ in range(each.begin, each.end)
    ]


@given(SCRIPTS)
def test_states_are_those_that_the_loop_has_seen(script):
    states = States(script.timeline())
    for task in script.tasks:
        found = states.intervals(task.number, 0, script.now)
        assert expanded(found) == [
            (seen.state, seen.path, bool(seen.waiting and seen.waiting.is_named))
            for seen in task.seen
        ]
        for each in found:
            waiting = task.seen[each.begin].waiting
            assert each.wake == (waiting.wake if waiting else None)


@given(TIMELINES | SCRIPTS.map(Script.timeline), st.integers(0, 5), MOMENTS, MOMENTS)
def test_states_tile_any_stretch_of_any_timeline(timeline, task, begin, end):
    found = States(timeline).intervals(task, begin, end)
    edges = [begin, *(each.end for each in found)]
    assert [each.begin for each in found] == edges[:-1]
    assert edges[-1] == max(begin, end)
    assert all(each.begin < each.end for each in found)


@given(TIMELINES, st.integers(0, 5), MOMENTS)
def test_states_are_the_same_in_parts(timeline, task, cut):
    states = States(timeline)
    parts = states.intervals(task, -10, cut) + states.intervals(task, cut, 60)
    assert expanded(parts) == expanded(states.intervals(task, -10, 60))
