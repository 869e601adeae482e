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

Measured = Callable[[int], Coroutine[Any, Any, list[float]]]
"""Does a number of things in each of some slices; returns the nanoseconds for one in each slice."""

SLICES = 8
"""How many slices are measured in each recording. One more before them is thrown away."""

TASKS = 10
"""How many tasks step in turn."""

BATCH = 100
"""How many short tasks there are at once."""

# ------------------------------------------------------------------------------------------ steps
# The tasks live on from slice to slice. A loop lets each of them step once before any steps again.


async def step(pause: Callable[[], Any], number: int) -> None:
    for _ in range((SLICES + 1) * (number // TASKS)):
        await pause()


async def timed_steps(pause: Callable[[], Any], number: int) -> list[float]:
    """Be one of the tasks, and look at the clock."""
    found = []
    for _ in range(SLICES + 1):
        began = process_time_ns()
        for _ in range(number // TASKS):
            await pause()
        found.append((process_time_ns() - began) / number)
    return found[1:]


async def trio_steps(number: int) -> list[float]:
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS - 1):
            nursery.start_soon(step, trio.lowlevel.checkpoint, number)
        return await timed_steps(trio.lowlevel.checkpoint, number)


async def asyncio_steps(number: int) -> list[float]:
    pause = partial(asyncio.sleep, 0)
    others = [asyncio.create_task(step(pause, number)) for _ in range(TASKS - 1)]
    found = await timed_steps(pause, number)
    await asyncio.gather(*others)
    return found


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


def run_uvloop(main: Coroutine[Any, Any, list[float]]) -> list[float]:
    import uvloop  # noqa: PLC0415  # only where it is asked for

    return uvloop.run(main)


def timed(do: Callable[[int], Any]) -> Measured:
    async def measured(number: int) -> list[float]:
        found = []
        for _ in range(SLICES + 1):
            began = process_time_ns()
            await do(number)
            found.append((process_time_ns() - began) / number)
        return found[1:]

    return measured


class Program(NamedTuple):
    """What is measured, on which loop, and how many of it in a slice.

    A slice takes some milliseconds: so short that a few are not disturbed, and so long that samples
    of functions, one in a millisecond, are in each.
    """

    backend: str
    main: Measured
    number: int
    variants: tuple[str, ...] = ("time only", "default", "all on")


STEP_VARIANTS = ("time only", "default", "functions", "wakers", "keep", "all on")
PROGRAMS = {
    "step, trio": Program("trio", trio_steps, 3000, STEP_VARIANTS),
    "step, asyncio": Program("asyncio", asyncio_steps, 4000, STEP_VARIANTS),
    "step, uvloop": Program("uvloop", asyncio_steps, 8000, STEP_VARIANTS),
    "short task, trio": Program("trio", timed(trio_tasks), 300),
    "short task, asyncio create_task": Program("asyncio", timed(asyncio_tasks), 1000),
    "short task, asyncio TaskGroup": Program("asyncio", timed(group_tasks), 1000),
    "callback, one at a time": Program("asyncio", timed(partial(callbacks, 1)), 2000),
    "callback, 100 at a time": Program("asyncio", timed(partial(callbacks, 100)), 5000),
    "callback of a future": Program("asyncio", timed(future_callbacks), 3000),
}


def measured(program: Program, variant: str) -> list[float]:
    with recording(VARIANTS[variant]):
        if program.backend == "trio":
            return trio.run(program.main, program.number)
        run = run_uvloop if program.backend == "uvloop" else asyncio.run
        return run(program.main(program.number))


def main(name: str, seconds: float) -> None:
    program = PROGRAMS[name]
    variants = ("nothing", *program.variants)
    ways = {variant: partial(measured, program, variant) for variant in variants}
    print(json.dumps(interleave(ways, seconds=seconds)))


if __name__ == "__main__":
    pin(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    main(sys.argv[1], float(sys.argv[2]))
