"""Labels, numbers and sums that all readers share."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.output.formats.mutations import relaxed
from tests.strategies import PROFILES
from tracetools import NoStacksError
from tracetools.core.stacks import Frame
from tracetools.output.formats import content
from tracetools.output.formats.content import (
    MalformedError,
    Sums,
    frame_of,
    label_of,
    number_of,
    of_lens,
    ordered,
    scaled,
    weighed,
)
from tracetools.output.stack_file import fold

A, B, C = Frame("a", "x", 1), Frame("b", "x", 1), Frame("b")
NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9)


@relaxed
@given(NAMES, NAMES, st.integers(1, 10**17))
def test_the_frame_of_a_label_with_a_location_has_that_label(name, file, line):
    frame = frame_of(Frame(name, file, line).label)
    assert frame.label == Frame(name, file, line).label
    assert frame.line == line


@pytest.mark.parametrize(
    ("label", "frame"),
    [
        ("a (b.py:7)", Frame("a", "b.py", 7)),
        ("a (unknown)", Frame("a")),
        ("all-spans", Frame("all-spans", "")),
        ("a (b)", Frame("a (b)", "")),
        ("a (b.py:x)", Frame("a (b.py:x)", "")),
        ("await to_thread (f) (a.py:7)", Frame("await to_thread (f)", "a.py", 7)),
    ],
)
def test_label_is_taken_apart(label, frame):
    assert frame_of(label) == frame
    assert frame.label == label


def test_label_has_as_much_of_the_location_as_is_known():
    assert label_of("f", "g.py", 3) == "f (g.py:3)"
    assert label_of("f", "g.py") == "f (g.py)"
    assert label_of("f", None, 3) == "f"
    assert label_of("") == "unknown"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "x is no number"),
        ("1", "x is no number"),
        (None, "x is no number"),
        (float("nan"), "x is not finite"),
        (float("inf"), "x is not finite"),
        (-1, "x is negative"),
        (-0.5, "x is negative"),
        (10**100, "x is too large"),
        (1e300, "x is too large"),
    ],
)
def test_what_is_no_count_is_refused(value, said):
    with pytest.raises(MalformedError, match=f"^{said}$"):
        number_of(value, "x")


def test_fractions_add_up_exactly_and_are_rounded_once():
    sums = Sums()
    for _ in range(3):
        sums.add([b"a"], number_of(0.25, "x"), "here")
    sums.add([b"b"], Fraction(1, 4), "here")
    sums.add([b"c"], 10**30, "here")
    folded = sums.folded()
    assert folded.packed == [(b"a", 1), (b"c", 10**30)]
    assert folded.vanished == 1


def test_nothing_but_zeros_is_no_content():
    sums = Sums()
    sums.add([b"a"], 0, "here")
    with pytest.raises(NoStacksError):
        sums.folded()


def test_stacks_are_bounded_together_and_one_by_one(monkeypatch):
    monkeypatch.setattr(content, "MAX_PACKED_BYTES", 10)
    sums = Sums()
    sums.add([b"abcd"], 1, "here")
    sums.add([b"abcd"], 1, "here")
    with pytest.raises(MalformedError, match=r"^there: its stacks have more than"):
        sums.add([b"efgh", b"i"], 1, "there")
    with pytest.raises(MalformedError, match=r"^there: its stacks have more than"):
        Sums().add(iter([b"x"] * 10**9), 1, "there")


@pytest.mark.parametrize(
    ("unit", "wanted", "counts"),
    [
        ("nanoseconds", "microseconds", [0, 1, 2]),
        ("microseconds", "nanoseconds", [499_000, 500_000, 1_500_000]),
        ("samples", "microseconds", [499, 500, 1500]),
        ("", "microseconds", [499, 500, 1500]),
    ],
)
def test_times_are_scaled_half_up_and_nothing_else_is(unit, wanted, counts):
    given = [(b"a", 499), (b"b", 500), (b"c", 1500)]
    assert [count for _, count in scaled(given, unit, wanted)] == counts


@relaxed
@given(PROFILES)
def test_a_lens_by_locations_keeps_all_time(profile):
    found = of_lens(profile, "busy", "location")
    assert sum(found.values()) == sum(profile.lens("busy").values())
    labels = {tuple(frame.label for frame in path) for path in found}
    assert labels == fold(profile, "busy", "location").keys()


def test_the_frames_of_all_samples_are_bounded(monkeypatch):
    monkeypatch.setattr(content, "MAX_FRAMES_READ", 5)
    sums = Sums()
    sums.add([b"a"] * 3, 1, "here")
    with pytest.raises(MalformedError, match=r"^there: its stacks have more than 5 frames"):
        sums.add([b"a"] * 3, 1, "there")


def test_stacks_of_labels_become_paths_of_frames():
    folded = Sums()
    folded.add([b"all-spans", b"a (b.py:7)"], 5, "")
    assert weighed(folded.folded()) == {(Frame("all-spans", ""), Frame("a", "b.py", 7)): 5}


@relaxed
@given(st.permutations([(A,), (A, B), (A, C), (B, A), (C,)]))
def test_the_order_of_stacks_depends_on_their_frames_alone(paths):
    assert [path for path, _ in ordered(dict.fromkeys(paths, 1))] == [
        *((A,), (A, C), (A, B), (C,), (B, A))
    ]
