"""The thread of a door: takes connections, and answers what they ask, one after another.

It waits for nobody: sockets do not block, and who is slow is dropped. It never waits for a loop.
Each line is answered before the next one is read, so a client has one answer in memory at most.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.interruptions import Insist
from tracetools.door import peers, protocol
from tracetools.door.protocol import RefusedError
from tracetools.guest.threads import HiddenThread
from tracetools.recording import forks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.door.asks import Asks

__all__ = ["MOST_CLIENTS", "PATIENCE", "Server"]

MOST_CLIENTS: Final = 8
PATIENCE: Final = 10.0
"""Seconds in which a client has to move on with a line that it has begun, or an answer to read."""

IDLE: Final = 600.0
"""Seconds after which a client is dropped that asks nothing and records nothing."""

_PIECE: Final = 1 << 16
_PAUSE: Final = 1.0
"""Seconds until connections are taken again after none could be, for want of descriptors."""

_new_lock: Final = threading.Lock


class _Client:
    """A connection.

    Attributes:
        socket: the connection.
        incoming: what came in and was not answered yet.
        outgoing: what is going to be sent.
        since: when it has last moved on.
        closes: whether it is closed once all was sent.
    """

    def __init__(self, connection: socket.socket, now: float) -> None:
        self.socket = connection
        self.incoming = bytearray()
        self.outgoing = memoryview(b"")
        self.since = now
        self.closes = False

    def patience(self) -> float:
        """Return how many seconds it has to move on."""
        return PATIENCE if self.outgoing or self.incoming or self.closes else IDLE

    def next_line(self) -> bytes | None:
        """Take the first line of what came in; None if it is not whole.

        Raises:
            RefusedError: it is too long.
        """
        end = self.incoming.find(b"\n", 0, protocol.LONGEST_LINE)
        if end >= 0:
            line = bytes(self.incoming[:end])
            del self.incoming[: end + 1]
            return line
        if len(self.incoming) >= protocol.LONGEST_LINE:
            raise RefusedError("malformed", f"a line has more than {protocol.LONGEST_LINE:,} bytes")
        return None


class Server(forks.Follower):
    """Answers clients in a thread of ours. The thread ends before a fork; the child has no door.

    Args:
        asks: what is done for them.
        listening: takes connections; ``None`` to serve those alone that it is given.
        at_end: called in the thread when the last client is gone, if there is no `listening`.
        clock: seconds, for those who are slow.
    """

    def __init__(
        self,
        asks: Asks,
        listening: socket.socket | None,
        *,
        at_end: Callable[[], object] = bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asks = asks
        self._listening = listening
        self._at_end = at_end
        self._clock = clock
        self._clients: list[_Client] = []
        self._rests_until = 0.0
        self._tells, self._told = socket.socketpair()
        self._todo: list[Callable[[], object]] = []
        self._thread: HiddenThread | None = None
        self._stops = self._is_closed = False
        self._lock = _new_lock()
        for each in filter(None, (listening, self._tells, self._told)):
            each.setblocking(False)

    # -- from any thread ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to answer.

        Raises:
            RuntimeError: no thread can be started.
        """
        forks.follow(self)
        self.resume()

    def close(self) -> None:
        """Drop all clients, end what they record, and answer no more."""
        thread = self._thread
        self._stop()
        if thread is not None and thread is not threading.current_thread():
            thread.await_end()
        self._close()

    def add(self, connection: socket.socket) -> None:
        """Serve a connection that is there already."""
        connection.setblocking(False)
        self._clients.append(_Client(connection, self._clock()))

    def call(self, action: Callable[[], object]) -> None:
        """Have something done in the thread, which raises nothing. Also from a signal handler."""
        self._todo.append(action)
        self._wake()

    # -- around forks ------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """End the thread; the clients stay."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._stop()
            forks.await_end(thread)

    def resume(self) -> None:
        """Start the thread, unless it goes on."""
        with self._lock:
            self._stops = False
            if self._thread is None and not self._is_closed:
                self._thread = HiddenThread(target=self._run, name="tracetools door")
                self._thread.start()

    def forked(self) -> None:
        """Close the child's copies. Nothing is sent, and no file is removed."""
        self._lock, self._thread = _new_lock(), None
        self._is_closed = True
        forks.unfollow(self)
        self._close_sockets()
        self._asks.forked()

    # -- in the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._stops:
                    self._thread = None
                    return
            self.step()
            if self._listening is None and not self._clients:
                self._close()
                self._at_end()
                return

    def step(self, most: float | None = None) -> None:
        """Wait until there is something to do, and do it.

        Args:
            most: how many seconds are waited at most.
        """
        for client, events in self._wait(most):
            if client is None:
                continue
            try:
                self._serve(client, events)
            except OSError:  # it is gone
                self._drop(client)
        for client in [each for each in self._clients if self._left(each) <= 0]:
            self._drop(client)
        while self._todo:
            self._todo.pop(0)()

    def _wait(self, most: float | None) -> list[tuple[_Client | None, int]]:
        """Return who can be served, and how. Connections are taken meanwhile."""
        with _Selector() as selector:
            selector.register(self._told, selectors.EVENT_READ, None)
            left = [most] if most is not None else []
            if self._listening is not None and self._takes_clients(left):
                selector.register(self._listening, selectors.EVENT_READ, self._listening)
            for client in self._clients:
                how = selectors.EVENT_WRITE if client.outgoing else selectors.EVENT_READ
                selector.register(client.socket, how, client)
                left.append(self._left(client))
            timeout = max(min(left), 0) if left else None
            found = [(key.data, events) for key, events in selector.select(timeout)]
        with contextlib.suppress(BlockingIOError):
            self._told.recv(_PIECE)
        if any(data is self._listening for data, _ in found if data is not None):
            self._take_client()
        return [(data, events) for data, events in found if isinstance(data, _Client)]

    def _takes_clients(self, left: list[float]) -> bool:
        rests = self._rests_until - self._clock()
        if rests > 0:
            left.append(rests)
        return rests <= 0

    def _take_client(self) -> None:
        try:
            connection, _ = self._listening.accept()  # type: ignore[union-attr]  # it listens
        except BlockingIOError:  # who came has gone
            return
        except OSError:  # no descriptors are left, perhaps
            self._rests_until = self._clock() + _PAUSE
            return
        if not peers.is_welcome(connection):
            connection.close()
            return
        self.add(connection)
        if len(self._clients) > MOST_CLIENTS:
            full = RefusedError("full", f"{MOST_CLIENTS} others use this door: try again later")
            self._refuse(self._clients[-1], full, closes=True)

    def _left(self, client: _Client) -> float:
        """Return how many seconds a client has left."""
        if self._asks.owns(client) and not client.outgoing and not client.incoming:
            return _FOREVER
        return client.since + client.patience() - self._clock()

    def _serve(self, client: _Client, events: int) -> None:
        """Send or receive.

        Raises:
            OSError: the client is gone.
        """
        if events & selectors.EVENT_WRITE:
            sent = client.socket.send(client.outgoing[:_PIECE], peers.NO_SIGNAL)
            client.outgoing = client.outgoing[sent:]
            client.since = self._clock()
            if not client.outgoing:
                if client.closes:
                    raise ConnectionError
                self._answer(client)
            return
        received = client.socket.recv(_PIECE)
        if not received:
            raise ConnectionError
        if not client.incoming:  # the time of a line runs from its beginning
            client.since = self._clock()
        client.incoming += received
        self._answer(client)

    def _answer(self, client: _Client) -> None:
        """Answer the first line that came in, if one is whole."""
        try:
            line = client.next_line()
        except RefusedError as refusal:  # where the next line begins is not known
            self._refuse(client, refusal, closes=True)
            return
        if line is None:
            return
        try:
            answer = self._asks.answer(client, protocol.parse_request(line))
        except RefusedError as refusal:
            self._refuse(client, refusal, closes=refusal.kind in {"malformed", "version"})
            return
        self._send(client, protocol.answer_line(len(answer.body), **answer.values) + answer.body)

    def _refuse(self, client: _Client, refusal: RefusedError, *, closes: bool) -> None:
        client.closes = closes
        self._send(client, protocol.refusal_line(refusal))

    def _send(self, client: _Client, data: bytes) -> None:
        client.outgoing = memoryview(data)
        client.since = self._clock()

    def _drop(self, client: _Client) -> None:
        self._clients.remove(client)
        with contextlib.suppress(OSError):
            client.socket.close()
        self._asks.leave(client)

    # -- its end -----------------------------------------------------------------------------------

    def _stop(self) -> None:
        with self._lock:
            self._stops = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is closed, or has been told often enough
            self._tells.send(b"!", peers.NO_SIGNAL)

    def _close(self) -> None:
        self._is_closed = True
        with Insist() as insist:
            insist.do(forks.unfollow, self)
            insist.do(self._close_sockets)
            insist.do(self._asks.end)

    def _close_sockets(self) -> None:
        clients, self._clients = self._clients, []
        ours = (self._listening, self._tells, self._told)
        for each in (*(client.socket for client in clients), *ours):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.close()


_FOREVER: Final = 86_400.0


def _Selector() -> Any:  # noqa: N802  # it makes one
    """Return a selector without a descriptor of its own, which a forked child would share."""
    return getattr(selectors, "PollSelector", selectors.SelectSelector)()
