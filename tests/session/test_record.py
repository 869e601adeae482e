"""`record`: what it follows, on either backend, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading

import pytest
import trio
import uvloop

from tracetools import FlamegraphInstrument, RecordingError, StackFileError, record, span
from tracetools.core.stacks import Frame
from tracetools.instruments import asyncio_patches as loops
from tracetools.instruments import module_imports as late
from tracetools.output.formats.folded import read_folded
from tracetools.output.stack_file import StackFile
from tracetools.recording.current import recorded_loops, recorders
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(tmp_path, clock):
    numbers = itertools.count()

    def make(**options):
        options = {"clock": clock, "flush_interval": None} | options
        return record(tmp_path / str(next(numbers)), **options)

    return make


def named(profile):
    return {
        ";".join(frame.name.rpartition(".")[2] for frame in path[1:]): times
        for path, times in profile.stacks.items()
        if len(path) > 1 and "shutdown" not in path[1].name
    }


def busy(profile):
    return {name: times.busy for name, times in named(profile).items()}


def nothing_is_left():
    return not (loops._patches or loops._listeners or recorded_loops or recorders)


async def leaf():
    await asyncio.sleep(0)


# ------------------------------------------------------------------------------------------ with


def test_every_run_of_every_backend_that_begins_inside_is_recorded(make, clock):
    async def on_asyncio():
        clock.tick(1)

    async def on_trio():
        clock.tick(10)

    with make() as recording:
        asyncio.run(on_asyncio())
        trio.run(on_trio)
        asyncio.run(on_asyncio())
    profile = recording.profile
    profile.check()
    assert (profile.runs, profile.backends) == (3, ("asyncio", "trio"))
    assert (busy(profile)["on_asyncio"], busy(profile)["on_trio"]) == (2, 10)
    assert nothing_is_left()


def test_the_file_is_written_when_it_is_left(make, clock, tmp_path):
    async def main():
        clock.tick(3_000)

    with make():
        asyncio.run(main())
    assert sum(read_folded(tmp_path / "0.folded").stacks.values()) == 3


def test_a_file_that_cannot_be_written_is_said_before_anything_begins(tmp_path):
    with pytest.raises(StackFileError, match=r"no/such/place\.folded"):
        record(tmp_path / "no/such/place")
    assert nothing_is_left()


def test_recordings_may_overlap_in_any_order(make):
    first, second = make(), make(scheduled=True)
    one, two = first.__enter__(), second.__enter__()
    asyncio.run(leaf())
    first.__exit__(None, None, None)
    asyncio.run(leaf())
    second.__exit__(None, None, None)
    for recording, expected in ((one, 1), (two, 2)):
        recording.profile.check()
        assert recording.profile.runs == expected
    assert nothing_is_left()


def test_a_recording_may_be_left_while_loops_run_in_other_threads(make):
    done, begun = threading.Event(), threading.Barrier(3)

    async def main():
        begun.wait()
        while not done.is_set():
            with span("s"):
                await asyncio.create_task(leaf())

    recording = make(scheduled=True)
    with recording as result:
        threads = [threading.Thread(target=asyncio.run, args=[main()]) for _ in range(2)]
        for thread in threads:
            thread.start()
        begun.wait()
        for _ in range(20):
            result.profile.check()
    assert nothing_is_left()
    last = result.profile
    done.set()
    for thread in threads:
        thread.join()
    last.check()
    assert result.profile == last
    assert nothing_is_left()


def test_a_task_of_an_older_loop_is_followed_from_its_next_step_on(make, clock):
    async def waits(future):
        clock.tick(1000)
        await future
        clock.tick(5)

    loop = asyncio.new_event_loop()
    future = loop.create_future()
    task = loop.create_task(waits(future))
    loop.run_until_complete(leaf())
    with make() as recording:
        loop.call_soon(future.set_result, None)
        loop.run_until_complete(task)
    recording.profile.check()
    assert busy(recording.profile) == {"waits": 5}
    loop.close()


def test_plain_with_within_a_running_loop_is_refused(make, tmp_path):
    async def main():
        with pytest.raises(RecordingError, match="async with"), make():
            pass

    asyncio.run(main())
    trio.run(main)
    assert nothing_is_left()
    assert not list(tmp_path.iterdir())


def test_a_recording_is_entered_once(make):
    recording = make()
    with recording:
        pass
    with pytest.raises(RecordingError, match="once"), recording:
        pass


def test_an_error_while_entering_leaves_nothing_behind(make, monkeypatch):
    def fails():
        raise KeyboardInterrupt

    recording = make()
    monkeypatch.setattr(type(recording), "_listen_to_runs", lambda self: fails())
    with pytest.raises(KeyboardInterrupt):
        recording.__enter__()
    assert nothing_is_left()
    assert late._finder not in sys.meta_path


def test_an_end_that_fails_is_logged_and_raises_nothing_into_the_program(make, monkeypatch, caplog):
    def fails(_):
        raise OSError("no more descriptors")

    monkeypatch.setattr(StackFile, "close", fails)
    with pytest.raises(ZeroDivisionError), make():
        asyncio.run(leaf())
        1 / 0  # noqa: B018
    assert nothing_is_left()
    assert caplog.text.count("could not be ended as it should") == 1


async def host_of(guest, clock):
    """Run a trio function as a guest of the asyncio loop, which does something beside."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    clock.tick(1)
    trio.lowlevel.start_guest_run(
        guest,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        done_callback=done.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    clock.tick(10)
    while not done.done():
        await asyncio.sleep(0)
        clock.tick(100)
    done.result().unwrap()


def test_a_guest_run_is_part_of_its_hosts_time(make, clock):
    async def guest():
        for _ in range(3):
            clock.tick(1000)
            await trio.lowlevel.checkpoint()

    with make(scheduled=True) as recording:
        before = clock.now
        asyncio.run(host_of(guest, clock))
        passed = clock.now - before
    profile = recording.profile
    profile.check()
    assert busy(profile)["guest"] == 3000
    assert profile.duration == passed
    assert profile.busy == busy(profile)["host_of"] + 3000 == passed
    assert (profile.runs, profile.backends) == (2, ("asyncio", "trio"))


def test_a_guest_run_is_part_of_its_hosts_time_in_every_profile(make, clock):
    profiles = []

    async def guest():
        clock.tick(1000)
        with span("deeper"):
            clock.tick(1000)
            profiles.append((clock.now, recording.profile))
            await trio.lowlevel.checkpoint()
            profiles.append((clock.now, recording.profile))

    with make() as recording:
        before = clock.now
        asyncio.run(host_of(guest, clock))
    for now, profile in profiles:
        profile.check()
        assert profile.duration == now - before
        assert profile.waiting == 0


def test_a_guest_run_that_outlives_the_recording_of_its_host_counts_on_its_own(make, clock):
    recorder = make()._recording.recorder
    host = recorder.begin_loop()
    clock.tick(1)
    guest = recorder.begin_loop(is_guest=True)
    clock.tick(10)
    recorder.end_loop(host, clock())
    assert recorder.profile().duration == 11
    clock.tick(100)
    assert recorder.profile().duration == 111
    second = recorder.begin_loop()
    clock.tick(1000)
    recorder.end_loop(guest, clock())
    clock.tick(10_000)
    recorder.end_loop(second, clock())
    recorder.profile().check()
    assert recorder.profile().duration == 11_111


def test_a_guest_run_is_in_no_step_of_its_host(make, clock):
    recorder = make()._recording.recorder
    host = recorder.begin_loop()
    step = host.spawn(host.tree.root, Frame("host"), clock())
    step.begin_step(clock())
    guest = recorder.begin_loop(is_guest=True)
    task = guest.spawn(guest.tree.root, Frame("guest"), clock())
    for during in (True, False):
        task.begin_step(clock())
        clock.tick(7)
        task.end_step(clock())
        if during:
            step.end_step(clock())
    recorder.end_loop(guest, clock())
    recorder.end_loop(host, clock())
    profile = recorder.profile()
    profile.check()
    assert busy(profile) == {"host": 7, "guest": 7}
    assert profile.duration == 14


def test_a_guest_run_whose_host_is_not_recorded_counts_in_full(tmp_path, clock):
    async def guest():
        clock.tick(1000)
        hosts[0].call_soon(clock.tick, 5)
        await trio.lowlevel.checkpoint()

    instrument = FlamegraphInstrument(tmp_path / "stack", clock=clock, flush_interval=None)

    async def main():
        loop = asyncio.get_running_loop()
        hosts.append(loop)
        done = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done.set_result,
            host_uses_signal_set_wakeup_fd=True,
            instruments=[instrument],
        )
        (await done).unwrap()

    hosts = []
    asyncio.run(main())
    instrument.profile.check()
    assert instrument.profile.duration == 1005


# ------------------------------------------------------------------------------------ async with


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("scheduled", [False, True])
def test_the_run_that_it_is_in_is_recorded_with_the_tasks_that_live_in_it(
    make, clock, make_loop, scheduled
):
    async def parked(future):
        clock.tick(1000)
        await future
        clock.tick(5)
        await asyncio.sleep(0)
        clock.tick(7)

    async def new():
        clock.tick(3)

    async def main():
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(parked(future))
        await asyncio.sleep(0)
        async with make(scheduled=scheduled) as recording:
            clock.tick(100)
            future.set_result(None)
            clock.tick(20)
            await task
            await asyncio.create_task(new())
        clock.tick(1000)
        assert nothing_is_left()
        return recording.profile

    loop = make_loop()
    profile = loop.run_until_complete(main())
    loop.close()
    profile.check()
    assert busy(profile) == {"main": 120, "parked": 12, "main;new": 3}
    assert profile.duration == 135
    assert named(profile)["parked"].scheduled == (20 if scheduled else 0)


def test_the_trio_run_that_it_is_in_is_recorded(make, clock):
    async def main():
        clock.tick(1000)
        async with make() as recording:
            clock.tick(3)
            await trio.lowlevel.checkpoint()
        clock.tick(1000)
        return recording.profile

    profile = trio.run(main)
    profile.check()
    assert (busy(profile)["main"], profile.duration, profile.backends) == (3, 3, ("trio",))


def test_tasks_go_on_after_it_was_left_and_may_be_recorded_again(make, clock):
    async def waits(future):
        with span("s"):
            await future
            clock.tick(5)

    async def main():
        future = asyncio.get_running_loop().create_future()
        async with make() as first:
            task = asyncio.create_task(waits(future))
            await asyncio.sleep(0)
        before = first.profile
        async with make() as second:
            future.set_result(None)
            await task
        for profile in (first.profile, second.profile):
            profile.check()
        assert first.profile == before
        assert busy(second.profile)["waits"] == 5

    asyncio.run(main())
    assert nothing_is_left()


@pytest.mark.parametrize("steps", [0, 1])
def test_cancelled_while_entering_it_leaves_nothing_behind(make, steps):
    async def enters():
        async with make():
            raise AssertionError

    async def main():
        task = asyncio.create_task(enters())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert nothing_is_left()

    asyncio.run(main())


def test_it_may_be_entered_in_one_task_and_left_in_another(make):
    async def main():
        recording = make()
        result = await asyncio.create_task(recording.__aenter__())
        await asyncio.create_task(leaf())
        await asyncio.create_task(recording.__aexit__(None, None, None))
        result.profile.check()
        assert "main;leaf" in named(result.profile)

    asyncio.run(main())
    assert nothing_is_left()


def test_other_loops_are_not_recorded(make):
    async def main():
        async with make() as recording:
            await asyncio.to_thread(asyncio.run, leaf())
        assert recording.profile.runs == 1

    asyncio.run(main())


def test_without_a_loop_it_is_refused(make, tmp_path):
    coroutine = make().__aenter__()
    with pytest.raises(RecordingError, match="use 'with"):
        coroutine.send(None)
    assert not list(tmp_path.iterdir())


def test_overlapping_recordings_of_one_run(make, clock):
    async def works():
        for _ in range(4):
            clock.tick(1)
            await asyncio.sleep(0)

    async def main():
        first, second = make(), make(scheduled=True)
        one = await first.__aenter__()
        tasks = [asyncio.create_task(works())]
        two = await second.__aenter__()
        tasks.append(asyncio.create_task(works()))
        await first.__aexit__(None, None, None)
        await asyncio.gather(*tasks)
        await second.__aexit__(None, None, None)
        for recording in (one, two):
            recording.profile.check()
        assert busy(two.profile)["main;works"] == 4

    asyncio.run(main())
    gc.collect()
    assert nothing_is_left()


def test_a_loop_that_ran_before_is_followed_from_the_next_task_on_that_it_creates(tmp_path):
    clock = FakeClock()
    going, steps = threading.Event(), []

    async def old(todo):
        while await todo.get():
            clock.tick(5)

    async def new():
        clock.tick(3)

    async def main():
        todo = asyncio.Queue()
        task = asyncio.create_task(old(todo))
        steps.append((asyncio.get_running_loop(), todo))
        going.set()
        await task

    thread = threading.Thread(target=asyncio.run, args=[main()])
    thread.start()
    going.wait(10)
    [(loop, todo)] = steps
    with record(tmp_path / "stack", clock=clock, flush_interval=None) as recording:
        asyncio.run_coroutine_threadsafe(new(), loop).result(10)
        asyncio.run_coroutine_threadsafe(todo.put(True), loop).result(10)
        asyncio.run_coroutine_threadsafe(todo.put(False), loop).result(10)
        thread.join()
    recording.profile.check()
    busy = {
        path[-1].name.rpartition(".")[2]: t.busy for path, t in recording.profile.stacks.items()
    }
    assert (busy["old"], busy["new"]) == (5, 3)


def test_many_short_loops_do_not_write_the_file_each_time(tmp_path, monkeypatch):
    written = []
    real = StackFile._store
    monkeypatch.setattr(StackFile, "_store", lambda *args: (written.append(1), real(*args)))
    monkeypatch.setattr("tracetools.output.stack_file.perf_counter", lambda: 1.0)
    with record(tmp_path / "stack", flush_interval=None) as recording:
        for _ in range(100):
            asyncio.run(asyncio.sleep(0))
    assert len(written) == 2, "that of the first loop, and the last one"
    assert recording.profile.runs == 100
    assert read_folded(tmp_path / "stack.folded").stacks
