"""How many tokens of a limiter were wanted, from the waits of those that wanted one."""

from __future__ import annotations

import gc

from tracetools.attribution.limiters import Limiters
from tracetools.core.stacks import Frame, StackTree, Tokens

TREE = StackTree()
A, B = (TREE.child(TREE.root, Frame(name)) for name in "ab")


class Limiter:
    __hash__ = None

    def __eq__(self, other):
        raise AssertionError("compared")


def most(*waits, tokens=1, stack=A):
    """Return the most tokens that are wanted, given waits in the order in which they end."""
    limiters, limiter = Limiters(), Limiter()
    for since, until in waits:
        limiters.note(stack, limiter, tokens, since, until)
    return list(limiters.by_path(lambda frame: frame).values())


def test_waits_at_the_same_time_are_added_to_the_tokens():
    assert most((0, 10)) == [Tokens(1, 2)]
    assert most((0, 10), (0, 20), (5, 30), tokens=2) == [Tokens(2, 5)]


def test_waits_one_after_another_are_not_added_up():
    assert most((0, 10), (10, 20), (20, 30)) == [Tokens(1, 2)]


def test_a_wait_that_was_given_up_is_added_only_to_those_that_had_begun():
    given_up = [(5, 10), (15, 20), (25, 30)]
    assert most(*given_up, (0, 40)) == [Tokens(1, 2)]


def test_the_most_of_each_stack_is_kept():
    limiters, one, other = Limiters(), Limiter(), Limiter()
    limiters.note(A, one, 1, 0, 10)
    limiters.note(A, one, 1, 0, 20)
    limiters.note(A, one, 1, 30, 40)
    limiters.note(B, other, 5, 0, 10)
    found = {path[-1].name: each for path, each in limiters.by_path(lambda frame: frame).items()}
    assert found == {"a": Tokens(1, 3), "b": Tokens(5, 6)}


def test_a_limiter_is_not_kept_alive():
    limiters, limiter = Limiters(), Limiter()
    limiters.note(A, limiter, 1, 0, 10)
    assert len(limiters._waits) == 1
    del limiter
    gc.collect()
    assert limiters._waits == {}


def test_stacks_are_bounded(monkeypatch):
    monkeypatch.setattr("tracetools.attribution.limiters._MAX_STACKS", 1)
    limiters, limiter = Limiters(), Limiter()
    limiters.note(A, limiter, 1, 0, 10)
    limiters.note(B, limiter, 1, 0, 20)
    limiters.note(A, limiter, 1, 0, 30)
    assert list(limiters.by_path(lambda frame: frame).values()) == [Tokens(1, 4)]
