"""Ten million short tasks: nothing is left of a task that has exited, so memory stays constant."""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import trio

from tracetools import FlamegraphInstrument, observe, span

TASKS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
BATCH = 1000


@observe
async def short() -> None:
    with span("work"):
        pass


def megabytes() -> float:
    """Return the resident memory just now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


async def main() -> None:
    begun = perf_counter()
    for batch in range(TASKS // BATCH):
        async with trio.open_nursery() as nursery:
            for _ in range(BATCH):
                nursery.start_soon(short)
        if batch % (TASKS // BATCH // 10) == 0:
            done = (batch + 1) * BATCH
            print(f"  {done:>12,} tasks  {megabytes():7.1f} MB  {perf_counter() - begun:6.0f} s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        instrument = FlamegraphInstrument(Path(folder) / "stack")
        print(f"{TASKS:,} short tasks, each with a span")
        trio.run(main, instruments=[instrument])
        profile = instrument.profile
        profile.check()
        print(f"  {len(profile.stacks)} stacks, both laws hold, {megabytes():.1f} MB at the end")
