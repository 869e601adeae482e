"""Geometry and titles against inferno itself, by way of pyinferno."""

import html

import pyinferno
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tracetools.output.flamegraph.flamegrapher import render, render_packed
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.formats.folded import clean_label, format_folded, parse_folded

from .reading import read_frames, read_inferno_frames
from .strategies import any_text, identifiers, relaxed, stacks

thousands = settings(deadline=None, max_examples=2000)


def frames_of_inferno(stacks):
    text = pyinferno.flamegraph_from_lines(format_folded(stacks).splitlines(), "Flame Graph")
    return read_inferno_frames(text)


def compare(stacks, min_width=0.01):
    ours = sorted(
        frame[:4] for frame in read_frames(render(stacks, GraphOptions(min_width=min_width)))
    )
    assert ours == sorted(frame[:4] for frame in frames_of_inferno(stacks))


@thousands
@given(stacks(identifiers))
def test_frames_are_those_of_inferno(stacks):
    compare(stacks)


@thousands
@given(stacks(identifiers, st.integers(1, 30)), st.integers(20_000, 400_000))
def test_narrow_frames_are_left_out_as_by_inferno(stacks, wide):
    stacks["wide",] = wide
    total = sum(stacks.values())
    assume(total % 10_000)  # a width just at the minimum, where inferno's floats may miss it
    compare(stacks)


def test_siblings_that_share_a_prefix_are_drawn_once_and_not_twice():
    found = {("main.py:1",): 50, ("main.py:1", "x.py:7"): 40, ("main.py:12",): 30}
    ours = [frame[1:4] for frame in read_frames(render(found, GraphOptions())) if frame.depth == 1]
    assert ours == [
        (0, 90, "main.py:1 (90 samples, 75.00%)"),
        (90, 30, "main.py:12 (30 samples, 25.00%)"),
    ]
    theirs = sorted(frame[1:4] for frame in frames_of_inferno(found) if frame.depth == 1)
    assert [width for _, width, _ in theirs] == [50, 30, 40]


@thousands
@given(stacks(identifiers, st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_differences_are_those_of_inferno(counts):
    assume(sum(after for _, after in counts.values()))
    lines = sorted(f"{';'.join(stack)} {old} {new}" for stack, (old, new) in counts.items())
    theirs = read_inferno_frames(pyinferno.flamegraph_from_lines(lines, "Flame Graph"))
    folded = parse_folded(line.encode() + b"\n" for line in lines)
    ours = read_frames(render_packed(folded.packed, folded.packed_before, GraphOptions()))
    whole = sum(after for _, after in counts.values())
    root, *others = (
        frame[:4] for frame in ours if frame.start < whole
    )  # inferno has nothing beyond
    shown = [(*root[:2], whole, root[3]), *others]
    assert sorted(shown) == sorted(frame[:4] for frame in theirs)


@relaxed
@given(st.lists(any_text, min_size=1, max_size=4))
def test_written_labels_are_read_by_inferno_as_they_are(labels):
    labels = [clean_label(label) for label in labels]
    frames = sorted(frames_of_inferno({tuple(labels): 5}))
    shown = [html.unescape(frame.title.removesuffix(" (5 samples, 100.00%)")) for frame in frames]
    assert shown[1:] == [label.removesuffix("_[k]") for label in labels]
