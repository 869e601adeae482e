"""Dividing time by looks: nothing is lost, nothing is invented."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.attribution.division import Shares, divide
from tracetools.core.stacks import Frame, Stack, StackTree

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
    shares = shares_of_stacks()
    shares.add(A, ("a",), A, 10)
    shares.add(A, ("a", "b"), B, 30)
    shares.add(C, ("c", "b"), B, 5)
    assert shares.count == 3
    assert sorted(map(str, shares.divided({A: 80}))) == [str((A, B, 60))]
    assert list(shares.divided({})) == []


def shares_of_stacks() -> "Shares[Stack]":
    return Shares(lambda seen: seen)


def test_where_a_place_is_is_asked_once_and_only_when_somebody_wants_to_know():
    asked = []

    def place_of(seen: str) -> Stack:
        asked.append(seen)
        return B

    shares = Shares(place_of)
    for _ in range(3):
        shares.add(A, ("key",), "seen", 10)
    assert asked == []
    assert list(shares.divided({A: 80})) == [(A, B, 60)]
    shares.add(A, ("key",), "seen", 10)
    shares.find_places()
    assert list(shares.divided({A: 80})) == [(A, B, 80)]
    assert asked == ["seen"]
    shares.forget()
    assert list(shares.divided({A: 80})) == []
    assert shares.count == 4


def test_what_was_seen_is_kept_by_its_size(monkeypatch):
    monkeypatch.setattr("tracetools.attribution.division._MOST_KEPT", 10)
    seen = []
    shares = Shares(lambda place: seen.append(place) or B)
    shares.add(A, tuple("abcdef"), 1, 1)
    shares.add(A, tuple("ghij"), 2, 1)
    assert seen == []
    shares.add(A, tuple("klmno"), 3, 1)
    assert seen == [1]
    shares.add(A, tuple("a much longer one"), 4, 1)
    assert seen == [1, 2, 3]
    assert list(shares.divided({A: 4})) == [(A, B, 4)]


def test_looks_without_end_that_all_differ_do_not_stay(monkeypatch):
    monkeypatch.setattr("tracetools.attribution.division._MOST_KEPT", 10)
    seen = []
    shares = Shares(lambda place: seen.append(place) or (B, C)[place % 2])
    for number in range(35):
        shares.add(A, (number,), number, 1)
    assert seen == list(range(25))
    assert sorted(map(str, shares.divided({A: 35}))) == [str((A, B, 18)), str((A, C, 17))]
