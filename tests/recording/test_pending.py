"""What waits to be kept is bounded, and each name has its share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.stacks import Frame
from tracetools.recording.pending import Pending, fair_share
from tracetools.recording.triggers import Fired


def fired(why="slow", *, begin=0, end=1, **more):
    return Fired(why, 0, begin, end, **{"task": 1, "stack": 1, "number": 1, **more})


def name(text, why="slow"):
    return why, Frame(text), ""


def everything(_):
    return True


def test_a_name_of_which_much_waits_pushes_out_no_other_one():
    pending = Pending(10)
    for end in range(100):
        pending.add(name("busy"), fired(end=1000 + end))
    pending.add(name("rare"), fired(end=1))
    pending.bound()
    taken = pending.take(everything)
    assert [each.end for known, each in taken if known == name("rare")] == [1]
    assert [each.end for known, each in taken if known == name("busy")] == [*range(1099, 1090, -1)]
    assert pending.skipped == 91


def test_the_worst_of_each_name_comes_first():
    pending = Pending(10)
    for text, ends in {"one": (3, 9), "other": (5, 4)}.items():
        for end in ends:
            pending.add(name(text), fired(end=end))
    taken = [(known[1].name, each.end) for known, each in pending.take(everything)]
    assert taken == [("one", 9), ("other", 5), ("other", 4), ("one", 3)]
    assert len(pending) == 0


def test_more_names_than_there_is_room_for_are_bounded():
    pending = Pending(10)
    for number in range(1000):
        pending.add(name(str(number)), fired())
    pending.bound()
    assert len(pending) <= 10
    assert pending.skipped == 1000 - len(pending)


def test_what_is_not_complete_waits():
    pending = Pending(10)
    for end in (1, 2, 3):
        pending.add(name("span"), fired(end=end))
    assert [each.end for _, each in pending.take(lambda each: each.end < 3)] == [2, 1]
    assert len(pending) == 1
    assert [each.end for _, each in pending.take(everything)] == [3]


def test_an_error_that_goes_through_several_spans_counts_for_the_outermost_one():
    pending = Pending(10)
    for number, text in enumerate(("inner", "middle", "outer")):
        error = fired("error", begin=5 - number, end=6 + number, number=number, error=7)
        pending.add(name(text, "error"), error)
    pending.add(name("inner", "error"), fired("error", begin=5, end=6, error=8))
    pending.add(name("inner", "error"), fired("error", begin=5, end=6, error=7, task=2))
    taken = [known[1].name for known, _ in pending.take(everything)]
    assert taken == ["outer", "inner", "inner"]
    assert len(pending) == 0


def test_of_errors_the_first_ones_are_kept_and_of_signals_the_last():
    for why, kept in {"error": [0, 1, 2], "signal": [9, 8, 7]}.items():
        pending = Pending(3)
        for number in range(10):
            each = fired(why, begin=number, end=number, number=number, error=number)
            pending.add(name("span", why), each)
        pending.bound()
        assert [each.end for _, each in pending.take(everything)] == kept


def test_what_is_forgotten_is_counted():
    pending = Pending(3)
    pending.add(name("span"), fired())
    pending.clear()
    assert (len(pending), pending.skipped) == (0, 1)
    assert pending.take(everything) == []


@given(st.lists(st.integers(0, 50)), st.integers(0, 100))
def test_a_share_is_the_largest_that_fits(sizes, most):
    share = fair_share(sizes, most)
    assert sum(min(size, share) for size in sizes) <= most
    if share < max(sizes, default=0):
        assert sum(min(size, share + 1) for size in sizes) > most


@pytest.mark.parametrize(("sizes", "share"), [([], 0), ([5], 5), ([100, 1], 9), ([6, 6], 5)])
def test_who_wants_less_leaves_the_rest_to_the_others(sizes, share):
    assert fair_share(sizes, 10) == share
