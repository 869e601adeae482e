"""What await stacks cost a step: bare checkpoints at several depths, against empty hooks.

Budget: at most 1.15 of the empty hooks with waits over 100 µs walked, as by default; in this loop
they are shorter. The last column walks every wait, which is why that is not the default.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import trio
from hooks import Empty
from interleave import measure, report

from tracetools import FlamegraphInstrument

TASKS, STEPS, DEPTHS = 10, 1000, (3, 10, 30)


async def descend(levels: int) -> None:
    if levels:
        await descend(levels - 1)
        return
    for _ in range(STEPS):
        await trio.lowlevel.checkpoint()


async def main(depth: int) -> float:
    begun = perf_counter_ns()
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(descend, depth)
    return (perf_counter_ns() - begun) / (TASKS * STEPS)


def run(depth: int, make: Any) -> float:
    return trio.run(main, depth, instruments=[make()])


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        recording = partial(
            FlamegraphInstrument, Path(folder) / "stack", flush_interval=None, blocking=None
        )
        variants = {
            "empty hooks": Empty,
            "time alone": partial(recording, await_stacks=False),
            "await stacks": recording,
            "every wait": partial(recording, await_after=0),
        }
        for depth in DEPTHS:
            found = measure(
                {name: partial(run, depth, make) for name, make in variants.items()}, rounds
            )
            report(f"a step, {depth} awaits deep", found, "empty hooks", "ns")
