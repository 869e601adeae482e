"""What a process does that was entered without a door: it serves the one who has entered, and ends.

When the connection ends, however it does, so does all that was begun here. What stays are the
modules that were imported: functions that Python calls at forks cannot be taken away from it, so
modules that are imported anew each time would leave more of them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tracetools.door import peers, protocol
from tracetools.door.asks import Asks
from tracetools.door.server import Server

if TYPE_CHECKING:
    import socket

__all__ = ["serve_one"]


def serve_one(connection: socket.socket) -> None:
    """Serve a connection in a thread of ours until it ends. Never raises."""
    if not peers.is_welcome(connection):
        connection.close()
        return
    try:
        connection.sendall(protocol.answer_line(), peers.NO_SIGNAL)
        server = Server(Asks(), None)
        server.add(connection)
        server.start()
    except Exception:  # noqa: BLE001  # the program must not notice
        with contextlib.suppress(OSError):
            connection.close()
