"""Periods end at whole minutes, whatever the clock on the wall does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tracetools.minutes.periods import Period, Periods

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOON = 1_000_000 * MINUTE


class Clocks:
    """Two clocks that go alike until the one on the wall is set."""

    def __init__(self, wall: int) -> None:
        self.wall, self.steady = wall, 5

    def tick(self, seconds: float) -> None:
        self.wall += round(seconds * SECOND)
        self.steady += round(seconds * SECOND)

    def periods(self, every: float = 60) -> Periods:
        return Periods(every, lambda: self.wall, lambda: self.steady)


def test_the_first_period_ends_at_the_next_whole_minute():
    clocks = Clocks(NOON + 20 * SECOND)
    periods = clocks.periods()
    assert periods.wait() == 40
    clocks.tick(40)
    assert periods.wait() == 0
    assert periods.end() == Period(NOON + 20 * SECOND, NOON + MINUTE)
    assert periods.wait() == 60


def test_a_period_that_ends_late_does_not_make_the_next_one_late():
    clocks = Clocks(NOON)
    periods = clocks.periods()
    clocks.tick(63)
    assert periods.end() == Period(NOON, NOON + 63 * SECOND)
    assert periods.wait() == 57


def test_it_does_not_end_a_moment_before_the_minute():
    clocks = Clocks(NOON)
    periods = clocks.periods()
    clocks.tick(59.999)
    assert 0 < periods.wait() < 0.01


def test_a_clock_that_jumps_ahead_ends_the_period_with_its_true_length():
    clocks = Clocks(NOON)
    periods = clocks.periods()
    clocks.tick(10)
    clocks.wall += 3600 * SECOND
    assert periods.wait() == 0
    assert periods.end() == Period(NOON, NOON + 10 * SECOND)
    assert periods.wait() == 50


def test_a_clock_that_is_set_back_does_not_make_a_period_of_an_hour():
    clocks = Clocks(NOON)
    periods = clocks.periods()
    clocks.wall -= 3600 * SECOND
    assert periods.wait() == 61
    clocks.tick(61)
    assert periods.wait() == 0
    assert periods.end() == Period(NOON, NOON + 61 * SECOND)


def test_no_two_periods_begin_at_once_though_the_clock_stands():
    periods = Clocks(NOON).periods()
    first, second = periods.end(), periods.end()
    assert first.start < second.start


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(-(10**12), 10**12)), max_size=20))
def test_whatever_the_clock_does_all_time_is_in_one_period(moves):
    clocks = Clocks(NOON)
    periods, found = clocks.periods(), []
    for seconds, jump in moves:
        clocks.tick(seconds)
        clocks.wall += jump
        assert 0 <= periods.wait() <= 61
        if not periods.wait():
            found.append(periods.end())
    found.append(periods.end())
    assert sum(period.end - period.start for period in found) == clocks.steady - 5
    assert all(one.start != other.start for one, other in pairwise(found))
