"""Dividing time by looks: nothing is lost, nothing is invented."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.shares import Shares, divide
from tracetools.stacks import Frame, StackTree

ROOT = StackTree().root
A, B, C = (StackTree().child(ROOT, Frame(name)) for name in "abc")


def test_looks_are_weighed_and_not_counted():
    assert divide(1000, {A: 30, B: 10}) == {A: 60, B: 20}  # twice what they stand for
    assert divide(40, {A: 30, B: 10}) == {A: 30, B: 10}
    assert divide(20, {A: 30, B: 10}) == {A: 15, B: 5}


def test_what_no_look_saw_belongs_to_nobody():
    assert divide(1000, {}) == {}
    assert divide(1000, {A: 0}) == {}
    assert divide(0, {A: 5}) == {A: 0}
    assert divide(-5, {A: 5}) == {A: 0}


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), max_size=3))
def test_no_more_is_given_than_there_is(total, looks):
    parts = divide(total, dict(zip((A, B, C), looks, strict=False)))
    assert sum(parts.values()) <= min(total, 2 * sum(looks))
    assert all(part >= 0 for part in parts.values())
    assert sum(parts.values()) > min(total, 2 * sum(looks)) - 3  # but for rounding


def test_a_look_at_the_stack_itself_leaves_its_share_there():
    shares = Shares()
    shares.add(A, A, 10)
    shares.add(A, B, 30)
    shares.add(C, B, 5)
    assert shares.count == 3
    assert sorted(map(str, shares.divided({A: 80}))) == [str((A, B, 60))]
    assert list(shares.divided({})) == []
