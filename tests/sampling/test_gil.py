"""When the sampler acquires the GIL: the switch interval is short only when it must be."""

from __future__ import annotations

import math
import os
import sys
import threading
import time

import pytest

from tests.sampling.world import is_usual
from tracetools import record
from tracetools.sampling.gil import GilHandover


@pytest.mark.usefixtures("interval")
def test_the_interval_is_short_from_a_request_to_the_next_sleep():
    gil, over = GilHandover(always=False), threading.Lock()
    gil.before_sleep()
    assert is_usual()
    gil.request()
    assert sys.getswitchinterval() < 0.0001
    assert gil.sleep(over, 1)
    assert sys.getswitchinterval() < 0.0001
    gil.before_sleep()
    assert is_usual()


@pytest.mark.usefixtures("interval")
def test_the_interval_is_short_during_sleeps_if_always():
    gil, over = GilHandover(always=True), threading.Lock()
    over.acquire()
    for _ in range(2):
        gil.before_sleep()
        assert sys.getswitchinterval() < 0.0001
        assert not gil.sleep(over, 0.0001)
        assert is_usual()  # while it has the GIL
    gil.before_sleep()
    gil.restore()
    assert is_usual()


@pytest.mark.usefixtures("interval")
@pytest.mark.parametrize("theirs", [1e-6, 0.001, 0.5, 10])
def test_an_interval_of_the_programs_own_stays(theirs):
    sys.setswitchinterval(theirs)
    gil = GilHandover(always=True)
    gil.request()
    gil.sleep(threading.Lock(), 0)
    gil.before_sleep()
    assert math.isclose(sys.getswitchinterval(), theirs, abs_tol=1e-6)
    gil.restore()
    assert math.isclose(sys.getswitchinterval(), theirs, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_an_interval_that_the_program_sets_meanwhile_stays():
    gil = GilHandover(always=True)
    gil.request()
    sys.setswitchinterval(0.25)
    gil.restore()
    assert math.isclose(sys.getswitchinterval(), 0.25, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_two_recordings_leave_the_usual_interval_behind():
    one, other = GilHandover(always=True), GilHandover(always=False)
    other.request()
    one.before_sleep()
    other.before_sleep()
    one.before_sleep()
    assert sys.getswitchinterval() < 0.0001
    one.restore()
    other.restore()
    assert is_usual()


@pytest.mark.usefixtures("interval")
def test_a_request_after_the_end_changes_nothing():
    gil = GilHandover(always=True)
    gil.request()
    gil.end()
    gil.request()
    assert is_usual()


@pytest.mark.usefixtures("interval")
def test_a_request_during_a_restore_does_not_last_for_ever(monkeypatch):
    gil = GilHandover(always=False)
    really_set = sys.setswitchinterval

    def set_and_switch(seconds):
        really_set(seconds)
        if seconds > 0.001:
            monkeypatch.undo()
            gil.request()  # as the loop does, in another thread

    gil.request()
    monkeypatch.setattr(sys, "setswitchinterval", set_and_switch)
    gil.before_sleep()
    assert not is_usual()
    gil.before_sleep()
    assert is_usual()


@pytest.mark.usefixtures("interval")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is none")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # an error on 3.15
def test_a_forked_child_has_the_usual_interval_and_can_import(tmp_path):
    import trio  # since Python 3.14, no loop of asyncio goes on in a forked child

    async def main():
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        child = os.fork()
        if not child:
            import ctypes  # noqa: F401

            until = time.perf_counter() + 0.01
            while time.perf_counter() < until:  # the loop goes on, unsampled
                await trio.lowlevel.checkpoint()
            os._exit(0 if is_usual() else 1)
        return os.waitpid(child, 0)[1]

    with record(tmp_path / "stack", functions=True):
        assert trio.run(main) == 0
