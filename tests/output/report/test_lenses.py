"""The graphs of a report: one for each lens that has any time."""

from tracetools.core.stacks import Blocks, Frame
from tracetools.output.flamegraph.marks import Marks
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.frame_kinds import kinds_by_guess
from tracetools.output.report.labelled import LabelledTree
from tracetools.output.report.lenses import graphs_with_time, make_variant
from tracetools.output.report.tree import Counts, GrowingTree

from .drawn import frames_of, stacks_of

OWN, LIBRARY = Frame("a", "app.py", 1), Frame("b", "json/decoder.py", 2)


def graphs(counts, options=None, **more):
    options = options or GraphOptions()
    tree = GrowingTree()
    tree.add(tree.walk([OWN]), counts)
    tree.add(tree.walk([OWN, LIBRARY]), counts)
    variant = make_variant(LabelledTree(tree), kinds_by_guess(), options, **more)
    return graphs_with_time([variant], options)


def test_the_order_is_always_the_same():
    found = graphs(Counts(1, 2, 3, 4))
    assert [(graph.key, graph.heading) for graph in found] == [
        ("busy", "Busy"),
        ("idle", "Idle"),
        ("task", "Task"),
        ("scheduled", "Scheduled"),
    ]


def test_a_lens_without_time_has_no_graph():
    assert [graph.key for graph in graphs(Counts(idle=1, task=0))] == ["idle", "task"]


def test_a_graph_has_the_counts_of_its_lens():
    busy, *_ = graphs(Counts(busy=5, idle=7))
    assert stacks_of(busy.svg) == {
        ("a (app.py:1)",): 10,
        ("a (app.py:1)", "b (json/decoder.py:2)"): 5,
    }


def test_the_title_of_a_graph_has_the_lens_and_the_total():
    busy, *_ = graphs(Counts(busy=5), GraphOptions(count_name="ns"))
    assert "<title>Busy, 10 ns</title>" in busy.svg


def test_graphs_have_colours_and_a_legend_by_kind_unless_others_are_given():
    own, *_ = graphs(Counts(busy=5))
    blue, *_ = graphs(Counts(busy=5), GraphOptions(colors="blue"))
    assert (own.kinds, blue.kinds) == ({"own", "runtime"}, frozenset())
    assert own.svg != blue.svg


def test_all_frames_are_there_once_if_none_is_folded():
    assert graphs(Counts(busy=5))[0].whole_svg is None


def test_graphs_are_icicles_unless_flames_are_asked_for():
    assert 'class="tracetools fluid inverted' in graphs(Counts(busy=5))[0].svg
    assert "inverted" not in graphs(Counts(busy=5), GraphOptions(direction="straight"))[0].svg


def test_notes_are_for_the_page_and_not_for_its_graphs():
    assert "secret" not in graphs(Counts(busy=5), GraphOptions(notes="secret"))[0].svg


def test_all_graphs_of_a_page_share_the_most_frames():
    found = graphs(Counts(1, 2), GraphOptions(max_frames=6))
    assert [len(frames_of(graph.svg)) for graph in found] == [2, 2, 2]


def test_reversed_graphs_begin_with_the_innermost_frames_and_have_no_marks():
    marks = Marks({("a (app.py:1)",): Blocks(1, 7, 7)})
    [busy] = graphs(Counts(busy=5), GraphOptions(reverse_stack_order=True), marks=lambda _: marks)
    assert stacks_of(busy.svg) == {
        ("a (app.py:1)",): 5,
        ("b (json/decoder.py:2)",): 5,
        ("b (json/decoder.py:2)", "a (app.py:1)"): 5,
    }
    assert "blocked" not in busy.svg


def test_the_mark_of_a_graph_is_explained_where_one_is():
    marks = Marks({("a (app.py:1)",): Blocks(1, 7, 7)}, 5)
    busy, *_ = graphs(Counts(busy=5), marks=lambda _: marks)
    assert "blocked the loop once" in busy.svg
    assert busy.mark == marks.legend
    assert graphs(Counts(busy=5), marks=lambda _: Marks({("x",): Blocks(1, 7, 7)}))[0].mark == ""


def test_critical_paths_are_stacks_of_their_own():
    critical = {(OWN,): 2, (OWN, LIBRARY): 3}
    *_, graph = graphs(Counts(busy=1), critical=critical)
    assert (graph.key, graph.heading) == ("critical", "Critical paths")
    assert "that were kept" in graph.explanation
    assert stacks_of(graph.svg) == {
        ("a (app.py:1)",): 5,
        ("a (app.py:1)", "b (json/decoder.py:2)"): 3,
    }
    assert graph.kinds == {"own", "runtime"}
