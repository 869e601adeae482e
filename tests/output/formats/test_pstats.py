"""pstats: `pstats.Stats` itself reads what we write, and we read what cProfile writes."""

import cProfile
import io
import marshal
import pstats

import pytest
from hypothesis import given

from tests.output.formats.mutations import mutated, read_bytes, read_or_refuse, relaxed
from tests.strategies import PROFILES
from tracetools import StackFileError
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.formats import marshal_data
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.pstats import format_pstats, is_pstats, parse_pstats
from tracetools.output.formats.writing import encode

MS = 10**6
A, B = Frame("a", "a.py", 3), Frame("b", "b.py", 7)
PROFILE = Profile(
    stacks={
        (ROOT,): Times(busy=1 * MS),
        (ROOT, A): Times(busy=2 * MS, entries=3),
        (ROOT, A, B): Times(busy=4 * MS, entries=5),
        (ROOT, A, B, A): Times(busy=8 * MS, entries=7),
    }
)


BUSY = PROFILES.map(lambda profile: profile if profile.lens("busy") else PROFILE)


def stats_of(data, tmp_path):
    """Return what Python's own reader makes of a file."""
    path = tmp_path / "x.pstats"
    path.write_bytes(data)
    return pstats.Stats(str(path))


def test_python_reads_calls_and_both_times(tmp_path):
    stats = stats_of(format_pstats(PROFILE, ""), tmp_path).stats
    root, a, b = ("~", 0, "all-spans"), ("a.py", 3, "a"), ("b.py", 7, "b")
    assert stats[root] == (1, 1, 0.001, 0.015, {})
    assert stats[a] == (
        3,
        10,
        0.01,
        0.014,
        {root: (3, 3, 0.002, 0.014), b: (1, 7, 0.008, 0.008)},
    )
    assert stats[b] == (5, 5, 0.004, 0.012, {a: (5, 5, 0.004, 0.012)})


@relaxed
@given(BUSY)
def test_own_times_make_up_the_lens(profile):
    rows = marshal_data.load(format_pstats(profile, ""))
    total = sum(profile.lens("busy").values())
    assert sum(row[2] for row in rows.values()) == pytest.approx(total / 10**9)
    assert rows["~", 0, "all-spans"][3] == pytest.approx(total / 10**9)
    assert all(row[0] >= 1 and row[1] >= row[0] for row in rows.values())


@relaxed
@given(BUSY)
def test_what_is_written_is_read_but_for_the_callers_of_callers(profile):
    content = read_bytes(format_pstats(profile, ""))
    total = sum(profile.lens("busy").values())
    read = sum(count for _, count in content.content.packed)
    assert abs(read - total) <= len(content.content.packed)
    assert content.unit == "nanoseconds"


def test_a_function_stands_below_each_of_its_callers():
    assert sorted(read_bytes(format_pstats(PROFILE, "")).content.packed) == [
        (b"a (a.py:3)\0b (b.py:7)", 4 * MS),
        (b"all-spans", 1 * MS),
        (b"all-spans\0a (a.py:3)", 2 * MS),
        (b"b (b.py:7)\0a (a.py:3)", 8 * MS),
    ]


def test_what_cprofile_writes_is_read(tmp_path):
    def inner(number):
        return sum(range(number))

    def outer():
        for _ in range(20):
            inner(10_000)

    profiler = cProfile.Profile()
    profiler.runcall(outer)
    profiler.dump_stats(tmp_path / "x.prof")
    data = (tmp_path / "x.prof").read_bytes()
    assert is_pstats(data)
    stacks = read_bytes(data).content.stacks
    total = stats_of(data, tmp_path).total_tt
    assert sum(stacks.values()) == pytest.approx(total * 10**9, abs=100)
    assert {(labels[0].split()[0], labels[-1].split()[0]) for labels in stacks} >= {
        ("outer", "inner")
    }


def test_no_time_is_refused():
    with pytest.raises(StackFileError, match="there is no idle time"):
        encode("x.pstats", PROFILE, lens="idle")


def test_stacks_of_times_are_scaled():
    stacks = read_bytes(b"a (b.py:1) 3\n").content
    assert read_bytes(format_pstats(stacks, "microseconds")).content.packed[0][1] == 3000
    assert read_bytes(format_pstats(stacks, "samples")).content.packed[0][1] == 3 * 10**9


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({("a", 1, "b"): (1, 1, 1.0, 1.0)}, "function 0 has not five values"),
        ({("a", 1, "b"): (1, 1, -1.0, 1.0, {})}, "function 0, its time is negative"),
        ({("a", 1, "b"): (1, 1, float("nan"), 1.0, {})}, "function 0, its time is not finite"),
        ({("a", 1, "b"): (1, 1, float("inf"), 1.0, {})}, "function 0, its time is not finite"),
        ({("a", 1, "b"): (1, 1, "1", 1.0, {})}, "function 0, its time is no number"),
        ({("a", 1, "b"): (1, 1, 0.0, 0.0, {})}, "no stack has a count"),
        ({("a", 1, "b"): (1, 1, 1.0, 1.0, {("c", 1, "d"): (1,)})}, "a caller without four values"),
        ({("a", 1): 1}, "a key is not (file, line, name)"),
    ],
)
def test_what_makes_no_sense_is_refused(value, said):
    assert said in read_or_refuse(marshal.dumps(value, 2))


def test_no_functions_are_refused():
    with pytest.raises(MalformedError, match="it has no functions"):
        parse_pstats(b"{0")


def test_old_files_have_the_calls_of_callers_alone():
    value = {("a", 1, "b"): (1, 1, 1e-9, 0.0, {("c", 1, "d"): 5})}
    assert parse_pstats(marshal.dumps(value)).content.packed == [(b"b (a:1)", 1)]


@relaxed
@given(mutated(format_pstats(PROFILE, "")))
def test_what_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


def test_the_help_of_python_prints_it(tmp_path):
    out = io.StringIO()
    path = tmp_path / "x.pstats"
    path.write_bytes(format_pstats(PROFILE, ""))
    pstats.Stats(str(path), stream=out).sort_stats("cumulative").print_stats().print_callers()
    assert "a.py:3(a)" in out.getvalue()
