"""Counts in words, letter by letter."""

import pytest

from tracetools.output.flamegraph.amounts import amount_formatter, nanoseconds_of


@pytest.mark.parametrize(
    ("unit", "factor", "count", "words"),
    [
        ("samples", 1, 0, "0 samples"),
        ("samples", 1, 1_234_567, "1,234,567 samples"),
        ("samples", 0.5, 5, "2 samples"),
        ("samples", 0.5, 7, "4 samples"),
        ("bytes", 1, 10**30, f"{10**30:,} bytes"),
        ("ns", 1, 0, "0 ns"),
        ("ns", 1, 999, "999 ns"),
        ("ns", 1, 1000, "1 µs"),
        ("ns", 1, 1234, "1.234 µs"),
        ("ns", 1, 12_345, "12.34 µs"),
        ("ns", 1, 999_960, "1 ms"),
        ("ns", 1, 123_456_789, "123.5 ms"),
        ("ns", 1, 1_500_000_000, "1.5 s"),
        ("us", 1, 1_500, "1.5 ms"),
        ("μs", 1, 1, "1 µs"),
        ("Microseconds", 1, 2_000_000, "2 s"),
        ("ms", 1, 90_061_000, "90,061 s"),
        ("s", 1, 1_000_000, "1,000,000 s"),
        ("s", 0.001, 1, "0.001 s"),
        ("µs", 2.5, 1000, "2.5 ms"),
    ],
)
def test_amount(unit, factor, count, words):
    assert amount_formatter(unit, factor)(count) == words


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("ns", 1),
        ("µs", 1_000),
        ("usec", 1_000),
        ("ms", 1_000_000),
        (" Seconds ", 1_000_000_000),
        ("bytes", None),
        ("", None),
    ],
)
def test_units_of_time_have_so_many_nanoseconds(unit, expected):
    assert nanoseconds_of(unit) == expected
