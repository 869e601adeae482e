"""Which waits are sampled: all while there is time for it, else those with most of the time."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tracetools.attribution.wait_sampling import WaitSampling

COST = 8_000
MS = 1_000_000


def sampled(waits: list[int], *, every: int, least: int = 100_000) -> list[tuple[int, int]]:
    """Let waits of one stack end one after another, at equal distances.

    Returns those that are sampled, each with its weight.
    """
    sampling = WaitSampling(least, 0)
    found = []
    for number, wait in enumerate(waits):
        weight = sampling.weight(wait, number * every)
        if weight:
            found.append((wait, weight))
            sampling.spend(COST)
    return found


def test_few_waits_are_all_sampled_if_they_are_long_enough():
    every = COST * WaitSampling.PART
    assert sampled([100_001] * 1000, every=every) == [(100_001, 100_001)] * 1000
    assert sampled([100_000] * 1000, every=every) == []
    assert sampled([1] * 1000, every=every, least=0) == [(1, 1)] * 1000


def test_many_waits_of_each_kind_have_their_part_of_the_time():
    kinds = [200_000, 300_000, 250_000, 5 * MS, 2 * MS]
    found = sampled(kinds * 10_000, every=50_000)
    assert len(found) < 10_000
    weights: Counter[int] = Counter()
    for wait, weight in found:
        weights[wait] += weight
    assert 0.95 < weights[5 * MS] / (5 * MS * 10_000) < 1.05
    assert 0.9 < weights[2 * MS] / (2 * MS * 10_000) < 1.1
    assert all(0.5 < weights[kind] / (kind * 10_000) < 1.5 for kind in kinds)


def test_long_waits_are_sampled_at_any_cost():
    waits = [10 * MS + 1] * 5000
    assert sampled(waits, every=1) == [(wait, wait) for wait in waits]
    assert sampled([20 * MS], every=1, least=20 * MS) == []


def test_the_cost_of_long_waits_is_soon_forgotten():
    sampling = WaitSampling(100_000, 0)
    for _ in range(1000):
        assert sampling.weight(20 * MS, 0) == 20 * MS
        sampling.spend(COST)
    assert sampling.weight(100_001, 2 * WaitSampling.PART * WaitSampling.MOST) == 100_001


def test_saved_time_is_spent_on_many_waits_at_once():
    assert len(sampled([400_000] * 50, every=0)) > 25


@given(
    st.lists(st.integers(0, 10 * MS), min_size=1, max_size=300),
    st.integers(0, MS),
    st.integers(0, 20 * MS),
)
def test_samples_take_no_more_than_their_part_and_the_saved_time(waits, every, least):
    passed = (len(waits) - 1) * every
    spent = len(sampled(waits, every=every, least=least)) * COST
    assert spent <= passed / WaitSampling.PART + WaitSampling.MOST + COST
