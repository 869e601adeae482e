"""The rows of a report's table: whole numbers, each time counted once."""

from tracetools.core.stacks import Frame
from tracetools.output.report.figures import (
    MAX_ROWS,
    Column,
    Figures,
    FiguresOfNodes,
    Row,
    make_table,
    sum_up,
)
from tracetools.output.report.labelled import clean_label_of
from tracetools.output.report.tree import Tree

BUSY = Column("Busy", "Busy time", str)
IDLE = Column("Idle", "Idle time", str)


def busy(figures):
    return figures.busy


def idle(figures):
    return figures.idle or None


def sums(*stacks):
    """Return the figures by label of stacks of labels."""
    tree = Tree()
    nodes = [(tree.walk(Frame(label, "") for label in stack), each) for stack, each in stacks]
    return sum_up([FiguresOfNodes(tree, nodes, lambda frame: frame.label.lower())])


def test_figures_add_up_number_by_number():
    one = Figures(busy=1, total=2, scheduled=3, idle=4, thread=5, steps=6, entries=7)
    assert one.plus(one) == Figures(2, 4, 6, 8, 10, 12, 14)


def test_a_label_has_the_busy_time_below_it_once():
    stacks = [(("a",), Figures(busy=1)), (("a", "b", "a"), Figures(busy=2, steps=1))]
    assert sums(*stacks) == {
        "a": Figures(busy=3, total=3, steps=1),
        "b": Figures(total=2),
    }


def test_the_root_of_our_own_stacks_is_left_out():
    stacks = [(("all-spans",), Figures(busy=1)), (("all-spans", "a"), Figures(busy=2))]
    assert sums(*stacks) == {"a": Figures(busy=2, total=2)}


def test_frames_with_the_same_label_are_one_row():
    stacks = [(("a", "A"), Figures(busy=1)), (("A", "b"), Figures(busy=2))]
    assert sums(*stacks) == {
        "a": Figures(busy=1, total=3),
        "b": Figures(busy=2, total=2),
    }


def test_several_trees_add_up():
    trees = []
    for count in (1, 2):
        tree = Tree()
        node = tree.walk([Frame("a", "")])
        trees.append(FiguresOfNodes(tree, [(node, Figures(busy=count))], clean_label_of))
    assert sum_up(trees) == {"a": Figures(busy=3, total=3)}


def test_rows_are_sorted_by_one_column():
    figures = {"a": Figures(busy=1), "b": Figures(busy=2, idle=1), "c": Figures(busy=3, idle=2)}
    columns = [(BUSY, busy), (IDLE, idle)]
    by_busy, by_idle = make_table(figures, columns), make_table(figures, columns, sorted_by=1)
    assert by_busy.columns == (BUSY, IDLE)
    assert by_busy.rows == (Row("c", (3, 2)), Row("b", (2, 1)), Row("a", (1, None)))
    assert [row.name for row in by_idle.rows] == ["c", "b", "a"]
    assert by_idle.sorted_by == 1


def test_of_too_many_rows_those_of_most_time_in_all_states_are_shown():
    figures = {f"f{number}": Figures(total=1 + number) for number in range(MAX_ROWS + 5)}
    figures["sleeper"] = Figures(idle=10**9)
    table = make_table(figures, [(BUSY, lambda row: row.total)])
    assert len(table.rows) == MAX_ROWS
    assert table.left_out == 6
    assert table.rows[0].name == f"f{MAX_ROWS + 4}"
    assert table.rows[-1].name == "sleeper"


def test_rows_of_zeros_are_left_out():
    table = make_table({"a": Figures(busy=1), "b": Figures()}, [(BUSY, busy), (IDLE, idle)])
    assert [row.name for row in table.rows] == ["a"]
    assert table.left_out == 0
