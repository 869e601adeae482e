"""Both cores: the same face, equal profiles, and equal graphs of folded text."""

import inspect
import io
from dataclasses import replace
from types import MemberDescriptorType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cores import load
from tests.strategies import PROGRAMS

MODULES = (
    "tests.strategies",
    "tracetools.core.errors",
    "tracetools.core.native",
    "tracetools.instruments.stepped",
    "tracetools.output.flamegraph.flamegrapher",
    "tracetools.output.flamegraph.options",
    "tracetools.output.formats.folded",
    "tracetools.output.formats.profile_json",
    "tracetools",
)
PYTHON = load(pure=True, modules=MODULES)
NATIVE = load(pure=False, modules=MODULES)


def profile_of(core, program, **options):
    profile, _ = core.strategies.run(program, **options)
    return core.profile_json.format_profile(replace(profile, start=0))


def test_each_core_is_what_it_is_called():
    assert PYTHON.native.native is None
    assert PYTHON.native.why_not == "TRACETOOLS_PURE is set"
    assert NATIVE.native.native is not None
    assert NATIVE.native.why_not == ""


@given(PROGRAMS, st.booleans())
@settings(max_examples=1000, deadline=None)
def test_both_cores_make_equal_profiles(program, awaits):
    found = [profile_of(core, program, awaits=awaits) for core in (PYTHON, NATIVE)]
    assert found[0] == found[1]


@given(PROGRAMS)
@settings(max_examples=300, deadline=None)
def test_both_cores_make_equal_profiles_of_few_and_short_stacks(program):
    bounds = {"max_stacks": 3, "max_depth": 3, "snapshots": True}
    found = [profile_of(core, program, **bounds) for core in (PYTHON, NATIVE)]
    assert found[0] == found[1]


PARTS = st.sampled_from(
    [
        *(
            "a",
            "b",
            "b c",
            "a7",
            "thread 7",
            "7",
            "7.",
            "#",
            "# a",
            "#a",
            "\u00e9",
            "\U0001f600",
            "",
        ),
        *("a\0b", "a\tb", "a\x0bb", "\x1c", "\u2003", "\u0085", "x" * 70, "[idle]", "all-spans"),
    ]
)
"""Frames, as they are, and as they should not be."""

COUNTS = st.sampled_from(
    [
        *(
            "5",
            "5",
            "5",
            "1",
            "0",
            "007",
            "3 5",
            "1.5",
            "0.2",
            "10.",
            ".5",
            "1.2.3",
            "1e3",
            "-5",
            "",
        ),
        *("9" * 18, "9" * 19, str(1 << 62), "9" * 100, "9" * 101, "\u0667"),
    ]
)


@st.composite
def lines_of_text(draw, parts=PARTS, counts=COUNTS):
    """A line of folded text, perhaps a bad one."""
    frames = draw(st.lists(parts, max_size=6))
    between = draw(st.sampled_from([";", ";", ";", "; ", " ;", ";;", "\t;"]))
    blank = draw(st.sampled_from([" ", " ", " ", "  ", "\t", ""]))
    line = between.join(frames) + blank + draw(counts)
    end = draw(st.sampled_from(["", "", "", " ", "\r", " \r", "\r\r", ";"]))
    return (draw(st.sampled_from(["", "", "", " ", "\t", "\ufeff"])) + line + end).encode()


def texts(lines):
    """Texts of such lines, and of some that begin alike."""
    usual = st.sampled_from([b"a;b;c 5", b"a;b 2", b"a;b;cd 3", b"a;b\xff;c 5", b"\xed\xa0\x80 5"])
    return st.lists(st.one_of(lines, usual), max_size=30).map(b"\n".join)


TEXTS = st.one_of(
    texts(lines_of_text(PARTS.filter(lambda part: " 7" not in part), COUNTS.filter(str.isdigit))),
    texts(st.one_of(lines_of_text(), st.binary(max_size=20))),
)
"""Half of them have one count in each line, and so are read; few of the others are."""


class Parts:
    """A file that gives some bytes at a time."""

    def __init__(self, text, size):
        self.file, self.size = io.BytesIO(text), size

    def read(self, size):
        return self.file.read(min(size, self.size))


def read_by(core, text, size, **options):
    """Return what a core reads of a text, or the error."""
    try:
        found = core.folded.parse_folded(Parts(text, size), **options)
    except core.errors.TracetoolsError as error:
        return type(error).__name__, str(error)
    before = found.packed_before
    return [*found.packed], before, found.bad, found.first_bad, found.vanished


@given(TEXTS, st.integers(1, 200), st.booleans())
@settings(max_examples=3000, deadline=None)
def test_both_cores_read_equal_stacks(text, size, keep_order):
    found = [read_by(core, text, size, keep_order=keep_order) for core in (PYTHON, NATIVE)]
    assert found[0] == found[1]


OPTIONS = st.fixed_dictionaries(
    {
        "min_width": st.sampled_from([0, 0.01, 1, 20, 100]),
        "max_frames": st.sampled_from([None, 1, 3, 20]),
        "direction": st.sampled_from(["straight", "inverted"]),
        "colors": st.sampled_from([None, "python", "colorblind"]),
        "reverse_stack_order": st.booleans(),
        "flame_chart": st.booleans(),
    }
)


def graph_by(core, text, options):
    """Return the graph that a core makes of a text, or the error."""
    options = core.options.GraphOptions(**options, no_javascript=True)
    try:
        found = core.folded.parse_folded(io.BytesIO(text), keep_order=options.flame_chart)
        return core.flamegrapher.render_packed(found.packed, found.packed_before, options)
    except core.errors.TracetoolsError as error:
        return str(error)


@given(TEXTS, OPTIONS)
@settings(max_examples=500, deadline=None)
def test_both_cores_draw_equal_graphs(text, options):
    found = [graph_by(core, text, options) for core in (PYTHON, NATIVE)]
    assert found[0] == found[1]


OF_THE_REFERENCE = {
    *("account_type", "begin_other_step", "end_other_step"),
    *("stacks", "stack_columns", "tasks", "task_columns", "task_rows"),  # of a `Moment`
}
"""What C code has without an attribute."""

OF_EVERY_TUPLE = {"count", "index"}


def face(thing):
    """Return the public names of a class."""
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize("name", PYTHON.native.references)
def test_both_cores_have_the_same_face(name):
    reference, counterpart = PYTHON.native.references[name], getattr(NATIVE.native.native, name)
    assert inspect.isclass(reference) == inspect.isclass(counterpart)
    assert face(reference) - face(counterpart) <= OF_THE_REFERENCE | OF_EVERY_TUPLE
    for method in face(reference) & face(counterpart):
        known = getattr(reference, method)
        if type(known) is not MemberDescriptorType:  # else objects may have a method there
            assert callable(known) == callable(getattr(counterpart, method)), method
