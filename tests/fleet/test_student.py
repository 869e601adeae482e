"""Student's t distribution, against tables."""

from __future__ import annotations

import pytest

from tracetools.fleet.student import chance_above


@pytest.mark.parametrize(
    ("t", "freedom", "chance"),
    [
        (0, 3, 0.5),
        (1, 1, 0.25),
        (-1, 1, 0.75),
        (6.313752, 1, 0.05),
        (2.228139, 10, 0.025),
        (3.169273, 10, 0.005),
        (1.959964, 1e9, 0.025),
        (4.264891, 1e9, 1e-5),
    ],
)
def test_the_chance_is_that_of_the_tables(t, freedom, chance):
    assert chance_above(t, freedom) == pytest.approx(chance, rel=2e-5)


def test_what_is_all_but_impossible_has_no_chance():
    assert chance_above(1e6, 50) < 1e-100
