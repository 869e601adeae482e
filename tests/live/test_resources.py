"""Who has a lock, a semaphore or a limiter, by what it knows itself."""

from __future__ import annotations

import asyncio

import anyio
import pytest
import trio

from tests.live.programs import Program
from tracetools.live.resources import locks_among, wants


class Unrelated:
    pass


@pytest.mark.parametrize(
    "make",
    [
        asyncio.Lock,
        lambda: asyncio.Semaphore(1),
        lambda: asyncio.BoundedSemaphore(1),
        trio.Lock,
        trio.StrictFIFOLock,
        lambda: trio.CapacityLimiter(1),
        lambda: trio.Semaphore(1),
    ],
)
def test_locks_are_known_by_their_classes(make):
    lock = make()
    assert locks_among([Unrelated(), lock, asyncio.Condition]) == {id(lock)}


@pytest.mark.parametrize("name", ["anyio on trio", "anyio on asyncio"])
def test_so_are_those_of_anyio(name):
    async def main(program):
        for lock in (anyio.Lock(), anyio.Semaphore(1), anyio.CapacityLimiter(1)):
            assert len(locks_among([lock, Unrelated()])) == 1
        return await program.dump_here()

    Program(name).dump(main)


def test_an_adapter_of_anyio_is_what_it_has_made():
    outside = anyio.Semaphore(1)

    async def main(program):
        async with outside:
            assert len(locks_among([outside])) == 1
        return await program.dump_here()

    Program("anyio on asyncio").dump(main)


def test_a_lock_of_trio_knows_its_owner():
    async def main():
        lock, task = trio.Lock(), trio.lowlevel.current_task()
        assert wants(lock, None, type(task)).holders == ()
        async with lock:
            wanted = wants(lock, None, type(task))
        assert [each.task for each in wanted.holders] == [id(task)]
        assert (wanted.kind, wanted.taken, wanted.resource) == ("Lock", 1, None)

    trio.run(main)


def test_a_limiter_knows_who_has_its_tokens():
    async def main():
        limiter, task = trio.CapacityLimiter(3), trio.lowlevel.current_task()
        async with limiter:
            limiter.acquire_on_behalf_of_nowait("a thread")
            wanted = wants(limiter, None, type(task))
        assert sorted(each.task for each in wanted.holders) == [0, id(task)]
        assert wanted.kind == "CapacityLimiter"

    trio.run(main)


@pytest.mark.parametrize(
    ("make", "taken"),
    [
        (asyncio.Lock, 1),
        (lambda: asyncio.Semaphore(3), None),
        (lambda: asyncio.BoundedSemaphore(3), 2),
        (lambda: trio.Semaphore(3), None),
        (lambda: trio.Semaphore(1, max_value=3), 2),
    ],
)
def test_others_know_at_most_how_many_tokens_are_taken(make, taken):
    async def main():
        lock = make()
        if isinstance(lock, asyncio.BoundedSemaphore):
            await lock.acquire()
            await lock.acquire()
        wanted = wants(lock, None, asyncio.Task)
        assert (wanted.holders, wanted.taken) == (None, taken)

    asyncio.run(main())
