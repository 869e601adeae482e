"""`tracetools attach` on programs in processes of their own: with a door, and without one.

On Pythons before 3.14, programs need a door.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.starting import run_command, start_command
from tracetools.output.formats.profile_json import read_profile

PROGRAM = Path(__file__).parent / "programs" / "attached.py"
BACKENDS = ["asyncio", "uvloop", "trio"]
ENTERS = sys.version_info >= (3, 14)
WAYS = ["serve", pytest.param("", marks=pytest.mark.skipif(not ENTERS, reason="needs a door"))]
TIMES = 3
MANY = 50


class Program:
    """A program that runs."""

    def __init__(self, process):
        self._process = process
        self.pid = int(process.stdout.readline())

    def left(self):
        """Return what others have left in it."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def running(tmp_path, *arguments):
    folder = tmp_path / "temporary"
    folder.mkdir()
    environment = {n: v for n, v in os.environ.items() if not n.startswith("COVERAGE_PROCESS")}
    process = subprocess.Popen(
        [sys.executable, PROGRAM, *filter(None, arguments)],
        env={**environment, "TMPDIR": str(folder), "XDG_RUNTIME_DIR": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Program(process)
        process.stdin.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")


@pytest.fixture(autouse=True)
def _same_folder(tmp_path, monkeypatch):
    """Have the command look where the program is."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")


def attach_for_a_while(program, folder):
    found = run_command(
        "attach", str(program.pid), "--duration", "0.5", "-qo", "it.profile.json", folder=folder
    )
    assert found == (0, "", "")
    return read_profile(folder / "it.profile.json")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_program_is_recorded_time_and_again_and_nothing_is_left(tmp_path, backend, way):
    with running(tmp_path, backend, way) as program:
        for _ in range(TIMES):
            profile = attach_for_a_while(program, tmp_path)
            profile.check()
            assert (profile.backends, profile.runs) == ((backend,), 1)
            assert {"work"} <= {path[-1].name for path in profile.stacks}
            assert program.left() == {}


@pytest.mark.by_hand
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_it_is_so_however_often(tmp_path, backend, way):
    with running(tmp_path, backend, way) as program:
        for _ in range(MANY):
            attach_for_a_while(program, tmp_path)
            assert program.left() == {}


@pytest.mark.parametrize("way", WAYS)
def test_when_the_command_is_killed_the_program_is_clean_and_goes_on(tmp_path, way):
    with running(tmp_path, "asyncio", way) as program:
        with start_command("attach", str(program.pid), folder=tmp_path, covered=False) as command:
            assert "records attached.py" in command.stderr.readline()
            assert program.left() != {}
            command.kill()
        assert program.left() == {}
        assert attach_for_a_while(program, tmp_path).runs == 1


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_ends_it_with_a_report(tmp_path, way):
    with (
        running(tmp_path, "asyncio", way) as program,
        start_command("attach", str(program.pid), folder=tmp_path, covered=False) as command,
    ):
        command.stderr.readline()
        assert program.left() != {}  # its loop goes on meanwhile, and joins
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate()
    assert command.returncode == 0
    assert "recorded 1 loop (asyncio)" in errors
    assert "Written: stack.profile.json" in errors


@pytest.mark.parametrize("option", ["--serve", "--serve-signals"])
def test_a_program_that_is_run_may_have_a_door(tmp_path, option):
    (tmp_path / "temporary").mkdir()
    code = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-m", "tracetools", "run", "-q", option, "-c", code],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        pid = running.stdout.readline().strip()
        status, _, errors = run_command("attach", pid, "--duration", "0.01", folder=tmp_path)
        [folder] = (tmp_path / "temporary").iterdir()
        assert (folder / f"{pid}.sock").is_socket()
        running.stdin.close()
    assert status == 2
    assert "no trio run and no asyncio loop went on in the process" in errors
    assert (running.returncode, list(folder.iterdir())) == (0, [])


def test_a_process_that_is_none_is_an_error(tmp_path):
    status, _, errors = run_command("attach", str(2**22 + 1), folder=tmp_path)
    assert (status, errors) == (2, f"tracetools: there is no process {2**22 + 1}\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not known")
def test_a_process_without_python_is_an_error(tmp_path):
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
        status, _, errors = run_command("attach", str(cat.pid), folder=tmp_path)
        cat.stdin.close()
    assert status == 2
    assert f"the process {cat.pid} (" in errors
    assert errors.endswith("runs no Python\n")


@pytest.mark.skipif(ENTERS, reason="it needs no door")
def test_before_python_3_14_a_door_is_needed(tmp_path):
    with running(tmp_path, "asyncio") as program:
        status, _, errors = run_command("attach", str(program.pid), folder=tmp_path)
    assert status == 2
    assert "call tracetools.serve() in the program, or start it by 'tracetools run" in errors
