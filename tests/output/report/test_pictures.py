"""Graphs of packed stacks as SVG text."""

from tracetools.core.stacks import Blocks
from tracetools.output.flamegraph.marks import Marks
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.flamegraph.palette import kind_colour
from tracetools.output.report.pictures import Labelled, draw_picture

from .drawn import stacks_of

STACKS = Labelled(
    [(b"1", 6), (b"1\x002", 4)],
    {"1": "serve <b>", "2": "await Lock"},
    lambda label: {"serve <b>": "own", "await Lock": "await"}.get(label, "state"),
)


def test_codes_are_drawn_as_their_labels():
    picture = draw_picture(STACKS, GraphOptions())
    assert stacks_of(picture.svg) == {("serve <b>",): 10, ("serve <b>", "await Lock"): 4}
    assert picture.kinds == {"own", "await"}


def test_frames_have_the_colours_of_their_kinds():
    svg = draw_picture(STACKS, GraphOptions()).svg
    for kind, label in (("own", "serve <b>"), ("await", "await Lock")):
        assert bytes(kind_colour(kind, label)).hex() in svg


def test_a_graph_in_a_page_has_no_styles_and_no_script():
    svg = draw_picture(STACKS, GraphOptions()).svg
    assert "<style" not in svg
    assert "<script" not in svg


def test_marks_are_found_by_labels():
    marks = Marks({("serve <b>",): Blocks(1, 7, 7)})
    assert draw_picture(STACKS, GraphOptions(), marks).is_marked
    assert not draw_picture(STACKS, GraphOptions(), Marks({("x",): Blocks(1, 7, 7)})).is_marked
