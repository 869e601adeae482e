"""The tracks of a page."""

from dataclasses import replace

from hypothesis import given

from tests.output.formats.mutations import relaxed
from tests.output.timeline.examples import MS, NOTES, OTHER, SPAN, TIMELINE
from tests.timelines.random_timelines import CUT_TIMELINES, TIMELINES
from tracetools.core.stacks import Frame
from tracetools.output.timeline.tracks import make_picture
from tracetools.timelines.notes import NO_NOTES
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Work

PICTURE = make_picture(TIMELINE, NOTES)


def edges(boxes):
    return [(box.kind, box.begin // MS, box.end // MS) for box in boxes]


def test_each_task_has_a_track_with_its_place_and_why():
    assert [(track.name, track.about, track.task) for track in PICTURE.tracks] == [
        ("handle #1", "app.py:3, the span's task", 1),
        ("load #3", "app.py:30, spawned in the span", 3),
        ("hold #2", "cache.py:20, woke one of them", 2),
        ("worker thread 1", "", None),
        ("all other tasks", "steps of 2 tasks", None),
    ]


def test_states_are_within_the_span_and_count_from_its_beginning():
    assert PICTURE.length == 100 * MS
    assert edges(PICTURE.tracks[0].states) == [
        ("busy", 0, 2),
        ("waiting", 2, 19),
        ("scheduled", 19, 30),
        ("busy", 30, 35),
        ("waiting", 35, 70),
        ("busy", 70, 72),
        ("waiting", 72, 92),
        ("busy", 92, 100),
    ]
    assert edges(PICTURE.tracks[1].states) == [
        ("scheduled", 32, 35),
        ("busy", 35, 36),
        ("waiting", 36, 50),
        ("busy", 50, 70),
    ]


def test_spans_lie_above_in_lanes():
    assert [edges(lane) for lane in PICTURE.tracks[0].spans] == [
        [("subject", 0, 100)],
        [("span", 30, 71)],
    ]


def test_the_rest_of_the_loop_is_one_track():
    assert edges(PICTURE.tracks[-1].states) == [("busy", 20, 26), ("busy", 26, 28)]


def test_worker_threads_have_tracks_if_they_worked_for_one_of_the_tasks():
    assert [edges(lane) for lane in PICTURE.tracks[3].spans] == [[("thread", 73, 91)]]
    others = replace(TIMELINE, works=(TIMELINE.works[0]._replace(task=4),))
    assert [track.name for track in make_picture(others, NOTES).tracks][3] == "all other tasks"


def test_the_critical_path_is_marked():
    assert [edges(track.critical) for track in PICTURE.tracks[:3]] == [
        [("critical", 0, 2)],
        [("critical", 35, 70)],
        [("critical", 2, 19)],
    ]


def test_arrows_lead_from_who_ended_a_wait():
    assert [(arrow.moment // MS, arrow.start, arrow.end) for arrow in PICTURE.arrows] == [
        (19, 2, 0),
        (70, 1, 0),
    ]


def test_spans_of_other_times_are_not_drawn():
    early = SpanTime(1, 6 * MS, 9 * MS, (Frame("early"),))
    late = SpanTime(1, 111 * MS, 119 * MS, (Frame("late"),))
    found = make_picture(replace(TIMELINE, spans=(early, SPAN, late)), NOTES)
    assert [edges(lane) for lane in found.tracks[0].spans] == [[("subject", 0, 100)]]


def test_a_timeline_of_nothing_has_no_tracks():
    assert make_picture(Timeline(0, 0), NO_NOTES).tracks == []
    assert make_picture(Timeline(0, 9, subject=SPAN), NO_NOTES).length == 0


def test_of_a_thousand_tasks_and_many_steps_few_boxes_are_drawn():
    lives = {n: Life(n, OTHER, 1, 11 * MS, None) for n in range(10, 1_000)}
    steps = tuple(
        Step(10 + n % 900, 11 * MS + 4_000 * n, 11 * MS + 4_000 * n + 3_000) for n in range(20_000)
    )
    timeline = replace(TIMELINE, lives={**TIMELINE.lives, **lives}, steps=steps)
    found = make_picture(timeline, NO_NOTES)
    boxes = sum(
        len(track.states) + sum(map(len, track.spans)) + len(track.critical)
        for track in found.tracks
    )
    assert len(found.tracks) == 42
    assert boxes < 40_000
    assert len(found.arrows) <= 150
    assert found.tracks[-1].about == "steps of 861 tasks"


def test_many_threads_have_few_tracks():
    works = tuple(Work(1, (20 + n) * MS, (21 + n) * MS, OTHER, n) for n in range(30))
    found = make_picture(replace(TIMELINE, works=works), NO_NOTES)
    names = [track.name for track in found.tracks if track.name.startswith("worker")]
    assert names == [f"worker thread {n}" for n in range(1, 9)]


@relaxed
@given(TIMELINES | CUT_TIMELINES)
def test_nothing_is_lost_of_any_task(timeline):
    picture = make_picture(timeline, NO_NOTES)
    assert len(picture.intervals) == len(picture.chosen.roles)
    for index, (number, intervals) in enumerate(picture.intervals.items()):
        track = picture.tracks[index]
        assert track.task == number
        assert [item.content for box in track.states for item in box.items] == [*intervals]
        last = 0
        for interval in intervals:
            assert last <= interval.begin <= interval.end <= picture.length
            last = interval.end
    for arrow in picture.arrows:
        assert arrow.start != arrow.end
        assert 0 <= arrow.moment <= picture.length


@relaxed
@given(TIMELINES)
def test_the_loop_steps_in_one_track_at_a_time(timeline):
    picture = make_picture(timeline, NO_NOTES)
    window = picture.chosen.window
    busy = sum(
        item.end - item.begin
        for track in picture.tracks
        for box in track.states
        for item in box.items
        if item.kind == "busy"
    )
    assert busy == sum(
        max(0, min(step.end, window.end) - max(step.begin, window.begin)) for step in timeline.steps
    )
