"""How late a busy loop wakes while the keeper of slow spans works in its thread.

A loop of asyncio has many tasks that step all the time, in spans of many names, so that the keeper
has always something to do. One task sleeps again and again, and measures how late it wakes. Rounds
without the keeper, with one that has nothing to do, and with a busy one follow each other.

    python benchmarks/keeper.py [ROUNDS [SECONDS]]
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path

from tracetools import record, slow, span

NAP = 0.002
TASKS, NAMES = 20, 300


async def work(number: int, over: asyncio.Event) -> None:
    """Step in spans, with a rest now and then, so that the loop waits in `select`."""
    while not over.is_set():
        number = (number * 7 + 1) % NAMES
        with span(f"work {number}"):
            for _ in range(20):
                await asyncio.sleep(0)
        await asyncio.sleep(0.02)


async def measure(seconds: float) -> list[float]:
    """Return by how many seconds each nap was too long."""
    over, late = asyncio.Event(), []
    tasks = [asyncio.create_task(work(number, over)) for number in range(TASKS)]
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        await asyncio.sleep(NAP)
        late.append(time.perf_counter() - begin - NAP)
    over.set()
    await asyncio.gather(*tasks)
    return late


def round_of(keep: float | None, seconds: float) -> tuple[list[float], int]:
    """Return how late naps were, and how many spans were kept."""
    gc.collect()
    with (
        tempfile.TemporaryDirectory() as folder,
        record(Path(folder, "stack"), keep=keep) as recording,
    ):
        late = asyncio.run(measure(seconds))
        return late, len(recording.kept)


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of values, in milliseconds."""
    return sorted(values)[int(share * (len(values) - 1))] * 1e3


def main(rounds: int = 3, seconds: float = 5) -> None:
    """Print the figures."""
    ways = {
        "not kept": None,
        "nothing slow": slow(None),
        "keeper busy": slow(0, before=0.5, after=0.05, most=1000),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    kept = dict.fromkeys(ways, 0)
    for _ in range(rounds):
        for name, keep in ways.items():
            late, pages = round_of(keep, seconds)
            found[name] += late
            kept[name] += pages
    print(f"{'late, in ms':14} {'p50':>8} {'p90':>8} {'p99':>8} {'max':>8}   naps  pages")
    for name, late in found.items():
        figures = " ".join(f"{quantile(late, share):8.3f}" for share in (0.5, 0.9, 0.99, 1))
        print(f"{name:14} {figures} {len(late):6} {kept[name]:6}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 3, float(given[1]) if given[1:] else 5)
