"""What is recorded of the collector of garbage while a program changes what it likes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time

import pytest
import trio

from tests.strategies import by_names
from tracetools import FlamegraphInstrument, record, span
from tracetools.core.stacks import COLLECTIONS
from tracetools.output.lints import find_lints
from tracetools.recording import collector
from tracetools.recording.collector import on_collection
from tracetools.testing import FakeClock

OLD = COLLECTIONS[2].name


@contextlib.contextmanager
def collections_that_take(clock, ns):
    """Let each collection take so long, for a while."""

    def tick(phase, _):
        clock.tick(ns if phase == "start" else 0)

    gc.callbacks.append(tick)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(tick)


def recorded(main, tmp_path, **options):
    """Run a program on asyncio, under a fake clock; return its stacks by name."""
    clock = FakeClock()

    async def run():
        await main(clock)

    with record(tmp_path / "stack", clock=clock, flush_interval=None, **options) as recording:
        asyncio.run(run())
    recording.profile.check()
    return by_names(recording.profile)


@pytest.fixture(autouse=True)
def collections_on_demand():
    gc.disable()
    yield
    gc.enable()


def test_the_collector_is_watched_while_a_loop_is_recorded(tmp_path):
    async def main(_):
        assert gc.callbacks.count(on_collection) == 1

    recorded(main, tmp_path)
    assert on_collection not in gc.callbacks


def test_a_program_may_clear_the_callbacks(tmp_path):
    async def main(clock):
        with collections_that_take(clock, 100):
            gc.collect()
            gc.callbacks.clear()
            gc.collect()

    saved = gc.callbacks[:]
    found = recorded(main, tmp_path)
    gc.callbacks[:] = saved
    assert found[f"{main_name(found)};{OLD}"].busy == 100


def test_a_program_may_clear_the_callbacks_in_the_midst_of_a_collection(tmp_path):
    async def main(clock):
        def clear(phase, _):
            clock.tick(100)
            gc.callbacks.clear()

        gc.callbacks.append(clear)
        gc.collect()
        clock.tick(5)

    saved = gc.callbacks[:]
    found = recorded(main, tmp_path)
    gc.callbacks[:] = saved
    assert found[main_name(found)].busy == 105
    assert not any(OLD in name for name in found)


def test_another_list_of_that_name_is_left_alone(tmp_path, monkeypatch):
    other = []

    async def main(clock):
        with collections_that_take(clock, 100):
            monkeypatch.setattr(gc, "callbacks", other)
            gc.collect()
            monkeypatch.undo()

    found = recorded(main, tmp_path)
    assert other == []
    assert on_collection not in gc.callbacks
    assert found[f"{main_name(found)};{OLD}"].busy == 100


def test_the_callbacks_of_a_program_are_not_compared(tmp_path):
    class Callback:
        def __eq__(self, other):
            raise AssertionError("we were compared")

        __hash__ = None

        def __call__(self, phase, info):
            pass

    callback = Callback()
    gc.callbacks.append(callback)

    async def main(_):
        gc.collect()

    recorded(main, tmp_path)
    assert gc.callbacks.pop() is callback


def test_what_is_collected_is_what_would_be(tmp_path):
    def garbage():
        for _ in range(10):
            ring = []
            ring.append(ring)

    gc.collect()
    garbage()
    expected = gc.collect()
    found = []

    async def main(_):
        gc.collect()
        garbage()
        found.append(gc.collect())

    recorded(main, tmp_path)
    assert found == [expected]


def test_a_long_collection_stands_below_the_functions_that_it_strikes(tmp_path):
    def struck():
        with span("within"):
            gc.collect()

    def innocent():
        gc.collect()

    async def main(clock):
        with collections_that_take(clock, 5_000_000):
            innocent()
            struck()

    found = recorded(main, tmp_path, functions=True)
    name = main_name(found)
    functions = [path for path in found if path.endswith(OLD)]
    busy = {path.removeprefix(name): found[path].busy for path in functions}
    assert sorted(busy.values()) == [5_000_000, 5_000_000]
    assert any(path.split(";")[-2].endswith("innocent") for path in busy)
    assert any(path.split(";")[-2] == "within" for path in busy)


def test_ctrl_c_that_strikes_us_in_a_callback_is_not_lost(tmp_path, monkeypatch):
    def strike(*_):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)

    def callback():
        monkeypatch.setattr(collector, "begin_collection", strike)
        gc.collect()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.001)

    loop = asyncio.new_event_loop()
    loop.call_soon(callback)
    loop.call_later(0, loop.stop)
    try:
        with record(tmp_path / "stack"), pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    finally:
        loop.close()


def test_two_recordings_of_one_loop_have_the_same_collections(tmp_path):
    async def main(clock):
        with collections_that_take(clock, 100):
            gc.collect()

    clock = FakeClock()
    with (
        record(tmp_path / "a", clock=clock) as one,
        record(tmp_path / "b", clock=clock) as other,
    ):
        asyncio.run(main(clock))
    for recording in (one, other):
        recording.profile.check()
        assert recording.profile.collecting == 100


def test_a_trio_guest_on_a_recorded_loop_is_struck_once(tmp_path):
    clock = FakeClock()

    async def guest():
        with collections_that_take(clock, 100):
            gc.collect()
            await trio.lowlevel.checkpoint()

    async def host():
        over = asyncio.get_running_loop().create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe,
            done_callback=over.set_result,
        )
        await over

    with record(tmp_path / "stack", clock=clock) as recording:
        asyncio.run(host())
    recording.profile.check()
    assert recording.profile.collecting == 100


@pytest.mark.skipif(sys.platform == "win32", reason="raises a signal")
@pytest.mark.edges  # trio before 0.25 raises it where our function begins, and Python drops it
@pytest.mark.parametrize("phase", ["start", "stop"])
def test_ctrl_c_in_our_callback_reaches_the_program(phase, tmp_path):
    """The collector drops what a callback raises, so it is raised when the step ends."""

    def strike(frame, event, _):
        is_ours = event == "call" and frame.f_code is on_collection.__code__
        if is_ours and frame.f_locals["phase"] == phase:
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGINT)

    caught = []

    async def main():
        sys.setprofile(strike)
        try:
            gc.collect()
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
        except KeyboardInterrupt:
            caught.append(phase)
        finally:
            sys.setprofile(None)

    instrument = FlamegraphInstrument(tmp_path / "stack")
    trio.run(main, instruments=[instrument])
    instrument.profile.check()
    assert caught == [phase]


def main_name(found):
    """Return the name of the stack of the main task."""
    return next(name for name in found if name.endswith("recorded.<locals>.run"))


def test_a_collection_that_blocks_a_loop_is_not_blamed_on_the_task(tmp_path):
    async def innocent(clock):
        clock.tick(5_000_000)
        gc.collect()

    async def main(clock):
        with collections_that_take(clock, 30_000_000):
            await asyncio.create_task(innocent(clock))

    clock = FakeClock()
    options = {"clock": clock, "flush_interval": None, "blocking": 0.02}
    with record(tmp_path / "stack", **options) as recording:
        asyncio.run(main(clock))
    profile = recording.profile
    profile.check()
    [path] = [path for path in profile.stacks if len(path) > 2 and path[-1] == COLLECTIONS[2]]
    assert path[-2].name.endswith("innocent")
    busy = [profile.stacks[stack].busy for stack in (path, path[:-1])]
    assert busy == [30_000_000, 5_000_000]
    [blocks] = profile.blocking.values()
    assert (blocks.total, blocks.collecting) == (35_000_000, 30_000_000)
    lints = {lint.kind: lint for lint in find_lints(profile).shown}
    assert "innocent" in repr(lints["garbage-collection"].path)
    assert "blocks" not in lints


def test_a_collection_in_another_thread_is_noted_there(tmp_path):
    async def main(clock):
        await asyncio.to_thread(gc.collect)

    begin = time.perf_counter_ns()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collector, "LONG", 0)
        found = recorded(main, tmp_path)
    thread, generation, since, until = collector._elsewhere[-1]
    assert (generation, begin <= since <= until) == (2, True)
    assert collector.struck_elsewhere(thread, since, until) == 2
    assert collector.struck_elsewhere(thread, 3 * since - 2 * until - 2, until) is None
    assert collector.struck_elsewhere(thread + 1, since, until) is None
    assert not any(OLD in name for name in found)


def test_a_collection_whose_end_is_not_told_is_forgotten(tmp_path):
    async def main(clock):
        await asyncio.to_thread(collector.on_collection, "start", {"generation": 0})
        await asyncio.to_thread(gc.collect)
        threads.append(collector._elsewhere[-1][0])

    threads = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collector, "LONG", 0)
        recorded(main, tmp_path)
        [thread] = threads
    assert all(end for *_, end in collector._elsewhere)
    assert collector.struck_elsewhere(thread, time.perf_counter_ns(), 2**62) is None


def test_a_collection_that_outlives_the_recording_is_forgotten(tmp_path):
    async def main(clock):
        await asyncio.to_thread(collector.on_collection, "start", {"generation": 0})
        assert not collector._elsewhere[-1][3]

    recorded(main, tmp_path)
    assert all(end for *_, end in collector._elsewhere)
