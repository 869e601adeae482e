"""Histograms: exact sums, and quantiles to within a sixtieth."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import histogram_of, histograms
from tracetools.core.buckets import HistogramBuilder, bucket_of
from tracetools.core.histogram import EMPTY, Histogram, middle_of

VALUES = st.integers(0, 1 << 56)  # so that the sum of some fits 64 bits
HISTOGRAMS = histograms(VALUES)


def collected(values):
    builder = HistogramBuilder()
    for value in values:
        builder.add(value)
    return Histogram.of(builder)


@given(st.lists(VALUES, max_size=50))
def test_sum_max_and_count_are_exact(values):
    histogram = collected(values)
    assert (histogram.total, histogram.max) == (sum(values), max(values, default=0))
    assert histogram.count == len(values)


@given(VALUES)
def test_a_quantile_is_right_to_within_a_sixtieth(value):
    found = Histogram(value, value, {bucket_of(value): 1}).quantile(0.5)
    assert abs(found - value) <= value / 60


def test_many_values_have_exact_sums_and_close_quantiles():
    number = 12_293
    histogram = collected(range(number))
    assert histogram.count == number
    assert histogram.total == sum(range(number))
    assert histogram.max == number - 1
    assert abs(histogram.quantile(0.5) / (number / 2) - 1) < 0.02


def test_small_values_have_exact_quantiles():
    histogram = collected([*range(1, 51)])
    assert [histogram.quantile(part) for part in (0, 0.5, 0.99, 1)] == [1, 25, 50, 50]
    assert histogram.mean == 25.5


def test_the_empty_histogram_is_all_zeros():
    assert (EMPTY.quantile(0.5), EMPTY.mean, EMPTY.count, EMPTY.max) == (0, 0.0, 0, 0)


@given(st.integers(0, 1 << 12))
def test_the_middle_of_a_bucket_is_in_the_bucket(bucket):
    assert bucket_of(middle_of(bucket)) == bucket


@given(st.lists(VALUES, max_size=6), st.lists(VALUES, max_size=6))
def test_histograms_add_up_without_loss(one, other):
    assert histogram_of(one).plus(histogram_of(other)) == histogram_of(one + other)


@given(HISTOGRAMS)
def test_a_deep_copy_is_equal(histogram):
    assert copy.deepcopy(histogram) == histogram


def test_the_buckets_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        EMPTY.buckets[1] = 1
