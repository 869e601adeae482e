"""What recording costs a callback and a step of asyncio, in nanoseconds over nothing.

The rounds of all variants are interleaved, so that all see one machine. With another checkout, its
rounds run in a process of their own, in turn with ours. CPU time of the process.

    python benchmarks/callbacks.py [ROUNDS] [SRC OF ANOTHER CHECKOUT]

The last column is the extra time in parts of a bare step, for machines differ by a factor of three.
Budget: a callback 100 ns where a bare step takes 1,000; a step no more than before callbacks were
measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from time import process_time_ns
from typing import Any

CALLS = 20_000
VARIANTS: dict[str, dict[str, Any]] = {
    "time alone": {"await_stacks": False, "blocking": None},
    "default": {},
}


async def callbacks(width: int) -> None:
    """Let some callbacks have themselves called again, until all calls are made."""
    loop, left = asyncio.get_running_loop(), CALLS
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


async def steps(make: Callable[[], Any]) -> None:
    async def task() -> None:
        for _ in range(CALLS // 10):
            await make()

    await asyncio.gather(*(task() for _ in range(10)))


async def woken() -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, None)
    await future


async def future_callbacks() -> None:
    """Let each future call a method of an object."""

    class Counter:
        left = CALLS

        def count(self, _future: Any) -> None:
            self.left -= 1

    loop, counter = asyncio.get_running_loop(), Counter()
    while counter.left > 0:
        for _ in range(100):
            future = loop.create_future()
            future.add_done_callback(counter.count)
            future.set_result(None)
        await asyncio.sleep(0)


PROGRAMS: dict[str, Callable[[], Any]] = {
    "a callback, one at a time": partial(callbacks, 1),
    "a callback, a hundred at a time": partial(callbacks, 100),
    "a future's callback, a method": future_callbacks,
    "a step of sleep(0)": partial(steps, partial(asyncio.sleep, 0)),
    "a step that a future wakes": partial(steps, woken),
}


async def taken_by(program: Callable[[], Any]) -> float:
    """Return the nanoseconds of a call, without what it takes to start and end a recording."""
    begun = process_time_ns()
    await program()
    return (process_time_ns() - begun) / CALLS


def timed(program: str, options: dict[str, Any] | None) -> float:
    recording: AbstractContextManager[Any] = nullcontext()
    with tempfile.TemporaryDirectory() as folder:
        if options is not None:
            from tracetools import record  # noqa: PLC0415  # not for the one of nothing

            recording = record(Path(folder) / "stack", flush_interval=None, **options)
        gc.collect()
        with recording:
            return asyncio.run(taken_by(PROGRAMS[program]))


class Other:
    """A process that measures with another checkout."""

    def __init__(self, src: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": src},
        )

    def timed(self, program: str, options: dict[str, Any] | None) -> float:
        stdin: Any = self._process.stdin
        stdout: Any = self._process.stdout
        print(json.dumps([program, options]), file=stdin, flush=True)
        return float(stdout.readline())

    def end(self) -> None:
        self._process.communicate()


def serve() -> None:
    for line in sys.stdin:
        print(timed(*json.loads(line)), flush=True)


def main(rounds: int, src: str | None) -> None:
    other = Other(src) if src else None
    ways = {"nothing": partial(timed, options=None)}
    ways |= {name: partial(timed, options=options) for name, options in VARIANTS.items()}
    if other is not None:
        for name, options in VARIANTS.items():
            ways[f"{name}, other checkout"] = partial(other.timed, options=options)
    found: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds + 1):
        for program in PROGRAMS:
            for name, way in ways.items():
                value = way(program)
                if number:  # the first round is thrown away
                    found.setdefault(program, {}).setdefault(name, []).append(value)
    step = statistics.median(found["a step of sleep(0)"]["nothing"])
    for program, values in found.items():
        print(f"{program} (Python {platform.python_version()}, {rounds} rounds)")
        for name, mine in values.items():
            extra = [one - none for one, none in zip(mine, values["nothing"], strict=True)]
            median = statistics.median(extra)
            total = statistics.median(mine)
            print(f"  {name:<28} {total:9,.0f} ns {median:+9,.0f} ns {median / step:+8.3f}")
    if other is not None:
        other.end()


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
        main(rounds, sys.argv[2] if len(sys.argv) > 2 else None)
