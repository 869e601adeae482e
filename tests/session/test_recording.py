"""One recording: what it warns of, and what it refuses."""

from __future__ import annotations

import asyncio

import pytest
import trio

from tracetools import FlamegraphInstrument, RecordingError, compat, record
from tracetools.session import recording


@pytest.fixture
def lost(monkeypatch):
    """Let private names be gone."""
    sentences = ["trio.this is gone: that is lost", "sys.other is gone: more is lost"]
    monkeypatch.setattr(compat, "missing", lambda: iter(sentences))
    monkeypatch.setattr(recording, "_warned", set())
    return sentences


def warnings(caplog):
    return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


def test_names_that_are_gone_are_named_once(tmp_path, caplog, lost):
    for _ in range(2):
        with record(tmp_path / "stack"):
            asyncio.run(asyncio.sleep(0))
            trio.run(trio.sleep, 0)
    assert warnings(caplog) == [f"not all can be recorded: {'; '.join(lost)}"]


def test_a_name_that_is_gone_later_is_named_later(tmp_path, caplog, lost):
    instrument = FlamegraphInstrument(tmp_path / "stack")
    trio.run(trio.sleep, 0, instruments=[instrument])
    caplog.clear()
    lost.append("trio.new is gone: the rest is lost")
    trio.run(trio.sleep, 0, instruments=[instrument])
    assert warnings(caplog) == [f"not all can be recorded: {lost[-1]}"]


def test_nothing_is_warned_of_before_a_loop_runs(tmp_path, caplog, lost):
    with record(tmp_path / "stack"):
        pass
    assert warnings(caplog) == []


@pytest.mark.parametrize("make", [record, FlamegraphInstrument])
def test_an_interpreter_that_cannot_be_recorded_is_refused(tmp_path, monkeypatch, make):
    monkeypatch.setattr(compat, "why_not", lambda: "this build cannot be recorded")
    with pytest.raises(RecordingError, match="this build cannot be recorded"):
        make(tmp_path / "stack")
    assert not list(tmp_path.iterdir())


def test_a_recording_that_is_closed_writes_nothing_more(tmp_path):
    with record(tmp_path / "stack") as made:
        asyncio.run(asyncio.sleep(0))
    before = (tmp_path / "stack.folded").read_bytes()
    assert not made.is_open
    (tmp_path / "stack.folded").unlink()
    made.loop_ended()
    assert not (tmp_path / "stack.folded").exists()
    assert before
