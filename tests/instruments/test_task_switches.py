"""The steps of tasks that are none of asyncio's, as far as they tell asyncio of them."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import weakref

import pytest

from tests.instruments.test_asyncio import run
from tests.instruments.test_task_classes import LOOPS, named
from tracetools import record, span
from tracetools.instruments import task_switches
from tracetools.instruments.patching import Patches
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(tmp_path, clock):
    def make(**options):
        options = {"clock": clock, "flush_interval": None, "await_stacks": False} | options
        return record(tmp_path / "stack", **options)

    return make


class Pseudo:
    """Steps any coroutine in a callback of its own, as granian does in Rust."""

    def __init__(self, loop):
        self.loop = loop

    def step(self, coroutine):
        asyncio.tasks._enter_task(self.loop, self)
        try:
            coroutine.send(None)
        except StopIteration:
            pass
        else:
            self.loop.call_soon(self.step, coroutine)
        finally:
            asyncio.tasks._leave_task(self.loop, self)


class Uninitialised(asyncio.Task):
    """As granian's: never initialised, and it never ends."""

    step = Pseudo.step

    def __init__(self, loop):
        self.loop = loop

    def done(self):
        return False


class Strange:
    """No reference can be made to it, and it bears no question."""

    __slots__ = ("loop",)
    __init__ = Pseudo.__init__
    step = Pseudo.step

    def __getattr__(self, name):
        raise ValueError(name)


async def request(clock, done):
    clock.tick(10)
    await asyncio.sleep(0)
    with span("s"):
        clock.tick(100)
        await asyncio.sleep(0)
        clock.tick(200)
    asyncio.get_running_loop().call_soon(done.set_result, None)


async def serve(clock, kind):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    pseudo = kind(loop)
    loop.call_soon(pseudo.step, request(clock, done))
    clock.tick(1)
    await done
    return pseudo


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("make_loop", LOOPS)
@pytest.mark.parametrize("kind", [Pseudo, Uninitialised])
def test_the_steps_of_a_pseudo_task_are_those_of_a_task(kind, make_loop, scheduled, make, clock):
    with make(scheduled=scheduled) as recording:
        run(serve(clock, kind), make_loop=make_loop)
    profile = recording.profile
    profile.check()
    name = f"serve;{kind.__name__}"
    found = {name: (times.busy, times.steps) for name, times in named(profile).items()}
    assert found == {"serve": (1, 2), name: (10, 2), f"{name};s": (300, 1)}
    assert profile.untracked == 0


def test_its_long_step_is_sampled_in_what_it_runs(make):
    """The line that blocks is found below the loop, for no coroutine of ours is there."""

    async def blocks(done):
        deadline = asyncio.get_running_loop().time() + 0.3
        while asyncio.get_running_loop().time() < deadline:
            pass
        done.set_result(None)

    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_soon(Pseudo(loop).step, blocks(done))
        await done

    with make(clock=time.perf_counter_ns, blocking=0.1) as recording:
        run(main())
    [path] = recording.profile.blocking
    assert "Pseudo" in [frame.name for frame in path]
    assert __file__.endswith(path[-1].file)


def test_a_pseudo_task_is_not_kept_alive(make, clock):
    async def main():
        pseudo = weakref.ref(await serve(clock, Pseudo))
        gc.collect()
        assert pseudo() is None
        await asyncio.create_task(asyncio.sleep(0))
        [loop] = recording.recorder.loops
        assert len(loop.tasks) == 1

    with make() as recording:
        run(main())


def test_what_cannot_be_tracked_is_counted_once_when_it_steps(make, clock, caplog):
    async def main():
        await serve(clock, Strange)
        counted.append(recording.profile.untracked)

    counted = []
    with make() as recording:
        run(main())
    recording.profile.check()
    assert counted == [1]
    assert recording.profile.untracked == 1
    assert caplog.text.count("not recorded") == 1


def test_a_task_in_python_steps_once_where_it_says_so(make, clock):
    async def main():
        await asyncio.tasks._PyTask(child(), loop=asyncio.get_running_loop())

    async def child():
        clock.tick(5)
        await asyncio.sleep(0)

    with make() as recording:
        run(main())
    assert named(recording.profile)["main;child"].steps == 2


def test_functions_report_after_a_step_has_begun_and_before_it_ends():
    def note(loop, before, after):
        heard.append((before, after))

    async def main():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        asyncio.tasks._leave_task(loop, task)
        asyncio._enter_task(loop=loop, task=task)
        if sys.version_info >= (3, 12):
            assert asyncio.tasks._swap_current_task(loop, "other") is task
            assert asyncio.tasks._swap_current_task(loop, task) == "other"
            del heard[2:]
        with pytest.raises(RuntimeError):
            asyncio.tasks._enter_task(loop, task)
        return task

    heard = []
    patches = Patches()
    original = asyncio.tasks._enter_task
    task_switches.replace_functions(patches, note)
    task_switches.replace_functions(patches, note)
    try:
        task = asyncio.run(main())
        assert heard == [(task, None), (None, task)]
    finally:
        patches.undo()
    assert asyncio.tasks._enter_task is asyncio._enter_task is original


if sys.version_info >= (3, 12):

    def test_a_step_within_a_step_interrupts_it(make, clock):
        async def main():
            loop = asyncio.get_running_loop()
            pseudo = Pseudo(loop)
            clock.tick(1)
            task = asyncio.tasks._swap_current_task(loop, pseudo)
            clock.tick(10)
            asyncio.tasks._swap_current_task(loop, task)
            clock.tick(100)

        with make() as recording:
            run(main())
        recording.profile.check()
        found = {name: times.busy for name, times in named(recording.profile).items()}
        assert found == {"main": 101, "main;Pseudo": 10}


def test_anything_may_be_said_to_be_a_loop_and_a_task(make, caplog):
    loop, task = object(), object()

    async def main():
        await asyncio.sleep(0)

    with make() as recording:
        asyncio.run(main())  # something is recorded
        asyncio._set_running_loop(loop)
        try:
            asyncio.tasks._enter_task(loop, task)
            assert asyncio.current_task() is task
            asyncio.tasks._leave_task(loop, task)
        finally:
            asyncio._set_running_loop(None)
        asyncio.run(main())
    assert recording.profile.runs == 2
    assert caplog.messages == []
