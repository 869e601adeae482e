"""Callbacks of uvloop's: seen by samples alone."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.strategies import by_names
from tracetools import record
from tracetools.attribution.functions import qualified_name
from tracetools.core.stacks import Blocks
from tracetools.recording.unseen import can_be_estimated
from tracetools.sampling.blocking_log import BlockingLog
from tracetools.sampling.unseen_callbacks import UnseenCallbacks

uvloop = pytest.importorskip("uvloop")
pytestmark = pytest.mark.skipif(not can_be_estimated(), reason="no CPU clock of other threads")

MS = 1_000_000


class Program:
    """A program that is sampled from another thread while it waits in one place."""

    def __init__(self):
        self.go, self.done = threading.Lock(), threading.Lock()
        self.go.acquire()
        self.done.acquire()

    def wait(self):
        self.go.release(), self.done.acquire()


NAME = qualified_name(Program.wait.__code__)


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    """Return what samples a program at some moments: nanoseconds, and CPU time since the last."""

    def run(main, program, moments):
        lasted = []

        def sample():
            program.go.acquire()
            try:
                [account] = found.recorder.loops
                log, now = BlockingLog(found.recorder.messages), account.clock()
                callbacks = UnseenCallbacks(log)
                cpu[0] = 0
                for passed, computed in moments:
                    now, cpu[0] = now + passed, cpu[0] + computed
                    lasted.append(callbacks.sample(account, now))
            finally:
                program.done.release()

        cpu = [0]
        with record(tmp_path / "stack", flush_interval=None, blocking=0.1) as found:
            monkeypatch.setattr(
                "tracetools.recording.unseen.UnseenTime.cpu", property(lambda _: cpu[0])
            )
            thread = threading.Thread(target=sample)
            thread.start()
            uvloop.run(main())
            thread.join()
        found.profile.check()
        return lasted, found.profile

    monkeypatch.setattr("tracetools.sampling.sampler.Sampler.start", lambda _: None)
    return run


def called_by_the_loop(program):
    async def main():
        asyncio.get_running_loop().call_soon(program.wait)
        await asyncio.sleep(0.001)

    return main


def test_a_callback_that_waits_is_one_call(sampled, caplog):
    program = Program()
    moments = [(0, 0), (50 * MS, MS), (100 * MS, MS), (50 * MS, 0)]
    lasted, profile = sampled(called_by_the_loop(program), program, moments)
    assert lasted == [0, 50 * MS, 150 * MS, 200 * MS]
    [(path, blocks)] = profile.blocking.items()
    assert blocks == Blocks(1, 200 * MS, 200 * MS)
    assert [frame.name for frame in path[1:]] == [
        "(callbacks, by samples)",
        NAME,
        "blocks the loop",
    ]
    assert path[-1].line == Program.wait.__code__.co_firstlineno + 1
    [line] = [message for message in caplog.messages if "is blocked" in message]
    assert "is blocked for 0.150 s so far by (callbacks, by samples) > " + NAME + " at" in line


def test_a_callback_that_computes_may_be_called_again_and_again(sampled):
    program = Program()
    moments = [(0, 0), (50 * MS, 50 * MS), (100 * MS, 20 * MS)]
    lasted, profile = sampled(called_by_the_loop(program), program, moments)
    assert lasted == [0, 0, 0]
    assert not profile.blocking


@pytest.mark.parametrize("computed", [-5 * MS, -500 * MS])
def test_a_loop_that_has_changed_its_thread_has_computed_nothing(sampled, computed):
    program = Program()
    moments = [(0, 500 * MS), (50 * MS, computed), (100 * MS, 20 * MS)]
    lasted, profile = sampled(called_by_the_loop(program), program, moments)
    assert lasted == [0, 0, 0]
    assert not profile.blocking


def test_a_step_is_no_callback(sampled):
    program = Program()

    async def main():
        program.wait()

    lasted, profile = sampled(main, program, [(0, 0), (50 * MS, 0)])
    assert lasted == [None, None]
    assert not any(name.startswith("(callbacks") for name in by_names(profile))
