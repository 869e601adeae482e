"""Values that come one by one: their sums, their buckets, and their trend."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.buckets import HistogramBuilder, Trend, bucket_of

VALUES = st.integers(0, 1 << 56)  # so that the sum of some fits 64 bits


@given(VALUES, VALUES)
def test_a_larger_value_never_has_a_smaller_bucket(one, other):
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@given(st.integers(0, 63))
def test_small_values_have_a_bucket_of_their_own(value):
    assert bucket_of(value) == value


def test_a_new_builder_has_no_values():
    assert HistogramBuilder().sums() == (0, 0, {})


@given(st.lists(VALUES))
def test_every_value_is_counted_in_its_bucket(values):
    builder = HistogramBuilder()
    for value in values:
        builder.add(value)
    total, largest, buckets = builder.sums()
    assert (total, largest) == (sum(values), max(values, default=0))
    assert buckets == dict(Counter(map(bucket_of, values)))


@given(st.lists(VALUES), VALUES)
def test_a_copy_does_not_change_with_what_it_was_made_of(values, more):
    builder = HistogramBuilder()
    for value in values:
        builder.add(value)
    copy, before = builder.copy(), builder.sums()
    builder.add(more)
    assert copy.sums() == before
    copy.add(more)
    assert copy.sums() == builder.sums()


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
