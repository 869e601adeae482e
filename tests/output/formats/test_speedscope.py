"""speedscope's JSON: what is written is read again, and nothing hostile gets through."""

import json

import pytest
from hypothesis import assume, given

from tests.output.formats.mutations import mutated, read_bytes, read_or_refuse, relaxed
from tests.output.formats.test_profile_json import GOOD
from tests.strategies import PROFILES
from tracetools import Profile, StackFileError
from tracetools.core.profile import LENSES
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.formats.folded import unpack
from tracetools.output.formats.speedscope import format_speedscope, is_speedscope

A = Frame("a", "a.py", 3)
PROFILE = Profile(
    stacks={(ROOT,): Times(busy=5), (ROOT, A): Times(busy=7, idle=9)},
    duration=12,
    task_time=16,
    programs=("app",),
)
"""With three lenses: no time is scheduled."""


def written(value):
    return json.dumps(value).encode()


def file(*profiles, frames=("a", "b", "c"), **more):
    shared = {"frames": [{"name": name} for name in frames]}
    return {"shared": shared, "profiles": [*profiles], **more}


def sampled(samples, weights, unit="none", name="one"):
    return {
        "type": "sampled",
        "name": name,
        "unit": unit,
        "samples": samples,
        "weights": weights,
    }


def evented(*events, unit="none"):
    rows = [{"type": kind, "frame": frame, "at": at} for kind, frame, at in events]
    return {"type": "evented", "name": "e", "unit": unit, "startValue": 0, "events": rows}


def test_a_profile_has_a_profile_of_the_file_for_each_lens_with_time():
    value = json.loads(format_speedscope(PROFILE, "", lens="idle"))
    assert [profile["name"] for profile in value["profiles"]] == ["busy", "idle", "task"]
    assert value["activeProfileIndex"] == 1
    assert value["name"] == "app"
    assert value["exporter"].startswith("tracetools@")
    assert value["shared"]["frames"][1] == {"name": "a", "file": "a.py", "line": 3}
    busy = value["profiles"][0]
    assert busy["unit"] == "nanoseconds"
    assert (busy["samples"], busy["weights"]) == ([[0], [0, 1]], [5, 7])
    assert busy["endValue"] == sum(busy["weights"])


@relaxed
@given(PROFILES)
def test_each_lens_is_read_as_it_was_written(profile):
    text = format_speedscope(profile, "").encode()
    for lens in LENSES:
        expected = {}
        for path, time in profile.lens(lens).items():
            labels = tuple(frame.label for frame in path)
            expected[labels] = expected.get(labels, 0) + time
        if expected:
            content = read_bytes(text, lens=lens)
            assert content.unit == "nanoseconds"
            assert {unpack(packed): n for packed, n in content.content.packed} == expected


@relaxed
@given(PROFILES)
def test_equal_profiles_give_equal_text(profile):
    assume(profile.stacks)
    again = Profile(stacks=dict(reversed(profile.stacks.items())), programs=profile.programs)
    assert format_speedscope(profile, "") == format_speedscope(again, "")


def test_the_profile_that_opens_is_read_of_a_file_of_ours():
    content = read_bytes(format_speedscope(PROFILE, "", lens="idle").encode())
    assert content.content.packed == [(b"all-spans\0a (a.py:3)", 9)]
    assert content.description == "speedscope: idle"


def test_locations_may_be_the_names():
    value = json.loads(format_speedscope(PROFILE, "", labels="location"))
    names = [frame["name"] for frame in value["shared"]["frames"]]
    assert names == ["all-spans", "a.py:3", "[idle]"]


@pytest.mark.parametrize(
    ("unit", "weight", "count", "read_as"),
    [
        ("seconds", 0.25, 250_000_000, "nanoseconds"),
        ("milliseconds", 1.5, 1_500_000, "nanoseconds"),
        ("microseconds", 3, 3000, "nanoseconds"),
        ("nanoseconds", 3, 3, "nanoseconds"),
        ("bytes", 3, 3, "bytes"),
        ("none", 3, 3, ""),
    ],
)
def test_times_are_read_as_nanoseconds(unit, weight, count, read_as):
    content = read_bytes(written(file(sampled([[0, 1]], [weight], unit))))
    assert content.content.packed == [(b"a\0b", count)]
    assert content.unit == read_as


def test_threads_of_others_add_up_where_units_are_equal():
    profiles = [sampled([[0]], [1]), sampled([[0]], [5], "bytes"), sampled([[0], [1]], [2, 3])]
    content = read_bytes(written(file(*profiles)))
    assert sorted(content.content.packed) == [(b"a", 3), (b"b", 3)]


def test_a_profile_is_chosen_by_its_name():
    value = file(sampled([[0]], [1], name="x"), sampled([[1]], [2], name="y"))
    assert read_bytes(written(value), lens="y").content.packed == [(b"b", 2)]
    with pytest.raises(StackFileError, match="no profile is named 'z'; there are x, y"):
        read_bytes(written(value), lens="z")


def test_events_give_each_stack_the_time_in_which_it_is_open():
    events = ("O", 0, 10), ("O", 1, 12), ("C", 1, 15), ("C", 0, 20)
    content = read_bytes(written(file(evented(*events))))
    assert sorted(content.content.packed) == [(b"a", 7), (b"a\0b", 3)]


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (sampled([[0]], [1, 2]), r"profiles\[0\] has 1 samples and 2 weights"),
        (sampled([[3]], [1]), r"profiles\[0\].samples\[0\] refers to a frame that is not there"),
        (sampled([[-1]], [1]), "refers to a frame that is not there"),
        (sampled([[True]], [1]), "refers to a frame that is not there"),
        (sampled([0], [1]), r"samples\[0\] is no list"),
        (sampled([[0]], [-1]), r"weights\[0\] is negative"),
        (sampled([[0]], ["1"]), r"weights\[0\] is no number"),
        (sampled([[0]], [0]), "no stack has a count"),
        ({"type": "other"}, "neither sampled nor evented"),
        (evented(("O", 0, 1), ("C", 0, 0)), r"events\[1\].at goes back in time"),
        (evented(("O", 0, 1)), "ends with 1 frames open"),
        (evented(("C", 0, 1)), "closes a frame that is not the innermost"),
        (evented(("O", 0, 1), ("C", 1, 2)), "closes a frame that is not the innermost"),
        (evented(("X", 0, 1)), "neither O nor C"),
        (evented(("O", 7, 1)), "refers to a frame that is not there"),
        (None, "neither sampled nor evented"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(profile, said):
    with pytest.raises(Exception, match=f"^a file: .*{said}") as caught:
        read_bytes(written(file(profile)))
    assert type(caught.value).__module__ == "tracetools.core.errors"


@pytest.mark.parametrize("value", [{"shared": 1, "profiles": 1}, file(), file(frames=[1])])
def test_broken_tables_are_refused(value):
    assert is_speedscope(value)
    assert read_or_refuse(written(value)) is not None


def test_a_weight_beyond_all_floats_is_refused():
    text = written(file(sampled([[0]], [12345]))).replace(b"12345", b"1e400")
    assert "weights[0] is not finite" in read_or_refuse(text)


@relaxed
@given(mutated(format_speedscope(GOOD, "").encode()))
def test_what_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


@relaxed
@given(mutated(written(file(evented(("O", 0, 1.5), ("C", 0, 2)), sampled([[0, 1]], [3])))))
def test_events_that_are_tampered_with_are_read_or_refused(data):
    read_or_refuse(data)
