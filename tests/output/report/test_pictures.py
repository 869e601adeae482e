"""Graphs of packed stacks as SVG text."""

from tracetools.core.stacks import Blocks, Frame
from tracetools.output.flamegraph.marks import Marks
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.flamegraph.palette import kind_colour
from tracetools.output.report.labelled import LabelledTree
from tracetools.output.report.pictures import PackedStacks, TreeStacks, draw_picture
from tracetools.output.report.tree import Counts, GrowingTree

from .drawn import stacks_of

STACKS = PackedStacks(
    [(b"serve <b>", 6), (b"serve <b>\0await Lock", 4)],
    lambda label: {"serve <b>": "own", "await Lock": "await"}.get(label, "state"),
)


def test_stacks_are_drawn_with_their_labels():
    picture = draw_picture(STACKS, GraphOptions())
    assert stacks_of(picture.svg) == {("serve <b>",): 10, ("serve <b>", "await Lock"): 4}
    assert picture.kinds == {"own", "await"}


def test_stacks_of_a_tree_are_drawn_as_packed_ones():
    tree = GrowingTree()
    for path, count in (("serve <b>",), 6), (("serve <b>", "await Lock"), 4):
        tree.add(tree.walk(Frame(name, "") for name in path), Counts(busy=count))
    stacks = TreeStacks(LabelledTree(tree), "busy", STACKS.kind_of)
    assert draw_picture(stacks, GraphOptions()) == draw_picture(STACKS, GraphOptions())


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
