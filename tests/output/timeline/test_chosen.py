"""Which tasks get tracks of their own."""

from dataclasses import replace

from hypothesis import given

from tests.output.timeline.examples import CRITICAL, MS, OTHER, SPAN, TIMELINE
from tests.timelines.random_timelines import TIMELINES
from tracetools.output.timeline.chosen import MOST_TRACKS, choose
from tracetools.timelines.notes import NO_NOTES, Notes
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, Step, Timeline, Wake


def chosen(timeline, notes=NO_NOTES):
    return choose(States(timeline), notes)


def test_the_task_its_children_and_who_woke_them_are_chosen():
    found = chosen(TIMELINE)
    assert found.subject == 1
    assert found.window == (10 * MS, 110 * MS)
    assert [*found.roles.items()] == [
        (1, "the span's task"),
        (3, "spawned in the span"),
        (2, "woke one of them"),
    ]
    assert found.left_out == 0


def test_children_of_children_are_chosen_and_those_of_other_times_are_not():
    lives = {
        **TIMELINE.lives,
        6: Life(6, OTHER, 3, 50 * MS, None),
        7: Life(7, OTHER, 1, 9 * MS, None),
        8: Life(8, OTHER, 1, 111 * MS, None),
    }
    found = chosen(replace(TIMELINE, lives=lives, wakes=()))
    assert [*found.roles] == [1, 3, 6]


def test_who_woke_them_before_or_after_is_not_chosen():
    wakes = (Wake(1, 9 * MS, "task", 4), Wake(1, 111 * MS, "task", 5))
    assert [*chosen(replace(TIMELINE, wakes=wakes)).roles] == [1, 3]


def test_tasks_of_the_critical_path_are_chosen():
    found = chosen(TIMELINE, Notes(critical=(*CRITICAL, (4, 0, 9), (99, 0, 9))))
    assert found.roles[4] == "on the critical path"
    assert 99 not in found.roles


def test_of_too_many_those_on_the_critical_path_and_the_busiest_are_kept():
    numbers = range(10, 100)
    lives = {**TIMELINE.lives, **{n: Life(n, OTHER, 1, 50 * MS, None) for n in numbers}}
    steps = tuple(Step(n, 50 * MS + n, 50 * MS + 2 * n) for n in numbers)
    found = chosen(replace(TIMELINE, lives=lives, steps=steps), Notes(critical=((12, 10, 20),)))
    assert len(found.roles) == MOST_TRACKS
    assert found.left_out == 3 + 90 - MOST_TRACKS
    assert [*found.roles] == [1, 12, *range(100 - MOST_TRACKS + 2, 100)]


def test_without_a_subject_all_tasks_of_all_the_time_are_chosen():
    found = chosen(replace(TIMELINE, subject=None))
    assert found.subject is None
    assert found.window == (5 * MS, 120 * MS)
    assert {*found.roles} == {1, 2, 3, 4, 5}


def test_a_span_may_be_open_or_have_begun_before_what_is_kept():
    open_span = replace(TIMELINE, subject=SPAN._replace(begin=0, end=None))
    assert chosen(open_span).window == (5 * MS, 120 * MS)


def test_a_span_of_a_task_that_is_not_known_has_no_tracks():
    assert chosen(Timeline(0, 9, subject=SPAN)).roles == {}


@given(TIMELINES)
def test_the_subject_is_always_the_first(timeline):
    if timeline.subject is not None:
        assert next(iter(chosen(timeline).roles)) == timeline.subject.task
