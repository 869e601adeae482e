"""Which waits are looked at: all while there is time for it, and else where most time is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tracetools.attribution.wait_sampling import Allowance

LOOK = 8_000
MS = 1_000_000


def looked_at(waits: list[int], *, every: int, least: int = 100_000) -> list[tuple[int, int]]:
    """Let waits of one stack end one after another, at equal distances.

    Returns those that are looked at, each with the time that it stands for.
    """
    allowance = Allowance(least, 0)
    found = []
    for number, wait in enumerate(waits):
        stands_for = allowance.stands_for(wait, number * every)
        if stands_for:
            found.append((wait, stands_for))
            allowance.spend(LOOK)
    return found


def test_where_waits_are_few_all_are_looked_at_that_are_long_enough():
    every = LOOK * Allowance.PART
    assert looked_at([100_001] * 1000, every=every) == [(100_001, 100_001)] * 1000
    assert looked_at([100_000] * 1000, every=every) == []
    assert looked_at([1] * 1000, every=every, least=0) == [(1, 1)] * 1000


def test_where_waits_are_many_each_kind_has_its_share_of_the_time():
    kinds = [200_000, 300_000, 250_000, 5 * MS, 2 * MS]
    found = looked_at(kinds * 10_000, every=50_000)
    assert len(found) < 10_000
    told: Counter[int] = Counter()
    for wait, stands_for in found:
        told[wait] += stands_for
    assert 0.95 < told[5 * MS] / (5 * MS * 10_000) < 1.05
    assert 0.9 < told[2 * MS] / (2 * MS * 10_000) < 1.1
    assert all(0.5 < told[kind] / (kind * 10_000) < 1.5 for kind in kinds)


def test_long_waits_are_looked_at_whatever_it_takes():
    waits = [10 * MS + 1] * 5000
    assert looked_at(waits, every=1) == [(wait, wait) for wait in waits]
    assert looked_at([20 * MS], every=1, least=20 * MS) == []


def test_what_long_waits_took_is_soon_forgotten():
    allowance = Allowance(100_000, 0)
    for _ in range(1000):
        assert allowance.stands_for(20 * MS, 0) == 20 * MS
        allowance.spend(LOOK)
    assert allowance.stands_for(100_001, 2 * Allowance.PART * Allowance.MOST) == 100_001


def test_what_was_saved_up_is_there_for_many_waits_at_once():
    assert len(looked_at([400_000] * 50, every=0)) > 25


@given(
    st.lists(st.integers(0, 10 * MS), min_size=1, max_size=300),
    st.integers(0, MS),
    st.integers(0, 20 * MS),
)
def test_no_more_is_spent_than_the_part_and_what_was_saved(waits, every, least):
    passed = (len(waits) - 1) * every
    spent = len(looked_at(waits, every=every, least=least)) * LOOK
    assert spent <= passed / Allowance.PART + Allowance.MOST + LOOK
