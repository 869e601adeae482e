"""Outputs are checked before any work."""

import os
from pathlib import Path

import pytest

from tests.commands.drawings import write_files
from tests.processes import not_root
from tracetools.commands import CommandError, UsageError
from tracetools.commands.files.targets import check_target, check_writable, format_of_target


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


def test_a_suffix_that_stands_for_nothing_is_wrong_use(folder):
    assert format_of_target(folder / "x.pb.gz") == "pprof"
    with pytest.raises(UsageError, match=r"unclear what .*x.yz should be: end it in one of"):
        format_of_target(folder / "x.yz")


def test_what_was_read_is_not_replaced(folder):
    with pytest.raises(CommandError, match="would replace what it is made from"):
        check_target(folder / "a.folded", [folder / "b.folded", folder / "a.folded"])
    with pytest.raises(CommandError, match=r"no folder .*: create it first"):
        check_target(folder / "none" / "x.folded", [])


@pytest.mark.parametrize("name", ["folder.folded", "x" * 300 + ".folded", "\0.folded"])
def test_what_cannot_be_written_is_refused(folder, name):
    (folder / "folder.folded").mkdir()
    with pytest.raises(CommandError, match="cannot write"):
        check_target(folder / name, [])


def test_a_folder_that_may_not_be_written_to_is_refused(folder):
    folder.chmod(0o755)
    (folder / "closed").mkdir(mode=0o555)
    with not_root(), pytest.raises(CommandError, match="cannot write closed"):
        check_target(Path("closed/x.folded"), [])


def test_a_check_leaves_no_file_and_changes_none(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    check_writable(folder / "new.folded")
    check_writable(folder / "a.folded")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_pipe_is_not_opened(folder):
    os.mkfifo(folder / "pipe")
    check_writable(folder / "pipe")
