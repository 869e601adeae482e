"""The table of a page."""

from dataclasses import replace

from hypothesis import given

from tests.output.formats.mutations import relaxed
from tests.output.timeline.examples import MS, NOTES, TIMELINE
from tests.timelines.random_timelines import TIMELINES
from tracetools.output.timeline.rows import critical_rows, make_rows
from tracetools.output.timeline.tracks import make_picture
from tracetools.timelines.notes import NO_NOTES, Notes
from tracetools.timelines.timeline import Step


def rows_of(timeline, notes=NO_NOTES):
    return make_rows(timeline, make_picture(timeline, notes), notes)


ROWS = rows_of(TIMELINE, NOTES)


STEPPED = "other #4 for 6 ms, other #5 for 2 ms, hold #2 for 1 ms, no task for 2 ms"


def test_each_interval_has_a_row():
    assert [(r.interval.begin // MS, r.what, r.who) for r in ROWS.rows] == [
        (0, "busy", ""),
        (2, "await Lock (app.py:11)", "hold #2 at hold (cache.py:24)"),
        (19, "ready", f"while these stepped: {STEPPED}"),
        (30, "busy", ""),
        (35, "await TaskGroup (app.py:14)", "load #3 at load (app.py:30)"),
        (70, "busy", ""),
        (72, "await to_thread (app.py:16)", "a thread"),
        (92, "busy", ""),
    ]
    assert [row.number for row in ROWS.rows] == [*range(8)]


def test_a_task_may_be_ready_while_no_task_steps():
    timeline = replace(TIMELINE, steps=tuple(s for s in TIMELINE.steps if s.task in {1, 3}))
    assert rows_of(timeline).rows[2].who == "while no task stepped"


def test_times_of_states_are_added_up():
    assert [(state, time // MS) for state, time in ROWS.sums] == [
        *(("waiting", 72), ("busy", 17), ("scheduled", 11))
    ]


def test_steps_that_are_too_long_are_marked():
    assert not any(row.is_blocking for row in ROWS.rows)
    found = rows_of(TIMELINE, NOTES._replace(blocking_threshold=7 * MS)).rows
    assert [row.number for row in found if row.is_blocking] == [7]


def test_of_too_many_intervals_the_longest_have_rows():
    steps = tuple(Step(1, 10 * MS + 1_000 * n, 10 * MS + 1_000 * n + n) for n in range(1, 301))
    found = rows_of(replace(TIMELINE, steps=steps, wakes=(), waits=()))
    assert len(found.rows) == 200
    assert found.left_out == 601 - 200
    shown = sum(row.interval.end - row.interval.begin for row in found.rows)
    assert shown + found.left_out_time == 100 * MS
    assert [row.number for row in found.rows] == sorted(row.number for row in found.rows)


def test_without_a_subject_there_is_no_table():
    assert rows_of(replace(TIMELINE, subject=None)) == ([], 0, 0, [])


def critical_of(notes):
    return critical_rows(TIMELINE, make_picture(TIMELINE, notes), notes)


def test_the_critical_path_is_told_piece_by_piece():
    found = critical_of(NOTES)
    assert [(r.begin // MS, r.length // MS, r.task, r.what) for r in found.rows] == [
        (0, 2, "handle #1", "busy"),
        (2, 17, "hold #2", "busy"),
        (35, 35, "load #3", "busy"),
    ]
    assert found[1:] == (0, 0)


def test_a_piece_says_what_the_task_did_for_most_of_it():
    pieces = ((1, 12 * MS, 29 * MS), (1, 30 * MS, 41 * MS), (4, 50 * MS, 60 * MS))
    assert [row.what for row in critical_of(Notes(critical=pieces)).rows] == [
        "await Lock (app.py:11)",
        "ready, while these stepped: other #4 for 6 ms, other #5 for 2 ms, no task for 2 ms",
        "waiting, for what is not known",
    ]


def test_short_pieces_are_told_together():
    short = tuple((1, 10 * MS + 2_000 * n, 10 * MS + 2_000 * n + 1_000) for n in range(400))
    found = critical_of(Notes(critical=(*short, (1, 50 * MS, 60 * MS))))
    assert len(found.rows) == 1
    assert found[1:] == (400, 400_000)


def test_of_too_many_pieces_the_longest_are_told():
    pieces = tuple((1, (10 + 2 * n) * MS, (11 + 2 * n) * MS + n) for n in range(50))
    found = critical_of(Notes(critical=pieces))
    assert (len(found.rows), found.left_out) == (30, 20)
    assert min(row.length for row in found.rows) == MS + 20


@relaxed
@given(TIMELINES)
def test_rows_and_the_rest_add_up_to_the_span(timeline):
    picture = make_picture(timeline, NO_NOTES)
    found = make_rows(timeline, picture, NO_NOTES)
    shown = sum(row.interval.end - row.interval.begin for row in found.rows)
    assert sum(time for _, time in found.sums) == shown + found.left_out_time
    if timeline.subject is not None:
        assert shown + found.left_out_time == picture.length
