"""A wait for children is known as one, in each way in which asyncio waits for them."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.backends import AsyncioBackend, TrioBackend
from tests.instruments.test_scenarios import MODES
from tests.scenarios import World, rest, work
from tracetools import slow, span


@pytest.fixture(autouse=True)
def world():
    yield World
    World.backend = TrioBackend(World.clock)


async def child():
    await rest(20)
    work(4)


async def gather():
    await asyncio.gather(child())


async def task():
    await asyncio.create_task(child())


async def task_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(child())


async def wait():
    await asyncio.wait([asyncio.create_task(child())])


async def wait_for():
    await asyncio.wait_for(asyncio.create_task(child()), 1000)


async def shield():
    await asyncio.shield(child())


async def as_completed():
    for each in asyncio.as_completed([child()]):
        await each


WAYS = [gather, task, wait, wait_for, shield, as_completed]
if sys.version_info >= (3, 11):
    WAYS.append(task_group)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "mode", [pytest.param(m, id=m.name) for m in MODES if m.name in {"asyncio", "uvloop"}]
)
def test_a_wait_for_a_child_is_what_the_child_did(way, mode, tmp_path):
    async def main():
        with span("request"):
            await way()

    World.backend = AsyncioBackend(World.clock)
    options = {"clock": World.clock, "await_after": 0, "flush_interval": None}
    profile = mode.run(main, tmp_path / "stack", keep=slow(0, after=0), **options)
    [spans] = [spans for path, spans in profile.slow.items() if path[-1].name == "request"]
    assert spans.breakdown.duration == 24
    in_child = [
        time
        for path, time in spans.critical.shares.items()
        if any(frame.name == "child" for frame in path)
    ]
    assert sum(in_child) == 24
