"""The Gecko format: samples are as many as times say, and nothing hostile gets through."""

import json

import pytest
from hypothesis import given

from tests.output.formats.mutations import PROFILE, mutated, read_bytes, read_or_refuse, relaxed
from tests.output.formats.test_speedscope import written
from tests.strategies import PROFILES
from tracetools.core.profile import LENSES, Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.formats import gecko
from tracetools.output.formats.folded import pack, unpack
from tracetools.output.formats.gecko import format_gecko, is_gecko

A = Frame("a", "a.py", 3)


def thread(stacks, rows, names=("m", "a"), name="T", **more):
    """Return a thread with samples of `stacks` and the rows (prefix, frame) of its stack table."""
    tables = {
        "samples": (["stack", "time"], [[stack, index] for index, stack in enumerate(stacks)]),
        "stackTable": (["frame", "prefix"], [[frame, prefix] for prefix, frame in rows]),
        "frameTable": (["line", "location"], [[None, index] for index in range(len(names))]),
    }
    found = {
        table: {"schema": {key: i for i, key in enumerate(columns)}, "data": data}
        for table, (columns, data) in tables.items()
    }
    return {"name": name, "stringTable": [*names], **found, **more}


def file(*threads, interval=1, **more):
    return {"meta": {"interval": interval, "version": 27}, "threads": [*threads], **more}


@relaxed
@given(PROFILES)
def test_times_are_true_to_within_an_interval(profile):
    text = format_gecko(profile, "")
    interval = round(json.loads(text)["meta"]["interval"] * 10**6)
    for lens in LENSES:
        expected = {}
        for path, time in profile.lens(lens).items():
            labels = tuple(frame.label for frame in path)
            expected[labels] = expected.get(labels, 0) + time
        if sum(expected.values()) >= interval:
            content = read_bytes(text.encode(), lens=lens)
            found = {unpack(packed): time for packed, time in content.content.packed}
            assert found.keys() <= expected.keys()
            assert abs(sum(found.values()) - sum(expected.values())) <= interval
            for labels, time in expected.items():
                assert abs(found.get(labels, 0) - time) <= interval


@pytest.mark.parametrize(
    ("total", "interval"),
    [(0, 1), (20_000, 1), (20_001, 2), (40_001, 5), (100_001, 10), (3 * 10**9, 200_000)],
)
def test_the_interval_is_round_and_allows_20000_samples(total, interval):
    assert gecko._interval(total) == interval


_OTHERS = ["busy", "scheduled", "task", "critical", "chain"]


def test_the_chosen_lens_is_the_first_thread():
    value = json.loads(format_gecko(PROFILE, "", lens="idle"))
    assert [each["name"] for each in value["threads"]] == ["idle", *_OTHERS]
    assert value["meta"]["version"] == 27
    assert read_bytes(written(value)).description == "Gecko: idle"


def test_states_have_categories():
    profile = Profile(stacks={(ROOT, A): Times(busy=5, idle=5)})
    value = json.loads(format_gecko(profile, "", lens="task"))
    task, busy, idle = value["threads"]
    assert [row[6] for row in task["frameTable"]["data"]] == [0, 0, 1]
    assert {row[6] for row in busy["frameTable"]["data"]} == {0}
    assert {row[6] for row in idle["frameTable"]["data"]} == {1}
    assert task["stringTable"] == ["all-spans", "a (a.py:3)", "[idle]"]


def test_stacks_of_any_unit_are_written_and_read():
    stacks = read_bytes(b"a;b 3\na 1\n").content
    for unit, scale in (("microseconds", 1000), ("samples", 10**6)):
        content = read_bytes(format_gecko(stacks, unit).encode())
        assert sorted(content.content.packed) == [(b"a", scale), (b"a\0b", 3 * scale)]


def test_threads_of_all_processes_add_up_in_intervals():
    one = thread([0, 1, 1, None], [(None, 0), (0, 1)])
    value = file(one, processes=[file(one, thread([0], [(None, 1)], name="U"))], interval=0.5)
    content = read_bytes(written(value))
    assert sorted(content.content.packed) == [
        (b"a", 500_000),
        (b"m", 1_000_000),
        (b"m\0a", 2_000_000),
    ]
    assert content.choices == ("T", "T", "U")
    assert read_bytes(written(value), lens="U").content.packed == [(b"a", 500_000)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (file(thread([0], [(0, 0)])), "stackTable.data[0].prefix refers to what is not there"),
        (file(thread([0], [(1, 0), (0, 0)])), "stackTable.data[0].prefix refers to what is not"),
        (file(thread([1], [(None, 0)])), "threads[0].samples.data[0] refers to what is not there"),
        (file(thread([0], [(None, 9)])), "stackTable.data[0] refers to what is not there"),
        (file(thread([0], [(None, 0)], names=(1,))), "a name that is no text"),
        (file(thread([], [])), "no stack has a count"),
        (file(thread([0], [(None, 0)]), interval=-1), "meta.interval is negative"),
        (file(thread([0], [(None, 0)]), interval=None), "meta.interval is no number"),
        (file(thread([0], [(None, 0)], samples={})), "threads[0].samples.schema is no object"),
        (
            file(thread([0], [(None, 0)], samples={"schema": {}, "data": []})),
            "threads[0].samples.schema lacks stack",
        ),
        (
            file(thread([0], [(None, 0)], samples={"schema": {"stack": 0}, "data": [1]})),
            "threads[0].samples.data[0] is no list",
        ),
        (file(1), "stringTable is no list"),
        (file(processes=[1]), "processes[0]..threads is no list"),
        ({"meta": {"preprocessedProfileVersion": 70}, "threads": []}, "a processed profile"),
        ({"meta": 1, "threads": []}, "meta is no object"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(value, said):
    assert is_gecko(value)
    assert said in read_or_refuse(written(value))


def test_a_thread_is_chosen_by_a_name_that_is_there():
    value = written(file(thread([0], [(None, 0)])))
    with pytest.raises(Exception, match="no thread is named 'x'; there are T"):
        read_bytes(value, lens="x")


def test_prefixes_that_multiply_are_bounded(monkeypatch):
    monkeypatch.setattr(gecko, "_MOST_STEPS", 100)
    rows = [(index - 1 if index else None, 0) for index in range(50)]
    assert "more than 100 frames" in read_or_refuse(written(file(thread(range(50), rows))))


@relaxed
@given(mutated(format_gecko(Profile(stacks={(ROOT, A): Times(busy=5)}), "").encode()))
def test_what_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


def test_a_stack_is_what_was_packed():
    text = format_gecko(Profile(stacks={(ROOT, A): Times(busy=5)}), "")
    assert read_bytes(text.encode()).content.packed == [(pack(("all-spans", "a (a.py:3)")), 5)]
