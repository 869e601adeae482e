"""A route that takes 5 % longer is found among noise; where nothing does, nothing is found."""

from __future__ import annotations

from functools import cache

import pytest

from tests.fleet.simulated import Shop
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.fleet.regressions import compared
from tracetools.fleet.store import Slice

ROUTE = "GET /route3"
TASK = (ROOT, Frame("task", "a.py", 1))
PART = (*TASK, Frame("part", "a.py", 2))


@cache
def side(version: str, first: int, slower: tuple[tuple[tuple[str, str], float], ...] = ()):
    """Return 16 processes, each with 15 minutes."""
    shop = Shop(seed=2, slower=dict(slower))
    slices = []
    for number in range(16):
        stacks: dict = {}
        for minute in range(first, first + 15):
            for path, times in shop.minute(version, number, minute).profile.stacks.items():
                stacks[path] = times.plus(stacks.get(path, Times()))
        slices.append(Slice(15 * 60 * 10**9, stacks))
    return tuple(slices)


def test_a_route_that_takes_5_percent_longer_is_found_first():
    found = compared(side("1", 0), side("2", 300, ((("2", ROUTE), 1.05),)))
    assert found.regressions
    assert ROUTE in [frame.name for frame in found.regressions[0].path]
    assert all(ROUTE in [frame.name for frame in each.path] for each in found.regressions)
    assert found.regressions[0].growth == pytest.approx(0.05, abs=0.02)
    assert not found.is_everything_slower


def test_nothing_is_found_where_there_is_only_noise():
    found = compared(side("1", 0), side("2", 300))
    assert (found.regressions, found.is_everything_slower) == ((), False)
    assert found.frames > 50


def test_what_makes_all_slower_alike_is_told_apart():
    slower = ((("2", "request"), 1.2),)
    found = compared(side("1", 0), side("2", 300, slower))
    assert found.is_everything_slower
    assert found.everything == pytest.approx(0.2, abs=0.05)
    assert found.regressions == ()


def steady(busy: int, requests: int, line: int = 2, count: int = 4):
    part = (*TASK, PART[-1]._replace(line=line))
    other = (*TASK, Frame("other", "a.py", 9))
    stacks = {
        TASK: Times(entries=requests),
        part: Times(busy * requests),
        other: Times(3_000 * requests),
    }
    return [Slice(1, stacks)] * count


def test_more_traffic_is_no_regression():
    assert compared(steady(1_000, 10), steady(1_000, 1_000)).regressions == ()


def test_a_frame_on_another_line_is_the_same_and_is_shown_where_it_is_now():
    [found] = compared(steady(1_000, 10), steady(2_000, 10, line=5)).regressions
    assert found.path[-1] == Frame("part", "a.py", 5)
    assert (found.before, found.after, found.requests) == (1_000, 2_000, 40)


def test_with_two_slices_nothing_can_be_said():
    assert compared(steady(1, 1, count=2), steady(9, 1)).frames == 0


def test_a_lens_that_slices_do_not_have_is_refused():
    with pytest.raises(ValueError, match="critical cannot be compared"):
        compared(steady(1, 1), steady(1, 1), "critical")
