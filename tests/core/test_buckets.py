"""Sizes that come one by one, and what is known of them afterwards."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.buckets import Sizes, Trend, bucket_of
from tracetools.core.histogram import NOTHING, Spread

SIZES = st.integers(0, 1 << 62)


def collected(sizes):
    known = Sizes()
    for size in sizes:
        known.pending.append(size)
        if len(known.pending) >= Sizes.BATCH:
            known.condense()
    return Spread.of(known)


@given(SIZES, SIZES)
def test_larger_sizes_have_larger_buckets_or_the_same(one, other):
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@given(st.integers(0, 63))
def test_small_sizes_have_a_bucket_of_their_own(size):
    assert bucket_of(size) == size


@given(st.lists(SIZES, max_size=50))
def test_the_sum_and_the_largest_are_exact(sizes):
    spread = collected(sizes)
    assert (spread.total, spread.worst, spread.count) == (
        sum(sizes),
        max(sizes, default=0),
        len(sizes),
    )


@given(SIZES)
def test_a_quantile_is_right_to_within_a_sixtieth(size):
    found = Spread(size, size, {bucket_of(size): 1}).quantile(0.5)
    assert abs(found - size) <= size / 60


def test_batches_are_told_by_every_eighth():
    spread = collected(range(3 * Sizes.BATCH + 5))
    assert spread.count == 3 * Sizes.BATCH + 5
    assert spread.total == sum(range(3 * Sizes.BATCH + 5))
    assert spread.worst == 3 * Sizes.BATCH + 4
    assert abs(spread.quantile(0.5) / (1.5 * Sizes.BATCH) - 1) < 0.02


def test_more_than_a_batch_may_be_pending():
    known = Sizes()
    known.pending.extend([7] * (Sizes.BATCH + 3))
    assert known.sums() == (7 * (Sizes.BATCH + 3), 7, {7: Sizes.BATCH + 3})
    known.condense()
    assert known.pending == [7, 7, 7]
    assert known.sums() == (7 * (Sizes.BATCH + 3), 7, {7: Sizes.BATCH + 3})


def test_quantiles_of_known_sizes():
    spread = collected([*range(1, 51)])
    assert [spread.quantile(part) for part in (0, 0.5, 0.99, 1)] == [1, 25, 50, 50]
    assert spread.mean == 25.5
    assert (NOTHING.quantile(0.5), NOTHING.mean, NOTHING.count) == (0, 0.0, 0)


def test_a_trend_has_at_most_so_many_parts_and_keeps_the_mean():
    trend = Trend()
    for value in range(1000):
        trend.add(value)
    assert len(trend.parts) <= Trend.MOST_PARTS
    assert list(trend.parts) == sorted(trend.parts)
    assert trend.parts[0] < 32
    assert trend.parts[-1] > 900


def test_a_short_trend_is_as_it_was():
    trend = Trend()
    for value in (3, 1, 2):
        trend.add(value)
    assert trend.parts == (3, 1, 2)
