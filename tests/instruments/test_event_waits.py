"""How long loops wait for events: measured between steps, in the thread of the loop alone."""

from __future__ import annotations

import sys
import threading

import pytest

from tracetools.core.stacks import ROOT, WAITING, Frame, Times
from tracetools.instruments.event_waits import unwatch, watch
from tracetools.recording.recorder import Recorder
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def loop(clock):
    recorder = Recorder(clock=clock)
    loop = recorder.begin_loop()
    yield loop
    recorder.end_loop(loop, clock())


@pytest.fixture
def poller(clock, loop):
    class Poller:
        def select(self, timeout=None):
            clock.tick(10)
            return timeout

    poller = Poller()
    loop.poller = id(poller)
    original = Poller.select
    watch(poller, "select")
    yield poller
    unwatch(poller, "select")
    assert Poller.select is original


def waited(loop):
    return loop.owner.profile().stacks.get((ROOT, WAITING), Times()).busy


@pytest.mark.skipif(sys.version_info < (3, 11), reason="frames cannot be taken out")
@pytest.mark.parametrize("timeout", [0, None])
def test_an_error_has_no_frame_of_ours(poller, timeout, clock, monkeypatch):
    def strike(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "tick", strike)
    with pytest.raises(KeyboardInterrupt) as caught:
        poller.select(timeout)
    assert [each.name for each in caught.traceback] == [
        "test_an_error_has_no_frame_of_ours",
        "select",
        "strike",
    ]


@pytest.mark.parametrize("timeout", [None, 3.5])
def test_what_a_loop_waits_is_measured(loop, poller, timeout):
    assert poller.select(timeout) == timeout
    assert waited(loop) == 10


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_call_that_cannot_wait_is_the_loops_own_work(loop, poller, timeout):
    poller.select(timeout)
    assert waited(loop) == 0
    loop.owner.profile().check()


def test_within_a_step_it_is_not_the_loop_that_waits(clock, loop, poller):
    task = loop.spawn(loop.tree.root, Frame("task"), clock())
    task.begin_step(clock())
    poller.select(1)
    task.end_step(clock())
    assert (waited(loop), task.busy) == (0, 10)


def test_what_others_wait_for_with_such_a_poller_is_not_measured(loop, poller):
    type(poller)().select(1)
    thread = threading.Thread(target=poller.select, args=(1,))
    thread.start()
    thread.join()
    assert waited(loop) == 0


def test_a_wait_that_fails_is_measured_and_its_error_passes(loop, poller):
    class Failing(type(poller)):
        def select(self, timeout=None):
            super().select(timeout)
            raise ZeroDivisionError

    failing = Failing()
    loop.poller = id(failing)
    with pytest.raises(ZeroDivisionError):
        failing.select(1)
    assert waited(loop) == 10


def test_several_recordings_can_watch_one_poller(loop, poller):
    watch(poller, "select")
    unwatch(poller, "select")
    poller.select(1)
    assert waited(loop) == 10


def test_what_cannot_be_replaced_is_left_alone():
    watch(threading.Lock(), "acquire")
    unwatch(threading.Lock(), "acquire")
    watch(object(), "select")
    unwatch(object(), "select")


def test_what_was_replaced_since_stays(loop, clock):
    class Poller:
        def select(self, timeout=None):
            pass

    def of_others(self, timeout=None):
        pass

    poller = Poller()
    watch(poller, "select")
    Poller.select = of_others
    unwatch(poller, "select")
    assert Poller.select is of_others


def test_what_other_code_puts_back_is_not_replaced_twice(clock, loop, poller):
    ours = type(poller).select
    type(poller).select = lambda self, timeout=None: None
    unwatch(poller, "select")
    type(poller).select = ours
    watch(poller, "select")
    poller.select(1)
    assert waited(loop) == 10
    loop.owner.profile().check()
