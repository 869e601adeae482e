"""A recording that begins while loops run: they join, and what was before is not in it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import trio
import uvloop

from tracetools import record
from tracetools.instruments import asyncio_patches, trio_patches
from tracetools.recording.current import recorded_loops, recorders
from tracetools.recording.recorder import Recorder
from tracetools.session.latecomer import Latecomer
from tracetools.testing import FakeClock

RUNS = {
    "asyncio": (asyncio.run, lambda: asyncio.sleep(0)),
    "uvloop": (uvloop.run, lambda: asyncio.sleep(0)),
    "trio": (lambda coroutine: trio.run(lambda: coroutine), trio.lowlevel.checkpoint),
}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def late(clock):
    """Return a latecomer, and see to it that nothing is left of it."""
    late = Latecomer(record(None, clock=clock, flush_interval=None))
    late.watch()
    yield late
    late.forget()
    late._record.__exit__()
    assert (asyncio_patches._listeners, trio_patches._instruments) == ((), ())
    assert (dict(recorded_loops), set(recorders)) == ({}, set())


def busy(recording):
    profile = recording.profile
    profile.check()
    names = {}
    for path, times in profile.stacks.items():
        name = path[-1].name.rpartition(".")[2]
        names[name] = names.get(name, 0) + times.busy
    return names


def in_thread(action):
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


@pytest.mark.parametrize("backend", RUNS)
@pytest.mark.parametrize("from_where", [in_thread, lambda action: action()], ids=["thread", "loop"])
def test_a_loop_that_runs_joins_with_its_tasks(late, clock, backend, from_where):
    run, rest = RUNS[backend]

    async def main():
        clock.tick(1000)
        await rest()
        from_where(late.begin)
        assert late.missing == 1
        clock.tick(100)  # of a step that had begun before
        for _ in range(5):
            await rest()
        assert late.missing == 0
        clock.tick(7)
        await rest()

    run(main())
    recording = late._record._recording
    assert busy(recording)["main"] == 7
    assert recording.profile.backends == (backend,)
    assert recording.profile.runs == 1


@pytest.mark.parametrize("backend", RUNS)
def test_a_loop_that_begins_later_is_recorded_whole(late, clock, backend):
    run, rest = RUNS[backend]

    async def main():
        clock.tick(5)
        await rest()
        clock.tick(6)

    run(main())
    late.begin()
    run(main())
    assert busy(late._record._recording)["main"] == 11
    assert late.missing == 0


@pytest.mark.parametrize("backend", RUNS)
def test_what_never_begins_records_nothing(late, clock, backend):
    run, rest = RUNS[backend]

    async def main():
        clock.tick(5)
        await rest()

    run(main())
    late.forget()
    run(main())
    assert late._record._recording.profile.runs == 0


def test_a_loop_that_ends_first_is_missing(late, clock):
    async def main():
        clock.tick(5)
        late.begin()

    asyncio.run(main())
    assert late.missing in (0, 1)  # asyncio.run goes on for a while, to cancel tasks
    profile = late._record._recording.profile
    profile.check()
    assert "main" not in busy(late._record._recording)


@pytest.mark.parametrize("backend", RUNS)
def test_an_error_of_ours_is_logged_and_the_program_goes_on(late, backend, monkeypatch, caplog):
    run, rest = RUNS[backend]

    def fail(*_):
        raise ZeroDivisionError

    for name in ("join_loop", "join_run"):
        monkeypatch.setattr(late._record, name, fail)

    async def main():
        late.begin()
        for _ in range(5):
            await rest()
        return 3

    assert run(main()) == 3
    assert "a loop could not be joined; the program goes on" in caplog.text


def test_the_profile_starts_when_it_begins(late, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 42)
    late.begin()
    assert late._record._recording.profile.start == 42


@pytest.mark.parametrize("backend", RUNS)
def test_a_loop_that_joins_while_the_recording_ends_elsewhere_breaks_no_law(
    late, clock, backend, monkeypatch
):
    run, rest = RUNS[backend]
    recording = late._record._recording
    begin_loop, keep_last = Recorder.begin_loop, Recorder._keep_last
    has_run = threading.Event()

    def begins_late(self, **options):
        ends.start()
        while not self.stopped:  # a thread sets it
            time.sleep(0)
        return begin_loop(self, **options)

    def keeps_late(self):
        has_run.wait(60)
        keep_last(self)

    monkeypatch.setattr(Recorder, "begin_loop", begins_late)
    monkeypatch.setattr(Recorder, "_keep_last", keeps_late)
    ends = threading.Thread(target=recording.recorder.close)

    async def main():
        in_thread(begin)
        for _ in range(9):
            clock.tick(10**9)
            await rest()
        has_run.set()

    def begin():
        late.find_running()
        late.begin()

    run(main())
    ends.join()
    profile = recording.profile
    profile.check()
    assert profile.task_time == profile.duration == 0
