"""Edges are added up, and there are only so many."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.edge_table import BY_OTHER, BY_TASK, EdgeRow, EdgeTable, rows_of

SMALL = st.integers(0, 3)
WAITS = st.lists(st.tuples(SMALL, SMALL, SMALL, SMALL, st.integers(1, 1 << 40)), max_size=200)


def test_waits_that_were_ended_alike_are_one_row():
    table = EdgeTable(10)
    table.add(1, 2, 3, BY_TASK, 5)
    table.add(1, 2, 3, BY_TASK, 7)
    table.add(1, 2, 4, BY_TASK, 1)
    assert sorted(rows_of(table.packed())) == [
        EdgeRow(1, 2, 3, BY_TASK, 2, 12, 7),
        EdgeRow(1, 2, 4, BY_TASK, 1, 1, 1),
    ]


def test_a_full_table_has_one_more_row_for_each_stack():
    table = EdgeTable(2)
    for waker in range(5):
        table.add(1, waker, 0, BY_TASK, 1)
    table.add(2, 1, 0, BY_TASK, 1)
    table.add(1, 0, 0, BY_TASK, 1)
    assert sorted(rows_of(table.packed())) == [
        EdgeRow(1, 0, 0, BY_TASK, 2, 2, 1),
        EdgeRow(1, 0, 0, BY_OTHER, 3, 3, 1),
        EdgeRow(1, 1, 0, BY_TASK, 1, 1, 1),
        EdgeRow(2, 0, 0, BY_OTHER, 1, 1, 1),
    ]


@given(WAITS, st.integers(0, 300))
def test_no_wait_is_lost(waits, most):
    table = EdgeTable(most)
    for wait in waits:
        table.add(*wait)
    rows = list(rows_of(table.packed()))
    for waiter in {wait[0] for wait in waits}:
        times = [wait[-1] for wait in waits if wait[0] == waiter]
        of_waiter = [row for row in rows if row.waiter == waiter]
        assert sum(row.count for row in of_waiter) == len(times)
        assert sum(row.total for row in of_waiter) == sum(times)
        assert max(row.max for row in of_waiter) == max(times)
    assert len(rows) <= most + len({wait[0] for wait in waits})
