"""`tracetools dump`: of a program with a door, of one without, and of one that does not answer."""

from __future__ import annotations

import json
import os

import pytest

from tests.commands.starting import run_command
from tests.commands.test_attach import WAYS, _same_folder, running
from tracetools.__main__ import main
from tracetools.commands.attaching import doors, stacks
from tracetools.commands.attaching.entering import UnreachedError
from tracetools.commands.attaching.stacks import Thread

__all__ = ["_same_folder"]


@pytest.mark.parametrize("way", WAYS)
def test_tasks_are_told(tmp_path, way):
    with running(tmp_path, "asyncio", way) as program:
        status, said, errors = run_command("dump", str(program.pid), folder=tmp_path)
        assert (status, errors) == (0, "")
        assert said.startswith("attached.py (process")
        assert "programs/attached.py:" in said.replace(os.sep, "/")
        assert "waits for sleep" in said
        status, said, errors = run_command("dump", "--json", str(program.pid), folder=tmp_path)
        assert (status, errors) == (0, "")
        [loop] = json.loads(said)["loops"]
        assert len(loop["tasks"]) == 4
        assert program.left() == {}


@pytest.fixture
def unreached(monkeypatch):
    def fail(*_):
        raise UnreachedError("it blocks")

    monkeypatch.setattr(doors, "connection_to", fail)


def test_of_a_program_that_blocks_the_stacks_are_told(unreached, monkeypatch, capsys):
    monkeypatch.setattr(stacks, "read_threads", lambda pid: [Thread(pid, [("f", "a.py", 1)])])
    assert main(["dump", "7"]) == 0
    assert capsys.readouterr() == ("main thread\n  f (a.py:1)\n", "tracetools: it blocks\n")
    assert main(["dump", "--json", "7"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "pid": 7,
        "problem": "it blocks",
        "threads": [{"number": 7, "functions": [["f", "a.py", 1]]}],
    }


def test_where_they_cannot_be_read_it_is_an_error(unreached, monkeypatch, capsys):
    monkeypatch.setattr(stacks, "read_threads", lambda _: [])
    assert main(["dump", "7"]) == 2
    assert capsys.readouterr() == ("", "tracetools: it blocks\n")
