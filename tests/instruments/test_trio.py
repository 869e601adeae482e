"""What is special about trio: its hooks, its life cycle, its traps. Each test names one."""

from __future__ import annotations

import functools
import gc
import logging
import os
import queue
import signal
import sys
import threading
import time

import pytest
import trio
import trio.testing

from tests.strategies import by_names as named
from tracetools import FlamegraphInstrument, span
from tracetools.output.formats.folded import read_folded
from tracetools.recording.current import recorded_loops


@pytest.fixture(autouse=True)
def _nothing_is_said_to_be_wrong(caplog):
    yield
    ours = [r for r in caplog.records if r.name in ("tracetools", "trio.abc.Instrument")]
    assert not ours


# ------------------------------------------------------------------------------- life of a run


def test_only_tracked_spans_make_frames(make, clock, tmp_path):
    def helper():
        clock.tick(1000)

    async def main():
        with span("named"):
            helper()

    trio.run(main, instruments=[make()])
    stacks = read_folded(tmp_path / "stack.folded").stacks
    assert [tuple(label.split(" ")[0] for label in stack) for stack in stacks] == [
        ("all-spans", "test_only_tracked_spans_make_frames.<locals>.main", "named")
    ]


def test_locations_are_file_and_line(make, clock, tmp_path):
    async def main():
        clock.tick(1000)

    trio.run(main, instruments=[make(labels="location")])
    place = f"tests/instruments/test_trio.py:{main.__code__.co_firstlineno}"
    assert list(read_folded(tmp_path / "stack.folded").stacks) == [("all-spans", place)]


def test_the_clock_starts_when_the_instrument_is_made_and_time_before_the_run_is_not_counted(
    make, clock
):
    before = time.time_ns()
    instrument = make()
    clock.tick(999)

    async def main():
        clock.tick(1)

    trio.run(main, instruments=[instrument])
    assert instrument.profile.duration == 1
    assert before <= instrument.profile.start <= time.time_ns()


def test_several_runs_one_after_another_add_up(make, clock):
    instrument = make()

    async def main():
        clock.tick(5)

    for _ in range(3):
        trio.run(main, instruments=[instrument])
        clock.tick(1000)
    profile = instrument.profile
    profile.check()
    assert (profile.duration, profile.runs) == (15, 3)
    [main_times] = [times for name, times in named(profile).items() if name.endswith("main")]
    assert (main_times.busy, main_times.entries) == (15, 3)


def test_two_runs_at_once_in_two_threads(tmp_path):
    instrument = FlamegraphInstrument(tmp_path / "stack", flush_interval=None)
    both = threading.Barrier(2)
    took = []

    async def child():
        for _ in range(300):
            with span("s"):
                await trio.lowlevel.checkpoint()

    async def main():
        both.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(child)
        both.wait()

    def run():
        begun = time.perf_counter_ns()
        trio.run(main, instruments=[instrument])
        took.append(time.perf_counter_ns() - begun)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    profile = instrument.profile
    profile.check()
    assert profile.runs == 2
    assert profile.duration <= sum(took)
    spans = [times for name, times in named(profile).items() if name.endswith("child;s")]
    assert [(times.entries, times.steps) for times in spans] == [(1200, 1200)]


def test_a_run_nested_in_a_worker_thread(make, clock):
    instrument = make()

    async def inner():
        clock.tick(7)

    async def outer():
        await trio.to_thread.run_sync(functools.partial(trio.run, inner, instruments=[instrument]))

    trio.run(outer, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    assert profile.runs == 2
    assert any(times.busy == 7 for name, times in named(profile).items() if name.endswith("inner"))


def test_in_a_guest_run_the_hosts_work_is_the_roots(make, clock):
    instrument = make()
    todo, done = queue.Queue(), []

    async def main():
        clock.tick(1)
        await trio.lowlevel.checkpoint()
        clock.tick(1)

    trio.lowlevel.start_guest_run(
        main,
        instruments=[instrument],
        run_sync_soon_threadsafe=todo.put,
        done_callback=done.append,
    )
    while not done:
        with span("host"):  # no task's: it is not recorded
            clock.tick(10)
        todo.get()()
    profile = instrument.profile
    profile.check()
    assert profile.busy == 2
    assert profile.own == profile.duration - 2 > 0
    assert not any(name.endswith(";host") for name in named(profile))


def test_an_abandoned_guest_run_keeps_what_was_recorded(make, clock, tmp_path):
    instrument = make()
    todo, tokens = queue.Queue(), []

    async def main():
        tokens.append(trio.lowlevel.current_trio_token())
        clock.tick(5000)
        await trio.sleep_forever()

    def host():  # in a thread, for trio will never run again where this one was given up
        trio.lowlevel.start_guest_run(
            main,
            instruments=[instrument],
            run_sync_soon_threadsafe=todo.put,
            done_callback=print,
        )
        begun = clock.now
        while clock.now == begun:
            todo.get()()

    thread = threading.Thread(target=host)
    thread.start()
    thread.join()
    instrument.profile.check()
    assert sum(read_folded(instrument.write()).stacks.values()) == 5
    # nobody will ever say that this run is over; the exit of the process would write the file
    [loop] = instrument._recorder.loops
    instrument._tasks._forget(loop, loop.latest)
    instrument._recording.loop_ended()
    tokens.pop().run_sync_soon(print)
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    todo.get(timeout=10)  # now its thread does not wait for events any more, and the run can die
    gc.collect()
    sys.unraisablehook = hook


# -------------------------------------------------------------------- added and removed mid-run


async def _sleeper(event):
    with span("before"):
        await event.wait()


def test_added_mid_run_the_tree_is_built_from_the_nurseries(make, clock):
    instrument = make()

    async def grandchild(event):
        await event.wait()

    async def child(event):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(grandchild, event)

    async def main():
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, event)
            await trio.testing.wait_all_tasks_blocked()
            clock.tick(1000)
            trio.lowlevel.add_instrument(instrument)
            clock.tick(3)
            await trio.testing.wait_all_tasks_blocked()
            clock.tick(4)
            event.set()

    trio.run(main)
    profile = instrument.profile
    profile.check()
    assert profile.duration == 7
    here = "test_added_mid_run_the_tree_is_built_from_the_nurseries.<locals>"
    times = named(profile)
    assert times[f"{here}.main"].busy == 7
    assert times[f"{here}.main;{here}.child;{here}.grandchild"].idle == 7


def test_removed_mid_run_the_recording_ends_at_once(make, clock, tmp_path):
    instrument = make()

    async def main():
        clock.tick(1000)
        await trio.lowlevel.checkpoint()
        with span("open"):
            clock.tick(2000)
            trio.lowlevel.remove_instrument(instrument)
            clock.tick(100_000)
            assert not recorded_loops
            with span("unrecorded"):
                clock.tick(100_000)
        await trio.lowlevel.checkpoint()

    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    assert profile.duration == 3000
    assert sum(read_folded(tmp_path / "stack.folded").stacks.values()) == 3


def test_removed_and_added_again_by_the_same_task(make, clock):
    instrument = make()

    async def main():
        for _ in range(3):
            trio.lowlevel.add_instrument(instrument)
            trio.lowlevel.add_instrument(instrument)
            clock.tick(1)
            await trio.lowlevel.checkpoint()
            clock.tick(1)
            trio.lowlevel.remove_instrument(instrument)
            clock.tick(1000)
            await trio.lowlevel.checkpoint()
            clock.tick(1000)

    trio.run(main)
    profile = instrument.profile
    profile.check()
    assert (profile.duration, profile.busy, profile.runs) == (6, 6, 3)


def test_removing_what_is_not_there_is_trios_own_error(make):
    async def main():
        with pytest.raises(KeyError):
            trio.lowlevel.remove_instrument(make())

    trio.run(main)


# ----------------------------------------------------------- what must never happen to a program


def test_an_error_of_ours_is_logged_once_and_the_program_goes_on(make, clock, caplog, monkeypatch):
    instrument = make()
    done = []

    async def child():
        done.append(1)

    async def main():
        clock.tick(1000)
        await trio.lowlevel.checkpoint()
        monkeypatch.setattr(
            type(instrument._tasks), "spawned", lambda *_: (_ for _ in ()).throw(ZeroDivisionError)
        )
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(child)
        with span("s"):
            await trio.lowlevel.checkpoint()

    trio.run(main, instruments=[instrument])
    assert done == [1] * 5
    [record] = caplog.records
    assert (record.name, record.levelno) == ("tracetools", logging.ERROR)
    assert "stopped recording" in record.message
    instrument.profile.check()
    assert instrument.profile.busy >= 1000
    caplog.clear()


def test_a_clock_that_fails_stops_the_recording_only(tmp_path, caplog):
    calls = []

    def clock():
        calls.append(1)
        if len(calls) > 50:
            raise OSError("no time")
        return len(calls)

    instrument = FlamegraphInstrument(tmp_path / "stack", clock=clock, flush_interval=None)

    async def main():
        for _ in range(100):
            with span("s"):
                await trio.lowlevel.checkpoint()
        return "done"

    assert trio.run(main, instruments=[instrument]) == "done"
    assert {record.name for record in caplog.records} == {"tracetools"}
    assert len([r for r in caplog.records if "stopped recording" in r.message]) == 1
    caplog.clear()


def test_a_deep_recursion_of_the_programs_own_does_not_end_the_recording(make, clock):
    instrument = make()

    def dive():
        with span("down"):
            dive()

    async def main():
        with pytest.raises(RecursionError):
            dive()
        clock.tick(5)
        with span("after"):
            clock.tick(7)

    trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    assert [times.busy for name, times in named(profile).items() if name.endswith("main")] == [5]
    assert named(profile)[f"{main.__qualname__};after"].busy == 7


def test_spans_in_worker_threads_after_it_was_added_mid_run(make, clock):
    """The running task's own context is in use at that moment."""
    instrument = make()

    def work():
        with span("in thread"):
            clock.tick(3)

    async def main():
        trio.lowlevel.add_instrument(instrument)
        await trio.to_thread.run_sync(work)

    trio.run(main)
    assert (
        named(instrument.profile)[f"{main.__qualname__};{work.__qualname__};in thread"].thread == 3
    )


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("where", ["task_spawned", "task_scheduled", "span"])
def test_ctrl_c_in_our_code_is_not_lost(tmp_path, where):
    """SIGINT arrives while a hook runs that the program's own code has called."""
    armed = []

    def clock():
        if armed:
            armed.clear()
            signal.raise_signal(signal.SIGINT)
        return time.perf_counter_ns()

    instrument = FlamegraphInstrument(
        tmp_path / "stack", clock=clock, scheduled=True, flush_interval=None
    )

    async def main():
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(event.wait)
            await trio.testing.wait_all_tasks_blocked()
            armed.append(1)
            if where == "task_spawned":
                nursery.start_soon(trio.sleep, 0)
            elif where == "task_scheduled":
                event.set()
            else:
                with span("s"):
                    pass
            await trio.sleep(10)

    with pytest.raises(BaseException) as caught:  # a group, or the thing itself
        trio.run(main, instruments=[instrument])
    assert "KeyboardInterrupt()" in repr(caught.value)
    instrument.profile.check()
    assert not instrument._recorder.stopped
    del caught
    gc.collect()  # a task that was spawned has not begun


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_writes_nothing(make, clock, tmp_path):
    instrument = make()

    async def main():
        clock.tick(1000)
        with span("s"):
            pid = os.fork()
            if pid == 0:  # as if the copy went on to its end, which trio's own copy could not
                clock.tick(1_000_000)
                instrument.write()
                instrument.after_run()
                os._exit(0 if not recorded_loops else 1)
        return os.waitpid(pid, 0)[1]

    assert trio.run(main, instruments=[instrument]) == 0
    assert sum(read_folded(tmp_path / "stack.folded").stacks.values()) == 1


def test_a_write_that_fails_at_the_end_does_not_stop_the_program(make, clock, tmp_path, caplog):
    instrument = make()

    async def main():
        clock.tick(1000)
        os.remove(tmp_path / "stack.folded")
        (tmp_path / "stack.folded").mkdir()
        return "done"

    assert trio.run(main, instruments=[instrument]) == "done"
    [record] = caplog.records
    assert str(tmp_path / "stack.folded") in record.message
    caplog.clear()


def test_short_tasks_leave_nothing_behind(make):
    instrument = make()

    async def nothing():
        pass

    async def main():
        for _ in range(20):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(nothing)
        left.extend(recorded_loops[threading.get_ident()].tasks.values())

    left = []
    trio.run(main, instruments=[instrument])
    assert {task.name for task in left} == {
        "<init>",
        "<TrioToken.run_sync_soon task>",
        f"{__name__}.{main.__qualname__}",
    }
    assert len(instrument.profile.stacks) == 6


async def test_a_pytest_trio_fixture(recorded, clock):
    with span("in a test"):
        clock.tick(5)


@pytest.fixture
def recorded(make):
    instrument = make()
    yield instrument
    profile = instrument.profile
    profile.check()
    assert [t.busy for name, t in named(profile).items() if name.endswith(";in a test")] == [5]


test_a_pytest_trio_fixture = pytest.mark.trio(test_a_pytest_trio_fixture)


# ------------------------------------------------------------- added by other instruments' hooks


class At(trio.abc.Instrument):
    """Does something once, in the hook of that name."""

    def __init__(self, hook, action):
        self._action = action
        setattr(self, hook, self._once)

    def _once(self, *_):
        action, self._action = self._action, lambda: None
        action()


@pytest.mark.parametrize("hook", ["before_task_step", "after_task_step", "task_exited"])
def test_added_and_removed_in_another_instruments_hook(make, clock, hook):
    instrument = make()

    async def child():
        clock.tick(5)
        await trio.lowlevel.checkpoint()
        clock.tick(5)

    async def main():
        adding = At(hook, lambda: trio.lowlevel.add_instrument(instrument))
        trio.lowlevel.add_instrument(adding)
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
        removing = At(hook, lambda: trio.lowlevel.remove_instrument(instrument))
        trio.lowlevel.remove_instrument(adding)
        trio.lowlevel.add_instrument(removing)
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)

    trio.run(main)
    profile = instrument.profile
    profile.check()
    assert profile.busy >= 20
    assert not recorded_loops


def test_removed_by_an_instrument_before_it_in_the_list(make):
    instrument = make()

    def remove():
        trio.lowlevel.remove_instrument(instrument)

    async def main():
        trio.lowlevel.add_instrument(At("before_task_step", remove))
        trio.lowlevel.add_instrument(instrument)
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()

    trio.run(main)
    instrument.profile.check()
    assert not recorded_loops


def test_a_task_that_yields_to_the_loop_has_woken_itself_where_scheduling_is_heard(tmp_path):
    async def polls():
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        await trio.sleep(0.001)

    instrument = FlamegraphInstrument(tmp_path / "stack", scheduled=True)
    trio.run(polls, instruments=[instrument])
    profile = instrument.profile
    [times] = [times for path, times in profile.stacks.items() if path[-1].name.endswith("polls")]
    assert (times.self_wakes, times.steps) == (10, 12)
    assert profile.scheduling_delay.count == profile.queue.count > 10
