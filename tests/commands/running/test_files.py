"""What follows a program while it runs."""

import pytest

from tests.commands.drawings import PROFILE
from tracetools import StackFileError
from tracetools.commands.running.files import RunRecording
from tracetools.commands.running.outputs import Outputs
from tracetools.guest.messages import to_log
from tracetools.output.formats.folded import read_folded
from tracetools.output.formats.profile_json import read_profile
from tracetools.session.options import Options


def make(folder, *names):
    given = [str(folder / name) for name in names]
    recording = RunRecording(Outputs(given), Options(), messages=to_log)
    recording.file._snapshot = lambda: PROFILE
    return recording


def test_stacks_and_profile_are_written_while_it_runs_and_nothing_else(tmp_path):
    recording = make(tmp_path, "x", "y.svg", "z.folded")
    assert list(tmp_path.iterdir()) == []
    recording.file.write()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("x.folded", "x.profile.json", "z.folded")
    ]
    assert read_profile(tmp_path / "x.profile.json") == PROFILE
    assert read_folded(tmp_path / "z.folded").stacks


def test_what_is_made_at_the_end_alone_needs_no_thread(tmp_path):
    recording = make(tmp_path, "x.html", "y.svg")
    assert recording.file.is_fresh
    recording.file.start()
    assert recording.file._flusher is None
    recording.file.close(write=False)
    recording.file.end()
    assert list(tmp_path.iterdir()) == []


def test_each_file_is_written_if_another_one_cannot_be(tmp_path):
    recording = make(tmp_path, "x")
    (tmp_path / "x.profile.json").mkdir()
    with pytest.raises(StackFileError, match=r"x\.profile\.json"):
        recording.file.write()
    assert (tmp_path / "x.folded").exists()


def test_what_cannot_be_written_at_the_end_is_rescued(tmp_path, caplog):
    recording = make(tmp_path, "x")
    (tmp_path / "x.folded").mkdir()
    recording.file.close()
    assert "it is in" in caplog.text
    assert read_profile(tmp_path / "x.profile.json") == PROFILE
