"""Moments come in their order, each once, and no thread is there around a fork."""

import os
import threading
import warnings

import pytest

from tracetools.commands.running import moments
from tracetools.commands.running.moments import Moments
from tracetools.guest.threads import running
from tracetools.recording import forks


@pytest.fixture
def plan(monkeypatch):
    """Return a function that makes moments, under a clock that jumps to the next one at once."""
    now = [0]
    monkeypatch.setattr(moments, "perf_counter_ns", lambda: now[0])
    made = []

    class Event(threading.Event):
        def wait(self, timeout):
            now[0] += round(timeout * 1e9)
            return self.is_set()

    monkeypatch.setattr(moments, "_new_event", Event)

    def make(*given):
        made.append(Moments(given))
        return made[-1]

    yield make
    for each in made:
        each.end()
    for thread in running():
        thread.join(10)  # one that has ended itself
    assert not running()
    assert not any(each in forks._followers for each in made)


def test_functions_are_called_at_their_moments_in_order(plan):
    called = []
    over = threading.Barrier(2)
    made = plan(
        (10**9, lambda: called.append((2, moments.perf_counter_ns()))),
        (5, lambda: called.append((1, moments.perf_counter_ns()))),
        (2 * 10**9, over.wait),
    )
    made.start()
    over.wait(60)
    made.end()
    assert called == [(1, 5), (2, 10**9)]


def test_without_a_plan_there_is_no_thread(plan):
    plan().start()
    assert not running()


def test_the_end_waits_for_what_is_being_called(plan):
    called, begun, go_on = [], threading.Event(), threading.Event()

    def act():
        begun.set()
        assert go_on.wait(60)
        called.append(1)

    made = plan((0, act))
    made.start()
    assert begun.wait(60)
    threading.Timer(0, go_on.set).start()
    made.end()
    assert called == [1]


def test_it_may_be_ended_by_what_it_calls(plan):
    over = threading.Barrier(2)
    made = plan((0, lambda: (made.end(), over.wait())))
    made.start()
    over.wait(60)


@pytest.fixture
def far():
    """Return a moment that does not come."""
    over = threading.Event()
    made = Moments([(moments.perf_counter_ns() + 10**15, over.set)])
    made.start()
    yield made
    made.end()
    assert not over.is_set()


def test_no_thread_is_there_around_a_fork(far):
    before = far._thread
    far.before_fork()
    assert not before.is_alive()
    far.resume()
    assert far._thread.is_alive()
    assert far._thread is not before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a matter of Unix")
def test_nothing_is_called_in_a_child(far):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        os._exit(len(far._plan) + len(running()))
    assert os.waitpid(child, 0)[1] == 0
    assert len(far._plan) == 1
