"""The files that commands read."""

import pytest

from tests.commands.drawings import write_files
from tracetools import StackFileError
from tracetools.commands import CommandError
from tracetools.commands.files.inputs import (
    STANDARD,
    described,
    lens_of,
    read_input,
    source_of,
)
from tracetools.output.formats.writing import write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


def test_standard_input_has_a_name():
    assert source_of(STANDARD) == "standard input"


def test_a_file_that_is_missing_is_named(folder):
    with pytest.raises(StackFileError, match=r"no file .*none: check the path"):
        read_input(folder / "none")
    with pytest.raises(StackFileError, match=r"cannot read .*this is a folder"):
        read_input(folder)


def test_a_lens_is_chosen_where_there_is_a_choice(folder):
    profile, folded = (read_input(folder / name) for name in ("p.profile.json", "a.folded"))
    write(folder / "p.speedscope.json", profile.content)
    scope = read_input(folder / "p.speedscope.json", lens="idle")
    assert lens_of(None, [profile]) == "busy"
    assert lens_of("idle", [profile, folded]) == "idle"
    assert lens_of("idle", [scope]) == "idle"
    with pytest.raises(CommandError, match="no lens is named 'x'; choose one of busy"):
        lens_of("x", [profile])
    with pytest.raises(CommandError, match="folded stacks have just one lens"):
        lens_of("idle", [folded])


def test_what_a_file_was_taken_for_is_said(folder):
    assert described(read_input(folder / "a.folded")) == (
        "folded stacks of tracetools (microseconds)"
    )
    assert described(read_input(folder / "b.folded")).startswith("folded stacks (of an unknown")
    assert described(read_input(folder / "p.profile.json")) == "a profile"
