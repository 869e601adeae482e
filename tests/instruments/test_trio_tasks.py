"""The tasks of recorded trio runs: where they come from, their names, when they are gone."""

from __future__ import annotations

import contextvars
import functools
import gc
import threading
import weakref

import anyio
import pytest
import trio
import trio.testing

from tests.compat import anyio_run_on_trio
from tests.strategies import by_names as named
from tracetools import observe, span
from tracetools.output.formats.folded import read_folded


def test_no_task_is_kept_alive_after_its_exit_or_after_the_removal(make):
    instrument = make()
    refs = []

    async def child(event):
        refs.append(weakref.ref(trio.lowlevel.current_task()))
        await event.wait()

    async def main():
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, event)
            await trio.testing.wait_all_tasks_blocked()
            event.set()
        gc.collect()
        assert refs.pop()() is None
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, event)
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.remove_instrument(instrument)
            event.set()
        gc.collect()
        assert refs.pop()() is None

    trio.run(main, instruments=[instrument])


def test_what_a_task_had_is_gone_at_its_exit_without_a_collection(make):
    class Thing:
        pass

    async def child(thing):
        await trio.sleep(0.001)

    async def main():
        thing = Thing()
        things.append(weakref.ref(thing))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, thing)
            del thing
        alive.append(things[0]() is not None)

    things, alive = [], []
    gc.disable()
    try:
        trio.run(main)
        things.clear()
        trio.run(main, instruments=[make()])
    finally:
        gc.enable()
    assert alive == [False, False]


def test_no_task_is_kept_alive_after_the_run(make):
    refs = []

    async def main():
        refs.append(weakref.ref(trio.lowlevel.current_task()))
        refs.append(weakref.ref(trio.lowlevel.current_root_task()))

    for scheduled in (False, True):
        instrument = make(scheduled=scheduled)
        trio.run(main, instruments=[instrument])
        gc.collect()
        assert [ref() for ref in refs] == [None] * len(refs)


def test_a_task_that_exits_without_an_await_and_one_that_is_detached(make, clock):
    instrument = make()

    async def main():
        clock.tick(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(immediate)

    async def immediate():
        clock.tick(5)

    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    assert profile.busy == 7


# -------------------------------------------------------------------------- where tasks come from


def test_a_task_from_a_foreign_thread_stands_under_who_spawned_it(make, clock):
    instrument = make()

    async def from_outside():
        clock.tick(3)

    async def main():
        token = trio.lowlevel.current_trio_token()
        thread = threading.Thread(
            target=lambda: trio.from_thread.run(from_outside, trio_token=token)
        )
        thread.start()
        while thread.is_alive():
            await trio.lowlevel.checkpoint()

    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    [name] = [name for name, times in named(profile).items() if times.busy == 3]
    assert name.endswith("<locals>.from_outside")
    assert ";" not in name  # so not under trio's own task, which spawned it


def test_work_that_a_worker_thread_sends_back_is_the_host_tasks(make, clock):
    instrument = make()

    @observe(name="back")  # of the host task, or of a task of its own, as trio before 0.23 has it
    async def back_on_the_loop():
        clock.tick(3)

    def in_thread():
        trio.from_thread.run(back_on_the_loop)

    async def main():
        await trio.to_thread.run_sync(in_thread)

    trio.run(main, instruments=[instrument])
    [name] = [name for name, times in named(instrument.profile).items() if times.busy == 3]
    assert name.endswith("main;back")
    instrument.profile.check()


@pytest.mark.parametrize("to_thread", [trio.to_thread.run_sync, anyio.to_thread.run_sync])
def test_worker_threads_inherit_the_stack(make, clock, to_thread):
    instrument = make()

    @observe
    def in_thread():
        with span("inner"):
            clock.tick(3)

    async def main():
        with span("outer"):
            await to_thread(in_thread)

    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    [name] = [name for name, times in named(profile).items() if times.thread == 3]
    assert name.split(";")[1:] == ["outer", f"{in_thread.__qualname__}", "inner"]
    assert profile.thread_time == 3


def test_a_thread_that_no_task_waits_for_has_a_frame_of_its_own(make, clock):
    instrument = make()

    def work():
        with span("alone"):
            clock.tick(3)

    async def main():
        thread = threading.Thread(target=work, name="my thread 7")
        thread.start()
        thread.join()

    trio.run(main, instruments=[instrument])
    assert named(instrument.profile)["my thread 7;alone"].thread == 3


def test_system_tasks_that_share_a_context(make, clock):
    instrument = make()

    async def system():
        clock.tick(3)

    async def main():
        context = contextvars.copy_context()
        trio.lowlevel.spawn_system_task(system, context=context)
        trio.lowlevel.spawn_system_task(system, context=context)
        await trio.testing.wait_all_tasks_blocked()

    trio.run(main, instruments=[instrument])
    instrument.profile.check()
    assert any(times.busy == 6 for times in named(instrument.profile).values())


# ------------------------------------------------------------------------------------------ names


class Callable:
    async def __call__(self):
        await trio.lowlevel.checkpoint()


class NonNative:
    """A coroutine that is not one of Python's own, as Cython makes them."""

    def __init__(self):
        self._iterator = iter([])

    def send(self, value):
        raise StopIteration(5)

    def throw(self, *error):
        raise error[0]

    def close(self):
        pass

    def __await__(self):
        return self._run()

    def _run(self):
        return 5
        yield


@pytest.mark.parametrize("task_names", [False, True])
@pytest.mark.parametrize(
    "name", [None, "", "a;b", "two\nlines", "nul\0", "\udc80", "x" * 1_000_000, "task 7", "  "]
)
def test_odd_names_make_a_valid_file(make, clock, name, task_names):
    instrument = make(task_names=task_names)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Callable(), name=name)
            nursery.start_soon(lambda: trio.sleep(0), name=name)
            nursery.start_soon(functools.partial(functools.partial(trio.sleep, 0)), name=name)
            with span(name or "none"):
                clock.tick(1000)  # a microsecond, so that it shows

    trio.run(main, instruments=[instrument])
    instrument.profile.check()
    folded = read_folded(instrument.write())
    assert folded.bad == 0
    assert all(line.count(b"\0") == 0 for line in instrument.write().read_bytes().splitlines())
    assert all(len(line) < 64 * 1024 for line in instrument.write().read_bytes().splitlines())


def test_names_that_are_made_up_per_instance_do_not_make_stacks(make):
    instrument = make(task_names=True)

    async def main():
        for _ in range(50):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Callable())

    trio.run(main, instruments=[instrument])
    assert len([name for name in named(instrument.profile) if "Callable" in name]) == 1


def test_a_coroutine_that_is_not_native_has_its_own_name(make):
    instrument = make()

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(NonNative)

    trio.run(main, instruments=[instrument])
    instrument.profile.check()
    assert any(name.endswith("NonNative") for name in named(instrument.profile))


def test_tasks_of_anyios_task_groups_have_the_users_function(make, clock):
    instrument = make()

    async def child(*, task_status=anyio.TASK_STATUS_IGNORED):
        clock.tick(1)
        task_status.started()

    @observe
    async def observed():
        clock.tick(1)

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            group.start_soon(observed)
            await group.start(child)

    anyio_run_on_trio(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    busy = {name.rpartition(".")[2]: times.busy for name, times in named(profile).items()}
    assert busy["child"] == 2
    assert busy["observed"] == 1
    assert not any("_run_coro" in name for name in named(profile))


def test_what_a_late_deadline_wakes_is_scheduled_from_then_on(make, clock):
    instrument = make(scheduled=True, await_stacks=False)
    trio_clock = trio.testing.MockClock()

    async def heartbeat():
        await trio.sleep(0.01)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heartbeat)
            await trio.testing.wait_all_tasks_blocked()
            trio_clock.jump(0.51)
            clock.tick(510_000_000)

    trio.run(main, instruments=[instrument], clock=trio_clock)
    profile = instrument.profile
    profile.check()
    times = next(each for name, each in named(profile).items() if "heartbeat" in name)
    assert (times.idle, times.scheduled) == (10_000_000, 500_000_000)
    assert profile.scheduling_delay.max == 500_000_000


def test_a_task_that_is_cancelled_at_once_is_not_late(make, clock):
    instrument = make(scheduled=True, await_stacks=False)

    async def main():
        for deadline in (-float("inf"), trio.current_time() - 1e12):
            with trio.CancelScope(deadline=deadline):
                clock.tick(10)
                await trio.sleep_forever()

    trio.run(main, instruments=[instrument])
    instrument.profile.check()
    main_times = next(each for name, each in named(instrument.profile).items() if "main" in name)
    assert (main_times.busy, main_times.scheduled) == (20, 0)
