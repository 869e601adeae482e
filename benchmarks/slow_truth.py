"""What is said of slow spans, against what a program measures itself, and runs without it.

    python benchmarks/slow_truth.py

A shop has a pool of two connections, a lock that is held over a query, a limiter of four, and a
slow child among five. For each backend the figures are: who waits for what, as the program knows
it and as the profile says, and what requests take without the slow child, as predicted and as run.
A wait ends when the token is given; what follows, until the next step, is the wait for its turn.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import anyio

from tracetools import record, slow, span

REQUESTS = 6
CHILDREN = (0.16, 0.20, 0.24, 0.28)
SLOW_CHILD = 0.44


class Measured:
    """A lock or the like that knows since when each has waited, and when each was given it."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self.waiting: deque[float] = deque()
        self.waited = 0.0

    async def __aenter__(self) -> None:
        try:
            self.resource.acquire_nowait()
        except anyio.WouldBlock:
            self.waiting.append(time.perf_counter())
            await self.resource.acquire()

    async def __aexit__(self, *_: object) -> None:
        if self.waiting:  # who came first is given it
            self.waited += time.perf_counter() - self.waiting.popleft()
        self.resource.release()


class Shop:
    """Handles requests, and measures what each of them waits for."""

    def __init__(self, *, has_slow_child: bool) -> None:
        self.children = (*CHILDREN, *([SLOW_CHILD] if has_slow_child else []))
        self.pool, self.lock = Measured(anyio.Semaphore(2)), Measured(anyio.Lock())
        self.limiter = Measured(anyio.CapacityLimiter(4))
        self.took: list[float] = []

    async def query(self, seconds: float) -> None:
        async with self.pool:
            await anyio.sleep(seconds)

    async def reserve(self) -> None:
        async with self.lock:
            await self.query(0.12)

    async def limited(self) -> None:
        async with self.limiter:
            await anyio.sleep(0.08)

    async def slow_child(self) -> None:
        await anyio.sleep(SLOW_CHILD)

    async def request(self) -> None:
        began = time.perf_counter()
        with span("request"):
            await self.limited()
            async with anyio.create_task_group() as group:
                for seconds in self.children:
                    if seconds == SLOW_CHILD:
                        group.start_soon(self.slow_child)
                    else:
                        group.start_soon(anyio.sleep, seconds)
            await self.query(0.08)
            await self.reserve()
        self.took.append(time.perf_counter() - began)

    async def serve(self) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(REQUESTS):
                group.start_soon(self.request)


def run(backend: str, *, has_slow_child: bool) -> tuple[Shop, Any]:
    """Run a shop; return it, and what is said of its requests."""
    made: list[Shop] = []

    async def main() -> None:
        made.append(Shop(has_slow_child=has_slow_child))
        await made[0].serve()

    with tempfile.TemporaryDirectory() as folder:
        with record(Path(folder, "stack"), keep=slow(0, most=100, after=0)) as recording:
            anyio.run(main, backend=backend)
        profile = recording.profile
    [spans] = [spans for path, spans in profile.slow.items() if path[-1].name == "request"]
    [latency] = [each for path, each in profile.latencies.items() if path[-1].name == "request"]
    return made[0], (spans, latency)


def off(found: float, right: float) -> str:
    """Return both in milliseconds, and by how much the first is off."""
    return f"{found * 1e3:8.2f} of {right * 1e3:8.2f} ms ({abs(found - right) / right:6.2%} off)"


def main() -> None:
    """Print all figures."""
    for backend in ("asyncio", "trio"):
        shop, (spans, latency) = run(backend, has_slow_child=True)
        print(f"{backend}, {sys.version.split()[0]}")
        print("  requests, in all        ", off(latency.total / 1e9, sum(shop.took)))
        print("  critical paths          ", off(spans.critical.duration / 1e9, sum(shop.took)))
        for resource in (shop.limiter, shop.pool, shop.lock):
            what = type(resource.resource).__name__
            waits = spans.breakdown.waits.items()
            told = sum(time for label, time in waits if label.startswith(f"await {what}"))
            print(f"  waited for {what:15}", off(told / 1e9, resource.waited))
        saved = sum(
            time for frame, time in spans.critical.savings.items() if "slow_child" in frame.name
        )
        without, _ = run(backend, has_slow_child=False)
        predicted = sum(shop.took) - saved / 1e9
        print("  without the slow child  ", off(predicted, sum(without.took)))


if __name__ == "__main__":
    main()
