"""Geometry and titles against inferno itself, by way of pyinferno."""

import html

import pyinferno
from hypothesis import assume, given
from hypothesis import strategies as st

from tracetools.flamegraph.flamegrapher import render
from tracetools.flamegraph.options import Options
from tracetools.formats.folded import clean_label, format_folded

from .reading import read_frames, read_inferno_frames
from .strategies import any_text, identifiers, relaxed, stacks


def frames_of_inferno(stacks):
    text = pyinferno.flamegraph_from_lines(format_folded(stacks).splitlines(), "Flame Graph")
    return read_inferno_frames(text)


def compare(stacks):
    ours = sorted(frame[:4] for frame in read_frames(render(stacks, Options())))
    assert ours == sorted(frame[:4] for frame in frames_of_inferno(stacks))


@relaxed
@given(stacks(identifiers))
def test_frames_are_those_of_inferno(stacks):
    compare(stacks)


@relaxed
@given(stacks(identifiers, st.integers(1, 30)), st.integers(20_000, 400_000))
def test_narrow_frames_are_left_out_as_by_inferno(stacks, wide):
    stacks["wide",] = wide
    total = sum(stacks.values())
    assume(total % 10_000)  # a width just at the minimum, where inferno's floats may miss it
    compare(stacks)


@relaxed
@given(st.lists(any_text, min_size=1, max_size=4))
def test_written_labels_are_read_by_inferno_as_they_are(labels):
    labels = [clean_label(label) for label in labels]
    frames = sorted(frames_of_inferno({tuple(labels): 5}))
    shown = [html.unescape(frame.title.removesuffix(" (5 samples, 100.00%)")) for frame in frames]
    assert shown[1:] == [label.removesuffix("_[k]") for label in labels]
