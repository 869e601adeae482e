"""What an acquire and release take that nobody waits for, and a put and get, with `resources`.

    python benchmarks/locks.py [SECONDS [CORE]]

prints for each what it took with nothing recorded, with a recording, and with one of resources: the
fastest slice, in nanoseconds of CPU time of the process.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from time import process_time_ns
from typing import Any

import trio
from figures import fastest
from variants import interleave, pin, recording

CALLS, SLICES = 2000, 5
VARIANTS: dict[str, Any] = {
    "nothing": None,
    "default": {"blocking": None},
    "resources": {"blocking": None, "resources": True},
}


async def lock_and_release(lock: Any) -> None:
    async with lock:
        pass


async def put_and_get(queue: Any) -> None:
    await queue.put(1)
    await queue.get()


async def timed(make: Callable[[], Any], use: Callable[[Any], Awaitable[None]]) -> list[float]:
    """Return what one use took, in some slices."""
    thing, found = make(), []
    for _ in range(SLICES):
        began = process_time_ns()
        for _ in range(CALLS):
            await use(thing)
        found.append((process_time_ns() - began) / CALLS)
    return found


KINDS: dict[str, Callable[[], list[float]]] = {
    "asyncio.Lock": lambda: asyncio.run(timed(asyncio.Lock, lock_and_release)),
    "asyncio.Queue": lambda: asyncio.run(timed(asyncio.Queue, put_and_get)),
    "trio.Lock": lambda: trio.run(timed, trio.Lock, lock_and_release),
    "trio.CapacityLimiter": lambda: trio.run(
        timed, partial(trio.CapacityLimiter, 40), lock_and_release
    ),
}


def measured(options: Any, run: Callable[[], list[float]]) -> list[float]:
    with recording(options):
        return run()


def main(seconds: float) -> None:
    for kind, run in KINDS.items():
        ways = {name: partial(measured, options, run) for name, options in VARIANTS.items()}
        found = interleave(ways, seconds=seconds / len(KINDS))
        shown = {name: fastest(slices) for name, slices in found.items()}
        row = "  ".join(f"{name} {took:8,.0f}" for name, took in shown.items())
        print(f"{kind:22}{row}  {shown['resources'] / shown['nothing']:6.1f} times")


if __name__ == "__main__":
    pin(int(sys.argv[2]) if len(sys.argv) > 2 else None)
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20)
