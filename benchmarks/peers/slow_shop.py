"""A shop whose requests are slow for four reasons, and which knows how slow each makes them.

    python benchmarks/peers/slow_shop.py

A pool of two connections is too small, a lock is held over a query, a limiter lets four through,
and one child of five takes longer than the others. What was measured is printed. With the argument
`tracetools`, each request is a span.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import fmean
from typing import Any

ROUNDS = 10
AT_ONCE = 6
CHILDREN = (0.04, 0.05, 0.06, 0.07)
SLOW_CHILD = 0.11
KEPT = 10
"""So many of the slowest requests are looked at one by one."""


class Shop:
    """Handles requests, and measures what each of them waits for."""

    def __init__(self, span: Callable[[str], AbstractContextManager[Any]]) -> None:
        self.span = span
        self.pool = asyncio.Semaphore(2)
        self.lock = asyncio.Lock()
        self.limiter = asyncio.Semaphore(4)
        self.waited: Counter[str] = Counter()
        self.took: list[tuple[float, float]] = []
        """What each request took, and how long it waited for the slow child alone."""

    async def query(self, seconds: float) -> None:
        began = time.perf_counter()
        async with self.pool:
            self.waited["pool"] += time.perf_counter() - began
            await asyncio.sleep(seconds)

    async def reserve(self) -> None:
        began = time.perf_counter()
        async with self.lock:
            self.waited["lock"] += time.perf_counter() - began
            await self.query(0.03)

    async def quote(self) -> None:
        began = time.perf_counter()
        async with self.limiter:
            self.waited["limiter"] += time.perf_counter() - began
            await asyncio.sleep(0.02)

    async def child(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return time.perf_counter()

    async def review(self) -> float:
        await asyncio.sleep(SLOW_CHILD)
        return time.perf_counter()

    async def read(self) -> float:
        """Wait for all children; return for how long it was the slow one alone."""
        children = [self.child(seconds) for seconds in CHILDREN]
        *others, slow = await asyncio.gather(*children, self.review())
        return slow - max(others)

    async def request(self) -> None:
        began = time.perf_counter()
        with self.span("request"):
            await self.quote()
            alone = await self.read()
            await self.query(0.02)
            price(range(300))
            await self.reserve()
        self.took.append((time.perf_counter() - began, alone))


def price(items: range) -> int:
    """Compute for a while, by some calls."""
    total = 0
    for item in items:
        total += discount(item)
    return total


def discount(item: int) -> int:
    total = 0
    for number in range(1, 100):
        total += item % number
    return total


async def main(*, has_spans: bool) -> None:
    """Handle all requests, and print what was measured."""
    if has_spans:
        from tracetools import span  # noqa: PLC0415  # other tools run without it
    else:
        span = contextlib.nullcontext
    shop = Shop(span)
    began, used = time.perf_counter(), time.process_time()
    for _ in range(ROUNDS):
        await asyncio.gather(*(shop.request() for _ in range(AT_ONCE)))
    slowest = sorted(shop.took)[-KEPT:]
    truth = {
        "wall": time.perf_counter() - began,
        "cpu": time.process_time() - used,
        "request": fmean(took for took, _ in shop.took),
        **shop.waited,
        "child": fmean(alone for _, alone in slowest),
    }
    print(json.dumps(truth))


if __name__ == "__main__":
    asyncio.run(main(has_spans="tracetools" in sys.argv))
