from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.output.flamegraph.layout import VANISHED_NAME, Box, arrange, place
from tracetools.output.flamegraph.layout import lay_out as lay_out_packed
from tracetools.output.formats.folded import pack, unpack

from .reading import lay_out
from .strategies import any_name, any_text, relaxed, stacks


def test_frames_are_merged_and_sorted_by_name_with_self_time_first():
    layout = lay_out({("a", "c"): 7, ("a", "b"): 5, ("a",): 3, ("A",): 1}, 0)
    assert layout.boxes == [
        Box(0, 0, 16, ""),
        Box(1, 0, 1, "A"),
        Box(1, 1, 15, "a"),
        Box(2, 4, 5, "b"),
        Box(2, 9, 7, "c"),
    ]
    assert (layout.total, layout.rows) == (16, 3)


def test_the_same_name_below_different_frames_is_different_frames():
    layout = lay_out({("a", "x"): 1, ("b", "x"): 2, ("b", "x", "x"): 3}, 0)
    assert layout.boxes[3:] == [Box(2, 0, 1, "x"), Box(2, 1, 5, "x"), Box(3, 3, 3, "x")]


def test_name_that_extends_a_siblings_name_does_not_split_it():
    # flamegraph.pl and inferno sort lines, where "main.py:1;" stands after "main.py:12".
    boxes = lay_out({("main.py:1",): 50, ("main.py:1", "x"): 40, ("main.py:12",): 30}, 0).boxes
    assert boxes[1:3] == [Box(1, 0, 90, "main.py:1"), Box(1, 90, 30, "main.py:12")]


def test_empty_stack_is_time_of_the_root():
    assert lay_out({(): 2, ("a",): 3}, 0).boxes == [Box(0, 0, 5, ""), Box(1, 2, 3, "a")]


@pytest.mark.parametrize(
    ("min_width", "drawn"),
    [
        (0, ["", "a", "a", "b", "c"]),
        (0.01, ["", "a", "a", "b", "c"]),
        (0.010001, ["", "a", "b", "c"]),
        (0.02, ["", "a", "b", "c"]),
        (0.03, ["", "b", "c"]),
        (100, [""]),
    ],
)
def test_frames_narrower_than_the_minimum_are_left_out(min_width, drawn):
    layout = lay_out({("a",): 1, ("a", "a"): 1, ("b",): 5000, ("c",): 4998}, min_width)
    assert sorted(box.name for box in layout.boxes) == drawn


def test_rows_are_counted_after_leaving_out():
    stacks = {("a",): 1_000_000, ("b", "b", "b", "b"): 1}
    assert lay_out(stacks, 0).rows == 5
    assert lay_out(stacks, 0.01).rows == 2


def test_stack_of_any_depth_is_placed():
    deep = tuple(f"f{depth}" for depth in range(50_000))
    layout = lay_out({deep: 1, (*deep, "leaf"): 2}, 0.01)
    assert layout.rows == 50_002
    assert layout.boxes[-1] == Box(50_001, 1, 2, "leaf")


def test_counts_beyond_any_machine_word_are_exact():
    layout = lay_out({("a",): 10**40, ("b",): 1, ("c",): 10**40}, 0)
    assert layout.boxes[2:] == [Box(1, 10**40, 1, "b"), Box(1, 10**40 + 1, 10**40, "c")]


@relaxed
@given(stacks(any_name, st.integers(1, 10**20)))
def test_every_box_is_as_wide_as_its_stacks(stacks):
    widths = Counter()
    for stack, count in stacks.items():
        for depth in range(len(stack) + 1):
            widths[stack[:depth]] += count
    layout = lay_out(stacks, 0)
    assert layout.total == sum(stacks.values())
    assert Counter(
        (box.depth, ("", box.name)[box.depth > 0], box.width) for box in layout.boxes
    ) == (Counter((len(path), path[-1] if path else "", width) for path, width in widths.items()))


@relaxed
@given(stacks(any_text), st.floats(0, 100))
def test_boxes_of_a_row_do_not_overlap_and_stand_on_a_wider_one(stacks, min_width):
    layout = lay_out(stacks, min_width)
    below = [(0, layout.total)]
    for depth in range(layout.rows):
        row = [(box.start, box.start + box.width) for box in layout.boxes if box.depth == depth]
        assert all(left[1] <= right[0] for left, right in pairwise(row))
        assert all(any(low <= start and end <= up for low, up in below) for start, end in row)
        below = row


@relaxed
@given(stacks(any_text), st.randoms())
def test_order_of_input_does_not_matter(stacks, random):
    items = list(stacks.items())
    random.shuffle(items)
    assert lay_out(dict(items), 0) == lay_out(stacks, 0)


@relaxed
@given(stacks(any_text), st.booleans(), st.floats(0, 20), st.integers(1, 30))
def test_a_table_is_laid_out_as_sorted_stacks_are(stacks, reverse, min_width, most):
    counts = [(pack(stack), count) for stack, count in stacks.items()]
    expected = place(arrange(counts, reverse=reverse), min_width, most)
    assert lay_out_packed(counts, min_width, most, reverse=reverse) == expected


def test_of_equally_wide_frames_those_nearest_to_the_root_and_to_the_left_are_drawn():
    boxes = lay_out({("b", "x"): 3, ("a", "x"): 3, ("c",): 3}, 0, 4).boxes
    assert [(box.depth, box.name) for box in boxes] == [(0, ""), (1, "a"), (1, "b"), (1, "c")]


@relaxed
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "a" * 127, "b" * 200]), max_size=4),
            st.integers(1, 9),
        ),
        min_size=1,
    ),
    st.booleans(),
    st.sampled_from([0, 20, 40]),
    st.one_of(st.none(), st.integers(1, 6)),
)
def test_frames_left_out_and_frames_drawn_are_all_frames(lines, is_chart, min_width, most):
    counts = [(pack(tuple(stack)), count) for stack, count in lines]
    columns = arrange(counts, is_chart=is_chart)
    frames, last = 1, ()
    for packed in columns.stacks:  # the frames of each stack that it does not share with the last
        stack = unpack(packed)
        shared = next(
            (n for n, (one, other) in enumerate(zip(last, stack, strict=False)) if one != other),
            min(len(last), len(stack)),
        )
        frames, last = frames + len(stack) - shared, stack
    layout = place(columns, min_width, most)
    assert len(layout.boxes) + layout.left_out == frames
    if not min_width and most is None:
        assert layout.left_out == 0


def test_what_only_the_earlier_profile_has_stands_at_the_right_as_wide_as_it_was():
    counts = [(pack(("a",)), 6), (pack(("\u00e9",)), 3), (pack(("b",)), 0)]
    before = {pack(("a",)): 4, pack(("b",)): 5, pack(("b", "c")): 2, pack(("d",)): 0}
    columns = arrange(counts, before)
    assert columns.vanished == 7
    boxes = place(columns, 0).boxes
    assert [(box.depth, box.start, box.width, box.name, box.delta) for box in boxes] == [
        (0, 0, 16, "", 0),
        (1, 0, 6, "a", 2),
        (1, 6, 3, "\u00e9", 3),
        (1, 9, 7, VANISHED_NAME, 0),
        (2, 9, 7, "b", -5),
        (3, 14, 2, "c", -2),
    ]


def test_reversed_stacks_vanish_as_well():
    layout = place(arrange([(pack(("a",)), 6)], {pack(("a", "b")): 2}, reverse=True), 0)
    assert [box.name for box in layout.boxes] == ["", "a", VANISHED_NAME, "b", "a"]
    assert (layout.total, layout.vanished) == (8, 2)


def test_a_frame_that_lost_all_its_self_time_has_not_vanished():
    layout = place(arrange([(pack(("a", "b")), 6)], {pack(("a",)): 4}), 0)
    assert layout.vanished == 0
    assert [(box.name, box.width, box.delta) for box in layout.boxes] == [
        ("", 6, 0),
        ("a", 6, -4),
        ("b", 6, 6),
    ]
