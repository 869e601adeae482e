"""A timeline as Chrome's trace events."""

import gzip
import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given

from tests.output.formats.mutations import relaxed
from tests.timelines.random_timelines import CUT_TIMELINES, TIMELINES
from tracetools import StackFileError
from tracetools.core.stacks import ROOT, Frame
from tracetools.output.formats.chrome_trace import chrome_trace, write_chrome_trace
from tracetools.timelines.notes import Notes
from tracetools.timelines.timeline import (
    Life,
    QueueLength,
    SpanTime,
    Step,
    Timeline,
    Wait,
    Wake,
    Work,
)

SERVE, HOLD = (ROOT, Frame("serve", "app.py", 3)), (ROOT, Frame("hold", "app.py", 20))
LOCK = (*SERVE, Frame("load"), Frame("await Lock", "app.py", 5))
RELEASE = Frame("release", "app.py", 24)
LOAD = SpanTime(1, 1_100, 1_700, (*SERVE, Frame("load")))
BEGIN = 1_000
TIMELINE = Timeline(
    BEGIN,
    3_000,
    {1: Life(1, SERVE, None, 1_000, None), 2: Life(2, HOLD, 1, 900, 1_600)},
    steps=(Step(1, 1_050, 1_200), Step(2, 1_200, 1_600), Step(1, 1_650, 1_900)),
    wakes=(Wake(1, 1_500, "task", 2, HOLD, RELEASE), Wake(1, 2_500, "timer")),
    waits=(Wait(1, 1_200, 1_500, LOCK),),
    spans=(LOAD,),
    works=(Work(1, 2_000, None, (ROOT, Frame("zip", "zip.py", 1)), 140_000_000_000_000),),
    subject=LOAD,
    starts=1_700_000_000_000_000_001,
)
NOTES = Notes("shop", "4bf92f3577b34da6", blocking_threshold=300)
LOOP, TASK_2, TASK_1, THREAD = 1, 3, 4, 5


def read(timeline, *notes):
    return json.loads("".join(chrome_trace(timeline, *notes)))


def of_phase(phase, *keys, value=None):
    value = value or read(TIMELINE, NOTES)
    return [
        tuple(event.get(key) for key in keys)
        for event in value["traceEvents"]
        if event["ph"] == phase
    ]


def test_tracks_have_the_names_of_tasks():
    assert of_phase("M", "name", "tid", "args") == [
        ("process_name", 0, {"name": "shop"}),
        ("process_labels", 0, {"labels": "trace 4bf92f3577b34da6"}),
        ("thread_name", LOOP, {"name": "loop"}),
        ("thread_sort_index", LOOP, {"sort_index": 0}),
        ("thread_name", TASK_2, {"name": "hold #2"}),
        ("thread_sort_index", TASK_2, {"sort_index": 1}),
        ("thread_name", TASK_1, {"name": "serve #1"}),
        ("thread_sort_index", TASK_1, {"sort_index": 2}),
        ("thread_name", THREAD, {"name": "worker thread 1"}),
        ("thread_sort_index", THREAD, {"sort_index": 3}),
    ]


def test_slices_say_what_each_task_did_within_its_spans():
    found = of_phase("X", "tid", "ts", "dur", "name", "cat")
    woken = {"woken by": "task", "waker": "hold #2", "waker at": "release (app.py:24)"}
    assert [each for each in found if each[0] == TASK_1] == [
        (TASK_1, 0, 0.05, "ready", "scheduled"),
        (TASK_1, 0.05, 0.05, "busy", "busy"),
        (TASK_1, 0.1, 0.6, "load", "subject"),
        (TASK_1, 0.1, 0.1, "busy", "busy"),
        (TASK_1, 0.2, 0.3, "await Lock", "idle"),
        (TASK_1, 0.5, 0.15, "ready", "scheduled"),
        (TASK_1, 0.65, 0.05, "busy", "busy"),
        (TASK_1, 0.7, 0.2, "busy", "busy"),
        (TASK_1, 0.9, 0.6, "waiting", "idle"),
        (TASK_1, 1.5, 0.5, "ready", "scheduled"),
    ]
    args = dict(of_phase("X", "name", "args"))
    assert args["load"] == {"subject": "yes", "trace_id": "4bf92f3577b34da6"}
    assert args["await Lock"] == {"at": "app.py:5", **woken}
    assert args["waiting"] == {"woken by": "timer"}
    assert [each for each in found if each[0] == TASK_2] == [
        (TASK_2, 0, 0.2, "waiting", "idle"),
        (TASK_2, 0.2, 0.4, "busy", "busy"),
    ]


def test_the_loop_has_all_steps():
    assert of_phase("X", "tid", "ts", "dur", "name", "args")[:3] == [
        (LOOP, 0.05, 0.15, "serve", {"task": "serve #1"}),
        (LOOP, 0.2, 0.4, "hold", {"task": "hold #2"}),
        (LOOP, 0.65, 0.25, "serve", {"task": "serve #1"}),
    ]


def test_worker_threads_have_tracks():
    [work] = [each for each in of_phase("X", "tid", "ts", "dur", "name", "args") if each[0] == 5]
    assert work == (THREAD, 1, 1, "zip", {"at": "zip.py:1", "task": "serve #1"})


def test_an_arrow_leads_from_the_step_of_the_waker_to_the_step_of_the_woken():
    [start] = of_phase("s", "id", "tid", "ts", "args")
    assert start == (
        *(1, TASK_2, 0.5),
        {"woken by": "task", "waker": "hold #2", "waker at": "release (app.py:24)"},
    )
    assert of_phase("f", "id", "tid", "ts", "bp") == [(1, TASK_1, 0.65, "e")]


def test_an_arrow_begins_within_the_step_of_the_waker():
    for moment, ts in ((1_200, 0.2), (1_600, 0.599)):
        moved = replace(TIMELINE, wakes=(Wake(1, moment, "task", 2),))
        assert of_phase("s", "tid", "ts", value=read(moved)) == [(TASK_2, ts)]


@pytest.mark.parametrize(
    "wake",
    [
        Wake(1, 1_190, "task", 1),  # by itself
        Wake(1, 1_500, "timer"),
        Wake(1, 1_199, "task", 2),  # which does not step then
        Wake(1, 1_500, "task", 9),  # of which nothing is known
    ],
)
def test_others_have_no_arrow(wake):
    assert of_phase("s", "id", value=read(replace(TIMELINE, wakes=(wake,)))) == []


def test_counters_change_with_steps_and_ready_tasks():
    found = of_phase("C", "name", "ts", "args")
    assert [(ts, args["tasks"]) for name, ts, args in found if name == "busy"] == [
        *((0, 0), (0.05, 1), (0.6, 0), (0.65, 1), (0.9, 0))
    ]
    assert [(ts, args["tasks"]) for name, ts, args in found if name == "ready"] == [
        *((0, 1), (0.05, 0), (0.5, 1), (0.65, 0), (1.5, 1), (2, 0))
    ]


def test_queues_have_counters_of_their_items():
    name = "Queue (app.py:3)"
    lengths = (QueueLength(name, 900, 3), QueueLength(name, 1_500, 0))
    found = of_phase("C", "name", "ts", "args", value=read(replace(TIMELINE, lengths=lengths)))
    assert [each for each in found if each[0] == name] == [
        (name, 0, {"items": 3}),
        (name, 0.5, {"items": 0}),
    ]


def test_long_steps_are_marked():
    assert of_phase("i", "name", "tid", "ts", "args") == [
        ("blocking step", LOOP, 0.2, {"task": "hold #2", "length": "400 ns"})
    ]
    assert of_phase("i", "name", value=read(TIMELINE)) == []


def test_the_subject_has_a_track():
    [(name, category, number, begin)] = of_phase("b", "name", "cat", "id2", "ts")
    assert (name, category, begin) == ("load", "subject", 0.1)
    assert of_phase("e", "name", "id2", "ts") == [("load", number, 0.7)]


def test_the_critical_path_has_a_track():
    notes = Notes(critical=((1, 1_100, 1_200), (2, 1_200, 1_500)))
    value = read(TIMELINE, notes)
    assert of_phase("M", "tid", "args", value=value)[1] == (2, {"name": "critical path"})
    assert [e for e in of_phase("X", "tid", "ts", "dur", "name", value=value) if e[0] == 2] == [
        (2, 0.1, 0.1, "serve #1"),
        (2, 0.2, 0.3, "hold #2"),
    ]


def test_spans_that_overlap_in_part_have_tracks_of_their_own():
    other = SpanTime(1, 1_150, 1_800, (*SERVE, Frame("other", "app.py", 9)))
    value = read(replace(TIMELINE, spans=(LOAD, other), subject=None))
    assert of_phase("b", "name", "cat", "ts", "args", value=value) == [
        ("other", "loose", 0.15, {"at": "app.py:9"})
    ]
    assert "other" not in {name for (name,) in of_phase("X", "name", value=value)}


def test_a_span_that_is_open_says_so():
    value = read(replace(TIMELINE, spans=(LOAD._replace(end=None),)))
    assert dict(of_phase("X", "name", "args", value=value))["load"] == {"left": "not yet"}


def test_what_is_known_of_the_timeline_is_said():
    about = read(replace(TIMELINE, is_cut=True), NOTES)["otherData"]
    assert about.pop("exporter").startswith("tracetools@")
    assert about == {
        "program": "shop",
        "trace_id": "4bf92f3577b34da6",
        "is_cut": "yes",
        "starts": "1700000000000000001",
    }


def test_a_timeline_of_nothing_is_valid():
    value = read(Timeline(0, 0))
    assert {event["ph"] for event in value["traceEvents"]} == {"M"}


def test_a_timeline_whose_tasks_have_no_name_is_valid():
    value = read(Timeline(0, 9, {1: Life(1, (), None, 0, None)}, steps=(Step(1, 1, 2),)))
    assert ("thread_name", {"name": "unknown #1"}) in of_phase("M", "name", "args", value=value)


def test_tasks_without_a_life_have_tracks():
    value = read(replace(TIMELINE, lives={}))
    assert ("thread_name", {"name": "unknown #2"}) in of_phase("M", "name", "args", value=value)
    assert len(of_phase("s", "id", value=value)) == 1


def test_steps_that_interrupt_others_nest():
    steps = (Step(2, 1_300, 1_400), Step(1, 1_050, 1_500))
    value = read(replace(TIMELINE, steps=steps, wakes=(), waits=()))
    assert of_phase("X", "ts", "dur", "name", value=value)[:2] == [
        (0.05, 0.45, "serve"),
        (0.3, 0.1, "hold"),
    ]
    found = of_phase("C", "ts", "args", value=value)[:5]
    assert [args["tasks"] for _, args in found] == [0, 1, 2, 1, 0]


def test_a_task_waits_while_another_one_interrupts_its_step():
    steps = (Step(2, 1_300, 1_400), Step(1, 1_050, 1_500))
    value = read(replace(TIMELINE, steps=steps, wakes=(), waits=(), spans=(), subject=None))
    found = of_phase("X", "tid", "ts", "dur", "name", "args", value=value)
    ended = {"woken by": "task", "waker": "hold #2"}
    assert [each for each in found if each[0] == TASK_1][1:4] == [
        (TASK_1, 0.05, 0.25, "busy", None),
        (TASK_1, 0.3, 0.1, "waiting", ended),
        (TASK_1, 0.4, 0.1, "busy", None),
    ]
    assert of_phase("s", "tid", "ts", value=value) == [(TASK_2, 0.399)]
    assert of_phase("f", "tid", "ts", value=value) == [(TASK_1, 0.4)]


def test_of_a_task_without_a_life_nothing_is_drawn_where_nothing_is_known():
    value = read(Timeline(0, 90, steps=(Step(2, 10, 20), Step(2, 40, 50))))
    found = of_phase("X", "tid", "ts", "dur", "name", value=value)
    assert [each for each in found if each[0] != LOOP] == [
        (3, 0.01, 0.01, "busy"),
        (3, 0.02, 0.02, "waiting"),
        (3, 0.04, 0.01, "busy"),
    ]


def test_a_file_is_made_in_pieces():
    steps = tuple(Step(1, moment, moment + 1) for moment in range(1_000, 3_000))
    pieces = [*chrome_trace(replace(TIMELINE, steps=steps))]
    assert len(pieces) == 5
    assert len(json.loads("".join(pieces))["traceEvents"]) > 4_000


def test_a_file_is_replaced_at_once(tmp_path):
    write_chrome_trace(tmp_path / "x.trace.json", TIMELINE, NOTES)
    assert json.loads((tmp_path / "x.trace.json").read_text()) == read(TIMELINE, NOTES)
    with pytest.raises(StackFileError, match=r"cannot write .*missing"):
        write_chrome_trace(tmp_path / "missing" / "x.json", TIMELINE)
    with pytest.raises(TypeError):
        write_chrome_trace(tmp_path / "x.trace.json", replace(TIMELINE, begin=None))
    assert [each.name for each in tmp_path.iterdir()] == ["x.trace.json"]
    assert json.loads((tmp_path / "x.trace.json").read_text()) == read(TIMELINE, NOTES)


def test_a_file_may_be_gzipped(tmp_path):
    for name in ("x.trace.json.gz", "y.gz"):
        write_chrome_trace(tmp_path / name, TIMELINE, NOTES)
    data = (tmp_path / "x.trace.json.gz").read_bytes()
    assert json.loads(gzip.decompress(data)) == read(TIMELINE, NOTES)
    assert (tmp_path / "y.gz").read_bytes() == data


# ------------------------------------------------------------------------- whatever the program did


def nanoseconds(microseconds):
    return round(1_000 * microseconds)


def slices_of(value):
    """Return the nested slices of each track, in the order of the file."""
    tracks = {}
    for tid, ts, dur, category in of_phase("X", "tid", "ts", "dur", "cat", value=value):
        begin = nanoseconds(ts)
        tracks.setdefault(tid, []).append((begin, begin + nanoseconds(dur), category))
    return tracks


@relaxed
@given(TIMELINES | CUT_TIMELINES)
def test_slices_of_a_track_nest_and_go_forward(timeline):
    for slices in slices_of(read(timeline)).values():
        opened = []
        last = 0
        for begin, end, _ in slices:
            assert begin >= last
            while opened and opened[-1] <= begin:
                opened.pop()
            assert not opened or end <= opened[-1]
            opened.append(end)
            last = begin


@relaxed
@given(TIMELINES)
def test_times_of_states_are_those_of_the_timeline(timeline):
    sums = Counter()
    for slices in slices_of(read(timeline)).values():
        for begin, end, category in slices:
            sums[category] += end - begin
    busy = sum(step.end - step.begin for step in timeline.steps)
    assert sums["busy"] == sums["step"] == busy
    assert sums["busy"] + sums["scheduled"] + sums["idle"] == sum(
        (timeline.end if life.end is None else life.end) - life.born
        for life in timeline.lives.values()
    )


@relaxed
@given(TIMELINES)
def test_every_arrow_has_both_ends_in_steps(timeline):
    value = read(timeline)
    starts, ends = of_phase("s", "id", "tid", "ts", value=value), of_phase("f", "id", value=value)
    assert [number for number, *_ in starts] == [number for (number,) in ends]
    tracks = slices_of(value)
    finishes = of_phase("f", "id", "tid", "ts", value=value)
    for _, tid, ts in starts + finishes:
        moment = nanoseconds(ts)
        assert any(
            begin <= moment < max(end, begin + 1)
            for begin, end, category in tracks[tid]
            if category == "busy"
        )
    before = {number: ts for number, _, ts in starts}
    assert all(before[number] <= ts for number, _, ts in finishes)


@relaxed
@given(TIMELINES)
def test_every_task_that_another_one_woke_has_an_arrow_to_its_step(timeline):
    expected = sum(
        1
        for wake in timeline.wakes
        if wake.waker not in (None, wake.task)
        and any(s.task == wake.task and s.begin >= wake.moment for s in timeline.steps)
    )
    assert len(of_phase("s", "id", value=read(timeline))) == expected


@relaxed
@given(TIMELINES)
def test_counters_end_at_zero_unless_tasks_are_ready_at_the_end(timeline):
    values = of_phase("C", "name", "args", value=read(timeline))
    assert all(args["tasks"] >= 0 for _, args in values)
    steps = [args["tasks"] for name, args in values if name == "busy"]
    assert not steps or steps[-1] == 0
    assert set(steps) <= {0, 1}


@relaxed
@given(TIMELINES)
def test_equal_timelines_give_equal_text(timeline):
    again = replace(timeline, lives=dict(reversed(timeline.lives.items())))
    assert "".join(chrome_trace(timeline)) == "".join(chrome_trace(again))
