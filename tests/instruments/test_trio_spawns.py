"""Spawns, wakes and exits of trio tasks, in the plain cases that the native core knows."""

from __future__ import annotations

import functools
import time
from threading import get_ident

import outcome
import pytest
import trio
import trio.testing

from tests.strategies import by_names as named
from tracetools import FlamegraphInstrument, observe, span
from tracetools.core.native import native
from tracetools.instruments import task_functions
from tracetools.recording.current import recorded_loops

HOOKS = ("before_task_step", "after_task_step", "task_exited", "task_scheduled")


@pytest.fixture
def measured(tmp_path):
    """Return instruments that measure scheduled time by the real clock."""
    return functools.partial(
        FlamegraphInstrument, tmp_path / "stack", scheduled=True, flush_interval=None
    )


@pytest.fixture(params=[time.perf_counter_ns, time.monotonic_ns])
def make(request, tmp_path):
    """Return instruments, by a clock that C code reads itself, and by another one."""
    return functools.partial(
        FlamegraphInstrument, tmp_path / "stack", clock=request.param, flush_interval=None
    )


def loop_here():
    return recorded_loops[get_ident()]


def accounts_by_task():
    return {task: account for account, task in loop_here().tasks.items()}


async def nothing():
    pass


@observe(name="seen")
async def observed():
    pass


def test_which_hooks_trio_calls_in_the_end(measured):
    called = []

    async def main():
        await trio.lowlevel.checkpoint()
        instruments = trio._core._run.GLOBAL_RUN_CONTEXT.runner.instruments
        called.extend(name for name in HOOKS if name in instruments)

    trio.run(main, instruments=[measured()])
    assert called == ([] if native is not None else ["task_exited", "task_scheduled"])


def test_functions_that_are_spawned_again_have_the_same_stacks(make):
    async def other():
        with span("within"):
            pass

    async def main():
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for function in (nothing, other, observed, functools.partial(nothing)):
                    nursery.start_soon(function)
                with span("around"):
                    nursery.start_soon(nothing, name="a name")

    instrument = make()
    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    entries = {name: times.entries for name, times in named(profile).items()}
    here = main.__qualname__
    assert entries[f"{here};nothing"] == 6
    assert entries[f"{here};around;nothing"] == 3
    assert entries[f"{here};{other.__qualname__};within"] == 3
    assert entries[f"{here};seen"] == 3


def test_a_function_with_another_name_has_a_stack_of_its_own(make):
    async def main():
        async with trio.open_nursery() as nursery:
            for name in ("one", "two", "one"):

                async def function():
                    pass

                function.__qualname__ = name
                nursery.start_soon(function)

    instrument = make()
    trio.run(main, instruments=[instrument])
    entries = {name: times.entries for name, times in named(instrument.profile).items()}
    assert entries[f"{main.__qualname__};one"] == 2
    assert entries[f"{main.__qualname__};two"] == 1


def test_the_spawner_is_the_task_that_steps_whoever_owns_the_nursery(make):
    async def spawns(nursery):
        for _ in range(3):
            nursery.start_soon(nothing)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spawns, nursery)

    instrument = make()
    trio.run(main, instruments=[instrument])
    entries = {name: times.entries for name, times in named(instrument.profile).items()}
    assert entries[f"{main.__qualname__};{spawns.__qualname__};nothing"] == 3


def test_a_task_whose_spawner_is_gone_has_the_next_one_that_lives(make):
    async def spawns(nursery, left):
        if left:
            nursery.start_soon(spawns, nursery, left - 1)
        else:
            account = loop_here().current
            chain.append(account)
            while account.spawner is not None:
                account = account.spawner
                chain.append(account)
            living.extend(one in loop_here().tasks for one in chain)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spawns, nursery, 50)

    chain, living = [], []
    trio.run(main, instruments=[make()])
    assert len(chain) <= 4
    assert living[0]
    assert living[-1]


def test_tasks_of_the_runtime_stand_apart_and_mark_no_context(make, monkeypatch):
    async def own():
        found.append(instrument._recorder.context_task.get())

    async def main():
        found.append(instrument._recorder.context_task.get())
        for _ in range(4):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(own)

    found = []
    monkeypatch.setitem(task_functions._OF_RUNTIME, own.__qualname__, (__name__,))
    instrument = make()
    trio.run(main, instruments=[instrument])
    assert found == [found[0]] * 5
    entries = {name: times.entries for name, times in named(instrument.profile).items()}
    assert entries[f"(runtime);{own.__qualname__}"] == 4


def test_a_context_says_whose_it_is_after_each_spawn(make):
    async def child():
        assert instrument._recorder.context_task.get() is loop_here().current
        assert await trio.to_thread.run_sync(instrument._recorder.context_task.get) is not None

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(child)
            await trio.lowlevel.checkpoint()
            assert instrument._recorder.context_task.get() is loop_here().current

    instrument = make()
    trio.run(main, instruments=[instrument])
    assert not instrument._recorder.stopped


def test_a_task_that_is_named_as_one_of_trios_own_is_the_programs(make):
    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(nothing, name="<TrioToken.run_sync_soon task>")

    instrument = make()
    trio.run(main, instruments=[instrument])
    assert named(instrument.profile)[f"{main.__qualname__};nothing"].entries == 2


# ------------------------------------------------------------------------ exits


def test_a_task_exits_when_its_coroutine_ends(make):
    known = []

    class AtExit(trio.abc.Instrument):
        def task_exited(self, task):
            known.append(task in accounts_by_task())

    async def fails():
        raise ValueError

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nothing)
        with pytest.raises(BaseException) as caught:  # a group, or the thing itself
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails)
        assert "ValueError" in repr(caught.value)

    trio.run(main, instruments=[AtExit(), make()])
    assert known[:2] == [False, False]


def test_a_coroutine_that_leaves_its_task_is_recorded_no_more(make):
    async def leaves():
        task = trio.lowlevel.current_task()
        coroutines.append(task.coro)
        await trio.lowlevel.permanently_detach_coroutine_object(outcome.Value(None))
        recorded.append(loop_here().current)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leaves)
        assert len(loop_here().tasks) == 3
        with pytest.raises(StopIteration):
            coroutines[0].send(None)
        assert recorded == [loop_here().current]

    coroutines, recorded = [], []
    instrument = make()
    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    assert named(profile)[f"{main.__qualname__};{leaves.__qualname__}"].steps == 1


# ------------------------------------------------------------------------ wakes


def test_a_task_is_scheduled_from_its_wake_to_its_step(measured):
    async def waits(event):
        await event.wait()

    async def main():
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits, event)
            await trio.testing.wait_all_tasks_blocked()
            [account] = [a for task, a in accounts_by_task().items() if "waits" in task.name]
            assert account.ready is None
            event.set()
            assert account.ready is not None
            time.sleep(0.02)  # the other task has to wait

    instrument = measured()
    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    times = named(profile)[f"{main.__qualname__};{waits.__qualname__}"]
    assert times.scheduled >= 20_000_000


def test_who_else_reads_send_makes_no_task_runnable(measured):
    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            for task, account in accounts_by_task().items():
                assert callable(task.coro.send)
                assert hasattr(task.coro, "send")
                assert account.ready is None
            assert loop_here().queued == 0
            nursery.cancel_scope.cancel()

    instrument = measured()
    trio.run(main, instruments=[instrument])
    instrument.profile.check()
    assert not instrument._recorder.stopped


def test_a_timer_that_is_late_counts_from_its_deadline(measured):
    async def sleeps():
        await trio.sleep(0.005)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeps)
            await trio.testing.wait_all_tasks_blocked()
            time.sleep(0.05)  # the timer is late by that

    instrument = measured()
    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    assert named(profile)[f"{main.__qualname__};{sleeps.__qualname__}"].scheduled >= 40_000_000


def test_recordings_within_each_other_both_measure_it(measured, tmp_path):
    async def main():
        for _ in range(20):
            await trio.lowlevel.checkpoint()

    both = [measured(), FlamegraphInstrument(tmp_path / "other", scheduled=True)]
    trio.run(main, instruments=both)
    for instrument in both:
        profile = instrument.profile
        profile.check()
        [times] = [t for name, t in named(profile).items() if name.endswith(main.__qualname__)]
        assert times.scheduled > 0
        assert times.self_wakes == 20
        assert not instrument._recorder.stopped


def test_one_that_measures_no_scheduled_time_hears_of_no_wake(measured, tmp_path):
    plain = FlamegraphInstrument(tmp_path / "other")

    async def main():
        for _ in range(20):
            await trio.lowlevel.checkpoint()

    trio.run(main, instruments=[plain, measured()])
    plain.profile.check()
    assert sum(times.scheduled for times in plain.profile.stacks.values()) == 0
