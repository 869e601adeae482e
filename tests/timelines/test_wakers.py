"""Children and threads are found that have ended a wait, if the recording has not seen it."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.timelines.scripts import TIMELINES, path
from tracetools.core.stacks import ROOT, RUNTIME, Frame
from tracetools.timelines.timeline import Life, Step, Timeline, Wait, Wake, Work
from tracetools.timelines.wakers import Children, with_wakers

MS = 1_000_000
MAIN = Life(1, path("main"), None, 0, None)
CHILD = Life(2, path("main/child"), 1, 0, 50)
LAST = Life(3, path("main/last"), 1, 0, 80)
WAIT = Wait(1, 10, 90, path("main/await TaskGroup"))
WAKE = Wake(1, 90, "loop")
BY_LAST = Wake(1, 90, "task", 3, LAST.path)


def wake_of(wake=WAKE, wait=WAIT, lives=(MAIN, CHILD, LAST), steps=(), works=()):
    """Return the wake of a task that waits for two children."""
    made = Timeline(
        0, 100, {life.number: life for life in lives}, steps, (wake,), (wait,), works=works
    )
    [found] = with_wakers(made).wakes
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("await TaskGroup", "await open_nursery", "await gather", "await Task (child)"),
        *("await wait", "await wait_for", "await shield"),
    ],
)
def test_the_last_child_that_has_exited_ends_a_wait_for_children(name):
    assert wake_of(wait=WAIT._replace(path=path(f"main/{name}"))) == BY_LAST


def test_a_callback_may_have_ended_it_on_behalf_of_the_child():
    assert wake_of(WAKE._replace(by="callback", path=path("(callbacks)/done"))) == BY_LAST


def test_what_exits_at_the_very_moment_counts():
    assert wake_of(lives=(MAIN, CHILD, LAST._replace(end=90))) == BY_LAST


@pytest.mark.parametrize(
    "name", ["await sleep", "await Event.wait", "await", "TaskGroup", "await wait_readable"]
)
def test_other_waits_are_left_alone(name):
    assert wake_of(wait=WAIT._replace(path=path(f"main/{name}"))) == WAKE


@pytest.mark.parametrize(
    "wake",
    [
        WAKE._replace(by="task", waker=2),
        WAKE._replace(by="timer"),
        WAKE._replace(by="thread"),
        WAKE._replace(moment=89),  # of another wait
        WAKE._replace(task=2),
    ],
)
def test_other_wakes_are_left_alone(wake):
    assert wake_of(wake) == wake


@pytest.mark.parametrize(
    "lives",
    [
        (MAIN,),
        (MAIN, LAST._replace(end=None)),
        (MAIN, LAST._replace(end=10)),
        (MAIN, LAST._replace(end=91)),
        (MAIN, LAST._replace(spawner=None)),
    ],
)
def test_without_a_child_that_exits_in_the_wait_it_is_left_alone(lives):
    assert wake_of(lives=lives) == WAKE


def test_what_comes_long_after_the_exit_does_not_come_of_it():
    wait, wake = WAIT._replace(end=80 + 5 * MS), WAKE._replace(moment=80 + 5 * MS)
    assert wake_of(wake, wait).waker == 3
    wait, wake = WAIT._replace(end=81 + 5 * MS), WAKE._replace(moment=81 + 5 * MS)
    assert wake_of(wake, wait).waker is None
    steps = (Step(7, 70, 79), Step(7, 70, 81), Step(8, 100, 101))
    assert wake_of(wake, wait, steps=steps).waker == 3


WORK = Work(1, 20, 85, path("main/compress"), 7)
THREAD = WAIT._replace(path=path("main/await to_thread"))


@pytest.mark.parametrize(
    "wake",
    [
        WAKE,
        WAKE._replace(by="callback", path=path("(callbacks)/report")),
        WAKE._replace(by="task", waker=9, path=(ROOT, RUNTIME, Frame("EntryQueue.task"))),
    ],
)
def test_a_thread_that_has_finished_work_for_a_task_ends_its_wait(wake):
    assert wake_of(wake, THREAD, works=(WORK,)) == Wake(1, 90, "thread", None, WORK.path)
    assert wake_of(wake, works=(WORK,)).by == "thread"


def test_of_work_that_lies_within_other_work_the_outer_one_counts():
    inner = Work(1, 30, 84, path("main/compress/inner"), 7)
    assert wake_of(wait=THREAD, works=(inner, WORK)).path == WORK.path


@pytest.mark.parametrize(
    "work",
    [WORK._replace(task=2), WORK._replace(end=None), WORK._replace(end=10), WORK._replace(end=91)],
)
def test_work_for_others_or_at_other_times_ends_no_wait(work):
    assert wake_of(wait=THREAD, works=(work,)) == WAKE


def test_a_task_of_the_program_is_no_go_between():
    wake = WAKE._replace(by="task", waker=3, path=LAST.path)
    assert wake_of(wake, THREAD, works=(WORK,)) == wake


def test_children_are_known_by_when_they_exited():
    alive = Life(4, path("main/alive"), 1, 0, None)
    children = Children([LAST, CHILD, alive, MAIN])
    assert children.ended(1, 0, 100) == [CHILD, LAST]
    assert children.ended(1, 50, 80) == [LAST]
    assert children.ended(1, 0, 79) == [CHILD]
    assert list(children.ended(2, 0, 100)) == []


@given(TIMELINES)
def test_to_look_again_finds_nothing_more(timeline):
    assert with_wakers(with_wakers(timeline)) == with_wakers(timeline)
