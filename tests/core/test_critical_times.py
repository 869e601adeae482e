"""Critical paths of many spans add up."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timelines.scripts import SPANS, TIMELINES, path
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.stacks import Frame
from tracetools.timelines.critical_path import critical_path
from tracetools.timelines.states import States

ONE = CriticalTimes(1, 10, {path("a"): 4, path("a/b"): 6}, {Frame("a"): 10, Frame("b"): 6})
OTHER = CriticalTimes(1, 5, {path("a"): 5}, {Frame("a"): 2})
TIMES = st.tuples(TIMELINES, SPANS).map(
    lambda made: critical_path(States(made[0]), made[1]).times()
)


def test_counts_durations_shares_and_savings_add_up():
    assert CriticalTimes.merged([ONE, OTHER]) == CriticalTimes(
        2, 15, {path("a"): 9, path("a/b"): 6}, {Frame("a"): 12, Frame("b"): 6}
    )
    assert CriticalTimes.merged([]) == CriticalTimes()


def test_the_total_of_a_frame_is_the_time_of_all_paths_that_it_is_in():
    totals = {frame.name: time for frame, time in ONE.totals().items()}
    assert totals == {"all-spans": 10, "a": 10, "b": 6}


def test_they_cannot_be_changed():
    with pytest.raises(TypeError):
        ONE.shares[path("c")] = 1
    with pytest.raises(TypeError):
        ONE.savings[Frame("c")] = 1


def test_a_copy_is_equal():
    assert copy.deepcopy(ONE) == pickle.loads(pickle.dumps(ONE)) == ONE


@given(TIMES, TIMES, TIMES)
def test_merging_is_associative_and_commutative(one, two, three):
    at_once = CriticalTimes.merged([one, two, three])
    assert CriticalTimes.merged([CriticalTimes.merged([one, two]), three]) == at_once
    assert CriticalTimes.merged([one, CriticalTimes.merged([two, three])]) == at_once
    assert CriticalTimes.merged([three, one, two]) == at_once
    assert at_once.duration == sum(at_once.shares.values())
