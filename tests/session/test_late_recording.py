"""A recording of loops that run already, and nothing is left of it."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import gc
import pkgutil
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import trio

from tests.session.test_latecomer import RUNS
from tests.threads import elsewhere
from tracetools.guest import threads
from tracetools.instruments import (
    asyncio_patches,
    event_waits,
    hidden_frames,
    task_classes,
    trio_patches,
    wakeups,
)
from tracetools.recording import current, forks
from tracetools.session.late_recording import LateRecording, Said
from tracetools.session.options import Options

OPTIONS = Options(flush_interval=None)


def nothing_is_patched():
    return (asyncio_patches._listeners, trio_patches._instruments) == ((), ())


@pytest.mark.parametrize("backend", RUNS)
def test_a_loop_that_runs_is_found_and_recorded_time_and_again(backend):
    run, rest = RUNS[backend]
    profiles = []

    async def main():
        for _ in range(3):
            recording = elsewhere(lambda: LateRecording(OPTIONS))
            for _ in range(10):
                await rest()
            assert recording.missing == 0
            elsewhere(recording.end)
            profiles.append(recording.profile)
            for _ in range(5):
                await rest()
            assert nothing_is_patched()

    run(main())
    for profile in profiles:
        profile.check()
        assert (profile.backends, profile.runs) == ((backend,), 1)


def test_a_loop_that_has_joined_in_its_last_run_leaves_nothing_when_it_is_closed():
    recordings = []

    async def main():
        recordings.append(elsewhere(lambda: LateRecording(OPTIONS)))
        for _ in range(10):
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    recordings[0].end()
    assert recordings[0].profile.runs == 1
    assert event_waits._watches == {}
    assert task_classes.spawns == {}


POINTS = [
    ("tracetools.recording.recorder.Recorder", "resume_loop", "_follow"),
    ("tracetools.session.recording.Recording", "loop_began", "watch_resources"),
    ("tracetools.sampling.sampler.Sampler", "start"),
    ("tracetools.instruments.asyncio.AsyncioInstrument", "_watch", "_adopt"),
    ("tracetools.recording.forks", "follow"),
]
WITHIN = [(place, name) for place, *names in POINTS for name in names]


@pytest.mark.parametrize("backend", RUNS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("place", "name"), WITHIN)
def test_one_that_ends_while_a_loop_joins_leaves_nothing(monkeypatch, backend, when, place, name):
    """Whoever records may be killed at any moment. The door then ends it in its own thread."""
    run, rest = RUNS[backend]
    owner = pkgutil.resolve_name(place)
    recordings, ended = [], []
    original = getattr(owner, name)

    def end():
        if threading.current_thread() is threading.main_thread() and recordings and not ended:
            ended.append(True)
            elsewhere(recordings[0].end)

    def replaced(*arguments):
        if when == "before":
            end()
        found = original(*arguments)
        if when == "after":
            end()
        return found

    async def main():
        before = threads_of_process()
        options = dataclasses.replace(OPTIONS, resources=True, scheduled=True)
        recordings.append(elsewhere(lambda: LateRecording(options)))
        monkeypatch.setattr(owner, name, replaced)
        for _ in range(10):
            await rest()
        monkeypatch.undo()
        elsewhere(recordings[0].end)
        for _ in range(10):
            await rest()
        assert nothing_is_patched()
        assert event_waits._watches == {}
        assert wakeups.late_tasks == {}
        assert task_classes.spawns == {}
        assert hidden_frames._users == set()
        assert recordings[0].recording not in forks._followers
        until = time.monotonic() + 10
        while threads_of_process() > before and time.monotonic() < until:
            await rest()
        assert threads_of_process() <= before
        assert threads.running() == ()

    run(main())


@pytest.mark.parametrize("backend", RUNS)
def test_tasks_that_live_on_keep_one_recording_at_most(backend):
    run, rest = RUNS[backend]
    recorders, found = [], []

    async def main():
        context = contextvars.copy_context()
        for _ in range(5):
            recording = elsewhere(lambda: LateRecording(OPTIONS))
            for _ in range(10):
                await rest()
            found.append(recording.recording.recorder.task_in() is not None)
            elsewhere(recording.end)
            await rest()
            recorders.append(weakref.ref(recording.recording.recorder))
            assert recording.recording.recorder.task_in(context) is None
            del recording
        size = len(contextvars.copy_context())
        assert size - len(context) <= 1

    run(main())
    gc.collect()
    assert found == [True] * 5
    assert sum(each() is not None for each in recorders) <= 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks take no contexts")
def test_a_task_of_an_earlier_recording_is_no_task_of_a_later_one():
    async def main():
        first = elsewhere(lambda: LateRecording(OPTIONS))
        await asyncio.sleep(0)
        task = asyncio.create_task(lives_on(), context=contextvars.copy_context())
        await asyncio.sleep(0)
        elsewhere(first.end)
        second = elsewhere(lambda: LateRecording(OPTIONS))
        for _ in range(3):
            await asyncio.sleep(0)
        ends.set()
        found.append(await task)
        elsewhere(second.end)
        assert found[0].loop.owner is second.recording.recorder

    async def lives_on():
        while not ends.is_set():  # noqa: ASYNC110  # another task sets it
            await asyncio.sleep(0)
        return next(iter(current.recorders)).task_in()

    found, ends = [], threading.Event()
    asyncio.run(main())


def threads_of_process():
    """Return how many there are, those of the core among them; 0 where the system does not say."""
    return sum(1 for _ in Path("/proc/self/task").glob("*"))


def test_loops_of_all_threads_are_found():
    began, ends = threading.Barrier(3), threading.Event()

    async def on_asyncio():
        began.wait()
        while not ends.is_set():  # noqa: ASYNC110  # it is set in another thread
            await asyncio.sleep(0)

    async def on_trio():
        began.wait()
        while not ends.is_set():
            await trio.lowlevel.checkpoint()

    running = [
        threading.Thread(target=lambda: asyncio.run(on_asyncio())),
        threading.Thread(target=lambda: trio.run(on_trio)),
    ]
    for thread in running:
        thread.start()
    began.wait()
    recording = LateRecording(OPTIONS)
    while recording.missing:
        pass
    ends.set()
    for thread in running:
        thread.join()
    recording.end()
    assert set(recording.profile.backends) == {"asyncio", "trio"}


def test_no_notebook_shows_it():
    recording = LateRecording(OPTIONS)
    recording.end()
    assert not recording.recording.is_to_be_shown


def test_a_failure_leaves_nothing(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr("tracetools.session.latecomer.Latecomer.begin", fail)
    with pytest.raises(ZeroDivisionError):
        LateRecording(OPTIONS)
    assert nothing_is_patched()


def test_a_child_forgets_it():
    recording = LateRecording(OPTIONS)
    recording.forked()
    assert nothing_is_patched()
    recording.end()


def test_what_goes_wrong_is_kept_for_who_records_and_not_logged(caplog):
    said = Said()
    said.warning("the loop was blocked for %s s", 3)
    try:
        raise ZeroDivisionError("oh")  # as ours would
    except ZeroDivisionError:
        said.exception("%s failed", "it")
    for _ in range(20):
        said.error("again" * 1000)
    assert said.errors[0] == "it failed: ZeroDivisionError('oh')"
    assert {len(each) for each in said.errors[1:]} == {1000}
    assert len(said.errors) == 10
    assert caplog.text == ""
