"""A window in time of a recording."""

import asyncio

import pytest

from tracetools import record
from tracetools.commands.running import family, timed_record
from tracetools.commands.running.family import ALWAYS, Window
from tracetools.commands.running.timed_record import TimedRecord
from tracetools.instruments import asyncio_patches, trio_patches
from tracetools.testing import FakeClock


@pytest.fixture
def clock(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(timed_record.time, "perf_counter_ns", clock)
    monkeypatch.setattr(family.time, "perf_counter_ns", clock)
    return clock


def test_a_window_is_counted_from_now(clock):
    now = clock()
    assert Window.from_now(None, None) == ALWAYS
    assert Window.from_now(1.5, None) == (now + 1_500_000_000, None)
    assert Window.from_now(None, 0.25) == (None, now + 250_000_000)
    assert Window.from_now(2, 3) == (now + 2_000_000_000, now + 5_000_000_000)


class Plans:
    """Takes the place of `Moments`, and calls what is planned when it is told to."""

    def __init__(self, plan):
        self.plan = list(plan)

    def start(self):
        pass

    def end(self):
        self.plan.clear()


@pytest.fixture
def make(monkeypatch, clock):
    monkeypatch.setattr(timed_record, "Moments", Plans)

    def make(window):
        ended = []
        recording = record(None, clock=clock, flush_interval=None)
        return recording, TimedRecord(recording, window, lambda: ended.append(True)), ended

    return make


async def work(clock):
    clock.tick(5)


def runs(recording):
    return recording._recording.profile.runs


def test_without_a_window_it_is_entered_at_once(make, clock):
    recording, timed, _ = make(ALWAYS)
    assert timed.has_begun
    timed.enter(recording.__enter__)
    timed.start()
    asyncio.run(work(clock))
    timed.end()
    recording.__exit__()
    assert runs(recording) == 1
    assert timed._moments.plan == []


def test_it_begins_and_ends_at_its_moments(make, clock):
    window = Window.from_now(1, 2)
    recording, timed, ended = make(window)
    timed.enter(recording.__enter__)
    timed.start()
    asyncio.run(work(clock))
    assert not timed.has_begun
    (begins, begin), (ends, end) = timed._moments.plan
    assert (begins, ends) == window
    begin()
    assert timed.has_begun
    asyncio.run(work(clock))
    assert (runs(recording), ended, timed.missing) == (1, [], 0)
    end()
    assert ended == [True]
    recording.__exit__()


def test_a_window_that_has_begun_is_entered_at_once(make, clock):
    window = Window.from_now(1, None)
    clock.tick(2_000_000_000)
    recording, timed, _ = make(window)
    timed.enter(recording.__enter__)
    timed.start()
    assert recording._is_used
    timed.end()
    recording.__exit__()


@pytest.mark.parametrize("how", ["end", "forked"])
def test_nothing_is_left_of_what_did_not_begin(make, how):
    recording, timed, _ = make(Window.from_now(1, None))
    timed.enter(recording.__enter__)
    timed.start()
    getattr(timed, how)()
    assert (asyncio_patches._listeners, trio_patches._instruments) == ((), ())
    assert not recording._is_used
