"""How long a loop stands still while a profile of it is made: its longest gap, in milliseconds.

One program has 10,000 stacks, another 100,000 tasks that sleep. A task measures the longest time
between two of its steps, while profiles are made in another thread, in the loop's own, or nowhere.

    python benchmarks/snapshots.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from figures import Figure

from tracetools import record, span

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = {"10,000 stacks": (10_000, True), "100,000 tasks": (100_000, False)}
LIMITS = {"10,000 stacks": 2, "100,000 tasks": 20}
"""Milliseconds."""


async def sleep_in_span(name: str) -> None:
    """Sleep in a span of its own."""
    with span(name):
        await asyncio.sleep(1000)


async def sleep(_: str) -> None:
    """Sleep."""
    await asyncio.sleep(1000)


class Ticker:
    """Steps as often as it can, and measures the longest time in which it could not."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.is_over = False

    async def run(self) -> None:
        """Step until it is over."""
        then = time.perf_counter()
        while not self.is_over:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - then)
            then = now


async def gap_while(work: Callable[[], object], *, in_thread: bool) -> float:
    """Return the longest gap of the loop while something is done, in milliseconds."""
    ticker = Ticker()
    task = asyncio.create_task(ticker.run())
    await asyncio.sleep(0.02)
    ticker.longest = 0.0
    if in_thread:
        await asyncio.to_thread(work)
    else:
        await asyncio.sleep(0.005)
        work()
        await asyncio.sleep(0)
    ticker.is_over = True
    await task
    return 1000 * ticker.longest


async def measure(count: int, rounds: int, *, has_spans: bool) -> dict[str, list[float]]:
    """Return the gaps of one program."""
    async with record(max_stacks=50_000) as recording:
        function = sleep_in_span if has_spans else sleep
        tasks = [asyncio.create_task(function(f"span {number}")) for number in range(count)]
        await asyncio.sleep(0.5)
        ways: dict[str, tuple[Callable[[], object], bool]] = {
            "none": (lambda: time.sleep(0.05), True),
            "another thread": (lambda: recording.profile, True),
            "own thread": (lambda: recording.profile, False),
        }
        gaps: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, (work, in_thread) in ways.items():
                gaps[way].append(await gap_while(work, in_thread=in_thread))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return gaps


def figures(*, quick: bool) -> list[Figure]:
    """Return the longest gap while a snapshot is taken, as the table of costs has it."""
    rows = []
    for name, (count, has_spans) in PROGRAMS.items():
        gaps = asyncio.run(measure(count, 3 if quick else 10, has_spans=has_spans))
        base, found = sorted(gaps["none"]), sorted(gaps["another thread"])
        middle, allowed = found[len(found) // 2], LIMITS[name]
        rows.append(
            Figure(
                f"longest gap in a snapshot, {name}",
                f"{base[len(base) // 2]:.1f} ms",
                f"{middle:.1f} ms",
                f"{found[0]:.1f} to {found[-1]:.1f}",
                f"≤{allowed} ms",
                middle <= allowed,
            )
        )
    return rows


def main() -> None:
    """Print the gaps of both programs."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name, (count, has_spans) in PROGRAMS.items():
        for way, gaps in asyncio.run(measure(count, rounds, has_spans=has_spans)).items():
            print(f"{name}, {way}: median {sorted(gaps)[rounds // 2]:.1f}, max {max(gaps):.1f} ms")


if __name__ == "__main__":
    main()
