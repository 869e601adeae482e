"""The other side: finds a door, and checks whose it is."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from tracetools.core.errors import DoorError
from tracetools.door import client, peers
from tracetools.door.client import Connection

UID = os.geteuid()


@pytest.fixture
def inside(runtime):
    (runtime / "tracetools").mkdir(0o700)
    return runtime / "tracetools"


@pytest.fixture
def other():
    """Return a connection, and the socket on its other side."""
    one, other = socket.socketpair()
    with Connection(one) as connection, other:
        yield connection, other


def listening(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def test_a_door_is_found(inside):
    assert client.find(1, UID) is None
    with listening(inside / "1.sock"):
        assert client.find(1, UID) == inside / "1.sock"


def test_a_folder_that_others_can_enter_is_not_used(inside):
    with listening(inside / "1.sock"):
        inside.chmod(0o770)
        with pytest.raises(DoorError, match="is no folder that only the user"):
            client.find(1, UID)


def test_what_is_no_socket_is_not_used(inside):
    (inside / "1.sock").symlink_to("2.sock")
    with pytest.raises(DoorError, match="was not made by the process 1: remove it"):
        client.find(1, UID)


def test_a_stale_socket_is_no_door(inside):
    listening(inside / "1.sock").close()
    assert client.connect(inside / "1.sock", 1, UID) is None


@pytest.mark.parametrize("peer", [(os.getpid(), UID + 1), (os.getpid() + 1, UID)])
def test_a_door_of_somebody_else_is_not_used(inside, monkeypatch, peer):
    monkeypatch.setattr(peers, "peer_of", lambda _: peers.Peer(*peer))
    with listening(inside / "1.sock"), pytest.raises(DoorError, match="it is not used"):
        client.connect(inside / "1.sock", os.getpid(), UID)


def test_this_process_is_of_this_user():
    assert client.user_of(os.getpid()) == UID


@pytest.mark.parametrize("pid", [2**22 + 1, 2**80])
def test_a_process_that_is_not_there_is_told(pid):
    with pytest.raises(DoorError, match=f"there is no process {pid}"):
        client.user_of(pid)


def test_a_process_of_another_user_is_told(monkeypatch):
    def fail(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", fail)
    with pytest.raises(DoorError, match="belongs to another user: be that user"):
        client.user_of(os.getpid())


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\n", "a line is no JSON"),
        (b'{"tracetools": 2, "bytes": 0}\n', "use the same tracetools on both sides"),
        (b'{"tracetools": 1, "bytes": 4}\nxx', "has closed its door, or has ended"),
        (b"", "has closed its door, or has ended"),
        (b"x" * 70_000, "no tracetools: its line has no end"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(other, sent, says):
    connection, door = other
    door.sendall(sent)
    door.shutdown(socket.SHUT_WR)
    with pytest.raises(DoorError, match=says):
        connection.ask("hello")


def test_a_program_that_does_not_answer_is_told(other, monkeypatch):
    other[0]._socket.settimeout(0.01)
    with pytest.raises(DoorError, match="does not answer"):
        other[0].ask("hello")


def test_a_long_answer_comes_in_pieces(other):
    connection, door = other
    body = os.urandom(3_000_000)
    sends = threading.Thread(
        target=door.sendall, args=(b'{"tracetools":1,"bytes":3000000}\n' + body,)
    )
    sends.start()
    assert connection.ask("read") == ({}, body)
    sends.join()


def test_a_refusal_that_came_before_is_read(other):
    connection, door = other
    door.sendall(b'{"tracetools":1,"bytes":0,"refused":"full","text":"try again later"}\n')
    door.close()
    with pytest.raises(DoorError, match="try again later"):
        connection.ask("hello")
