"""The door under fire: it answers or closes, and goes on. The other side is no better trusted."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.test_values import DUMPS
from tracetools.__main__ import main
from tracetools.core.errors import DoorError
from tracetools.door import client, folder, protocol, tasks
from tracetools.door.options import OPTIONS
from tracetools.door.server import MOST_CLIENTS
from tracetools.door.serving import serve

ASKS = ["hello", "start", "status", "read", "stop", "dump", "tasks", "", "\ud800", "x" * 500]
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=3), PLAIN)
NAMES = st.sampled_from(["ask", "tracetools", "options", "seconds", "bytes", *OPTIONS])
OBJECTS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=4)
REQUESTS = st.builds(
    lambda ask, values: json.dumps({"tracetools": 1, "ask": ask, **values}).encode() + b"\n",
    st.sampled_from(ASKS),
    OBJECTS,
)
DEEP = b'{"tracetools":1,"ask":' + b"[" * 30_000 + b"\n"
LONG = b'{"tracetools":1,"ask":"' + b"x" * 70_000
DIGITS = b'{"tracetools":1,"ask":"dump","seconds":' + b"9" * 60_000 + b"}\n"
RUBBISH = st.sampled_from([DEEP, LONG, DIGITS, b"\n", b"\0" * 99, b"{}\n"]) | st.binary(max_size=99)


@pytest.fixture
def path(runtime, closed_door):
    return str(serve().path)


def connected_to(path):
    made = socket.socket(socket.AF_UNIX)
    client._connect(made, path, 30)
    return made


def answers_to_the_end(connected):
    """Return all that comes, until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while received := connected.recv(1 << 20):
            found += received
    return found


def is_well(path):
    """Whether the door answers somebody else, as often as there may be clients."""
    for _ in range(MOST_CLIENTS + 1):
        with client.Connection(connected_to(path), 30) as connection:
            values, _ = connection.ask("hello")
            assert values["pid"] == os.getpid()
            assert connection.ask("status")[0]["recording"] is False
    return True


def test_whatever_is_asked_is_answered_or_refused(path):
    @settings(max_examples=60, deadline=None)
    @given(st.lists(REQUESTS, max_size=4))
    def ask(requests):
        with connected_to(path) as connected:
            with contextlib.suppress(ConnectionError):
                connected.sendall(b"".join(requests))
                connected.shutdown(socket.SHUT_WR)
            data = answers_to_the_end(connected)
        count = 0
        while data:
            line, _, data = data.partition(b"\n")
            head = json.loads(line)
            assert head["tracetools"] == protocol.VERSION
            data = data[head["bytes"] :]
            count += 1
        assert count <= len(requests)

    ask()
    assert is_well(path)


def test_whatever_comes_in_the_door_goes_on(path):
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(RUBBISH | REQUESTS, max_size=5))
    def send(pieces):
        with connected_to(path) as connected, contextlib.suppress(ConnectionError):
            for piece in pieces:
                connected.sendall(piece)

    send()
    assert is_well(path)


def test_many_who_come_and_go_in_the_midst_of_answers_leave_nothing(path):
    """They ask at once, read a part or nothing, and go."""
    faults = []

    def visit(seed):
        chance = random.Random(seed)
        try:
            for _ in range(30):
                with connected_to(path) as connected, contextlib.suppress(ConnectionError):
                    asks = chance.randrange(4)
                    for _ in range(asks):
                        ask = chance.choice(ASKS[:7])
                        connected.sendall(protocol.request_line(ask, seconds=chance.random()))
                    if asks and chance.random() < 0.5:
                        connected.recv(chance.choice([1, 100, 1 << 20]))
        except Exception as error:  # told in the test's thread
            faults.append(error)

    visitors = [threading.Thread(target=visit, args=(seed,)) for seed in range(2 * MOST_CLIENTS)]
    for each in visitors:
        each.start()
    for each in visitors:
        each.join()
    assert faults == []
    assert is_well(path)


def test_what_a_client_sends_is_held_in_bounds(path):
    server = serve()._server
    most = 0
    with connected_to(path) as connected, contextlib.suppress(ConnectionError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for _ in range(200):
            connected.sendall(protocol.request_line("tasks") * 100)
            most = max([most, *(len(each.incoming) for each in server._clients)])
    assert most <= 2 * protocol.LONGEST_LINE
    assert is_well(path)


# ------------------------------------------------------------------------------ the other direction


@contextlib.contextmanager
def answering(runtime, answers):
    """Be a door of this process that answers what it likes."""
    inside = folder.own_folder()
    folder.make_folder(inside)
    path = inside / folder.socket_name(os.getpid())
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(1)

    def answer():
        connected, _ = listening.accept()
        with connected, contextlib.suppress(ConnectionError):
            connected.recv(1 << 16)
            connected.sendall(b"".join(answers))
            connected.shutdown(socket.SHUT_WR)
            while connected.recv(1 << 16):
                pass

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        listening.close()
        path.unlink()


HEADS = st.builds(
    lambda head: json.dumps({"tracetools": 1, "bytes": 0, **head}).encode() + b"\n",
    st.dictionaries(
        st.sampled_from(["program", "python", "missing", "errors", "refused", "text", "bytes"]),
        VALUES,
        max_size=5,
    ),
)
BODIES = st.sampled_from([b"{}", b"[]", b'{"tracetools-profile":1}', b'{"loops":[],"version":1}'])
WITH_BODIES = st.builds(
    lambda body: json.dumps({"tracetools": 1, "bytes": len(body)}).encode() + b"\n" + body,
    BODIES | st.binary(max_size=50),
)


@pytest.mark.parametrize(
    "words", [["dump"], ["dump", "--json"], ["attach", "--duration", "0.001", "-qo", os.devnull]]
)
def test_a_door_that_answers_rubbish_is_told_in_a_sentence(runtime, capfd, words):
    command, *options = words

    @settings(max_examples=25, deadline=None)
    @given(st.lists(HEADS | WITH_BODIES | st.binary(max_size=50), min_size=1, max_size=3))
    def look(answers):
        with answering(runtime, answers):
            status = main([command, str(os.getpid()), *options])
        said = capfd.readouterr()
        assert status in {0, 2}
        assert "\x1b" not in said.out + said.err
        assert status == 0 or said.err.startswith("tracetools: ")
        assert status == 0 or said.err.count("\n") == 1

    look()


@given(DUMPS)
def test_a_dump_of_any_shape_is_shown_or_refused(dump):
    with contextlib.suppress(DoorError):
        assert tasks.tasks_as_text(dump.to_json())
