"""Tasks whose accounts are opened where they are made: in plain cases, in C where it can."""

from __future__ import annotations

import asyncio
import contextvars
import sys

import pytest

from tests.strategies import by_names
from tracetools import record, span
from tracetools.instruments import task_classes, task_functions
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def recorded(clock, tmp_path):
    """Return what runs a main function, and returns the times of its tasks by name."""

    def run(main, **options):
        with record(tmp_path / "stack", clock=clock, flush_interval=None, **options) as found:
            asyncio.run(main())
        found.profile.check()
        assert not task_classes.spawns
        return {
            name.partition(f"{main.__qualname__};")[2].replace(
                f"{main.__qualname__[:-4]}", ""
            ): times
            for name, times in by_names(found.profile).items()
        }

    return run


async def many(make, times=5):
    for _ in range(times):
        await make()


@pytest.mark.parametrize("scheduled", [False, True])
def test_tasks_of_one_function_are_all_alike(recorded, clock, scheduled):
    async def child():
        clock.tick(1)
        await asyncio.sleep(0)
        clock.tick(10)

    async def main():
        await many(lambda: asyncio.create_task(child()))

    times = recorded(main, scheduled=scheduled)["child"]
    assert (times.busy, times.steps, times.entries) == (55, 10, 5)


def test_a_task_stands_under_the_span_that_it_was_made_in(recorded, clock):
    async def child():
        clock.tick(1)

    async def main():
        for name in ("a", "b") * 3:
            with span(name):
                task = asyncio.create_task(child())
            await task

    found = recorded(main)
    assert (found["a;child"].busy, found["b;child"].busy) == (3, 3)


def test_what_a_task_makes_stands_under_it(recorded, clock):
    async def leaf():
        clock.tick(1)

    async def branch():
        await many(lambda: asyncio.create_task(leaf()), 2)

    async def main():
        await many(lambda: asyncio.create_task(branch()))

    assert recorded(main)["branch;leaf"].busy == 10


def test_a_callback_that_a_task_has_scheduled_makes_tasks_below_the_task(recorded, clock):
    async def leaf():
        clock.tick(1)

    async def branch():
        done = asyncio.get_running_loop().create_future()

        def make():
            asyncio.create_task(leaf()).add_done_callback(done.set_result)

        asyncio.get_running_loop().call_soon(make)
        await done

    async def main():
        await many(lambda: asyncio.create_task(branch()))

    assert recorded(main)["branch;leaf"].busy == 5


def test_a_callback_of_no_task_makes_tasks_below_the_root(clock, tmp_path):
    async def leaf():
        clock.tick(1)

    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(5):
            done = loop.create_future()

            def make(done=done):
                loop.create_task(leaf()).add_done_callback(done.set_result)

            loop.call_soon(make, context=contextvars.Context())
            await done

    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        asyncio.run(main())
    times = by_names(found.profile)[leaf.__qualname__]
    assert (times.busy, times.entries) == (5, 5)


def test_a_callback_of_a_task_that_has_exited_makes_tasks_below_the_one_above(recorded, clock):
    async def leaf(done):
        clock.tick(1)
        done.set_result(None)

    async def branch(done):
        asyncio.get_running_loop().call_later(0, later, done)

    def later(done):
        asyncio.get_running_loop().create_task(leaf(done))

    async def main():
        for _ in range(5):
            done = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(branch(done))
            await done
            assert task.done()

    found = recorded(main)
    assert (found["leaf"].busy, "branch;leaf" in found) == (5, False)


def test_tasks_of_the_runtime_and_what_they_make_are_told_apart(clock, tmp_path, monkeypatch):
    async def leaf():
        clock.tick(1)

    async def own():
        clock.tick(10)
        await asyncio.create_task(leaf())

    async def main():
        await many(lambda: asyncio.create_task(own()))

    monkeypatch.setitem(task_functions._OF_RUNTIME, own.__qualname__, (__name__,))
    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        asyncio.run(main())
    times = by_names(found.profile)
    assert times[f"(runtime);{own.__qualname__}"].busy == 50
    assert times[f"{main.__qualname__};{leaf.__qualname__}"].busy == 5


def test_tasks_that_share_a_context_are_told_apart(recorded, clock):
    async def leaf():
        clock.tick(1)

    async def branch():
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, None)
        await done
        await asyncio.create_task(leaf())

    async def main():
        if sys.version_info < (3, 11):
            await many(lambda: asyncio.create_task(branch()))
            return
        context = contextvars.copy_context()
        await many(lambda: asyncio.create_task(branch(), context=context))

    assert recorded(main)["branch;leaf"].busy == 5


def test_a_function_of_another_name_has_another_frame(recorded, clock):
    def make(name):
        async def child():
            clock.tick(1)

        child.__qualname__ = name
        return child

    async def main():
        for name in ("one", "two") * 2:
            await asyncio.create_task(make(name)())

    found = recorded(main)
    assert sum(times.busy for times in found.values()) == 4


def test_an_error_of_the_class_leaves_no_account(recorded, clock):
    async def child():
        clock.tick(1)

    async def main():
        await many(lambda: asyncio.create_task(child()))
        coroutine = child()
        with pytest.raises(TypeError):
            asyncio.Task(coroutine, loop=asyncio.get_running_loop(), wrong=True)
        coroutine.close()
        await many(lambda: asyncio.create_task(child()))

    assert recorded(main)["child"].busy == 10


def test_with_two_recordings_each_has_all_tasks(clock, tmp_path):
    async def child():
        clock.tick(1)

    async def main():
        await many(lambda: asyncio.create_task(child()))
        async with record(tmp_path / "b", clock=clock, flush_interval=None) as second:
            await many(lambda: asyncio.create_task(child()))
        await many(lambda: asyncio.create_task(child()))
        profiles.append(second.profile)

    profiles = []
    with record(tmp_path / "a", clock=clock, flush_interval=None) as first:
        asyncio.run(main())
    busy = [
        sum(times.busy for name, times in by_names(profile).items() if name.endswith("child"))
        for profile in (first.profile, *profiles)
    ]
    assert busy == [15, 5]
