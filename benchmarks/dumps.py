"""What a dump of very many tasks takes: CPU time, and the longest gap of the loop meanwhile.

The tasks wait in three functions each, and have entered a lock. A task measures the longest time
between two of its steps while another thread takes a dump, and while that only waits. The longest
collection of garbage is told beside it: nothing goes on in a process meanwhile.

    python benchmarks/dumps.py [TASKS [ROUNDS]]
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import trio

from tracetools.live import take_dump
from tracetools.live.taking import _Slices

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Measured(NamedTuple):
    """What was found in one round, in milliseconds."""

    took: float
    slices: float
    longest_slice: float
    gap: float
    gap_without: float
    collection: float


class Meter:
    """Measures gaps, slices and collections."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.is_over = False
        self.slices: list[float] = []
        self.collections: list[float] = [0.0]
        self._began = 0.0

    async def tick(self, checkpoint: Callable[[], Awaitable[None]]) -> None:
        """Step until it is over."""
        then = time.perf_counter()
        while not self.is_over:
            await checkpoint()
            now = time.perf_counter()
            self.longest = max(self.longest, now - then)
            then = now

    def collected(self, phase: str, _: object) -> None:
        """Note a collection of garbage."""
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.collections.append(time.perf_counter() - self._began)

    def watch(self, rounds: int, found: list[Measured]) -> None:
        """Take dumps; in a thread."""
        for _ in range(rounds):
            time.sleep(0.2)
            self.longest = 0.0
            time.sleep(0.2)
            without, self.longest = self.longest, 0.0
            self.slices.clear()
            self.collections[:] = [0.0]
            began = time.perf_counter()
            take_dump(10)
            took = time.perf_counter() - began
            numbers = (
                *(took, sum(self.slices), max(self.slices)),
                *(self.longest, without, max(self.collections)),
            )
            found.append(Measured(*(1000 * each for each in numbers)))
        self.is_over = True


async def top(lock: asyncio.Lock | trio.Lock, event: asyncio.Event | trio.Event) -> None:
    """Hold a lock, and wait."""
    async with lock:
        await middle(event)


async def middle(event: asyncio.Event | trio.Event) -> None:
    """Wait one function further in."""
    await event.wait()


def on_asyncio(count: int, meter: Meter, watch: Callable[[], None]) -> None:
    """Run so many tasks on asyncio."""

    async def main() -> None:
        event = asyncio.Event()
        tasks = [asyncio.create_task(top(asyncio.Lock(), event)) for _ in range(count)]
        thread = threading.Thread(target=watch)
        thread.start()
        await meter.tick(lambda: asyncio.sleep(0))
        event.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def on_trio(count: int, meter: Meter, watch: Callable[[], None]) -> None:
    """Run so many tasks on trio."""

    async def main() -> None:
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(top, trio.Lock(), event)
            thread = threading.Thread(target=watch)
            thread.start()
            await meter.tick(trio.lowlevel.checkpoint)
            event.set()

    trio.run(main)


def measure(run: Callable[..., None], count: int, rounds: int) -> list[Measured]:
    """Return what was found on one backend."""
    meter, found = Meter(), list[Measured]()
    original = _Slices.__call__

    def measured(slices: _Slices) -> None:
        began = time.thread_time()
        original(slices)
        meter.slices.append(time.thread_time() - began)

    _Slices.__call__ = measured  # type: ignore[method-assign]
    gc.callbacks.append(meter.collected)
    try:
        run(count, meter, lambda: meter.watch(rounds, found))
    finally:
        gc.callbacks.remove(meter.collected)
        _Slices.__call__ = original  # type: ignore[method-assign]
    return found


def main() -> None:
    """Print the medians."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    for name, run in {"asyncio": on_asyncio, "trio": on_trio}.items():
        found = measure(run, count, rounds)
        numbers = [statistics.median(each) for each in zip(*found, strict=True)]
        for what, number in zip(Measured._fields, numbers, strict=True):
            print(f"{name}, {count:,} tasks: {what.replace('_', ' ')} {number:.1f} ms")


if __name__ == "__main__":
    main()
