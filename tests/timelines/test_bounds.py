"""A wait for children becomes no shorter than the next of them lets it."""

from __future__ import annotations

import pytest

from tests.timelines.scripts import path
from tracetools.timelines.bounds import bounds_of
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wake

MAIN = Life(1, path("main"), None, 0, None)
SLOW = Life(2, path("main/slow"), 1, 0, 100)


def bounds(others, *, waker=SLOW, steps=(), spans=()):
    """Return the bounds of a wait of `MAIN` from 10 to 100, which has other children."""
    lives = {life.number: life for life in (MAIN, waker, *others)}
    wake = Wake(1, 100, "task", waker.number)
    timeline = Timeline(0, 200, lives, steps=steps, wakes=(wake,), spans=spans)
    [wait] = States(timeline).intervals(1, 10, 100)
    bound, differing = bounds_of(States(timeline), wait, wake)
    return bound, {frame.name: bound for frame, bound in differing}


def child(number, end, name="quick"):
    return Life(number, path(f"main/{name}"), 1, 0, end)


def test_the_latest_end_of_another_child_bounds_it():
    assert bounds([child(3, 40), child(4, 80, "next")]) == (20, {"next": 60})


def test_without_other_children_it_is_as_long_as_the_wait():
    assert bounds([]) == (90, {})


@pytest.mark.parametrize(
    "other",
    [
        child(3, 10),  # before the wait
        child(3, None),  # it is not waited for
        child(3, 101),
        child(3, 80)._replace(spawner=7),
    ],
)
def test_what_does_not_end_in_the_wait_or_is_no_child_does_not_bound_it(other):
    assert bounds([other]) == (90, {})


def test_a_child_that_ends_at_the_same_moment_leaves_nothing():
    assert bounds([child(3, 100)]) == (0, {"quick": 90})


def test_frames_of_several_children_count_as_far_as_all_have_them():
    assert bounds([child(3, 30), child(4, 60, "b"), child(5, 80)]) == (20, {"quick": 40})


def test_only_the_time_within_a_frame_is_left_out_of_another_child():
    steps = (Step(3, 0, 80),)
    spans = (SpanTime(3, 50, 75, path("main/quick/query")),)
    assert bounds([child(3, 80)], steps=steps, spans=spans) == (20, {"quick": 90, "query": 45})


def test_a_child_of_another_task_that_exits_then_counts_as_one():
    adopted = Life(2, path("slow"), 7, 0, 100)
    assert bounds([child(3, 80)], waker=adopted)[0] == 20


def test_a_task_that_does_not_exit_is_not_waited_for_as_a_child():
    steps = (Step(2, 150, 160),)
    assert bounds([child(3, 80)], waker=child(2, 160), steps=steps) == (90, {})
    assert bounds([child(3, 80)], waker=child(2, None)) == (90, {})
    assert bounds([child(3, 80)], waker=Life(2, path("other"), 7, 0, 160)) == (90, {})


def test_a_child_exits_a_little_later_than_its_parent_wakes():
    assert bounds([child(3, 80)], waker=child(2, 103), steps=(Step(2, 90, 102),))[0] == 20


def test_frames_of_the_await_itself_have_no_bound_of_their_own():
    _, differing = bounds([child(3, 80)])
    assert "main" not in differing
