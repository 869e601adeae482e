"""The recording that is always on: real loops, whole minutes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading

import pytest
import trio

import tracetools
from tests.fleet.servers import stub_server
from tracetools import Profile, StackFileError, span
from tracetools.fleet.engine import EngineRefusesError
from tracetools.fleet.folder import Folder
from tracetools.minutes import always_on
from tracetools.minutes.always_on import Arguments, Continuous, continuous, default_folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "minutes"


def batches(folder) -> list:
    found = Folder(folder)
    return [found.read(file) for file in found.files()]


def spans_in(profile: Profile) -> set[str]:
    return {frame.name for path in profile.stacks for frame in path}


async def work(name: str) -> None:
    with span(name):
        await asyncio.sleep(0)


async def trio_work(name: str) -> None:
    with span(name):
        await trio.lowlevel.checkpoint()


def test_what_is_recorded_is_written_at_the_end(folder):
    with continuous(folder, every=3600, service="shop", version="7") as recording:
        asyncio.run(work("one"))
        trio.run(trio_work, "two")
        assert recording.folder == folder
    [batch] = batches(folder)
    assert (batch.source.service, batch.source.version) == ("shop", "7")
    assert batch.source == recording.source
    assert {"one", "two"} <= spans_in(batch.profile)
    assert batch.profile.runs == 2
    batch.profile.check()
    assert recording.status["written"] == 1


def test_it_is_a_public_name():
    assert tracetools.continuous is continuous


def test_a_loop_that_runs_already_is_recorded_from_there_on(folder):
    async def main():
        running = asyncio.ensure_future(asyncio.sleep(10))
        await asyncio.sleep(0)
        recording = continuous(folder, every=3600)
        await asyncio.sleep(0)
        for _ in range(3):
            await work("within")
        running.cancel()
        recording.close()

    asyncio.run(main())
    [batch] = batches(folder)
    assert "within" in spans_in(batch.profile)
    batch.profile.check()


def test_each_minute_is_written_by_a_thread_while_the_loop_goes_on(folder, monkeypatch):
    """A minute is over whenever this test says so."""
    ends = threading.Semaphore(0)
    written = threading.Semaphore(0)
    write = always_on.MinuteWriter.write

    def write_and_tell(self, period):
        try:
            return write(self, period)
        finally:
            written.release()

    monkeypatch.setattr(always_on.MinuteWriter, "write", write_and_tell)
    monkeypatch.setattr(always_on, "Periods", lambda every: _OnDemand(every, ends))

    async def main():
        for index in range(3):
            await work(f"minute {index}")
            ends.release()
            await asyncio.to_thread(written.acquire)

    with continuous(folder, every=60):
        asyncio.run(main())
    found = [spans_in(batch.profile) for batch in batches(folder)]
    for index in range(3):
        assert f"minute {index}" in found[index]
        assert f"minute {index}" not in found[index + 1 :]
    for batch in batches(folder):
        batch.profile.check()
    assert sum(batch.profile.runs for batch in batches(folder)) == 1


class _OnDemand(always_on.Periods):
    """Periods that end when they are told."""

    def __init__(self, every, ends) -> None:
        super().__init__(every)
        self._ends = ends
        self._is_over = False

    def wait(self) -> float:
        self._is_over = self._is_over or self._ends.acquire(blocking=False)
        return 0.0 if self._is_over else 0.001

    def end(self):
        self._is_over = False
        return super().end()


def test_when_stacks_run_out_another_recording_goes_on_with_the_same_loop(folder, monkeypatch):
    ends = threading.Semaphore(0)
    joined = threading.Semaphore(0)
    begin_anew = always_on.Continuous._begin_anew_if_due

    def begin_and_tell(self):
        begin_anew(self)
        joined.release()

    monkeypatch.setattr(always_on.Continuous, "_begin_anew_if_due", begin_and_tell)
    monkeypatch.setattr(always_on, "Periods", lambda every: _OnDemand(every, ends))
    monkeypatch.setattr(always_on, "Renewal", _Always)

    async def main():
        for index in range(300):
            await work(f"request {index}")
            if index % 30 == 29:
                ends.release()
                await asyncio.to_thread(joined.acquire)

    few = {"max_stacks": 80, "await_stacks": False, "functions": False}
    with continuous(folder, every=60, **few) as recording:
        asyncio.run(main())
        assert len(recording.profile.stacks) < 80
    found = batches(folder)
    assert not any(batch.profile.truncated for batch in found)
    names = set().union(*(spans_in(batch.profile) for batch in found))
    assert {f"request {index}" for index in range(300)} <= names
    for batch in found:
        batch.profile.check()


class _Always(always_on.Renewal):
    def is_due(self, fullness, now) -> bool:
        return fullness >= 0.5


def test_without_a_loop_nothing_is_written(folder):
    continuous(folder).close()
    assert batches(folder) == []


def test_a_second_close_does_nothing(folder):
    recording = continuous(folder)
    recording.close()
    recording.close()
    assert "closed" in repr(recording)


def test_slow_spans_are_in_the_profile_alone(folder, caplog):
    with continuous(folder, every=3600, keep=0.0):
        asyncio.run(work("slow"))
    [batch] = batches(folder)
    assert batch.profile.slow
    assert [path.suffix for path in folder.iterdir() if path.is_dir()] == []
    assert caplog.records == []


def test_profiles_are_sent_and_marked(folder):
    with stub_server() as stub:
        with continuous(folder, every=3600, send_to=f"pyroscope+{stub.url}") as recording:
            asyncio.run(work("one"))
        assert len(stub.requests) == 1
    assert recording.status["sent"] == 1
    assert ".sent-" in Folder(folder).files()[0].path.name


def test_the_oldest_are_removed_and_it_is_said_if_they_were_not_sent(folder, caplog):
    answer = (503, {}, b"")
    with stub_server(answer) as stub:
        url = f"pyroscope+{stub.url}"
        with continuous(folder, every=3600, max_bytes=10, send_to=url) as recording:
            asyncio.run(work("one"))
    assert recording.status["removed"] == recording.status["unsent"] == 1
    assert batches(folder) == []
    assert "removed" in caplog.text


def test_a_disk_that_fails_is_said_once_and_stops_nothing(folder, caplog, monkeypatch):
    def fails(*_):
        raise StackFileError("cannot write: no space")

    monkeypatch.setattr(Folder, "write", fails)
    with continuous(folder, every=3600) as recording:
        asyncio.run(work("one"))
        recording._write()
        recording._write()
    assert caplog.text.count("no space") == 1
    assert "Traceback" not in caplog.text


def test_what_makes_no_sense_is_refused_before_anything_begins(folder):
    with pytest.raises(EngineRefusesError, match="no engine is named"):
        continuous(folder, send_to="nonsense")
    with pytest.raises(ValueError, match="every is a number from 1"):
        continuous(folder, every=0)
    with pytest.raises(TypeError, match="max_bytes is a number"):
        continuous(folder, max_bytes="1")
    with pytest.raises(TypeError, match="did you mean 'folder'"):
        continuous(foldr=folder)
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StackFileError):
        continuous(tmp_path / "file" / "minutes")


def test_the_default_folder_is_one_of_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "tracetools" / "minutes"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_folder().is_absolute()


def test_a_user_without_a_home_has_to_name_a_folder(monkeypatch):
    def has_none():
        raise RuntimeError

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(always_on.Path, "home", has_none)
    with pytest.raises(StackFileError, match="has no home: give a folder"):
        continuous()


def test_a_recording_that_cannot_end_does_not_end_the_thread(folder, caplog, monkeypatch):
    with continuous(folder, every=3600) as recording:
        asyncio.run(work("one"))
        first, ends = recording._late, recording._late.end

        def fails():
            ends()
            raise RuntimeError("it does not end")

        monkeypatch.setattr(first, "end", fails)
        monkeypatch.setattr(recording._renewal, "is_due", lambda *_: True)
        recording._begin_anew_if_due()
        assert recording._late is not first
        asyncio.run(work("two"))
    assert "it does not end" in caplog.text
    [found] = batches(folder)
    assert {"one", "two"} <= spans_in(found.profile)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_records_itself_as_another_instance(folder):
    with continuous(folder, every=3600, service="shop") as recording:
        asyncio.run(work("parent"))
        pid = os.fork()
        if not pid:
            try:
                asyncio.run(work("child"))
                recording.close()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    found = {tuple(sorted(spans_in(b.profile) & {"parent", "child"})): b for b in batches(folder)}
    assert set(found) == {("parent",), ("child",)}
    assert found["child",].source.instance != found["parent",].source.instance
    assert found["child",].source.pid == pid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_multiprocessing_writes_its_last_minute(folder):
    with continuous(folder, every=3600):
        child = multiprocessing.get_context("fork").Process(target=_run, args=["child"])
        child.start()
        child.join()
        assert child.exitcode == 0
    [batch] = batches(folder)
    assert batch.source.pid == child.pid
    assert "child" in spans_in(batch.profile)


def _run(name: str) -> None:
    asyncio.run(work(name))


class _Signal:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def catch(self) -> None:
        self.calls.append("catch")

    def let_go(self) -> None:
        self.calls.append("let go")


def test_in_a_child_the_signal_is_caught_only_while_a_loop_runs(folder):
    signal = _Signal()
    recording = Continuous(Arguments(folder=folder, every=3600), signal=signal, is_child=True)
    try:
        assert signal.calls == []
        asyncio.run(work("one"))
        *catches, last = signal.calls
        assert set(catches) == {"catch"}
        assert last == "let go"
    finally:
        recording.close()


def test_else_it_is_caught_until_the_end(folder):
    signal = _Signal()
    recording = Continuous(Arguments(folder=folder, every=3600), signal=signal)
    try:
        asyncio.run(work("one"))
        assert signal.calls == ["catch"]
    finally:
        recording.close()
    assert signal.calls == ["catch", "let go"]


def test_what_there_is_can_be_written_at_once_and_then_it_goes_on(folder):
    with continuous(folder, every=3600) as recording:
        asyncio.run(work("one"))
        go_on = recording.write_now()
        [first] = batches(folder)
        go_on()
        asyncio.run(work("two"))
    assert "one" in spans_in(first.profile)
    assert "two" in spans_in(batches(folder)[-1].profile)
    assert recording.write_now()() is None
