"""`tracetools top` on programs in processes of their own, and in a real terminal: tmux."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.starting import run_command
from tests.commands.test_attach import WAYS, running

TOP = [sys.executable, "-m", "tracetools", "top"]
BLOCKS = Path(__file__).parent / "programs" / "blocks.py"


@pytest.fixture(autouse=True)
def _same_folder(tmp_path, monkeypatch):
    """Have the command look where the program is."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")


# -- as text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_to_a_pipe_one_update_is_printed_and_nothing_is_left(tmp_path, way):
    with running(tmp_path, "asyncio", way) as program:
        status, output, errors = run_command("top", str(program.pid), folder=tmp_path)
        assert program.left() == {}
    assert (status, errors) == (0, "")
    assert output.startswith(f" attached.py  process {program.pid}")
    assert "work (" in output
    assert "sleep" in output


def test_nothing_is_recorded_if_that_is_not_wished(tmp_path):
    with running(tmp_path, "trio", "serve") as program:
        arguments = ("top", str(program.pid), "--once", "--no-recording")
        status, output, errors = run_command(*arguments, folder=tmp_path)
    assert (status, errors) == (0, "")
    assert "trio MainThread  tasks " in output
    assert "work (attached.py:" in output
    assert "BUSY" not in output


def test_a_process_that_is_none_is_an_error(tmp_path):
    status, _, errors = run_command("top", str(2**22 + 1), "--once", folder=tmp_path)
    assert (status, errors) == (2, f"tracetools: there is no process {2**22 + 1}\n")


@pytest.mark.parametrize("interval", ["0", "-1", "soon"])
def test_an_interval_is_a_number_of_seconds(tmp_path, interval):
    status, _, errors = run_command("top", "1", "--interval", interval, folder=tmp_path)
    assert status == 2
    assert "--interval" in errors


def test_what_the_program_records_of_itself_is_shown(tmp_path):
    (tmp_path / "temporary").mkdir()
    code = (
        "import asyncio, os, sys; print(os.getpid(), flush=True);"
        "asyncio.run(asyncio.to_thread(sys.stdin.read))"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "tracetools", "run", "-q", "--serve", "-c", code],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        pid = program.stdout.readline().strip()
        status, output, errors = run_command("top", pid, folder=tmp_path)
        program.stdin.close()
    assert (status, errors) == (0, "")
    assert "the numbers are of the recording that the program makes of itself" in output
    assert "to_thread" in output


# -- in a terminal ---------------------------------------------------------------------------------


class Terminal:
    """A terminal of tmux in which a command runs."""

    def __init__(self, folder, command, size=(100, 30)):
        self._tmux = ["tmux", "-S", str(folder / "tmux.sock"), "-f", "/dev/null"]
        names = ("PYTHONPATH", "TMPDIR", "XDG_RUNTIME_DIR")
        variables = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
        line = shlex.join(
            ["env", "-u", "NO_COLOR", "-u", "COLUMNS", "-u", "LINES", *variables, *command]
        )
        self.status = folder / "status"
        written = shlex.quote(str(self.status))
        shell = f"{line}; echo status $?; echo $? > {written}; exec cat"
        width, height = map(str, size)
        self._run("new-session", "-d", "-x", width, "-y", height, "sh", "-c", shell)

    def _run(self, *arguments):
        found = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        return found.stdout

    def text(self):
        return self._run("capture-pane", "-p")

    def keys(self, *keys):
        self._run("send-keys", *keys)

    def wait_for(self, *texts):
        """Return the screen as soon as it has some texts; a text with - may not be there."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            text = self.text()
            if all((each[1:] not in text) if each[0] == "-" else (each in text) for each in texts):
                return text
        raise AssertionError(f"{texts} never came:\n{text}")

    def close(self):
        self._run("kill-server")


@pytest.fixture
def terminal(tmp_path):
    """Return what starts a command in a terminal."""
    if shutil.which("tmux") is None and not os.environ.get("CI"):
        pytest.skip("needs tmux")
    pytest.importorskip("textual")
    with contextlib.ExitStack() as stack:

        def start(*command, size=(100, 30)):
            made = Terminal(tmp_path, command, size)
            stack.callback(made.close)
            return made

        yield start


@contextlib.contextmanager
def started(tmp_path, *arguments):
    """Run the program that blocks, and has a deadlock."""
    (tmp_path / "temporary").mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, BLOCKS, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        program.stdout.readline()
        try:
            yield program
        finally:
            program.kill()


@pytest.mark.parametrize("way", WAYS)
def test_it_is_looked_at_with_keys_and_nothing_is_left(tmp_path, terminal, way):
    with running(tmp_path, "asyncio", way) as program:
        screen = terminal(*TOP, str(program.pid), "--interval", "0.1")
        screen.wait_for("attached.py", "BUSY%v", "work (", "updates/s")
        assert program.left() != {}
        screen.keys("t")
        screen.wait_for("STATEv", "waiting")
        screen.keys("1", ">")
        screen.wait_for("SCHEDv")
        screen.keys("/", "w", "o", "r", "k", "Enter")
        screen.wait_for("with 'work'", "-serve_wishes")
        screen.keys("Enter")
        screen.wait_for("polls a second", "where tasks are")
        screen.keys("Escape")
        screen.wait_for("SCHEDv")
        screen.keys("q")
        text = screen.wait_for("status 0")
        assert "BUSY" not in text  # the terminal is as it was
        assert program.left() == {}


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_what_blocks_and_who_waits_for_whom_is_seen_at_first_sight(tmp_path, terminal, size):
    with started(tmp_path) as program:
        screen = terminal(*TOP, str(program.pid), size=size)
        text = screen.wait_for(
            "DEADLOCK of 3 tasks", "transfer > ", "BLOCKED for", "at spin (blocks.py:"
        )
        assert max(map(len, text.splitlines())) <= size[0]
        screen.wait_for("blocks the loop: report (blocks.py:", "-BLOCKED for")
        screen.keys("r")
        screen.wait_for("RESOURCE", "Lock 1", "transfer (blocks.py:")
        screen.keys("4")
        screen.wait_for("WHAT", "blocks the loop: report")
        screen.keys("C-c")
        screen.wait_for("status 0")


def test_when_the_program_ends_it_says_so(tmp_path, terminal):
    with started(tmp_path) as program:
        screen = terminal(*TOP, str(program.pid))
        screen.wait_for("report")
        program.kill()
        screen.wait_for("tracetools: the program has closed its door, or has ended", "status 0")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_however_it_ends_nothing_is_left_in_the_program(tmp_path, terminal, name):
    with running(tmp_path, "asyncio", "serve") as program:
        screen = terminal(
            "sh", "-c", f"echo $$ > {tmp_path}/pid; exec {shlex.join(TOP)} {program.pid}"
        )
        screen.wait_for("work (")
        os.kill(int((tmp_path / "pid").read_text()), getattr(signal, name))
        screen.wait_for("status")
        assert program.left() == {}
        if name != "SIGKILL":
            assert f"ended by {name}" in screen.text()


def test_when_the_terminal_is_closed_nothing_is_left_in_the_program(tmp_path, terminal):
    with running(tmp_path, "asyncio", "serve") as program:
        screen = terminal(*TOP, str(program.pid))
        screen.wait_for("work (")
        screen.close()
        assert program.left() == {}


def test_names_of_all_kinds_leave_the_terminal_alone(tmp_path, terminal):
    with started(tmp_path, "[bold]日本\x1b[31m\x07\n") as program:
        screen = terminal(*TOP, str(program.pid))
        screen.wait_for("[bold]日本?[31m")
        screen.keys("q")
        screen.wait_for("status 0")


def test_without_textual_it_says_what_to_install(tmp_path, terminal):
    code = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'textual' else find(name, *a);"
        f"from tracetools.__main__ import main; sys.exit(main(['top', '{os.getpid()}']))"
    )
    screen = terminal(sys.executable, "-c", code)
    screen.wait_for("pip install 'trio-tracetools[top]'", "status 2")
