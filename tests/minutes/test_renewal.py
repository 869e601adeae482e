"""When the accounting begins anew."""

from __future__ import annotations

from itertools import pairwise

from tracetools.minutes.renewal import Renewal


def times(fullness, until: int = 10 * 86_400) -> list[int]:
    """Return at which minutes it is due, in seconds."""
    renewal = Renewal(0)
    return [now for now in range(60, until, 60) if renewal.is_due(fullness(now), now)]


def test_a_program_whose_stacks_are_few_goes_on():
    assert times(lambda _: 0.39) == []


def test_stacks_that_come_and_go_are_forgotten_before_half_of_the_bound_is_used():
    renewal = Renewal(0)
    assert not renewal.is_due(0.39, 3000)
    assert renewal.is_due(0.4, 3600)
    assert not renewal.is_due(0.0, 3660)
    assert renewal.is_due(0.6, 7200)


def test_not_more_often_than_every_ten_minutes():
    assert times(lambda _: 1.0)[0] == 600


def test_a_program_that_needs_so_many_begins_anew_ever_more_rarely_up_to_once_a_day():
    found = times(lambda _: 1.0)
    waits = [after - before for before, after in pairwise(found)]
    assert waits[:3] == [1200, 2400, 4800]
    assert max(waits) == 86_400
    assert waits == sorted(waits)
