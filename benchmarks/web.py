"""What `web_app` costs a service: a FastAPI app under load, scraped once a second, of nothing.

    python benchmarks/web.py cost ROUNDS
    python benchmarks/web.py gaps ROUNDS

`cost` prints, for each variant, the CPU time of the server for a request and the 99th percentile of
the latency, as ratios of the server without us in the same round: medians of all rounds, and their
quartiles. `gaps` prints how long a ticking task had to wait while a graph of a service of 2,000
stacks was recorded and drawn: by another process, as it is done, and by a thread.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

import tracetools
from tracetools.web import rendering

TOKEN = "a-token-for-benchmarks"  # noqa: S105
CONNECTIONS = 8
SECONDS = 1.0
COMPARED = ("nothing", "mounted", "scraped", "nothing again")
BOOK = b"GET /book/7 HTTP/1.1\r\nHost: x\r\n\r\n"
SCRAPE = f"GET /t/metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
STACKS = 2_000
TICK = 0.001


# -- the server ------------------------------------------------------------------------------------


def serve(variant: str) -> None:
    app = FastAPI(lifespan=lifespan)

    @app.get("/book/{number}")
    async def book(number: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"number": number, "title": f"The Sea and the {number} Islands"}

    @app.get("/usage")
    async def usage() -> int:
        return time.process_time_ns()

    @app.get("/gaps")
    async def gaps() -> list[float]:
        found = sorted(GAPS)
        GAPS.clear()
        return found

    if variant == "thread":
        rendering._command = lambda: None
    if not variant.startswith("nothing"):
        app.mount("/t", tracetools.web_app(TOKEN))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_keep_alive=600)
        uvicorn.Server(config).run([listening])


GAPS: list[float] = []


async def lifespan_tasks() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(tick())
        group.create_task(open_spans())


def lifespan(_app: object) -> Any:
    @asynccontextmanager
    async def tasks() -> Any:
        task = asyncio.ensure_future(lifespan_tasks()) if "gaps" in sys.argv else None
        yield
        if task is not None:
            task.cancel()

    return tasks()


async def tick() -> None:
    """Note how much later than wanted each tick is."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        GAPS.append(time.perf_counter() - before - TICK)


async def open_spans() -> None:
    """Have as many stacks as a large service."""
    spans = [
        [tracetools.span(f"work {level} {number}") for number in range(13)] for level in range(3)
    ]
    while True:
        for number in range(STACKS):
            with (
                spans[0][number % 13],
                spans[1][number // 13 % 13],
                spans[2][number // 169 % 13],
            ):
                await asyncio.sleep(0.0001)


# -- the load --------------------------------------------------------------------------------------


class Server:
    """A server in a process of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.size = self.size_of_answer()
        self.sockets = [self.connect() for _ in range(CONNECTIONS + 1)]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def size_of_answer(self) -> int:
        """Return how many bytes the answer to each request has: it may come in parts."""
        with self.connect() as connection:
            connection.sendall(BOOK)
            connection.settimeout(0.5)
            size = 0
            try:
                while found := connection.recv(65536):
                    size += len(found)
            except TimeoutError:
                return size
        raise ConnectionError("the server has closed a connection")

    def ask(self, path: str) -> bytes:
        with self.connect() as connection:
            lines = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            connection.sendall(f"{lines}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
            found = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        head, _, body = found.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(head)
        return body

    def load(self, *, scrapes: bool) -> list[float]:
        """Send requests for a second; return how long each took. In the middle, scrape once."""
        poll, latencies, began = select.poll(), [], {}
        *books, scraper = {each.fileno(): each for each in self.sockets}.items()
        by_number, left = dict(books), {number: self.size for number, _ in books}
        for number, connection in books:
            poll.register(number, select.POLLIN)
            began[number] = time.perf_counter()
            connection.sendall(BOOK)
        middle = time.perf_counter() + SECONDS / 2
        until = middle + SECONDS / 2
        is_scraped = not scrapes
        while began:
            for number, _ in poll.poll():
                left[number] -= len(by_number[number].recv(65536))
                if left[number] > 0:
                    continue
                now = time.perf_counter()
                latencies.append(now - began.pop(number))
                if now < until:
                    began[number], left[number] = now, self.size
                    by_number[number].sendall(BOOK)
            if not is_scraped and time.perf_counter() > middle:
                is_scraped = True
                scraper[1].sendall(SCRAPE)
        if scrapes:
            scraper[1].settimeout(0.2)
            try:
                while scraper[1].recv(1 << 20):
                    pass
            except TimeoutError:
                pass
        return latencies


@contextmanager
def started(variant: str, *more: str) -> Any:
    command = [sys.executable, __file__, "serve", variant, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            server = Server(int(process.stdout.readline()))
            server.ask("/usage")
            yield server
        finally:
            process.terminate()


def cost(rounds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {variant: [] for variant in COMPARED}
    with ExitStack() as stack:
        servers = {each: stack.enter_context(started(each)) for each in COMPARED}
        servers["scraped"].ask("/t/metrics")
        for number in range(rounds + 1):
            for variant in COMPARED[:: 1 if number % 2 else -1]:
                server = servers[variant]
                before = int(server.ask("/usage"))
                latencies = sorted(server.load(scrapes=variant == "scraped"))
                used = int(server.ask("/usage")) - before
                p99 = latencies[len(latencies) * 99 // 100]
                if number:  # the first is to get warm
                    found[variant].append((used / len(latencies), p99))
    for variant in COMPARED[1:]:
        for index, name in enumerate(("CPU of a request", "p99")):
            pairs = zip(found[variant], found["nothing"], strict=True)
            ratios = [one[index] / other[index] for one, other in pairs]
            low, median, high = statistics.quantiles(ratios, n=4)
            print(f"{variant:14} {name:17} {median:.3f} ({low:.3f} to {high:.3f})")


def gaps(rounds: int) -> None:
    with started("process", "gaps") as process, started("thread", "gaps") as thread:
        servers = {"nothing": process, "drawn by a process": process, "drawn by a thread": thread}
        found: dict[str, list[list[float]]] = {name: [] for name in servers}
        for number in range(rounds + 1):
            for name, server in servers.items():
                server.ask("/gaps")
                if name == "nothing":
                    time.sleep(2)
                else:
                    server.ask("/t/flamegraph?seconds=1")
                late = json.loads(server.ask("/gaps"))
                if number:
                    found[name].append(late)
    for name, each in found.items():
        longest = statistics.median(max(late) for late in each) * 1e3
        above = statistics.median(sum(gap > 0.004 for gap in late) for late in each)
        p99 = statistics.median(late[len(late) * 99 // 100] for late in each) * 1e3
        print(f"{name:20} longest {longest:5.1f} ms, p99 {p99:5.2f} ms, {above:.0f} above 4 ms")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        {"cost": cost, "gaps": gaps}[sys.argv[1]](int(sys.argv[2]))
