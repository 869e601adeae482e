"""The rows of a report's table: whole numbers, each time counted once."""

from itertools import permutations

from tracetools.core.profile import Profile
from tracetools.core.stacks import Frame, Times
from tracetools.output.nodes import Nodes
from tracetools.output.report.figures import (
    MAX_ROWS,
    Column,
    Figures,
    Row,
    make_table,
    sum_up,
)
from tracetools.output.report.tree import tree_of

BUSY = Column("Busy", "Busy time", str)
IDLE = Column("Idle", "Idle time", str)


def busy(figures):
    return figures.busy


def idle(figures):
    return figures.idle or None


def sums(*stacks):
    """Return the figures by label of stacks of labels."""
    paths = {tuple(Frame(label, "") for label in stack): times for stack, times in stacks}
    nodes = Nodes(Profile(stacks=paths))
    return sum_up(*tree_of(nodes), nodes, lambda frame: frame.label.lower())


def test_figures_add_up_number_by_number():
    one = Times(busy=1, scheduled=2, idle=3, thread=4, steps=5, entries=6)
    assert sums((("a",), one), (("b", "a"), one)) == {
        "a": Figures(busy=2, total=2, scheduled=4, idle=6, thread=8, steps=10, entries=12),
        "b": Figures(total=1),
    }


def test_a_label_has_the_busy_time_below_it_once():
    stacks = [(("a",), Times(busy=1)), (("a", "b", "a"), Times(busy=2, steps=1))]
    assert sums(*stacks) == {
        "a": Figures(busy=3, total=3, steps=1),
        "b": Figures(total=2),
    }


def test_a_label_is_counted_once_in_any_order_of_stacks():
    stacks = [(("a",), 1), (("a", "b"), 2), (("c",), 4), (("a", "b", "a"), 8), (("c", "a"), 16)]
    for order in permutations(stacks):
        found = sums(*((stack, Times(busy=busy)) for stack, busy in order))
        assert {label: each.total for label, each in found.items()} == {"a": 27, "b": 10, "c": 20}


def test_the_root_of_our_own_stacks_is_left_out_and_so_is_waiting():
    stacks = [(("all-spans",), Times(busy=1)), (("all-spans", "a"), Times(busy=2))]
    stacks.append((("all-spans", "(waiting for events)"), Times(busy=9)))
    assert sums(*stacks) == {"a": Figures(busy=2, total=2)}


def test_frames_with_the_same_label_are_one_row():
    stacks = [(("a", "A"), Times(busy=1)), (("A", "b"), Times(busy=2))]
    assert sums(*stacks) == {
        "a": Figures(busy=1, total=3),
        "b": Figures(busy=2, total=2),
    }


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
