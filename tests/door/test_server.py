"""The server: played by hand, and in its thread. It answers or closes, and never hangs."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.door.doors import Caller, Echo, Hand
from tracetools.door import peers, protocol, server
from tracetools.door.server import MOST_CLIENTS, PATIENCE, Server
from tracetools.guest import threads
from tracetools.recording import forks


@contextlib.contextmanager
def serving(**how):
    asks, clock = Echo(), Hand()
    made = Server(asks, how.pop("listening", None), clock=clock, **how)
    made.asks, made.clock = asks, clock
    try:
        yield made
    finally:
        made.close()
        for caller in asks.callers:
            caller.socket.close()


@pytest.fixture
def served():
    with serving() as made:
        yield made


@pytest.fixture
def open_door(tmp_path_factory, runtime):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(runtime / "1.sock"))
    listening.listen(20)
    with serving(listening=listening) as made:
        made.path = str(runtime / "1.sock")
        yield made


def calling(made):
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(made.path)
    return Caller(made, connected)


def test_what_is_asked_is_answered(served):
    caller = Caller(served).ask("hello", size=3).step()
    assert caller.answers() == [({"echo": "hello"}, 3)]


def test_a_line_may_come_in_pieces_and_several_at_once(served):
    caller = Caller(served)
    for byte in protocol.request_line("one"):
        caller.send(bytes([byte])).step(1)
    caller.send(protocol.request_line("two") + protocol.request_line("three", size=2)).step(6)
    assert [values["echo"] for values, _ in caller.answers()] == ["one", "two", "three"]


def test_a_refusal_leaves_the_connection(served):
    caller = Caller(served).ask("refuse").ask("again").step(6)
    assert caller.answers() == [({"refused": "no"}, 0), ({"echo": "again"}, 0)]


@pytest.mark.parametrize("line", [b"rubbish\n", b'{"tracetools": 9}\n'])
def test_after_what_makes_no_sense_it_is_closed(served, line):
    caller = Caller(served).send(line).ask("more").step(6)
    assert len(caller.answers()) == 1
    assert caller.is_dropped
    assert len(served.asks.gone) == 1


def test_a_line_without_an_end_is_refused(served):
    caller = Caller(served)
    for _ in range(10):
        with contextlib.suppress(BlockingIOError, ConnectionError):
            caller.send(b"x" * 20_000).step(2)
    assert caller.answers() == [({"refused": "malformed"}, 0)]
    assert caller.is_dropped


@given(st.lists(st.binary(max_size=300) | st.just(b'{"tracetools":1,"ask":"a"}\n'), max_size=8))
def test_whatever_comes_it_answers_or_closes(pieces):
    with serving() as made:
        caller = Caller(made)
        for piece in pieces:
            with contextlib.suppress(ConnectionError):
                caller.send(piece).step(1)
        caller.step(2 * len(pieces) + 2)
        whole = b"".join(pieces).count(b"\n")
        assert len(caller.answers()) == whole or caller.is_dropped
        other = Caller(made).ask("hello").step()
        assert other.answers() == [({"echo": "hello"}, 0)]


def test_who_goes_away_is_forgotten(served):
    caller = Caller(served).ask("hold").step()
    caller.socket.close()
    served.step(0)
    assert served.asks.gone == [served.asks.owner]


def test_who_does_not_read_is_dropped_and_others_are_served(served):
    slow, other = Caller(served), Caller(served)
    slow.ask("much", size=10_000_000)
    for _ in range(50):
        served.step(0)
    served.clock.now += PATIENCE + 1
    other.ask("hello").step()
    assert other.answers() == [({"echo": "hello"}, 0)]
    slow.receive()
    assert slow.is_dropped
    assert 0 < len(slow.received) < 10_000_000


def test_who_reads_slowly_but_reads_is_served(served):
    caller = Caller(served).ask("much", size=1_000_000)
    while len(caller.received) < 1_000_000:
        caller.step(1)
        served.clock.now += PATIENCE - 1
    assert not caller.is_dropped


def test_who_sends_a_line_too_slowly_is_dropped(served):
    caller = Caller(served)
    for byte in b'{"tracet':
        caller.send(bytes([byte])).step(1)
        served.clock.now += PATIENCE / 4
        with contextlib.suppress(ConnectionError):
            served.step(0)
            if caller.is_dropped:
                break
    assert caller.is_dropped


def test_who_is_idle_is_dropped_unless_a_recording_is_theirs(served):
    idle, owner = Caller(served), Caller(served).ask("hold").step()
    served.clock.now += server.IDLE + 1
    served.step(0)
    assert idle.is_dropped
    assert not owner.is_dropped


def test_the_number_of_clients_is_bounded(open_door):
    callers = [calling(open_door) for _ in range(MOST_CLIENTS + 1)]
    for _ in range(2 * MOST_CLIENTS):
        open_door.step(0)
    *welcome, last = callers
    last.receive()
    assert last.answers() == [({"refused": "full"}, 0)]
    for caller in welcome:
        assert caller.ask("hello").step().answers() == [({"echo": "hello"}, 0)]
        caller.socket.close()
    last.socket.close()
    open_door.step(0)
    late = calling(open_door).ask("hello").step(5)
    assert late.answers() == [({"echo": "hello"}, 0)]


def test_another_user_is_not_answered(open_door, monkeypatch):
    monkeypatch.setattr(peers, "peer_of", lambda _: peers.Peer(1, os.geteuid() + 1))
    monkeypatch.setattr(peers, "is_welcome", lambda _: False)
    caller = calling(open_door).ask("hello").step()
    assert (caller.received, caller.is_dropped) == (b"", True)


def test_without_descriptors_it_rests_a_while(open_door, monkeypatch):
    def fail():
        raise OSError(24, "Too many open files")

    class Full:
        accept, fileno = staticmethod(fail), open_door._listening.fileno

    whole, open_door._listening = open_door._listening, Full()
    caller = calling(open_door).ask("hello").step()
    open_door._listening = whole
    assert caller.step().received == b""
    open_door.clock.now += 2
    assert caller.step(4).answers() == [({"echo": "hello"}, 0)]


# ------------------------------------------------------------------------------------ in its thread


def test_its_thread_answers_and_is_hidden(served):
    listed = threading.enumerate()
    caller = Caller(served)
    served.start()
    assert [thread.name for thread in threads.running()] == ["tracetools door"]
    assert threading.enumerate() == listed
    caller.socket.settimeout(30)
    caller.ask("hello")
    assert b"echo" in caller.socket.recv(1000)
    served.close()
    assert served.asks.is_over
    assert caller.is_dropped


def test_it_does_what_it_is_told_in_its_thread(served):
    Caller(served)
    served.start()
    done = threading.Event()
    names = []
    served.call(lambda: (names.append(threading.get_ident()), done.set()))
    assert done.wait(30)
    assert names != [threading.get_ident()]


def test_without_a_socket_it_ends_with_its_last_client():
    ended = threading.Event()
    with serving(at_end=ended.set) as made:
        caller = Caller(made)
        made.start()
        caller.socket.close()
        assert ended.wait(30)
        assert made.asks.is_over


def test_around_a_fork_its_thread_rests_and_clients_stay(served):
    caller = Caller(served)
    served.start()
    forks._before()
    assert threads.running() == ()
    caller.ask("hello")
    forks._in_parent()
    forks._when_over()
    caller.socket.settimeout(30)
    assert b"echo" in caller.socket.recv(1000)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_drops_its_copies_and_the_parent_goes_on(open_door):
    caller = calling(open_door).ask("hello").step()
    open_door.start()
    child = os.fork()
    if not child:
        is_left = bool(open_door._clients) or open_door._listening.fileno() >= 0
        os._exit(1 if is_left or threads.running() else 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    caller.socket.settimeout(30)
    caller.ask("hello")
    assert b"echo" in caller.socket.recv(1000)


def test_closing_it_twice_does_nothing_more(served):
    served.start()
    served.close()
    served.close()
    served.resume()
    assert threads.running() == ()
