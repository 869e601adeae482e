"""How much memory the flight recorder takes in an hour of simulated load, by a clock that is set.

Tasks come, step in spans and exit: a million spans, each with a name of its own. Now and then one
is slow, or ends with an error. The keeper looks ten times a second, as its thread does. What it
keeps is counted and dropped: the files would be on disk.

    python benchmarks/keeper_memory.py [MINUTES [MEMORY_IN_MIB]]
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tracetools import slow, span
from tracetools.core.native import native
from tracetools.recording.keeper import Keeper
from tracetools.testing import ScriptedLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.recording.keeper import Kept

SECOND = 1_000_000_000
LOOKS = 10
"""Looks of the keeper in a second."""

SPANS = 28
"""Spans between two looks: a million in an hour."""

STEPS = 4
"""Steps of a task between two spans."""


def resident() -> float:
    """Return the memory of this process, in MiB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


class Load:
    """A loop under load, and its keeper.

    Attributes:
        kept: how many pages would have been made.
    """

    def __init__(self, memory: int) -> None:
        self.script = ScriptedLoop(scheduled=True)
        self.recorder = self.script.recorder
        self.keeper = Keeper(self.recorder, slow(0.05, errors=True, memory=memory), self._keep)
        loop = self.script.loop
        loop.journal, loop.slow_after = self.recorder.journal, self.recorder.slow_after
        self.kept = self._number = 0

    def _keep(self, _: Kept) -> Callable[[], None]:
        self.kept += 1
        return lambda: None

    def second(self) -> None:
        """Let a second pass."""
        for _ in range(LOOKS):
            for _ in range(SPANS):
                self._number += 1
                self._task(self._number)
            self.script.tick(SECOND // LOOKS - SPANS * STEPS * 100_000)
            self.keeper.look()

    def _task(self, number: int) -> None:
        """Let a task come, step, and exit."""
        script = self.script
        task = script.spawn("task")
        script.begin_step(task)
        try:
            with span(f"request {number}"):
                for _ in range(STEPS):
                    script.tick(100_000_000 if number % 9973 == 0 else 100_000)
                    script.end_step()
                    script.wake(task)
                    script.begin_step(task)
                if number % 4999 == 0:
                    int("")
        except ValueError:
            pass
        script.exit(task)
        script.tasks.clear()


def main(minutes: int = 60, mebibytes: int = 32) -> None:
    """Print the figures."""
    before = resident()
    load = Load(mebibytes << 20)
    print(f"{'native' if native else 'reference'} core, a ring of {mebibytes} MiB")
    print(f"{'minute':>6} {'events':>12} {'spans':>10} {'stacks':>7} {'kept':>6} {'MiB':>7}")
    begin = time.perf_counter()
    for minute in range(minutes + 1):
        if minute in {0, 1, 5} or minute % 10 == 0:
            gc.collect()
            stacks = len(load.script.loop.tree.stacks)
            print(
                f"{minute:6} {load.recorder.journal.noted:12,} {load._number:10,} {stacks:7,}"
                f" {load.kept:6,} {resident() - before:7.1f}",
                flush=True,
            )
        if minute < minutes:
            for _ in range(60):
                load.second()
    print(f"in {time.perf_counter() - begin:.0f} s of real time; skipped {load.keeper.skipped:,}")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*given)
