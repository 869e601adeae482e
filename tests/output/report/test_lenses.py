"""The graphs of a report: one for each lens that has any time."""

from tracetools.output.flamegraph.marks import NO_MARKS, Marks
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.report.lenses import graphs_with_time

STACKS = {("a",): 1}


def test_the_order_is_always_the_same():
    lenses = ("scheduled", "idle", "busy", "task")
    graphs = graphs_with_time(dict.fromkeys(lenses, STACKS), GraphOptions())
    assert [(graph.key, graph.heading) for graph in graphs] == [
        ("task", "Task"),
        ("busy", "Busy"),
        ("idle", "Idle"),
        ("scheduled", "Scheduled"),
    ]
    assert [graph.options.title for graph in graphs] == [graph.heading for graph in graphs]


def test_a_lens_without_time_has_no_graph():
    graphs = graphs_with_time({"busy": {}, "idle": STACKS}, GraphOptions())
    assert [(graph.key, graph.stacks) for graph in graphs] == [("idle", STACKS)]


def test_the_task_lens_has_colours_by_state_unless_others_are_given():
    def colours(options):
        graphs = graphs_with_time({"task": STACKS, "busy": STACKS}, options)
        return [graph.options.colors for graph in graphs]

    assert colours(GraphOptions()) == ["lens", "hot"]
    assert colours(GraphOptions(colors="blue")) == ["blue", "blue"]


def test_notes_are_for_the_page_and_not_for_its_graphs():
    [graph] = graphs_with_time({"busy": STACKS}, GraphOptions(notes="n"))
    assert graph.options.notes == ""


def test_each_graph_has_the_marks_of_its_lens():
    marks = Marks(threshold=5)
    task, idle = graphs_with_time({"task": STACKS, "idle": STACKS}, GraphOptions(), {"task": marks})
    assert (task.marks, idle.marks) == (marks, NO_MARKS)
