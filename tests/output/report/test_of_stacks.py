"""Reports of folded stacks: of tracetools' own and of any others."""

import pytest

from tests.output.page_reading import Page
from tests.output.report.reading import cells, headings
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.formats.folded import pack
from tracetools.output.report import of_stacks

from .drawn import stacks_of


def packed(graphs):
    return {
        name: [(pack(stack), count) for stack, count in stacks.items()]
        for name, stacks in graphs.items()
    }


def make_report(graphs, options):
    return of_stacks.make_report(packed(graphs), options)


def report_of_stacks(graphs, options):
    return of_stacks.report_of_stacks(packed(graphs), options)


def test_a_file_of_the_task_lens_gives_all_lenses_and_all_states():
    stacks = {
        ("all-spans", "a"): 10,
        ("all-spans", "a", "[idle]"): 200,
        ("all-spans", "a", "b"): 5,
        ("all-spans", "a", "b", "[scheduled]"): 3,
    }
    report = make_report({"demo": stacks}, GraphOptions())
    assert [graph.key for graph in report.graphs] == ["busy", "idle", "task", "scheduled"]
    assert [stacks_of(graph.svg) for graph in report.graphs] == [
        {("a",): 15, ("a", "b"): 5},
        {("a",): 200},
        {("a",): 218, ("a", "[idle]"): 200, ("a", "b"): 8, ("a", "b", "[scheduled]"): 3},
        {("a",): 3, ("a", "b"): 3},
    ]
    assert headings(report) == ["Busy, total", "Busy, self", "Scheduled", "Idle"]
    assert cells(report) == {"a": (15, 10, 0, 200), "b": (5, 5, 3, 0)}


def test_a_file_of_critical_paths_is_one_graph():
    stacks = {
        ("all-spans", "(critical paths of kept spans)", "order"): 10,
        ("all-spans", "(critical paths of kept spans)", "order", "[idle]"): 20,
    }
    [graph] = make_report({"slow": stacks}, GraphOptions()).graphs
    assert stacks_of(graph.svg) == {
        ("(critical paths of kept spans)",): 30,
        ("(critical paths of kept spans)", "order"): 30,
        ("(critical paths of kept spans)", "order", "[idle]"): 20,
    }


def test_several_files_are_a_graph_each_and_their_sum_a_table():
    graphs = {"one": {("a",): 1, ("a", "b"): 2}, "two": {("a",): 4}}
    report = make_report(graphs, GraphOptions())
    assert [(graph.key, graph.heading) for graph in report.graphs] == [
        ("graph-1", "one"),
        ("graph-2", "two"),
    ]
    assert headings(report) == ["Total", "Self"]
    assert cells(report) == {"a": (7, 5), "b": (2, 2)}
    assert report.table.columns[0].show(7) == "7 samples"


def test_a_file_without_stacks_has_no_graph():
    report = make_report({"one": {("a",): 1}, "two": {}}, GraphOptions())
    assert [graph.heading for graph in report.graphs] == ["one"]


def test_counts_of_our_own_stacks_are_microseconds():
    report = make_report({"own": {("all-spans", "a"): 1}}, GraphOptions())
    assert report.table.columns[0].show(1_500) == "1.5 ms"


def test_stacks_of_time_have_answers():
    stacks = {
        ("all-spans", "GET / (app.py:3)", "compute (app.py:9)"): 2_000_000,
        ("all-spans", "GET / (app.py:3)", "await Lock.acquire (app.py:5)"): 1_000_000,
    }
    blocks, waits, computes, late = make_report({"own": stacks}, GraphOptions()).answers
    [computed], [waited] = computes.entries, waits.entries
    assert (computed.amount, computed.function, computed.location) == ("2 s", "compute", "app.py:9")
    assert computed.frame == "compute (app.py:9)"
    assert (waited.amount, waited.location) == ("1 s", "app.py:5")
    assert not blocks.entries
    assert not late.entries


def test_a_factor_holds_for_answers_as_for_graphs():
    stacks = {("all-spans", "compute (app.py:9)"): 1_000}
    report = make_report({"own": stacks}, GraphOptions(factor=2))
    assert [entry.amount for entry in report.answers[2].entries] == ["2 ms"]


@pytest.mark.parametrize(
    ("graphs", "options"),
    [
        ({"a": {("other", "compute"): 1}}, GraphOptions()),
        ({"a": {("all-spans", "compute"): 1}}, GraphOptions(count_name="bytes")),
        ({"a": {("all-spans", "a"): 1}, "b": {("all-spans", "a"): 1}}, GraphOptions()),
        ({"a": {("all-spans", f"{n}"): 1 for n in range(10_001)}}, GraphOptions()),
    ],
    ids=["samples", "bytes", "several files", "many stacks"],
)
def test_no_other_stacks_have_answers(graphs, options):
    assert make_report(graphs, options).answers == ()


def test_the_title_is_the_names_unless_one_is_given():
    graphs = {"one": {("a",): 1}, "two": {("a",): 1}}
    assert make_report(graphs, GraphOptions()).title == "one, two"
    assert make_report(graphs, GraphOptions(title="Mine")).title == "Mine"


def test_the_metadata_are_the_number_of_stacks_and_the_notes():
    graphs = {"one": {("a",): 1, ("b",): 1}, "two": {("a",): 1}}
    assert make_report(graphs, GraphOptions(notes="n")).metadata == [
        ("Stacks", "3"),
        ("Notes", "n"),
    ]


def test_the_page_has_a_graph_for_each_file():
    page = Page(report_of_stacks({"one": {("a",): 1}, "two": {("b",): 1}}, GraphOptions()))
    assert page.values("data-lens") == ["graph-1", "graph-2"]
    assert page.texts["h1"] == ["one, two"]
