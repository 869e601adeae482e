"""What recording costs a step: a loop of bare checkpoints, against instruments with empty hooks.

Budget: at most 1.10 of the empty hooks, which are the floor that trio allows, for time alone; what
else there is by default has budgets of its own (`awaits`, `watch`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

import trio
from interleave import measure, report

from tracetools import FlamegraphInstrument

TASKS, STEPS = 10, 2000


class Empty(trio.abc.Instrument):
    """The hooks that recording needs, and nothing in them."""

    def task_spawned(self, task: object) -> None:
        pass

    def before_task_step(self, task: object) -> None:
        pass

    def after_task_step(self, task: object) -> None:
        pass

    def task_exited(self, task: object) -> None:
        pass


class EmptyScheduled(Empty):
    """One more, for scheduled time."""

    def task_scheduled(self, task: object) -> None:
        pass


async def worker() -> None:
    for _ in range(STEPS):
        await trio.lowlevel.checkpoint()


async def main() -> float:
    begun = perf_counter_ns()
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(worker)
    return (perf_counter_ns() - begun) / (TASKS * STEPS)


def run(make: Callable[[], trio.abc.Instrument] | None) -> float:
    return trio.run(main, instruments=[make()] if make else [])


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stack"
        found = measure(
            {
                "no instrument": lambda: run(None),
                "empty hooks": lambda: run(Empty),
                "time alone": lambda: run(
                    lambda: FlamegraphInstrument(file, await_stacks=False, blocking=None)
                ),
                "recording": lambda: run(lambda: FlamegraphInstrument(file)),
                "empty hooks, scheduled": lambda: run(EmptyScheduled),
                "recording, scheduled": lambda: run(
                    lambda: FlamegraphInstrument(file, scheduled=True)
                ),
            },
            rounds,
        )
    report("a step of a bare checkpoint loop", found, "empty hooks", "ns")
    scheduled = {name: values for name, values in found.items() if "scheduled" in name}
    report("the same with scheduled time", scheduled, "empty hooks, scheduled", "ns")
