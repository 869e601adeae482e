"""Stretches of time that nest."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.timelines.nesting import innermost, nest


@pytest.mark.parametrize(
    ("stretches", "whole", "loose"),
    [
        ([], [], []),
        ([(0, 5, "a"), (5, 9, "b")], ["a", "b"], []),
        ([(2, 5, "in"), (0, 9, "out")], ["out", "in"], []),
        ([(0, 5, "a"), (3, 9, "b")], ["a"], ["b"]),
        ([(0, 5, "a"), (3, 9, "b"), (6, 9, "c")], ["a", "c"], ["b"]),
        ([(1, 1, "empty"), (1, 1, "around"), (1, 3, "out")], ["out", "around", "empty"], []),
        ([(2, 5, "in"), (2, 5, "out")], ["out", "in"], []),
        ([(0, 5, "a"), (5, 5, "empty")], ["a", "empty"], []),
    ],
)
def test_what_overlaps_in_part_is_loose(stretches, whole, loose):
    found = nest(stretches)
    assert tuple([content for *_, content in each] for each in found) == (whole, loose)


MOMENTS = st.integers(0, 12)
STRETCHES = st.lists(st.tuples(MOMENTS, MOMENTS).map(sorted), max_size=12).map(
    lambda pairs: sorted(
        ((begin, end, index) for index, (begin, end) in enumerate(pairs)), key=lambda each: each[1]
    )
)


def overlap_in_part(one, other):
    (begin, end, _), (later, last, _) = sorted([one, other])
    return begin < later < end < last


@given(STRETCHES)
def test_nothing_is_lost_and_the_whole_ones_nest(stretches):
    whole, loose = nest(stretches)
    assert sorted(whole + loose) == sorted(stretches)
    assert not any(overlap_in_part(one, other) for one in whole for other in whole)
    assert all(any(overlap_in_part(one, other) for other in whole) for one in loose)
    assert [begin for begin, *_ in whole] == sorted(begin for begin, *_ in whole)


@pytest.mark.parametrize(
    ("stretches", "found"),
    [
        ([], []),
        ([(-9, 5, "a"), (7, 9, "b")], [(-9, 5, "a"), (7, 9, "b")]),
        ([(2, 5, "in"), (0, 9, "out")], [(0, 2, "out"), (2, 5, "in"), (5, 9, "out")]),
        ([(2, 5, "in"), (0, 5, "out")], [(0, 2, "out"), (2, 5, "in")]),
        ([(1, 1, "empty"), (0, 3, "out")], [(0, 1, "out"), (1, 3, "out")]),
        ([(0, 5, "a"), (3, 9, "b")], [(0, 5, "a")]),
    ],
)
def test_at_each_moment_one_is_the_innermost(stretches, found):
    assert innermost(stretches) == found


@given(STRETCHES)
def test_the_innermost_cover_what_all_cover(stretches):
    whole, _ = nest(stretches)
    found = innermost(stretches)
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    for moment in range(12):
        around = [each for each in whole if each[0] <= moment < each[1]]
        shown = [content for begin, end, content in found if begin <= moment < end]
        assert shown == [each[2] for each in around[-1:]]
