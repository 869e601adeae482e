"""What a request costs a server, and how long it takes: measured by `costs.py`.

    python benchmarks/http_load.py hypercorn|uvicorn ROUNDS [CORE OF LOAD [CORE OF SERVERS]]

starts a server for each variant, and gives each one a load for a short while in turn. It writes the
nanoseconds of CPU time of the server for a request in each of these slices, and the 99th percentile
of the latency in each round, which is some slices of each.

The load is as lean as Python can be: some connections that are kept alive, each of which sends a
request as soon as the answer is there. So the server is always busy.
"""

from __future__ import annotations

import gc
import importlib.util
import itertools
import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from variants import VARIANTS, interleave, pin

CONNECTIONS = 8
SLICE = 0.03
"""Seconds of load."""

SLICES = 12
"""How many of them are a round."""

PARSER = "httptools" if importlib.util.find_spec("httptools") else "h11"
TITLES = {"hypercorn": "hypercorn trio", "uvicorn": f"uvicorn uvloop {PARSER}"}
COMPARED = ("nothing", "default", "keep", "all on", "nothing again")
SERVER = Path(__file__).with_name("http_server.py")
OK = b"HTTP/1.1 200"
REQUEST = b"GET /book/7 HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Server:
    """A server in a process of its own, and the connections to it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._control = self._connect()
        self.page_size = len(self._answer(REQUEST))
        self._connections = [self._connect() for _ in range(CONNECTIONS)]

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _answer(self, request: bytes) -> bytes:
        """Return the answer to one request, with its head."""
        self._control.sendall(request)
        found = b""
        while not is_whole(found):
            found += self._control.recv(65536)
        return found

    def ask(self, path: str) -> Any:
        """Return the JSON that a page consists of."""
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        return json.loads(self._answer(request.encode()).partition(b"\r\n\r\n")[2])

    def load(self, seconds: float) -> list[int]:
        """Send requests for some seconds; return the nanoseconds that each took."""
        latencies: list[int] = []
        began: dict[int, int] = {}
        left: dict[int, int] = {}
        sockets = {each.fileno(): each for each in self._connections}
        poll = select.poll()
        until = perf_counter_ns() + int(seconds * 1e9)

        def send(number: int) -> None:
            left[number] = self.page_size
            began[number] = perf_counter_ns()
            sockets[number].sendall(REQUEST)

        for number in sockets:
            poll.register(number, select.POLLIN)
            send(number)
        busy = len(sockets)
        while busy:
            for number, _ in poll.poll():
                data = sockets[number].recv(65536)
                if left[number] == self.page_size and not data.startswith(OK):
                    raise ConnectionError(f"the server answered: {data[:100]!r}")
                if not data:
                    raise ConnectionError("the server has closed a connection")
                left[number] -= len(data)
                if left[number] > 0:
                    continue
                now = perf_counter_ns()
                latencies.append(now - began[number])
                if now < until:
                    send(number)
                else:
                    busy -= 1
        return latencies

    def close(self) -> None:
        for connection in (self._control, *self._connections):
            connection.close()


def is_whole(answer: bytes) -> bool:
    """Return whether an answer has all that its head announces."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(OK):
        raise ConnectionError(f"the server answered: {answer[:100]!r}")
    _, *lines = head.decode().lower().split("\r\n")
    return len(body) >= int(dict(line.split(": ", 1) for line in lines)["content-length"])


@contextmanager
def started(name: str, variant: str, core: str) -> Iterator[Server]:
    """Start a server, and end it."""
    command = [sys.executable, str(SERVER), name, variant, *([core] if core else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            server = Server(int(process.stdout.readline()))  # type: ignore[union-attr]
            yield server
            stacks = server.ask("/check")
            if (stacks is None) != (VARIANTS[variant] is None):
                raise RuntimeError(f"{name}, {variant}: {stacks} stacks were recorded")
            server.close()
        finally:
            process.terminate()


def measure(server: Server, latencies: list[list[int]]) -> list[float]:
    """Return the CPU time of the server for a request in a slice, and add what requests took."""
    before = server.ask("/usage")
    latencies.append(server.load(SLICE))
    used = server.ask("/usage") - before
    return [used / len(latencies[-1])]


def p99(slices: list[list[int]]) -> int:
    """Return the 99th percentile of the latencies of some slices."""
    latencies = sorted(itertools.chain.from_iterable(slices))
    return latencies[len(latencies) * 99 // 100]


def main(name: str, rounds: int, load_core: str = "", core: str = "") -> None:
    pin(int(load_core) if load_core else None)
    gc.freeze()
    latencies: dict[str, list[list[int]]] = {variant: [] for variant in COMPARED}
    with ExitStack() as stack:
        ways = {}
        for variant in COMPARED:
            options = variant.removesuffix(" again")
            server = stack.enter_context(started(name, options, core))
            ways[variant] = partial(measure, server, latencies[variant])
        cpu = interleave(ways, rounds=rounds * SLICES)
    by_round = {
        variant: [p99(slices[at : at + SLICES]) for at in range(1, len(slices), SLICES)]
        for variant, slices in latencies.items()
    }
    print(json.dumps({"server": TITLES[name], "cpu": cpu, "p99": by_round}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
