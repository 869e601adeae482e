"""What is done for those who ask."""

from __future__ import annotations

import asyncio
import json
import os
import platform

import pytest

from tests.door.doors import ask, refused
from tracetools import record
from tracetools.core.errors import RecordingError
from tracetools.door.asks import Asks
from tracetools.door.protocol import RefusedError
from tracetools.output.formats.profile_json import parse_profile


def some_work():
    async def main():
        await asyncio.sleep(0)

    asyncio.run(main())


def test_hello_says_what_the_program_is(asks):
    values = ask(asks, "hello").values
    assert (values["pid"], values["python"]) == (os.getpid(), platform.python_version())
    assert set(values) == {"version", "pid", "python", "program"}


def test_a_recording_is_started_read_and_stopped(asks):
    ask(asks, "start", options={"functions": False})
    some_work()
    status = ask(asks, "status").values
    assert (status["recording"], status["own"]) == (True, True)
    assert parse_profile(ask(asks, "read").body).runs == 1
    some_work()
    assert parse_profile(ask(asks, "stop").body).runs == 2
    assert ask(asks, "status").values["recording"] is False
    assert refused(asks, "read") == "nothing"


def test_there_is_one_recording_at_a_time(asks):
    ask(asks, "start", "one")
    assert refused(asks, "start", "other") == "busy"
    assert refused(asks, "stop", "other") == "nothing"
    asks.leave("other")
    assert asks.owns("one")
    asks.leave("one")
    assert not asks.is_recording
    ask(asks, "start", "other")


def test_options_that_make_no_sense_start_nothing(asks):
    assert refused(asks, "start", options={"file": "x"}) == "options"
    assert not asks.is_recording


def test_what_is_not_known_is_refused(asks):
    assert refused(asks, "fly") == "unknown"


def test_errors_of_ours_are_refusals(asks, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("tracetools.door.asks.program_name", fail)
    with pytest.raises(RefusedError, match="ZeroDivisionError: oh"):
        ask(asks, "hello")


def test_why_nothing_can_be_recorded_is_said(asks, monkeypatch):
    def fail(_):
        raise RecordingError("this interpreter has no GIL")

    monkeypatch.setattr("tracetools.door.asks.LateRecording", fail)
    with pytest.raises(RefusedError, match="no GIL"):
        ask(asks, "start")
    assert not asks.is_recording


def test_the_last_events_are_dumped_as_traces(asks):
    ask(asks, "start", options={"keep": 1})

    async def main():
        await asyncio.sleep(0)
        return ask(asks, "dump", seconds=5)

    answer = asyncio.run(main())
    [size] = answer.values["sizes"]
    assert size == len(answer.body)
    assert json.loads(answer.body)["traceEvents"]


@pytest.mark.parametrize("seconds", [0, -1, "1", True, 1e9, None])
def test_a_dump_is_of_some_seconds(asks, seconds):
    ask(asks, "start", options={"keep": 1})
    assert refused(asks, "dump", seconds=seconds) == "options"


def test_without_a_flight_recorder_nothing_is_dumped(asks):
    assert refused(asks, "dump") == "nothing"
    ask(asks, "start")
    with pytest.raises(RefusedError, match="no events are kept"):
        ask(asks, "dump")


def test_what_the_program_records_of_itself_can_be_read():
    with record(None) as recording:
        asks = Asks(recording)
        some_work()
        assert parse_profile(ask(asks, "read").body).runs == 1
        assert ask(asks, "status").values["program"] is True
        ask(asks, "start")
        assert parse_profile(ask(asks, "read").body).runs == 0
        assert parse_profile(ask(asks, "read", "other").body).runs == 1
        asks.end()
        assert refused(asks, "stop") == "nothing"


def test_tasks_are_told(asks):
    assert isinstance(json.loads(ask(asks, "tasks").body), dict)
