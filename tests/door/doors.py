"""A server that is played by hand, without its thread, and clients of it."""

from __future__ import annotations

import socket

import pytest

from tracetools.door import protocol
from tracetools.door.asks import Answer
from tracetools.door.protocol import RefusedError, Request


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Echo:
    """Answers with what it was asked; `hold` makes a client the owner of a recording."""

    def __init__(self):
        self.owner = None
        self.gone = []
        self.is_over = False
        self.callers = []

    def owns(self, client):
        return self.owner is client

    def answer(self, client, request):
        if request.ask == "hold":
            self.owner = client
        if request.ask == "refuse":
            raise RefusedError("no", "not today")
        return Answer(b"x" * request.values.get("size", 0), {"echo": request.ask})

    def leave(self, client):
        self.gone.append(client)

    def end(self):
        self.is_over = True

    def forked(self):
        pass


class Caller:
    """The other end of a connection."""

    def __init__(self, server, connected=None):
        if connected is None:
            connected, other = socket.socketpair()
            server.add(other)
        self.socket = connected
        self.socket.settimeout(0)
        self._server = server
        server.asks.callers.append(self)
        self.received = b""

    def send(self, data):
        self.socket.send(data)
        return self

    def ask(self, what, **values):
        return self.send(protocol.request_line(what, **values))

    def step(self, times=3):
        """Let the server work, and take what it sends."""
        for _ in range(times):
            self._server.step(0)
            self.receive()
        return self

    def receive(self):
        try:
            while found := self.socket.recv(1 << 20):
                self.received += found
        except (BlockingIOError, ConnectionError):
            pass

    @property
    def is_dropped(self):
        try:
            return self.socket.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def answers(self):
        """Return the values of all answers that have come, and how many bytes each has."""
        found, data = [], self.received
        while data:
            line, _, data = data.partition(b"\n")
            try:
                count, values = protocol.parse_answer(line)
            except RefusedError as refused:
                count, values = 0, {"refused": refused.kind}
            assert len(data) >= count
            found.append((values, count))
            data = data[count:]
        return found


def ask(asks, what, client="me", **values):
    """Return the answer of what is behind the door."""
    return asks.answer(client, Request(what, values))


def refused(asks, what, client="me", **values):
    """Return why it refuses, in a word."""
    with pytest.raises(RefusedError) as caught:
        ask(asks, what, client, **values)
    return caught.value.kind
