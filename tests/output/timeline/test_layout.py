"""Items as boxes in lanes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.output.timeline.layout import Box, Item, in_lanes, merged, ticks


def items(*edges, kind="busy"):
    return [Item(begin, end, kind) for begin, end in pairwise(edges)]


def test_what_is_long_is_a_box_of_its_own():
    found = items(0, 10, 20)
    assert merged(found, 10) == [Box(*each[:3], (each,)) for each in found]


def test_what_is_short_is_a_box_with_its_neighbours():
    short = [Item(10, 13, "busy"), Item(13, 19, "waiting")]
    found = merged([*items(0, 10), *short, *items(19, 40)], 10)
    assert [each[:3] for each in found] == [(0, 10, "busy"), (10, 19, "waiting"), (19, 40, "busy")]
    assert found[1].items == tuple(short)


def test_a_box_is_no_longer_than_a_pixel():
    found = merged(items(*range(0, 31, 3)), 10)
    assert [(box.begin, box.end) for box in found] == [(0, 9), (9, 18), (18, 27), (27, 30)]


@given(st.lists(st.integers(0, 50), max_size=80), st.integers(1, 300))
def test_boxes_have_all_items_and_are_few(lengths, pixel):
    edges = [0]
    for length in lengths:
        edges.append(edges[-1] + length)
    made = items(*edges)
    boxes = merged(made, pixel)
    assert [item for box in boxes for item in box.items] == made
    assert sum(box.end - box.begin for box in boxes) == edges[-1]
    assert len(boxes) <= 2 * edges[-1] / pixel + 1


def test_items_are_below_those_that_are_open():
    outer, inner, late = Item(0, 9, "span"), Item(2, 5, "span"), Item(6, 12, "span")
    after = Item(9, 12, "span")
    assert in_lanes([outer, inner, late]) == ([[outer], [inner, late]], 0)
    assert in_lanes([outer, late, after]) == ([[outer], [late], [after]], 0)
    assert in_lanes([outer, after]) == ([[outer, after]], 0)


def test_what_is_too_deep_has_no_lane():
    deep = [Item(n, 100, "span") for n in range(9)]
    lanes, left_out = in_lanes(deep)
    assert lanes == [[each] for each in deep[:6]]
    assert left_out == 3


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=20))
def test_items_of_a_lane_do_not_overlap(pairs):
    made = [Item(*sorted(pair), "span") for pair in pairs]
    made.sort(key=lambda item: (item.begin, -item.end))
    lanes, left_out = in_lanes(made)
    assert sum(map(len, lanes)) + left_out == len(made)
    assert all(one.end <= other.begin for lane in lanes for one, other in pairwise(lane))


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, [0]),
        (5, [0, 1, 2, 3, 4, 5]),
        (7, [0, 2, 4, 6]),
        (755, [0, 200, 400, 600]),
        (2_000, [0, 500, 1_000, 1_500, 2_000]),
    ],
)
def test_ticks_are_round(length, expected):
    assert ticks(length) == expected


@given(st.integers(0, 2**62))
def test_ticks_are_few(length):
    found = ticks(length)
    assert len(found) <= 7
    assert length < 3 or len(found) >= 3
