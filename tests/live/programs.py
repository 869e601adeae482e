"""Programs that are dumped, on every backend, and how they are run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import trio
import uvloop

from tests.backends import AnyioOnTrioBackend, AsyncioBackend, Backend, TrioBackend
from tracetools.live.taking import take_dump
from tracetools.live.values import Dump, TaskDump
from tracetools.testing import FakeClock

Main = Callable[[], Coroutine[Any, Any, None]]


def on_anyio(**options: Any) -> Callable[[Main], None]:
    return lambda main: anyio.run(main, **options)


RUNS: dict[str, tuple[type[Backend], Callable[[Main], None]]] = {
    "trio": (TrioBackend, trio.run),
    "anyio on trio": (AnyioOnTrioBackend, on_anyio(backend="trio")),
    "asyncio": (AsyncioBackend, lambda main: asyncio.run(main())),
    "anyio on asyncio": (Backend, on_anyio(backend="asyncio")),
    "uvloop": (AsyncioBackend, lambda main: uvloop.run(main())),
    "anyio on uvloop": (Backend, lambda main: uvloop.run(main())),
}
"""The words of each backend, and what runs a program on it."""


class Program:
    """A program on one backend."""

    def __init__(self, name: str) -> None:
        self.name = name
        backend, self._run = RUNS[name]
        self.words = backend(FakeClock())

    @property
    def backend(self) -> str:
        """What a dump calls it."""
        return self.name.rpartition(" ")[2]

    async def settle(self) -> None:
        """Let all other tasks go as far as they can."""
        for _ in range(30):
            await self.words.checkpoint()

    def dump(self, main: Callable[[Program], Coroutine[Any, Any, Dump]]) -> Dump:
        """Run a program, and return the dump that it takes."""
        found: list[Dump] = []

        async def run() -> None:
            found.append(await main(self))

        self._run(run)
        [dump] = found
        assert Dump.from_json(dump.to_json()) == dump
        return dump

    async def dump_here(self) -> Dump:
        await self.settle()
        return take_dump()

    async def dump_from_thread(self) -> Dump:
        await self.settle()
        found: list[Dump] = []
        await self.words.run_in_thread(lambda: found.append(take_dump(10)))
        return found[0]


def tasks_of(dump: Dump) -> dict[str, TaskDump]:
    """Return the tasks of a dump by the last part of the name of their function."""
    [loop] = dump.loops
    return {name_of(task): task for task in loop.tasks}


def name_of(task: TaskDump) -> str:
    return task.function.name.rpartition(".")[2]


def line_of(function: Callable[..., Any], text: str) -> int:
    """Return the line of a function that has a text."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    [found] = [number for number, line in enumerate(lines, first) if text in line]
    return found
