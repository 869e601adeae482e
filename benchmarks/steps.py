"""What recording costs a step and a short task, as ratios of nothing: on trio, asyncio and uvloop.

The rounds of all variants are interleaved, so that all see one machine. CPU time of the process.

    python benchmarks/steps.py [trio|asyncio|uvloop] [ROUNDS]

Budgets of pure Python, time alone: a step 1.25 on trio and 1.42 on asyncio; a short task on trio
(spawn, two steps, exit) 1.6.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import trio
from interleave import measure, report

from tracetools import FlamegraphInstrument, record

TASKS, STEPS, SHORT = 10, 4000, 10_000
VARIANTS: dict[str, dict[str, Any]] = {
    "time alone": {"await_stacks": False, "blocking": None},
    "default": {},
    "scheduled": {"scheduled": True},
    "all on": {"scheduled": True, "functions": True},
}


async def trio_steps() -> None:
    for _ in range(STEPS):
        await trio.lowlevel.checkpoint()


async def trio_main() -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(trio_steps)


async def trio_short() -> None:
    for _ in range(SHORT // 100):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(trio.lowlevel.checkpoint)


async def asyncio_steps() -> None:
    for _ in range(STEPS):
        await asyncio.sleep(0)


async def asyncio_main() -> None:
    await asyncio.gather(*(asyncio_steps() for _ in range(TASKS)))


async def asyncio_short() -> None:
    for _ in range(SHORT // 100):
        await asyncio.gather(*(asyncio.create_task(asyncio.sleep(0)) for _ in range(100)))


def run_trio(main: Callable[[], Any], file: Path, options: dict[str, Any] | None) -> None:
    instruments = [] if options is None else [FlamegraphInstrument(file, **options)]
    trio.run(main, instruments=instruments)


def run_asyncio(main: Callable[[], Any], file: Path, options: dict[str, Any] | None) -> None:
    recording: AbstractContextManager[Any] = nullcontext()
    if options is not None:
        recording = record(file, **options)
    with recording:
        asyncio.run(main())


def run_uvloop(main: Callable[[], Any], file: Path, options: dict[str, Any] | None) -> None:
    import uvloop  # noqa: PLC0415  # only where it is asked for

    recording: AbstractContextManager[Any] = nullcontext()
    if options is not None:
        recording = record(file, **options)
    with recording:
        uvloop.run(main())


RUNS = {
    "trio": (run_trio, trio_main, trio_short),
    "asyncio": (run_asyncio, asyncio_main, asyncio_short),
    "uvloop": (run_uvloop, asyncio_main, asyncio_short),
}


def timed(run: Callable[[Any], None], times: int, options: Any) -> float:
    gc.collect()
    begun = process_time()
    run(options)
    return (process_time() - begun) / times * 1e9


def compare(title: str, rounds: int, timed_with: Callable[[Any], float]) -> None:
    variants = {
        name: partial(timed_with, options)
        for name, options in {"nothing": None, **VARIANTS}.items()
    }
    report(title, measure(variants, rounds), "nothing", "ns")


if __name__ == "__main__":
    backend = sys.argv[1] if len(sys.argv) > 1 else "trio"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    run, main, short = RUNS[backend]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stack"
        for what, program, times in (("step", main, TASKS * STEPS), ("short task", short, SHORT)):
            run_one = partial(run, program, file)
            compare(f"a {what} on {backend}", rounds, partial(timed, run_one, times))
