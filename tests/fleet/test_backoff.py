"""How long to wait after failures."""

from __future__ import annotations

from tracetools.fleet.backoff import Backoff


def test_waits_double_up_to_a_bound_and_begin_anew_when_it_works():
    backoff = Backoff(1, 10, draw=lambda _, most: most)
    assert [backoff.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.worked()
    assert backoff.failed() == 1


def test_each_wait_is_drawn_from_nothing_to_its_bound():
    drawn = []
    backoff = Backoff(1, 10, draw=lambda *bounds: drawn.append(bounds) or 0)
    backoff.failed()
    backoff.failed()
    assert drawn == [(0, 1), (0, 2)]


def test_who_is_asked_to_come_back_later_does_so_within_a_bound():
    backoff = Backoff(1, 10, draw=lambda *_: 0.5)
    assert backoff.failed(7) == 7.5
    assert backoff.failed(1e9) == 10.5
    assert backoff.failed(-1) == 0.5
