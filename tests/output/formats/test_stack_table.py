import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.output.flamegraph.strategies import any_name, relaxed
from tracetools.output.formats.folded import pack
from tracetools.output.formats.stack_table import StackTable, leaves_of, roots_of, sums_of

MOST = 1 << 62


def table_of(*counts):
    table = StackTable()
    for stack, count in counts:
        table.add(stack, count)
    return table


packed = st.lists(st.one_of(st.sampled_from("abc"), any_name), max_size=5).map(pack)
counts_of_stacks = st.lists(st.tuples(packed, st.integers(0, 1 << 40)), max_size=100)


@relaxed
@given(counts_of_stacks)
def test_equal_stacks_add_up_in_the_order_in_which_they_came(counts):
    sums = {}
    for stack, count in counts:
        if count:
            sums[stack] = sums.get(stack, 0) + count
    table = table_of(*counts)
    assert [*table] == [*sums.items()]
    assert (len(table), table.total) == (len(sums), sum(sums.values()))
    assert roots_of(table) == roots_of([*sums.items()])
    assert leaves_of(table) == leaves_of([*sums.items()])
    assert sums_of(table) == sums_of([*sums.items()])
    assert sorted(table.reversed().reversed()) == sorted(table)


def test_a_table_has_the_ends_of_its_stacks():
    table = table_of((b"a\0b\0c", 1), (b"a\0d", 2), (b"e", 3), (b"f", 0))
    assert table.roots() == {b"a", b"e"}
    assert table.leaves() == {b"c", b"d"}
    assert [*table.reversed()] == [(b"c\0b\0a", 1), (b"d\0a", 2), (b"e", 3)]


def test_a_table_sums_up_by_label_and_counts_a_stack_once():
    table = table_of((b"a\0b\0a", 1), (b"a\0d", 20), (b"e", 300), (b"f", 0))
    assert table.sums() == {b"a": (1, 21), b"b": (0, 1), b"d": (20, 20), b"e": (300, 300)}


def test_the_empty_stack_ends_with_the_empty_label():
    assert table_of((b"", 2)).sums() == {b"": (2, 2)}
    assert table_of((b"\0a", 1), (b"", 2), (b"a\0", 4)).sums() == {b"": (6, 7), b"a": (1, 5)}


def test_the_empty_stack_is_one():
    table = table_of((b"", 2), (b"a", 1))
    assert [*table.reversed()] == [*table] == [(b"", 2), (b"a", 1)]
    assert (table.roots(), table.leaves()) == ({b"", b"a"}, set())


def test_labels_may_be_empty():
    table = table_of((b"\0", 1), (b"\0a", 2), (b"a\0", 3))
    assert [*table] == [(b"\0", 1), (b"\0a", 2), (b"a\0", 3)]
    assert [*table.reversed()] == [(b"\0", 1), (b"a\0", 2), (b"\0a", 3)]
    assert table.roots() == table.leaves() == {b"", b"a"}


def test_tables_are_equal_if_their_stacks_are():
    table = table_of((b"a", 1), (b"b", 2))
    assert table == table_of((b"a", 1), (b"b", 1), (b"b", 1)) == [(b"a", 1), (b"b", 2)]
    assert table != table_of((b"b", 2), (b"a", 1))
    assert table != {b"a": 1, b"b": 2}
    with pytest.raises(TypeError):
        hash(table)


@pytest.mark.parametrize("count", [-1, MOST - 4, MOST, 1 << 63, 1 << 64, 10**30, -(10**30)])
def test_what_is_no_count_or_makes_the_sum_too_large_is_refused(count):
    table = table_of((b"a", 5))
    with pytest.raises(OverflowError):
        table.add(b"b", count)
    table.add(b"a", MOST - 5)
    table.add(b"a", 0)
    assert table == [(b"a", MOST)]


def test_usual_lines_are_added_and_others_given_away():
    table, others = StackTable(), []
    lines = b"a;b 5\n# c 5\na;b;c 6\nnothing\n\na;b 1\n"
    assert table.read(lines, 11, lambda line, number: others.append((line, number))) == 7
    assert table == [(b"a\0b", 6), (b"a\0b\0c", 6)]
    assert others == [(b"# c 5", 12), (b"nothing", 14), (b"", 15), (b"", 17)]
    assert table.last_line == 16


def test_what_is_raised_at_a_line_ends_the_reading():
    def refuse(line, number):
        raise KeyError(number)

    table = StackTable()
    with pytest.raises(KeyError, match="2"):
        table.read(b"a 1\nnothing\nb 2", 1, refuse)
    assert (table, table.last_line) == ([(b"a", 1)], 1)


def test_lines_may_be_added_where_others_are_given():
    table = StackTable()

    def add_many(line, number):
        for each in range(1000):
            table.add(b"a\0b%d" % each, 1)

    table.read(b"a;b 1\nnothing\na;b;c 2\na;b7x 3\na;b 4", 1, add_many)
    sums = dict(table)
    assert (sums[b"a\0b"], sums[b"a\0b\0c"], sums[b"a\0b7x"], table.total) == (5, 2, 3, 1010)
