"""Ports of servers that tests start in processes of their own."""

from __future__ import annotations

import secrets
import socket


def free_port() -> int:
    """Return a port on which nobody listens, chosen at random among those that are for servers.

    One that the system chooses may be given to anybody else before the server has it: to a client,
    or to a server of other tests that run at the same time.
    """
    while True:
        port = 15_000 + secrets.randbelow(15_000)
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
