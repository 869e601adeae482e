"""One recording: what it warns of, and what it refuses."""

from __future__ import annotations

import asyncio
import re

import pytest
import trio

from tracetools import FlamegraphInstrument, RecordingError, StackFileError, compat, record
from tracetools.session import recording


@pytest.fixture
def lost(monkeypatch):
    """Let private names be gone."""
    sentences = ["trio.this is gone: that is lost", "sys.other is gone: more is lost"]
    monkeypatch.setattr(compat, "missing", lambda: iter(sentences))
    monkeypatch.setattr(recording, "_warned", set())
    return sentences


def warnings(caplog):
    """Return what was warned of; not that a loop was blocked, as it is on a busy machine."""
    found = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    return [each for each in found if not each.startswith("the loop is blocked")]


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


# -------------------------------------------------------------------------------- without a file


@pytest.fixture
def without_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with record() as made:
        asyncio.run(asyncio.sleep(0))
    assert list(tmp_path.iterdir()) == []
    return made


def test_without_a_file_a_recording_has_its_profile_all_the_same(without_a_file):
    without_a_file.profile.check()
    assert without_a_file.profile.runs == 1


def test_without_a_file_nothing_can_be_written_or_drawn_from_it(without_a_file, tmp_path):
    with pytest.raises(StackFileError, match="no stack file"):
        without_a_file.write()
    with pytest.raises(StackFileError, match="no stack file"):
        without_a_file.file  # noqa: B018  # it is a property
    with pytest.raises(StackFileError, match="with_stack_file"):
        without_a_file.flamegrapher.write_flamegraph()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_is_shown_as_the_report_of_its_profile(without_a_file):
    assert without_a_file.is_to_be_shown
    assert without_a_file._repr_html_() == without_a_file.profile._repr_html_()
    assert not without_a_file.is_to_be_shown


def test_a_recording_with_a_file_is_not_to_be_shown_by_itself(tmp_path):
    with record(tmp_path / "stack") as made:
        pass
    assert not made.is_to_be_shown


def test_a_recording_and_what_begins_it_are_short_as_text(without_a_file):
    assert re.fullmatch(r"<recording of \S+: 0\.\d{3} s of 1 loop>", repr(without_a_file))
    made = record()
    assert repr(made) == "<recording that was not begun>"
    assert "nothing is recorded yet" in made._repr_html_()
    with made as recording:
        assert repr(made) == repr(recording)
        assert repr(recording).endswith("0.000 s of 0 loops>")
    assert made._repr_html_() == recording._repr_html_()
