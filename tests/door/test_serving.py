"""`serve`: the door of this process."""

from __future__ import annotations

import os
import stat

import pytest

import tracetools
from tests.processes import run
from tracetools.core.errors import DoorError
from tracetools.door import client, serving
from tracetools.guest import threads

pytestmark = pytest.mark.usefixtures("closed_door")


def ask(door, what):
    with client.connect(door.path, os.getpid(), os.geteuid()) as connection:
        return connection.ask(what)


def test_a_door_is_open_until_its_end(runtime):
    with tracetools.serve() as door:
        assert door.path == runtime / "tracetools" / f"{os.getpid()}.sock"
        assert repr(door) == f"<open door {door.path}>"
        assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
        assert ask(door, "hello")[0]["pid"] == os.getpid()
    assert not door.path.exists()
    assert repr(door) == f"<closed door {door.path}>"
    assert threads.running() == ()
    door.close()


def test_there_is_one_door(runtime):
    door = tracetools.serve()
    assert tracetools.serve() is door
    door.close()
    other = tracetools.serve()
    assert other is not door
    door.close()
    assert ask(other, "hello")


def test_nothing_is_left_where_it_cannot_be_opened(runtime, monkeypatch):
    def fail(*_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(serving.Server, "start", fail)
        with pytest.raises(DoorError, match="cannot be opened: can't start new thread"):
            tracetools.serve()
    assert list((runtime / "tracetools").iterdir()) == []
    tracetools.serve()


def test_without_the_signals_that_are_wanted_none_is_opened(runtime, monkeypatch):
    monkeypatch.delattr("tracetools.door.signals.signal.SIGUSR1", raising=False)
    with pytest.raises(DoorError, match="there is no SIGUSR1 on this system"):
        tracetools.serve(signals=True)
    assert serving._open.door is None
    with tracetools.serve() as door, pytest.raises(DoorError, match="there is no SIGUSR1"):
        tracetools.serve(signals=True)
        assert door.path.exists()


def test_an_unsafe_folder_is_refused(runtime):
    (runtime / "tracetools").symlink_to("/")
    with pytest.raises(DoorError, match="it is a link"):
        tracetools.serve()


def test_without_unix_sockets_there_is_none(monkeypatch):
    monkeypatch.delattr(serving.socket, "AF_UNIX")
    with pytest.raises(DoorError, match="use 'tracetools run' instead"):
        tracetools.serve()


IN_A_PROCESS = """
from tracetools.door import client
from tracetools.guest import threads
before = signal.getsignal(signal.SIGUSR1)
door = tracetools.serve(signals=True)
def ask(door, pid):
    with client.connect(door.path, pid, os.geteuid()) as connection:
        return connection.ask("hello")[0]["pid"]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_has_no_door_and_may_open_its_own(runtime):
    run(
        IN_A_PROCESS
        + """
pid = os.getpid()
if not os.fork():
    assert threads.running() == () and door.path.exists()
    assert signal.getsignal(signal.SIGUSR1) == before
    door.close()
    own = tracetools.serve()
    assert own is not door and own.path != door.path
    assert ask(own, os.getpid()) == os.getpid()
    assert ask(door, pid) == pid
    own.close()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
assert ask(door, pid) == pid
"""
    )
    assert list((runtime / "tracetools").iterdir()) == []


def test_the_end_of_the_process_removes_the_socket(runtime):
    run(IN_A_PROCESS + "assert door.path.exists()")
    assert list((runtime / "tracetools").iterdir()) == []


def test_a_killed_process_leaves_a_stale_socket_which_the_next_one_removes(runtime):
    run(IN_A_PROCESS + "os.kill(os.getpid(), signal.SIGKILL)", check=False)
    [stale] = (runtime / "tracetools").iterdir()
    tracetools.serve()
    assert not stale.exists()
