"""What recording costs a step on asyncio: tasks that do nothing but `sleep(0)`, three awaits deep.

Budget for time alone: at most 1.25 of a wrapper that passes everything through and records nothing,
which is the floor for whoever wants to see steps; at most 1.35 of no wrapper at all.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from interleave import measure, report

from tracetools import record

TASKS, STEPS = 20, 5000


class PassThrough(Coroutine[Any, Any, Any]):
    """The least that lets steps be seen: what a task needs, passed on."""

    __slots__ = ("_coroutine", "_send")

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine
        self._send = coroutine.send

    def send(self, value: Any) -> Any:
        return self._send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)


def pass_through(loop: Any, coro: Any, **options: Any) -> Any:
    return asyncio.Task(PassThrough(coro), loop=loop, **options)


async def leaf() -> None:
    for _ in range(STEPS):
        await asyncio.sleep(0)


async def middle() -> None:
    await leaf()


async def worker() -> None:
    await middle()


async def main(factory: Any) -> float:
    asyncio.get_running_loop().set_task_factory(factory)
    begun = perf_counter_ns()
    await asyncio.gather(*(worker() for _ in range(TASKS)))
    return (perf_counter_ns() - begun) / (TASKS * STEPS)


def run(recording: Any, factory: Any = None) -> float:
    with recording:
        return asyncio.run(main(factory))


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stack"
        found = measure(
            {
                "nothing": lambda: run(nullcontext()),
                "passed through": lambda: run(nullcontext(), pass_through),
                "time alone": lambda: run(record(file, await_stacks=False, blocking=None)),
                "recorded": lambda: run(record(file)),
                "recorded, scheduled": lambda: run(record(file, scheduled=True)),
            },
            rounds,
        )
    report("a step on asyncio", found, "nothing", "ns")
    report("a step on asyncio", found, "passed through", "ns")
