"""What libraries change: a loop may run within itself, and a task may have a portal."""

from __future__ import annotations

import asyncio
import itertools
import sys
import types
from contextlib import ExitStack
from types import ModuleType

import pytest
import trio

from tests.backends import NestingLoop
from tests.instruments.test_asyncio import run
from tests.instruments.test_task_classes import coroutine_for, named
from tracetools import record
from tracetools.instruments.library_calls import Watch
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(tmp_path, clock):
    numbers = itertools.count()

    def make():
        file = tmp_path / str(next(numbers))
        return record(file, clock=clock, flush_interval=None, await_stacks=False)

    return make


@pytest.fixture
def library(monkeypatch):
    """Return a library that can be imported, and lets a loop run within itself."""
    library = ModuleType("nest_asyncio")

    def _patch_loop(loop):
        """Patch a loop."""
        type(loop).run_until_complete = _run_until_complete

    def apply(loop):
        library._patch_loop(loop)

    library._patch_loop, library.apply = _patch_loop, apply
    monkeypatch.setitem(sys.modules, library.__name__, library)
    return library


def _run_until_complete(loop, future):
    """Run a loop, also within itself, by no method that every loop has."""
    task = asyncio.ensure_future(future, loop=loop)
    current = asyncio.current_task(loop)
    if current is not None:
        asyncio.tasks._leave_task(loop, current)
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    loop._thread_id = 1
    try:
        while not task.done():
            loop._run_once()
    finally:
        asyncio._set_running_loop(running)
        if current is None:
            loop._thread_id = None
        else:
            asyncio.tasks._enter_task(loop, current)
    return task.result()


class Loop(asyncio.SelectorEventLoop):
    """A loop that such a library patches."""


@pytest.fixture(autouse=True)
def loop_class():
    yield
    if "run_until_complete" in vars(Loop):
        del Loop.run_until_complete


async def inner(clock):
    clock.tick(10)
    asyncio.get_running_loop().call_soon(clock.tick, 1000)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.tick(20)


async def main(clock, apply):
    loop = asyncio.get_running_loop()
    apply(loop)
    for _ in range(2):
        clock.tick(1)
        loop.run_until_complete(inner(clock))
    clock.tick(2)


def check(profile, steps):
    profile.check()
    found = {name: (times.busy, times.idle) for name, times in named(profile).items()}
    assert found == {"main": (4, 2060), "main;inner": (60, 2000)}
    assert named(profile)["main"].steps == steps


def test_a_library_may_be_applied_while_the_loop_runs(make, clock, library):
    with make() as recording:
        original = library._patch_loop
        run(main(clock, library.apply), make_loop=Loop)
        assert library._patch_loop is original
    check(recording.profile, 3)
    assert library._patch_loop.__doc__ == "Patch a loop."


def test_a_loop_that_was_patched_before_is_left_as_it_was(make, clock, library):
    loop = Loop()
    library._patch_loop(loop)
    loop.close()
    patched = Loop.run_until_complete
    with make() as recording:
        run(main(clock, lambda _: None), make_loop=Loop)
    check(recording.profile, 3)
    assert Loop.run_until_complete is patched


def test_an_error_ends_the_inner_run_and_the_task_goes_on(make, clock):
    async def fails():
        clock.tick(10)
        raise ValueError

    async def main():
        clock.tick(1)
        with pytest.raises(ValueError, match=r"^$"):
            asyncio.get_running_loop().run_until_complete(fails())
        clock.tick(2)

    with make() as recording:
        run(main(), make_loop=NestingLoop)
    recording.profile.check()
    found = {name: (times.busy, times.idle) for name, times in named(recording.profile).items()}
    assert found == {"main": (3, 10), "main;fails": (10, 0)}


def test_asyncios_own_loop_refuses_and_the_step_is_one(make, clock):
    async def main():
        clock.tick(1)
        coroutine = inner(clock)
        with pytest.raises(RuntimeError, match="already running"):
            asyncio.get_running_loop().run_until_complete(coroutine)
        coroutine.close()
        clock.tick(2)

    with make() as recording:
        run(main())
    assert (named(recording.profile)["main"].busy, named(recording.profile)["main"].steps) == (3, 1)


def test_each_call_is_told_of_while_somebody_watches(library):
    def tell(*args):
        told.append(args)

    told = []
    watch = Watch(("no_such_module", library.__name__), "_patch_loop")
    original = library._patch_loop
    loop = Loop()
    watch.start(tell)
    watch.start(told.append)
    try:
        library.apply(loop)
        assert told == [(loop,), loop]
        watch.end(told.append)
        assert library._patch_loop is not original
    finally:
        watch.end(tell)
    assert library._patch_loop is original
    loop.close()


# ------------------------------------------------------------------------------------- portals


@pytest.fixture
def greenback(monkeypatch, clock):
    """Return what greenback does, but for the greenlets: each step takes 7 ns in its coroutine."""
    library = ModuleType("greenback._impl")

    async def greenback_shim(task, orig_coro):
        first = await _yield("ready")
        return await _drive(orig_coro, first, clock)

    def set_aio_task_coro(task, coroutine):
        task._coro = coroutine

    def bestow_portal(task):
        is_trio = hasattr(task, "coro")
        shim = greenback_shim(task, task.coro if is_trio else coroutine_for(library.__name__, task))
        assert shim.send(None) == "ready"
        if is_trio:
            task.coro = shim
        else:
            set_aio_task_coro(task, shim)

    library.bestow_portal, library.set_aio_task_coro = bestow_portal, set_aio_task_coro
    monkeypatch.setitem(sys.modules, library.__name__, library)
    monkeypatch.setitem(sys.modules, "greenback", ModuleType("greenback"))
    return library


@types.coroutine
def _yield(value):
    return (yield value)


@types.coroutine
def _drive(coroutine, value, clock):
    while True:
        clock.tick(7)
        try:
            result = coroutine.send(value)
        except StopIteration as stop:
            return stop.value
        value = yield result


@pytest.mark.parametrize("times", [1, 2])
def test_a_portal_is_a_part_of_its_task_on_asyncio(times, make, clock, greenback):
    async def child():
        clock.tick(1)
        greenback.bestow_portal(tasks[0])
        clock.tick(2)
        await asyncio.sleep(0)
        clock.tick(10)
        await asyncio.sleep(0)
        clock.tick(100)
        return 5

    async def main():
        tasks.append(asyncio.tasks._PyTask(child(), loop=asyncio.get_running_loop()))
        assert await tasks[0] == 5

    tasks = []
    original = greenback.bestow_portal
    with ExitStack() as stack:
        recordings = [stack.enter_context(make()) for _ in range(times)]
        assert greenback.bestow_portal is not original
        run(main())
    assert greenback.bestow_portal is original
    for recording in recordings:
        recording.profile.check()
        child_times = named(recording.profile)["main;child"]
        assert (child_times.busy, child_times.steps) == (127, 3)
        assert recording.profile.untracked == 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_portal_is_a_part_of_its_task_on_trio(times, make, clock, greenback):
    async def child():
        clock.tick(1)
        greenback.bestow_portal(trio.lowlevel.current_task())
        clock.tick(2)
        await trio.lowlevel.checkpoint()
        clock.tick(10)
        await trio.lowlevel.checkpoint()
        clock.tick(100)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    original = greenback.bestow_portal
    with ExitStack() as stack:
        recordings = [stack.enter_context(make()) for _ in range(times)]
        trio.run(main)
    assert greenback.bestow_portal is original
    for recording in recordings:
        recording.profile.check()
        child_times = named(recording.profile)["main;child"]
        assert (child_times.busy, child_times.steps) == (127, 3)


def test_a_task_that_is_given_a_portal_before_its_first_step_is_named_by_its_own(
    make, clock, greenback
):
    async def child():
        clock.tick(10)

    async def main():
        task = asyncio.tasks._PyTask(child(), loop=asyncio.get_running_loop())
        greenback.bestow_portal(task)
        await task

    with make() as recording:
        run(main())
    recording.profile.check()
    assert named(recording.profile)["main;child"].busy == 17
