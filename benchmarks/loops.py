"""What steps, short tasks and callbacks take under each variant: measured by `costs.py`.

    python benchmarks/loops.py PROGRAM SECONDS [CORE]

writes what each variant took in each slice, in nanoseconds of CPU time of the process for one step,
task or callback. What it takes to start and end a loop and a recording is not among it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from time import process_time_ns
from typing import Any, NamedTuple

import trio
from variants import VARIANTS, interleave, pin, recording

Main = Callable[[int], Coroutine[Any, Any, None]]
"""Does a number of things, which are measured."""

TASKS = 10
"""How many tasks step in turn."""

BATCH = 100
"""How many short tasks there are at once."""

# ------------------------------------------------------------------------------------------ steps


async def trio_steps(number: int) -> None:
    async def task() -> None:
        for _ in range(number // TASKS):
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(task)


async def asyncio_steps(number: int) -> None:
    async def task() -> None:
        for _ in range(number // TASKS):
            await asyncio.sleep(0)

    await asyncio.gather(*(task() for _ in range(TASKS)))


# ------------------------------------------------------------------------------------ short tasks


async def trio_tasks(number: int) -> None:
    for _ in range(number // BATCH):
        async with trio.open_nursery() as nursery:
            for _ in range(BATCH):
                nursery.start_soon(trio.lowlevel.checkpoint)


async def asyncio_tasks(number: int) -> None:
    for _ in range(number // BATCH):
        await asyncio.gather(*[asyncio.create_task(asyncio.sleep(0)) for _ in range(BATCH)])


async def group_tasks(number: int) -> None:
    for _ in range(number // BATCH):
        async with asyncio.TaskGroup() as group:
            for _ in range(BATCH):
                group.create_task(asyncio.sleep(0))


# -------------------------------------------------------------------------------------- callbacks


async def callbacks(width: int, number: int) -> None:
    """Let some callbacks have themselves called again, until all calls are made."""
    loop, left = asyncio.get_running_loop(), number
    done = loop.create_future()

    def again() -> None:
        nonlocal left
        left -= 1
        if left > 0:
            loop.call_soon(again)
        elif not done.done():
            done.set_result(None)

    for _ in range(width):
        loop.call_soon(again)
    await done


async def future_callbacks(number: int) -> None:
    """Let each future call a method of an object."""

    class Counter:
        left = number

        def count(self, _future: Any) -> None:
            self.left -= 1

    loop, counter = asyncio.get_running_loop(), Counter()
    while counter.left > 0:
        for _ in range(BATCH):
            future = loop.create_future()
            future.add_done_callback(counter.count)
            future.set_result(None)
        await asyncio.sleep(0)


# -------------------------------------------------------------------------------------- measuring

SLICES = 8
"""How many slices are measured in each recording."""


def run_uvloop(main: Main, number: int) -> list[float]:
    import uvloop  # noqa: PLC0415  # only where it is asked for

    return uvloop.run(timed(main, number))


RUNS: dict[str, Callable[[Main, int], list[float]]] = {
    "trio": lambda main, number: trio.run(timed, main, number),
    "asyncio": lambda main, number: asyncio.run(timed(main, number)),
    "uvloop": run_uvloop,
}


class Program(NamedTuple):
    """What is measured, on which loop, and how many of it in a slice.

    A slice takes some milliseconds: so short that a few are not disturbed, and so long that samples
    of functions, one in a millisecond, are in each.
    """

    backend: str
    main: Main
    number: int
    variants: tuple[str, ...] = ("time only", "default", "all on")


STEP_VARIANTS = ("time only", "default", "functions", "all on")
PROGRAMS = {
    "step, trio": Program("trio", trio_steps, 3000, STEP_VARIANTS),
    "step, asyncio": Program("asyncio", asyncio_steps, 4000, STEP_VARIANTS),
    "step, uvloop": Program("uvloop", asyncio_steps, 8000, STEP_VARIANTS),
    "short task, trio": Program("trio", trio_tasks, 300),
    "short task, asyncio create_task": Program("asyncio", asyncio_tasks, 1000),
    "short task, asyncio TaskGroup": Program("asyncio", group_tasks, 1000),
    "callback, one at a time": Program("asyncio", partial(callbacks, 1), 2000),
    "callback, 100 at a time": Program("asyncio", partial(callbacks, 100), 5000),
    "callback of a future": Program("asyncio", future_callbacks, 3000),
}


async def timed(main: Main, number: int) -> list[float]:
    """Return the nanoseconds for one of so many, for some slices; one before is thrown away."""
    found = []
    for _ in range(SLICES + 1):
        began = process_time_ns()
        await main(number)
        found.append((process_time_ns() - began) / number)
    return found[1:]


def measured(program: Program, variant: str) -> list[float]:
    with recording(VARIANTS[variant]):
        return RUNS[program.backend](program.main, program.number)


def main(name: str, seconds: float) -> None:
    program = PROGRAMS[name]
    variants = ("nothing", *program.variants)
    ways = {variant: partial(measured, program, variant) for variant in variants}
    print(json.dumps(interleave(ways, seconds=seconds)))


if __name__ == "__main__":
    pin(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    main(sys.argv[1], float(sys.argv[2]))
