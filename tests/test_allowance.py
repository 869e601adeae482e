"""Which waits are looked at: all while there is time for it, and else the long ones."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.allowance import Allowance

LOOK = 8_000
MS = 1_000_000


def looked_at(waits: list[int], *, every: int, least: int = 100_000) -> list[int]:
    """Return which of the waits are looked at that end one after another, at equal distances."""
    allowance = Allowance(least, 0)
    found = []
    for number, wait in enumerate(waits):
        if allowance.is_worth(wait, number * every):
            found.append(wait)
            allowance.spend(LOOK)
    return found


def test_where_waits_are_few_all_are_looked_at_that_are_long_enough():
    assert looked_at([100_001] * 1000, every=LOOK * Allowance.PART) == [100_001] * 1000
    assert looked_at([100_000] * 1000, every=LOOK * Allowance.PART) == []
    assert looked_at([1] * 1000, every=LOOK * Allowance.PART, least=0) == [1] * 1000


def test_where_waits_are_many_the_short_ones_are_left_out():
    waits = [200_000, 300_000, 250_000, 5 * MS] * 5000
    found = looked_at(waits, every=200_000)
    assert found.count(5 * MS) == 5000
    assert 9500 < len(found) < 10_300  # of the 15,000 short ones, a third


def test_long_waits_are_looked_at_whatever_it_takes():
    waits = [10 * MS + 1] * 5000
    assert looked_at(waits, every=1) == waits
    assert looked_at([20 * MS] * 500, every=1, least=20 * MS) == []


def test_what_long_waits_took_is_soon_forgotten():
    allowance = Allowance(100_000, 0)
    for _ in range(1000):
        assert allowance.is_worth(20 * MS, 0)
        allowance.spend(LOOK)
    assert not allowance.is_worth(5 * MS, Allowance.PART * Allowance.MOST)
    assert allowance.is_worth(100_001, 2 * Allowance.PART * Allowance.MOST)


def test_what_was_saved_up_is_there_for_many_waits_at_once():
    assert len(looked_at([200_000] * 50, every=0)) > 25


@given(
    st.lists(st.integers(0, 10 * MS), min_size=1, max_size=300),
    st.integers(0, MS),
    st.integers(0, 20 * MS),
)
def test_no_more_is_spent_than_the_part_and_what_was_saved(waits, every, least):
    passed = (len(waits) - 1) * every
    spent = len(looked_at(waits, every=every, least=least)) * LOOK
    assert spent <= passed / Allowance.PART + Allowance.MOST + LOOK
