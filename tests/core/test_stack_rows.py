"""Stacks in rows are the mapping of the same stacks by path."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest
from hypothesis import given

from tests.strategies import PROFILES
from tracetools.core.profile import Profile
from tracetools.core.stack_rows import NO_PARENT, StackRows, compact
from tracetools.core.stacks import CALLBACKS, COLLECTIONS, ROOT, WAITING, Frame, Times

A = Frame("a", "a.py", 1)
B = Frame("b", "b.py", 2)
FRAMES = [ROOT, A, B]


def in_rows(stacks):
    """Return stacks in rows; each is added after its parent, which must be there."""
    frames = [*{frame: None for path in stacks for frame in path}]
    paths = sorted(stacks, key=len)
    parents = [paths.index(path[:-1]) if path[1:] else NO_PARENT for path in paths]
    columns = [*zip(*(stacks[path] for path in paths), strict=True)]
    return StackRows(frames, [frames.index(path[-1]) for path in paths], parents, columns)


STACKS = {
    (ROOT,): Times(busy=1),
    (ROOT, A): Times(busy=2, thread=9),
    (ROOT, B): Times(busy=4, idle=5),
    (ROOT, A, B): Times(busy=8, left_open=1),
    (ROOT, WAITING): Times(busy=16),
    (ROOT, CALLBACKS): Times(busy=32),
    (ROOT, CALLBACKS, A): Times(busy=64),
    (ROOT, A, COLLECTIONS[1]): Times(busy=128),
    (ROOT, COLLECTIONS[0]): Times(busy=256),
}


def test_a_stack_is_found_before_all_are_made():
    rows = in_rows(STACKS)
    assert rows[ROOT, A, B] == Times(busy=8, left_open=1)
    assert (ROOT, B) in rows
    assert rows.get((ROOT, B)).idle == 5
    assert len(rows) == len(STACKS)


@pytest.mark.parametrize("path", [(), (A,), (ROOT, B, A), (ROOT, Frame("c")), (ROOT, A, B, B), "a"])
def test_what_is_no_stack_is_not_found(path):
    rows = in_rows(STACKS)
    assert path not in rows
    assert rows.get(path) is None
    with pytest.raises(KeyError):
        rows[path]


def test_rows_need_no_collection_of_garbage_to_go():
    class Frames(list):
        """A list that can be watched."""

    frames = Frames(FRAMES)
    watched = weakref.ref(frames)
    rows = StackRows(frames, [0, 1], [NO_PARENT, 0], [(0, 0)] * 8)
    gc.disable()
    try:
        del frames, rows
        assert watched() is None
    finally:
        gc.enable()


@given(PROFILES)
def test_rows_are_the_mapping_of_the_same_stacks(profile):
    stacks = {path: times for path, times in profile.stacks.items() if path[:-1] in profile.stacks}
    stacks |= {path[:1]: Times() for path in profile.stacks}
    stacks = {path: times for path, times in stacks.items() if path[:-1] in stacks or not path[1:]}
    rows = in_rows(stacks)
    found = {path: rows[path] for path in stacks}
    assert found == stacks == rows == dict(rows)
    assert {path: rows[path] for path in stacks} == stacks
    assert {rows.path(row) for row in range(len(rows))} == {*stacks}
    assert [len(rows.path(row)) for row in range(len(rows))] == [*rows.depths]


def test_numbers_of_any_size_are_kept():
    large = 1 << 70
    assert compact([1, large]) == [1, large]
    assert [*compact([1, 2])] == [1, 2]
    rows = in_rows({(ROOT,): Times(busy=large), (ROOT, A): Times(busy=1)})
    assert rows[ROOT,].busy == large
    assert Profile(rows).own == large


def test_a_stack_must_not_be_there_twice():
    with pytest.raises(ValueError, match="twice"):
        StackRows(FRAMES, [0, 1, 1], [NO_PARENT, 0, 0], [(0, 0, 0)] * 8)


def test_sums_of_a_profile_are_those_of_its_stacks_by_path():
    by_path, by_row = Profile(STACKS), Profile(in_rows(STACKS))
    sums = ("busy", "own", "waiting", "callbacks", "collecting", "thread_time")
    assert [getattr(by_row, name) for name in sums] == [142, 369, 16, 96, 384, 9]
    assert [getattr(by_path, name) for name in sums] == [142, 369, 16, 96, 384, 9]
    assert by_row == by_path


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_a_profile_of_rows_can_be_copied(copied):
    assert copied(Profile(in_rows(STACKS))) == Profile(STACKS)
