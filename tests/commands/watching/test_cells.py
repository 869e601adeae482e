"""Text in columns of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.commands.watching.cells import columns_of, count, fit, percent, right, short, time


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.0 us"),
        (9_940, "9.9 us"),
        (9_960, "10 us"),
        (999_400, "999 us"),
        (999_600, "1.0 ms"),
        (12_345_678, "12 ms"),
        (1_400_000_000, "1.4 s"),
        (59_400_000_000, "59 s"),
        (59_600_000_000, "0m 59s"),
        (65_000_000_000, "1m 05s"),
        (3_599_000_000_000, "59m 59s"),
        (3_600_000_000_000, "1h 00m"),
        (86_400_000_000_000, "1d 00h"),
        (864_000_000_000_000, "10d 00h"),
    ],
)
def test_times(nanoseconds, text):
    assert time(nanoseconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.001, "0.00"),
        (0.25, "0.25"),
        (3, "3"),
        (3.14159, "3.14"),
        (19.96, "20.0"),
        (20, "20"),
        (1234.5, "1,234"),
        (99_999, "99,999"),
        (100_000, "100k"),
        (1_234_567, "1M"),
        (5e9, "5G"),
        (5e12, "5T"),
    ],
)
def test_counts(number, text):
    assert count(number) == text


@pytest.mark.parametrize(
    ("part", "text"), [(0, "0.0"), (0.4312, "43.1"), (1, "100.0"), (9.9996, "1000")]
)
def test_percentages(part, text):
    assert percent(part) == text


@given(st.integers(0, 10**16))
def test_numbers_fit_into_their_columns(number):
    assert len(time(number)) <= 7
    assert len(count(number)) <= 6
    assert len(count(number / 1000)) <= 6


@given(st.text(), st.integers(0, 30))
def test_a_text_takes_exactly_so_many_columns_and_moves_no_cursor(text, width):
    for made in (fit(text, width), right(text, width)):
        assert columns_of(made) == width


@given(st.text(), st.integers(0, 30))
def test_what_is_fit_can_be_printed(text, width):
    assert fit(text, width).isprintable()


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("job", "job   "),
        ("a longer name", "a lon~"),
        ("日本語の名", "日本~ "),
        ("日本語", "日本語"),
        ("e\u0301tude", "e\u0301tude "),
        ("a\x1b[31m", "a?[31m"),
        ("a\nb\rc", "a?b?c "),
        ("[bold]", "[bold]"),
        ("\u202eevil", "?evil "),
        ("", "      "),
    ],
)
def test_names_of_all_kinds(text, fits):
    assert fit(text, 6) == fits


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("job (src/app.py:3)", "job (app.py:3)"),
        (
            "Lock at /a/b/app.py:3, held by #2 (acquired at c/d.py:9)",
            "Lock at app.py:3, held by #2 (acquired at d.py:9)",
        ),
        (r"job (src\app.py:3)", "job (app.py:3)"),
        ("GET /report (app.py:3)", "GET /report (app.py:3)"),
        ("job", "job"),
    ],
)
def test_folders_are_left_out(text, shown):
    assert short(text) == shown
