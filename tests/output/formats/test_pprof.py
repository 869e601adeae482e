"""pprof: a profile is read as it was written, and nothing hostile gets through."""

import gzip
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.output.formats.mutations import mutated, read_bytes, read_or_refuse, relaxed
from tests.output.formats.test_profile_json import GOOD, PROFILES
from tracetools import Profile, StackFileError
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.formats.content import Sums
from tracetools.output.formats.pprof import format_pprof, parse_pprof
from tracetools.output.formats.pprof_tables import read_tables
from tracetools.output.formats.wire import fields, message, number, packed, string
from tracetools.output.formats.writing import encode

LARGEST = (1 << 63) - 1
MAIN, WORK = Frame("main", "app.py", 3), Frame("<await> sleep", "app.py", 9)
PROFILE = Profile(
    stacks={
        (ROOT,): Times(busy=5),
        (ROOT, MAIN): Times(busy=7, idle=9, thread=2, steps=3, entries=1),
        (ROOT, MAIN, WORK): Times(idle=4, scheduled=6),
    },
    duration=12,
    backends=("trio",),
)


def read_all(data):
    """Return the tables of a file, and the values of its samples."""
    tables = read_tables(data)
    return tables, [sample.values for sample in tables.samples()]


def foreign(*samples, types=("samples/count", "cpu/nanoseconds"), default=""):
    """Return the bytes of a file of another tool: locations 1 and 2 are `main` and `work`."""
    table = ["", "main", "work", "a.py"]

    def index(text):
        return table.index(text) if text in table else table.append(text) or len(table) - 1

    parts = []
    for each in types:
        name, _, unit = each.partition("/")
        parts.append(message(1, number(1, index(name)), number(2, index(unit))))
    for ids, values in samples:
        parts.append(message(2, packed(1, ids), packed(2, values)))
    parts.append(message(4, number(1, 1), message(4, number(1, 1), number(2, 8))))
    parts.append(message(4, number(1, 2), message(4, number(1, 2)), message(4, number(1, 1))))
    parts.append(message(4, number(1, 3), number(3, 0xBEEF)))
    parts.append(message(5, number(1, 1), number(2, 1), number(4, 3), number(5, 7)))
    parts.append(message(5, number(1, 2), number(2, 2)))
    parts.append(number(14, index(default)) if default else b"")
    return b"".join([*parts, *(string(6, text.encode()) for text in table)])


# ------------------------------------------------------------------------------------- round trips


def within_63_bits(profile):
    """Return a profile with numbers that pprof can hold, with worker threads' time added."""
    half = LARGEST // 2
    stacks = {
        path: Times(*(min(each, half) for each in times)) for path, times in profile.stacks.items()
    }
    return replace(profile, stacks=stacks)


@relaxed
@given(PROFILES.map(within_63_bits))
def test_any_profile_is_read_as_it_was_written(profile):
    assert parse_pprof(format_pprof(profile, "", compressed=False)).content == profile


@relaxed
@given(strategies.PROFILES)
def test_a_recorded_profile_is_read_as_it_was_written(profile):
    assert read_bytes(encode("x.pb.gz", profile)).content == profile


@pytest.mark.parametrize("suffix", [".pb.gz", ".pprof", ".pb"])
def test_a_file_is_gzipped_by_its_suffix_and_read_either_way(suffix):
    data = encode(f"x{suffix}", GOOD)
    assert data.startswith(b"\x1f\x8b") == (suffix != ".pb")
    assert read_bytes(data).content == GOOD


@relaxed
@given(strategies.PROFILES)
def test_equal_profiles_give_equal_bytes(profile):
    again = replace(profile, stacks=dict(reversed(profile.stacks.items())))
    assert format_pprof(profile, "") == format_pprof(again, "")


def test_a_number_of_more_than_63_bits_is_refused():
    profile = Profile(stacks={(ROOT,): Times(busy=LARGEST, thread=1)})
    with pytest.raises(StackFileError, match="more than 63 bits"):
        encode("x.pb.gz", profile)


def test_a_stack_without_frames_is_refused():
    with pytest.raises(StackFileError, match="a stack has no frames"):
        encode("x.pb.gz", Profile(stacks={(): Times(busy=1)}))


def test_folded_stacks_are_read_as_they_were_written():
    sums = Sums()
    sums.add([b"all-spans", b"a (b.py:7)"], 5, "")
    sums.add([b"x"], 2, "")
    for unit, shown in (("microseconds", 1000), ("samples", 1), ("bytes", 1)):
        content = parse_pprof(format_pprof(sums.folded(), unit, compressed=False))
        stacks = sorted(content.content.packed)
        assert stacks == [(b"all-spans\0a (b.py)", 5 * shown), (b"x", 2 * shown)]


# ------------------------------------------------------------------------------ what is in the file


def test_types_are_known_by_name_and_busy_is_the_last():
    tables, _ = read_all(format_pprof(PROFILE, "", compressed=False))
    assert [name for name, _ in tables.types] == [
        *("entries", "self_wakes", "left_open", "steps"),
        *("thread", "idle", "scheduled", "busy"),
    ]
    assert tables.default == ""


def test_each_state_has_a_sample():
    _, values = read_all(format_pprof(PROFILE, "", compressed=False))
    assert values == [
        [0, 0, 0, 0, 0, 0, 0, 5],
        [1, 0, 0, 3, 2, 0, 0, 9],
        [0, 0, 0, 0, 0, 9, 0, 0],
        [0, 0, 0, 0, 0, 4, 0, 0],
        [0, 0, 0, 0, 0, 0, 6, 0],
    ]


def test_functions_have_no_system_name():
    data = format_pprof(PROFILE, "", compressed=False)
    rows = [value for number, value, _ in fields(memoryview(data)) if number == 5]
    assert len(rows) == 3
    for row in rows:
        assert {number for number, _, _ in fields(row)} <= {1, 2, 4}


# ----------------------------------------------------------------------------------------- foreign


def test_the_last_type_is_read_and_inlined_functions_are_frames():
    content = read_bytes(foreign(([2], [1, 10]), ([2, 1], [3, 30]), ([3, 1], [0, 5])))
    assert content.unit == "nanoseconds"
    assert content.description == "pprof: cpu"
    assert sorted(content.content.packed) == [
        (b"main (a.py:7)\x000xbeef", 5),
        (b"main (a.py:7)\0main (a.py:7)\0work", 30),
        (b"main (a.py:7)\0work", 10),
    ]


def test_the_default_type_of_the_file_is_read():
    content = read_bytes(foreign(([1], [3, 30]), default="samples"))
    assert (content.content.packed, content.unit) == ([(b"main (a.py:7)", 3)], "samples")


def test_a_type_is_chosen_by_its_name():
    data = foreign(([1], [3, 30]))
    assert read_bytes(data, lens="samples").content.packed == [(b"main (a.py:7)", 3)]
    with pytest.raises(StackFileError, match="no sample type is 'x'; there are samples, cpu"):
        read_bytes(data, lens="x")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (foreign(([1], [1, -1])), "a value is negative: -1"),
        (foreign(([9], [1, 1])), "no location has the number 9"),
        (foreign(([1], [1])), "a sample has 1 values for 2 types"),
        (foreign(([1], [0, 0])), "no stack has a count"),
        (foreign(([1], [1, 1]))[:-9], ""),
        (foreign(types=()), "it has no sample types"),
        (b"\x0a\x04\x08\x63\x10\x63", "no string has the number 99"),
        (b"\x0a\x04\x08\x01\x10\x02" + b"\xff" * 20, "byte 6: a number does not end"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(data, said):
    assert said in (read_or_refuse(data) or "")


def test_a_broken_profile_within_is_refused():
    data = format_pprof(GOOD, "", compressed=False).replace(b'"runs":1', b'"runs":x')
    assert "field 4242: not a profile" in read_or_refuse(data)


def test_a_stack_that_multiplies_itself_is_bounded(monkeypatch):
    monkeypatch.setattr("tracetools.output.formats.content.MAX_PACKED_BYTES", 1 << 12)
    data = foreign(*(([1] * (400 + n), [1, 1]) for n in range(10)))
    assert "its stacks have more than" in read_or_refuse(data)
    monkeypatch.setattr("tracetools.output.formats.pprof.MAX_FRAMES", 3)
    assert "more than 3 frames" in read_or_refuse(format_pprof(PROFILE, "", compressed=False))


@relaxed
@given(mutated(format_pprof(GOOD, "", compressed=False)))
def test_what_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


@relaxed
@given(mutated(foreign(([2], [1, 10]), ([2, 1], [3, 30]))))
def test_a_foreign_file_that_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


@relaxed
@given(mutated(gzip.compress(foreign(([2], [1, 10])), mtime=0)))
def test_a_packed_file_that_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


@relaxed
@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(data):
    read_or_refuse(data)
    read_or_refuse(b"\x0a\x04\x08\x01\x10\x02" + data)
