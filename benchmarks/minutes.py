"""What writing profiles by the minute costs a loop: its gaps, and CPU time.

    python benchmarks/minutes.py nothing|record|always

A file is written every 2 seconds; 9,000 tasks wait, with 18,000 stacks that all change.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time

from tracetools import continuous, record, span

SECONDS = 8
TASKS = 9_000


async def parked(number: int, gate: asyncio.Event) -> None:
    with span(f"s{number % 100}"), span(f"t{number}"):
        await gate.wait()


async def main() -> None:
    gate = asyncio.Event()
    tasks = [asyncio.create_task(parked(number, gate)) for number in range(TASKS)]
    await asyncio.sleep(2)
    gaps = []
    end, used = time.perf_counter() + SECONDS, time.process_time()
    while time.perf_counter() < end:
        begin = time.perf_counter()
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - begin - 0.001)
    used = time.process_time() - used
    gaps.sort()
    gate.set()
    await asyncio.gather(*tasks)
    shown = [
        f"p{100 * part:g} {1e3 * gaps[int(len(gaps) * part)]:.2f}" for part in (0.5, 0.99, 0.999)
    ]
    print(
        f"{sys.argv[1]}: {used:.2f} s of CPU; gaps {', '.join(shown)}, max {1e3 * gaps[-1]:.1f} ms"
    )


HOW = {
    "nothing": contextlib.nullcontext,
    "record": lambda: record(max_stacks=30_000),
    "always": lambda: continuous(tempfile.mkdtemp(), every=2, max_stacks=30_000),
}

if __name__ == "__main__":
    with HOW[sys.argv[1]]():
        asyncio.run(main())
