"""Entering without a door: the script, the folder, and what the process may answer.

`sys.remote_exec` is played: the script runs in this process, in a thread of its own as ever.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tracetools.commands import CommandError
from tracetools.commands.attaching import entering
from tracetools.commands.attaching.entering import UnreachedError, enter
from tracetools.core.errors import DoorError
from tracetools.guest import threads

PID, UID = os.getpid(), os.geteuid()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return where temporary folders are; the path of a socket has to be short."""
    made = Path(tempfile.mkdtemp(prefix="tt"))
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    yield made
    assert list(made.iterdir()) == []
    made.rmdir()


@pytest.fixture
def remote(monkeypatch):
    """Return what is called in the place of `sys.remote_exec`."""

    def play(function):
        monkeypatch.setattr(sys, "remote_exec", function, raising=False)

    return play


def run_script(_, path):
    exec(compile(Path(path).read_text(), path, "exec"), {})  # noqa: S102  # as Python does


def test_it_serves_who_has_entered_and_ends_with_that_connection(remote):
    remote(run_script)
    with enter(PID, UID) as connection:
        assert connection.ask("hello")[0]["pid"] == PID
        assert connection.ask("start")[0]["missing"] == 0
        assert connection.ask("status")[0]["own"] is True
    for thread in threads.running():
        thread.join(30)
    assert threads.running() == ()


def test_its_files_are_private(remote):
    modes = []

    def look(pid, path):
        modes.extend(
            stat.S_IMODE(os.stat(each).st_mode)
            for each in (path, Path(path).parent, Path(path).with_name("door.sock"))
        )
        run_script(pid, path)

    remote(look)
    enter(PID, UID).close()
    assert modes == [0o600, 0o700, 0o600]


def test_its_files_are_gone_before_anything_is_imported(folder, remote, monkeypatch):
    class Looks:
        def find_spec(self, name, *_):
            if name == "tracetools.door.entered":
                left.append(list(folder.iterdir()))

    left = []
    monkeypatch.delitem(sys.modules, "tracetools.door.entered", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Looks(), *sys.meta_path])
    remote(run_script)
    enter(PID, UID).close()
    assert left == [[]]


def test_what_cannot_be_imported_is_told(remote, monkeypatch):
    monkeypatch.setitem(sys.modules, "tracetools.door.entered", None)
    remote(run_script)
    with pytest.raises(DoorError, match=r"cannot be imported in the process .*ModuleNotFoundError"):
        enter(PID, UID)


def test_a_process_that_runs_no_python_is_told_and_the_script_taken_back(remote):
    paths = []
    remote(lambda _, path: paths.append(path))
    with pytest.raises(UnreachedError, match="does not come to run Python in its main thread"):
        enter(PID, UID, 0.01)
    assert (Path(paths[0]).name, paths[1:]) == ("enter.py", [os.devnull])


def test_when_who_has_entered_is_gone_the_script_removes_the_folder(tmp_path, remote):
    left = tmp_path / "left"
    left.mkdir()
    (left / "door.sock").touch()
    script = left / "enter.py"
    script.write_text(entering._script(left))
    before = threading.active_count()
    remote(run_script)
    sys.remote_exec(PID, script)
    while left.exists():
        pass
    assert threading.active_count() == before


_GONE = """
import _thread, pathlib, signal, socket, sys
from tracetools.commands.attaching import entering

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
folder, fails = pathlib.Path(sys.argv[1]), sys.argv[2] == "fails"
listening = socket.socket(socket.AF_UNIX)
listening.bind(str(folder / "door.sock"))
listening.listen()

class Leaves:
    def find_spec(self, name, *_):
        if name == "tracetools.door.entered":
            listening.close()
            if fails:
                raise ImportError

sys.meta_path.insert(0, Leaves())
exec(entering._script(folder))
while listening.fileno() >= 0 or _thread._count():
    pass
print("lives")
"""
"""A program that SIGPIPE ends. Who enters is gone while it imports what is needed."""


@pytest.mark.parametrize("how", ["imports", "fails"])
def test_a_program_that_dies_of_a_broken_pipe_does_not_die_of_ours(folder, how):
    entered = folder / "entered"
    entered.mkdir()
    command = [sys.executable, "-c", _GONE, str(entered), how]
    found = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"lives\n", b"")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(13, "no"), "may not be entered: "),
        (RuntimeError("Remote debugging is not enabled in the remote process"), "let nobody in"),
        (RuntimeError("PyRuntime address lookup failed"), "lookup failed; call tracetools.serve()"),
        (OSError(), "cannot be entered: OSError"),
    ],
)
def test_why_it_cannot_be_entered_is_told(remote, error, says):
    def fail(*_):
        raise error

    remote(fail)
    with pytest.raises(CommandError, match=says.replace("(", r"\(").replace(")", r"\)")):
        enter(PID, UID)


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ("2\n", "ptrace_scope is 2; run this command as root"),
        ("0\n", "CAP_SYS_PTRACE in a contain"),
    ],
)
def test_who_may_enter_is_told(tmp_path, monkeypatch, scope, says):
    monkeypatch.setattr(entering, "_PTRACE_SCOPE", tmp_path / "scope")
    (tmp_path / "scope").write_text(scope)
    assert says in entering._who_may()


def test_another_process_that_answers_is_not_used(remote):
    def answer(_, path):
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(Path(path).with_name("door.sock")))

    remote(answer)
    with pytest.raises(DoorError, match="in the place of"):
        enter(PID + 1, UID)


# -------------------------------------------------------------------------------- for real

enters = pytest.mark.skipif(sys.version_info < (3, 14), reason="Python lets nobody in")


def program(code):
    return subprocess.Popen(
        [sys.executable, "-c", f"import asyncio, sys; print(1, flush=True); {code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@enters
@pytest.mark.skipif(sys.platform != "linux", reason="there it is not woken")
def test_an_idle_program_is_entered():
    with program("asyncio.run(asyncio.sleep(600))") as idle:
        idle.stdout.readline()
        try:
            with enter(idle.pid, UID) as connection:
                assert connection.ask("hello")[0]["pid"] == idle.pid
        finally:
            idle.kill()


@enters
def test_a_program_in_c_code_is_not_entered_later_either():
    with program("sys.stdin.readline(); print(2)") as blocked:
        blocked.stdout.readline()
        with pytest.raises(UnreachedError):
            enter(blocked.pid, UID, 0.1)
        assert blocked.communicate(b"\n") == (b"2\n", b"")
    assert blocked.returncode == 0
