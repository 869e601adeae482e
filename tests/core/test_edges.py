"""Edges add up, and make a chain graph."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.edges import UNKNOWN, Edge, Waited, chain, merged_edges, waited_by_path
from tracetools.core.stacks import ROOT, Frame

A, B, LINE = Frame("a"), Frame("b"), Frame("b", "app.py", 7)
PATHS = st.sampled_from([(ROOT, A), (ROOT, A, B), (ROOT, B)])
EDGES = st.dictionaries(
    st.builds(
        Edge,
        PATHS,
        st.sampled_from(["task", "timer", "loop", None]),
        st.just(()) | PATHS,
        st.none() | st.just(LINE),
    ),
    st.builds(Waited, *[st.integers(0, 100)] * 3),
)


def test_the_stack_of_who_ended_a_wait_stands_on_that_of_the_wait():
    edges = {
        Edge((ROOT, A), "task", (ROOT, B), LINE): Waited(1, 5, 5),
        Edge((ROOT, A), "timer"): Waited(1, 2, 2),
        Edge((ROOT, A), None): Waited(0, 1, 0),
    }
    assert chain(edges) == {
        (ROOT, A, B, LINE): 5,
        (ROOT, A, Frame("[timer]", "")): 2,
        (ROOT, A, UNKNOWN): 1,
    }
    assert waited_by_path(edges) == {(ROOT, A): 8}


@given(EDGES, EDGES, EDGES)
def test_merging_is_associative_and_commutative(one, two, three):
    at_once = merged_edges([one, two, three])
    assert merged_edges([merged_edges([three, one]), two]) == at_once
    assert sum(chain(at_once).values()) == sum(
        waited.total for each in (one, two, three) for waited in each.values()
    )
