"""Rows of edges; what is hostile is tested with whole profiles."""

import pytest

from tracetools.core.edges import Edge, Waited
from tracetools.core.stacks import ROOT, Frame
from tracetools.output.formats.edges_json import edge_paths, edge_rows, parse_edges

A, LINE = Frame("a", "a.py", 1), Frame("a", "a.py", 3)
EDGES = {
    Edge((ROOT, A), "task", (ROOT,), LINE): Waited(2, 5, 3),
    Edge((ROOT, A), "timer"): Waited(1, 1, 1),
}
FRAMES = [ROOT, A, LINE]


def test_rows_are_sorted_and_read_back():
    rows = edge_rows(EDGES, {frame: index for index, frame in enumerate(FRAMES)})
    assert rows == [[[0, 1], "task", [0], 2, 2, 5, 3], [[0, 1], "timer", [], None, 1, 1, 1]]
    assert parse_edges(rows, FRAMES, 100) == EDGES


def test_all_frames_are_among_the_paths():
    assert {*edge_paths(EDGES)} == {(ROOT, A), (ROOT,), (LINE,)}


def test_a_row_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="edge 0 is not"):
        parse_edges([7], FRAMES, 100)
