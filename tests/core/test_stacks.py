"""Frames, and the tree of stacks with its two bounds."""

from __future__ import annotations

import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.stacks import DEEPER, OTHER, ROOT, Blocks, Frame, Stack, StackTree, Times


def frames(stack: Stack) -> list[str]:
    """Return the names of a stack, from the root down."""
    above = [] if stack.parent is None else frames(stack.parent)
    return [*above, stack.frame.name]


def grow(tree: StackTree, *names: str) -> Stack:
    stack = tree.root
    for name in names:
        stack = tree.child(stack, Frame(name))
    return stack


@pytest.mark.parametrize(
    ("frame", "location", "label"),
    [
        (Frame("f", "a.py", 7), "a.py:7", "f (a.py:7)"),
        (Frame("f", "a.py"), "a.py:0", "f (a.py:0)"),
        (Frame("f"), "unknown", "f (unknown)"),
        (Frame("f", None, 7), "unknown", "f (unknown)"),
        (Frame("", "a.py", 7), "a.py:7", " (a.py:7)"),
        (ROOT, "unknown", "all-spans"),
        (OTHER, "unknown", "(other)"),
        (DEEPER, "unknown", "(deeper)"),
    ],
)
def test_labels_and_locations_of_frames(frame, location, label):
    assert (frame.location, frame.label) == (location, label)


def test_times_add_up_number_by_number():
    assert Times(1, 2, 3, 4, 5, 6).plus(Times(10, 20, 30, 40, 50, 60)) == Times(
        11, 22, 33, 44, 55, 66
    )


def test_a_stack_shows_its_frames():
    assert repr(grow(StackTree(), "a", "b")) == "all-spans;a;b"


def test_a_known_stack_is_found_again_and_another_location_is_another_stack():
    tree = StackTree()
    here = tree.child(tree.root, Frame("f", "a.py", 1))
    assert tree.child(tree.root, Frame("f", "a.py", 1)) is here
    assert tree.child(tree.root, Frame("f", "a.py", 2)) is not here
    assert [stack.depth for stack in tree.stacks] == [1, 2, 2]
    assert tree.truncated is False


def test_a_stack_beyond_max_stacks_is_other_below_its_deepest_known_parent():
    tree = StackTree(max_stacks=3)
    known = grow(tree, "a", "b")
    other = grow(tree, "a", "c")
    assert frames(other) == ["all-spans", "a", "(other)"]
    assert frames(grow(tree, "a", "b", "d")) == ["all-spans", "a", "b", "(other)"]
    assert grow(tree, "a", "e") is other
    assert grow(tree, "a", "b") is known
    assert tree.truncated is True


def test_stacks_below_other_are_other():
    tree = StackTree(max_stacks=1)
    other = grow(tree, "a")
    assert frames(other) == ["all-spans", "(other)"]
    assert grow(tree, "a", "b", "c", "d") is other
    assert tree.stacks == [tree.root, other]


def test_stacks_beyond_max_depth_are_deeper():
    tree = StackTree(max_depth=3)
    deeper = grow(tree, "a", "b", "c")
    assert frames(deeper) == ["all-spans", "a", "b", "(deeper)"]
    assert grow(tree, "a", "b", "x", "y", "z") is deeper
    assert frames(grow(tree, "a", "q")) == ["all-spans", "a", "q"]
    assert tree.truncated is True


def test_a_tree_within_its_bounds_is_not_truncated():
    tree = StackTree(max_depth=3, max_stacks=3)
    assert frames(grow(tree, "a", "b")) == ["all-spans", "a", "b"]
    assert tree.truncated is False


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=40),
    st.integers(1, 8),
    st.integers(1, 5),
)
def test_bounds_are_kept_and_parents_come_first(stacks, max_stacks, max_depth):
    tree = StackTree(max_stacks=max_stacks, max_depth=max_depth)
    for names in stacks:
        grow(tree, *names)
    proper = [stack for stack in tree.stacks if stack.frame not in (OTHER, DEEPER)]
    assert len(proper) <= max_stacks
    assert max(stack.depth for stack in tree.stacks) <= max_depth + 1
    assert len(tree.stacks) <= 2 * max_stacks
    seen: set[Stack | None] = {None}
    for stack in tree.stacks:
        assert stack.parent in seen
        seen.add(stack)


@pytest.mark.parametrize("bound", ["max_stacks", "max_depth"])
@pytest.mark.parametrize(
    ("value", "error"),
    [("x", TypeError), (1.5, TypeError), (None, TypeError), (True, TypeError), (0, ValueError)]
    + [(-1, ValueError)],
)
def test_a_bound_that_is_no_positive_whole_number_is_refused(bound, value, error):
    with pytest.raises(error, match=f"{bound} is .*, not {value!r}"):
        StackTree(**{bound: value})


class SlowList(list):
    """Lets another thread in just before a stack is listed."""

    def __init__(self, items, meanwhile):
        super().__init__(items)
        self._meanwhile = meanwhile

    def append(self, stack):
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        super().append(stack)


def test_threads_list_no_stack_before_its_parent():
    tree = StackTree()
    tree.stacks = SlowList(tree.stacks, lambda: grow(tree, "a", "b"))
    found = grow(tree, "a", "c")
    assert found.parent is grow(tree, "a")
    seen: set[Stack | None] = {None}
    for stack in tree.stacks:
        assert stack.parent in seen
        seen.add(stack)


def test_threads_find_the_same_stacks():
    tree = StackTree()
    names = [str(number) for number in range(300)]
    found: list[list[Stack]] = []
    start = threading.Barrier(4)

    def work():
        start.wait()
        found.append([grow(tree, name, "child") for name in names])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == [found[0]] * 4


@pytest.mark.parametrize(
    ("blocks", "is_innocent"),
    [
        (Blocks(1, 300, 300, computing=300), False),
        (Blocks(1, 300, 300, collecting=200, computing=100), True),
        (Blocks(1, 300, 300, gil=100, stopped=100, computing=100), True),
        (Blocks(1, 300, 300, starved=250, computing=50), True),  # short, had it run
        (Blocks(1, 1000, 1000, starved=700, computing=300), False),  # long in any case
        (Blocks(4, 1000, 300, starved=700, computing=300), True),
        (Blocks(4, 4000, 1000, starved=3000, calling=1000), False),
    ],
)
def test_steps_that_are_struck_are_innocent(blocks, is_innocent):
    assert blocks.is_innocent(100) == is_innocent
