"""Two tasks that each start workers of two kinds, all of which use one function.

    python benchmarks/peers/tasks.py asyncio|trio

does its work many times. It writes what it measured itself, as JSON: ``wall`` and ``cpu``, the
seconds that each time took, and the seconds in ``checksum`` for each starter and kind.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict

import anyio
import anyio.lowlevel

truth: dict[str, float] = defaultdict(float)
TIMES = 8
STEPS = 5


def checksum(size: int) -> int:
    total = 0
    for number in range(size):
        total = (total * 31 + number) % 65521
    return total


async def thumbnail(starter: str) -> None:
    for _ in range(STEPS):
        began = time.perf_counter()
        checksum(4_000)
        truth[f"{starter} > thumbnail"] += time.perf_counter() - began
        await anyio.lowlevel.checkpoint()


async def invoice(starter: str) -> None:
    for _ in range(STEPS):
        began = time.perf_counter()
        checksum(12_000)
        truth[f"{starter} > invoice"] += time.perf_counter() - began
        await anyio.lowlevel.checkpoint()


async def morning() -> None:
    async with anyio.create_task_group() as group:
        for _ in range(15):
            group.start_soon(thumbnail, "morning")
        for _ in range(5):
            group.start_soon(invoice, "morning")


async def evening() -> None:
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(thumbnail, "evening")
        for _ in range(15):
            group.start_soon(invoice, "evening")


async def work() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(morning)
        group.start_soon(evening)


async def main() -> None:
    taken: dict[str, list[float]] = {"wall": [], "cpu": []}
    for _ in range(TIMES):
        began, used = time.perf_counter(), time.process_time()
        await work()
        taken["wall"].append(time.perf_counter() - began)
        taken["cpu"].append(time.process_time() - used)
    print(json.dumps({**taken, **truth}))


if __name__ == "__main__":
    anyio.run(main, backend=sys.argv[1])
