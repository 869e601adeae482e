"""Values that come one by one: their sums, their buckets, and their trend."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.buckets import HistogramBuilder, Trend, bucket_of

VALUES = st.integers(0, 1 << 62)
BATCH = HistogramBuilder.BATCH


@given(VALUES, VALUES)
def test_a_larger_value_never_has_a_smaller_bucket(one, other):
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@given(st.integers(0, 63))
def test_small_values_have_a_bucket_of_their_own(value):
    assert bucket_of(value) == value


def test_a_new_builder_has_no_values():
    assert HistogramBuilder().sums() == (0, 0, {})


def test_pending_values_are_counted_one_by_one():
    builder = HistogramBuilder()
    builder.pending += [3, 5, 5]
    assert builder.sums() == (13, 5, {3: 1, 5: 2})


def test_of_a_batch_every_eighth_value_is_counted_for_eight():
    builder = HistogramBuilder()
    builder.pending += [8, *[1] * 7] * (BATCH // 8)
    builder.condense()
    assert builder.pending == []
    assert builder.sums() == (15 * BATCH // 8, 8, {8: BATCH})


def test_more_than_a_batch_may_be_pending():
    builder = HistogramBuilder()
    builder.pending += [7] * (BATCH + 3)
    assert builder.sums() == (7 * (BATCH + 3), 7, {7: BATCH + 3})
    builder.condense()
    assert builder.pending == [7, 7, 7]
    assert builder.sums() == (7 * (BATCH + 3), 7, {7: BATCH + 3})


def test_a_trend_has_a_bounded_number_of_parts_in_order():
    trend = Trend()
    for value in range(1000):
        trend.add(value)
    assert len(trend.parts) <= Trend.MOST_PARTS
    assert list(trend.parts) == sorted(trend.parts)
    assert trend.parts[0] < 32
    assert trend.parts[-1] > 900


def test_a_short_trend_is_the_values_themselves():
    trend = Trend()
    for value in (3, 1, 2):
        trend.add(value)
    assert trend.parts == (3, 1, 2)
