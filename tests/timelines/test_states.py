"""The states of a task tile its time, and are those that it was in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timelines import random_timelines
from tests.timelines.scripts import MOMENTS, SCRIPTS, TIMELINES, Script, names, path
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake
from tracetools.timelines.wakers import with_wakers


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
        ("unknown", 0, 25, "main"),
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


LOCK = path("main/await Lock")


def history(*, born=0, end=None, **more):
    """Return what a task did in a timeline from 10 to 50, without the path if it has no name."""
    timeline = Timeline(10, 50, {1: Life(1, path("main"), None, born, end)}, **more)
    return [
        (each.state, each.begin, each.end, names(each.path) if each.is_named else "", each.wake)
        for each in States(timeline).history(1)
    ]


def test_a_wait_ends_when_the_task_becomes_ready():
    wait, wake = Wait(1, 22, 30, LOCK), Wake(1, 30, "timer")
    assert history(steps=(Step(1, 20, 22), Step(1, 33, 40)), waits=(wait,), wakes=(wake,)) == [
        ("waiting", 10, 20, "", None),
        ("busy", 20, 22, "", None),
        ("waiting", 22, 30, "main/await Lock", wake),
        ("scheduled", 30, 33, "", wake),
        ("busy", 33, 40, "", wake),
        ("waiting", 40, 50, "", None),
    ]


def test_without_a_wake_the_end_of_what_is_awaited_says_when_the_task_became_ready():
    wait = Wait(1, 22, 30, LOCK)
    assert history(born=20, steps=(Step(1, 20, 22), Step(1, 33, 50)), waits=(wait,)) == [
        ("busy", 20, 22, "", None),
        ("waiting", 22, 30, "main/await Lock", None),
        ("scheduled", 30, 33, "", None),
        ("busy", 33, 50, "", None),
    ]


def test_a_wait_that_began_before_the_timeline_is_known():
    wait = Wait(1, 5, 15, LOCK)
    assert history(waits=(wait,), steps=(Step(1, 20, 22),))[:2] == [
        ("waiting", 10, 15, "main/await Lock", None),
        ("scheduled", 15, 20, "", None),
    ]


def test_a_task_is_ready_from_its_birth_on():
    assert history(born=20, end=35, steps=(Step(1, 30, 35),)) == [
        ("scheduled", 20, 30, "", None),
        ("busy", 30, 35, "", None),
    ]
    assert history(born=20) == [("scheduled", 20, 50, "", None)]
    assert history(born=9, steps=(Step(1, 30, 50),))[0] == ("waiting", 10, 30, "", None)


def test_a_newborn_task_waits_if_a_wake_or_a_wait_says_so():
    wake, wait = Wake(1, 25, "loop"), Wait(1, 20, 26, LOCK)
    steps = (Step(1, 30, 50),)
    assert [each[:3] for each in history(born=20, steps=steps, wakes=(wake,))][:2] == [
        ("waiting", 20, 25),
        ("scheduled", 25, 30),
    ]
    assert [each[:3] for each in history(born=20, steps=steps, waits=(wait,))][:2] == [
        ("waiting", 20, 26),
        ("scheduled", 26, 30),
    ]


@pytest.mark.parametrize("born", [20, 30])
def test_a_newborn_task_has_not_woken_itself(born):
    wake = Wake(1, 30, "task", 1)
    steps = (Step(1, 30, 30), Step(1, 40, 50))
    assert history(born=born, steps=steps, wakes=(wake,))[-3:] == [
        ("busy", 30, 30, "", None),
        ("scheduled", 30, 40, "", wake),
        ("busy", 40, 50, "", wake),
    ]


def test_a_task_has_not_woken_itself_while_it_waited():
    wake = Wake(1, 30, "task", 1)
    assert history(steps=(Step(1, 10, 20), Step(1, 30, 35), Step(1, 40, 50)), wakes=(wake,)) == [
        ("busy", 10, 20, "", None),
        ("waiting", 20, 30, "", None),
        ("busy", 30, 35, "", None),
        ("scheduled", 35, 40, "", wake),
        ("busy", 40, 50, "", wake),
    ]


def test_a_task_may_be_ready_when_the_timeline_ends():
    wake = Wake(1, 40, "loop")
    assert history(born=20, steps=(Step(1, 20, 30),), wakes=(wake,))[1:] == [
        ("waiting", 30, 40, "", wake),
        ("scheduled", 40, 50, "", wake),
    ]


def test_each_wake_leads_to_one_step_where_no_time_passes():
    first, second = Wake(1, 20, "timer"), Wake(1, 20, "task", 1)
    steps = (Step(1, 20, 20), Step(1, 20, 20))
    assert history(born=20, end=20, steps=steps, wakes=(first, second)) == [
        ("busy", 20, 20, "", first),
        ("busy", 20, 20, "", second),
    ]


def test_a_task_may_have_neither_a_step_nor_any_time():
    assert history(born=0, end=0) == []
    assert history() == [("waiting", 10, 50, "", None)]


def test_steps_of_other_times_are_no_history():
    steps = (Step(1, 2, 4), Step(1, 5, 5), Step(1, 20, 50), Step(1, 55, 60))
    assert [each[:3] for each in history(steps=steps)] == [("waiting", 10, 20), ("busy", 20, 50)]


def test_spans_do_not_cut_steps_of_a_history():
    spans = (SpanTime(1, 25, 30, path("main/a")),)
    assert [each[:3] for each in history(steps=(Step(1, 20, 50),), spans=spans)] == [
        ("waiting", 10, 20),
        ("busy", 20, 50),
    ]


@pytest.mark.parametrize("steps", [(Step(1, 30, 20),), (Step(1, 30, 40), Step(1, 20, 35))])
def test_moments_may_go_backwards(steps):
    found = history(steps=steps)
    assert sum(end - begin for _, begin, end, _, _ in found) == 40
    assert all(begin <= end for _, begin, end, _, _ in found)


def test_of_a_task_without_a_life_what_is_known_is_history():
    timeline = Timeline(0, 50, steps=(Step(2, 10, 20), Step(2, 30, 40)))
    assert [each[:3] for each in States(timeline).history(2)] == [
        ("busy", 10, 20),
        ("waiting", 20, 30),
        ("busy", 30, 40),
    ]
    assert States(timeline).history(3) == []


def test_tasks_come_as_they_were_spawned_and_those_without_a_life_last():
    lives = {n: Life(n, path("main"), None, born, None) for n, born in ((3, 5), (1, 9), (2, 5))}
    timeline = Timeline(
        0,
        9,
        lives,
        steps=(Step(6, 0, 1),),
        wakes=(Wake(5, 0, "timer"),),
        waits=(Wait(7, 0, 1, LOCK),),
        spans=(SpanTime(4, 0, 1, path("main")),),
    )
    assert States(timeline).tasks == [2, 3, 1, 6, 5, 7, 4]


def test_steps_and_spans_of_a_task_are_those_of_the_timeline():
    steps, spans = (Step(1, 0, 2), Step(2, 2, 3)), (SpanTime(1, 0, 1, path("main/a")),)
    subject = SpanTime(1, 0, 2, path("main/b"))
    states = States(Timeline(0, 9, {1: MAIN}, steps, spans=spans, subject=subject))
    assert [*states.steps_of(1), *states.steps_of(2)] == [*steps]
    assert [*states.spans_of(1)] == [*spans]
    assert not states.steps_of(3)
    assert not states.spans_of(3)


def test_children_that_have_ended_are_known():
    child = Life(2, path("main/child"), 1, 0, 20)
    states = States(Timeline(0, 40, {1: MAIN, 2: child}))
    assert list(states.ended_children(1, 0, 40)) == [child]
    assert list(states.ended_children(2, 0, 40)) == []


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
    states = States(with_wakers(script.timeline()))
    for task in script.tasks:
        found = states.intervals(task.number, 0, script.now)
        assert expanded(found) == [
            (seen.state, seen.path, bool(seen.waiting and seen.waiting.is_named))
            for seen in task.seen
        ]
        for each in found:
            seen = task.seen[each.begin]
            assert each.wake == (seen.waiting.wake if seen.waiting else seen.wake)


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


@given(random_timelines.TIMELINES | random_timelines.CUT_TIMELINES)
def test_histories_add_up_to_lives(timeline):
    states = States(timeline)
    for number, life in timeline.lives.items():
        found = states.history(number)
        begin = max(life.born, timeline.begin)
        end = timeline.end if life.end is None else max(life.end, begin)
        if timeline.is_cut:  # what was before the first event is not known
            first = found[0].begin if found else end
            assert first >= begin
            begin = first
        edges = [begin, *(each.end for each in found)]
        assert [each.begin for each in found] == edges[:-1]
        assert edges[-1] == end
        assert all(each.begin < each.end for each in found if each.state != "busy")


@given(random_timelines.TIMELINES)
def test_busy_intervals_of_histories_are_the_steps(timeline):
    states = States(timeline)
    for number in states.tasks:
        assert [each[1:3] for each in states.history(number) if each.state == "busy"] == [
            (step.begin, step.end) for step in timeline.steps if step.task == number
        ]


@given(random_timelines.TIMELINES)
def test_each_wait_is_an_interval_of_a_history(timeline):
    states = States(timeline)
    for number in states.tasks:
        assert [each[1:4] for each in states.history(number) if each.is_named] == [
            (wait.begin, wait.end, wait.path)
            for wait in timeline.waits
            if wait.task == number and wait.begin < wait.end
        ]


@given(TIMELINES, st.integers(0, 5))
def test_a_history_is_what_is_known_of_any_timeline(timeline, task):
    states = States(timeline)
    known = {"busy", "scheduled", "waiting"}
    intervals = states.intervals(task, timeline.begin, timeline.end)
    shown = [
        (each.state, each.wake, moment)
        for each in intervals
        if each.state in known
        for moment in range(each.begin, each.end)
    ]
    assert shown == [
        (each.state, each.wake, moment)
        for each in states.history(task)
        for moment in range(each.begin, each.end)
    ]


def test_what_a_task_did_before_the_first_event_that_is_kept_is_unknown():
    early, late = Life(1, path("main"), None, 10, None), Life(2, path("main/late"), 1, 55, None)
    timeline = Timeline(
        0,
        90,
        {1: early, 2: late},
        steps=(Step(1, 40, 50), Step(1, 60, 70), Step(2, 70, 80)),
        waits=(Wait(1, 50, 58, path("main/await sleep")),),
    )
    cut = replace(timeline, is_cut=True)
    assert shown(timeline, 1, 0, 50) == [
        ("unborn", 0, 10, "main"),
        ("scheduled", 10, 40, "main"),
        ("busy", 40, 50, "main"),
    ]
    assert shown(cut, 1, 0, 50) == [
        ("unborn", 0, 10, "main"),
        ("unknown", 10, 40, "main"),
        ("busy", 40, 50, "main"),
    ]
    assert shown(cut, 2, 50, 80) == shown(timeline, 2, 50, 80)


def test_a_wait_that_began_before_the_first_event_that_is_kept_is_known():
    lives = {1: Life(1, path("main"), None, 10, None), 2: Life(2, path("other"), None, 5, None)}
    wait = Wait(2, 30, 60, path("other/await sleep"))
    timeline = Timeline(0, 90, lives, steps=(Step(1, 40, 50),), waits=(wait,), is_cut=True)
    assert shown(timeline, 2, 0, 60) == [
        ("unborn", 0, 5, "other"),
        ("unknown", 5, 30, "other"),
        ("waiting", 30, 60, "other/await sleep"),
    ]
