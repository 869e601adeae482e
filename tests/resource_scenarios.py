"""Small programs with what their profiles must know of locks, queues and the like, exactly.

They work and rest by the fake clock of `tests.scenarios`, on every backend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.scenarios import World, rest, work

Numbers = dict[str, tuple[int, ...]]
"""By the function of the program that has held or waited."""


@dataclass(frozen=True)
class Seen:
    """What one resource must have seen: the numbers of `Holds` and `Waits`, by function."""

    lived: int
    saturated: int = 0
    most_waiting: int = 0
    size: int | None = 1
    holds: Numbers = field(default_factory=dict)
    waits: Numbers = field(default_factory=dict)
    blockers: Numbers = field(default_factory=dict)
    getters: Numbers = field(default_factory=dict)
    items: tuple[int, int] = (0, 0)
    longest: int | None = 0
    length_time: int = 0


@dataclass(frozen=True)
class ResourceScenario:
    """A program, and what it must have done with each kind of resource."""

    main: Callable[[], Awaitable[None]]
    seen: dict[str, Seen]


TABLE: dict[str, ResourceScenario] = {}


def scenario(seen: dict[str, Seen]) -> Callable[[Any], Any]:
    def add(main: Any) -> Any:
        TABLE[main.__name__] = ResourceScenario(main, seen)
        return main

    return add


async def until_rested(ns: int) -> None:
    """Rest for so long, once all other tasks wait."""
    await World.backend.until_all_wait()
    await rest(ns)


async def holds_for(ns: int, resource: Any) -> None:
    async with resource:
        work(ns)


@scenario({"Lock": Seen(7, 7, holds={"a_lock_that_nobody_else_wants": (1, 7, 7, 5)})})
async def a_lock_that_nobody_else_wants():
    async with World.backend.make_lock():
        work(2)
        await rest(5)


@scenario(
    {
        "Lock": Seen(
            lived=40,
            saturated=40,
            most_waiting=2,
            holds={"a_lock_that_two_wait_for": (1, 30, 30, 30), "holds_for": (2, 10, 5, 0)},
            waits={"holds_for": (2, 65, 35, 0)},
            blockers={"a_lock_that_two_wait_for": (2, 65, 35, 0)},
        )
    }
)
async def a_lock_that_two_wait_for():
    lock = World.backend.make_lock()
    async with World.backend.open_group() as group, lock:
        group.start_soon(holds_for, 5, lock)
        group.start_soon(holds_for, 5, lock)
        await until_rested(30)


async def rests_with(lock: Any) -> None:
    async with lock:
        await rest(10)


@scenario(
    {
        "Lock": Seen(
            lived=30,
            saturated=30,
            most_waiting=2,
            holds={"rests_with": (3, 30, 10, 30)},
            waits={"rests_with": (2, 30, 20, 0)},
            blockers={"rests_with": (2, 30, 20, 0)},
        )
    }
)
async def a_lock_that_all_want_at_once():
    lock = World.backend.make_lock()
    async with World.backend.open_group() as group:
        for _ in range(3):
            group.start_soon(rests_with, lock)


@scenario(
    {
        "Semaphore": Seen(
            lived=26,
            saturated=22,
            most_waiting=1,
            size=2,
            holds={"a_semaphore_of_two": (2, 42, 22, 40), "holds_for": (1, 6, 6, 2)},
            waits={"holds_for": (1, 20, 20, 0)},
            blockers={"a_semaphore_of_two": (1, 20, 20, 0)},
        )
    }
)
async def a_semaphore_of_two():
    semaphore = World.backend.make_semaphore(2)
    async with World.backend.open_group() as group, semaphore:
        async with semaphore:
            group.start_soon(holds_for, 4, semaphore)
            await until_rested(20)
        work(2)  # the third has its token, and cannot step yet


@scenario(
    {
        "CapacityLimiter": Seen(
            lived=13,
            saturated=13,
            most_waiting=1,
            holds={"a_limiter_of_one": (1, 9, 9, 9), "holds_for": (1, 4, 4, 0)},
            waits={"holds_for": (1, 9, 9, 0)},
            blockers={"a_limiter_of_one": (1, 9, 9, 0)},
        )
    }
)
async def a_limiter_of_one():
    limiter = World.backend.make_limiter(1)
    async with World.backend.open_group() as group, limiter:
        group.start_soon(holds_for, 4, limiter)
        await until_rested(9)


async def puts(queue: Any, *items: int) -> None:
    for item in items:
        await queue.put(item)


@scenario(
    {
        "queue": Seen(
            lived=15,
            saturated=13,
            most_waiting=1,
            size=2,
            waits={"puts": (1, 10, 10, 0)},
            items=(3, 3),
            longest=2,
            length_time=2 * 13 + 1 * 2,
        )
    }
)
async def a_queue_that_is_full():
    queue = World.backend.make_queue(2)
    async with World.backend.open_group() as group:
        await puts(queue, 1, 2)
        group.start_soon(puts, queue, 3)
        await until_rested(10)
        assert await queue.get() == 1
        await World.backend.checkpoint()
        await World.backend.checkpoint()
        work(3)
        assert await queue.get() == 2
        work(2)
        assert await queue.get() == 3


async def gets(queue: Any) -> None:
    await queue.get()
    work(4)


@scenario(
    {
        "queue": Seen(
            lived=14,
            size=None,
            getters={"gets": (1, 10, 10, 0)},
            items=(1, 1),
            longest=None,  # trio gives it to the other task at once
        )
    }
)
async def a_queue_that_is_empty():
    queue = World.backend.make_queue(0)
    async with World.backend.open_group() as group:
        group.start_soon(gets, queue)
        await until_rested(10)
        await queue.put(1)


@scenario(
    {
        "Lock": Seen(
            lived=10,
            saturated=10,
            most_waiting=1,
            holds={"a_waiter_that_is_cancelled": (1, 10, 10, 7)},
            waits={"holds_for": (1, 7, 7, 1)},
            blockers={"a_waiter_that_is_cancelled": (1, 7, 7, 1)},
        )
    }
)
async def a_waiter_that_is_cancelled():
    lock = World.backend.make_lock()
    async with lock:
        async with World.backend.open_group() as group:
            group.start_soon(holds_for, 5, lock)
            await until_rested(7)
            group.cancel()
        work(3)


async def leaves(lock: Any) -> None:
    await lock.acquire()
    work(5)


@scenario({"Lock": Seen(lived=15, saturated=15, holds={"leaves": (1, 15, 15, 10)})})
async def a_lock_that_is_never_released():
    lock = World.backend.make_lock()
    async with World.backend.open_group() as group:
        group.start_soon(leaves, lock)
    await rest(10)
