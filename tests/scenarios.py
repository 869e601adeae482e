"""One table of small programs with the exact profile that each must have, under a fake clock.

A program works by `work` and waits by `rest`; nothing else takes any time. What differs between
trio, asyncio and anyio it takes from `World.backend`. Each is run on every backend and in every
mode that there is (`tests/instruments`).
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from tests.backends import Backend, TrioBackend
from tracetools import observe, span
from tracetools.core.stacks import Tokens
from tracetools.sampling.sampler import Sampler
from tracetools.testing import FakeClock


class World:
    """What programs do to the clock. One world, since observed functions are global."""

    clock = FakeClock()
    samplers: ClassVar[set[Sampler]] = set()
    backend: Backend = TrioBackend(clock)


def work(ns: int) -> None:
    """Be busy for so long, and let functions be sampled."""
    World.clock.tick(ns)
    for sampler in tuple(World.samplers):
        sampler._sample(lambda _: 1000)


async def rest(ns: int) -> None:
    """Wait for so long, while the loop has nothing to do. For one task at a time."""
    await World.backend.rest(ns)


def collect(ns: int) -> None:
    """Let a collection of garbage strike, for so long."""

    def tick(phase: str, _: object) -> None:
        if phase == "start":
            World.clock.tick(ns)

    gc.callbacks.append(tick)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(tick)


Program = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A program, and what its stacks must have: (busy, idle, steps, entries, thread).

    A number that depends on the order in which a backend runs its tasks is None. Steps are those of
    trio; the other backends may need more or fewer for the same work. Where tasks that begin
    eagerly make a difference to the rest, `eager` has the rows that change. `awaits` has the idle
    time of awaits by name, where it matters; `limiters` how many tokens were wanted. What a program
    needs that not every backend has is in `needs`. Where the loop calls functions of the program
    outside of tasks, `callbacks` has (busy, steps, self-wakes) of each. `latencies` has how long
    each span and task lasted, where that matters.
    """

    main: Program
    stacks: dict[str, tuple[int | None, ...]]
    waiting: int = 0
    eager: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    awaits: dict[str, int] | None = None
    limiters: list[Tokens] = field(default_factory=list)
    needs: str = ""
    callbacks: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    latencies: dict[str, list[int]] = field(default_factory=dict)


TABLE: dict[str, Scenario] = {}


def scenario(  # noqa: PLR0913, PLR0917  # what a profile must have
    stacks: dict[str, tuple[int | None, ...]],
    waiting: int = 0,
    eager: dict[str, tuple[int | None, ...]] | None = None,
    awaits: dict[str, int] | None = None,
    limiters: Iterable[Tokens] = (),
    needs: str = "",
    callbacks: dict[str, tuple[int, int, int]] | None = None,
    latencies: dict[str, list[int]] | None = None,
) -> Callable[[Program], Program]:
    def add(main: Program) -> Program:
        more = eager or {}, awaits, [*limiters], needs, callbacks or {}, latencies or {}
        TABLE[main.__name__] = Scenario(main, stacks, waiting, *more)
        return main

    return add


@scenario({"one_task": (5, 0, 1, 1)})
async def one_task():
    work(5)


@scenario(
    {"a_task_that_waits": (7, 30, 2, 1)},
    waiting=30,
    latencies={"a_task_that_waits": [37]},
)
async def a_task_that_waits():
    work(5)
    await rest(30)
    work(2)


@scenario(
    {
        "spans_across_steps": (1100, 0, 1, 1),
        ";outer": (10, 20, 1, 1),
        ";outer;inner": (3, 40, 1, 1),
    },
    waiting=60,
    latencies={"spans_across_steps": [1173], ";outer": [73], ";outer;inner": [43]},
)
async def spans_across_steps():
    work(100)
    with span("outer"):
        work(10)
        await rest(20)
        with span("inner"):
            work(1)
            await rest(40)
            work(2)
    work(1000)


@scenario(
    {
        "collections_of_garbage": (6, 0, 1, 1),
        ";(garbage collection, generation 2)": (100, 0, 0, 1),
        ";s": (2, 0, 0, 1),
        ";s;(garbage collection, generation 2)": (60, 0, 0, 2),
    }
)
async def collections_of_garbage():
    work(5)
    collect(100)
    with span("s"):
        work(2)
        collect(20)
        collect(40)
    work(1)


@observe
def helper():
    work(3)


@scenario(
    {
        "a_call": (1, 0, 1, 1),
        ";helper": (9, 0, 0, 3),
        ";s": (2, 0, 0, 1),
        ";s;helper": (3, 0, 0, 1),
    },
    latencies={"a_call": [15], ";helper": [3, 3, 3], ";s": [5], ";s;helper": [3]},
)
async def a_call():
    work(1)
    helper()
    helper()
    helper()
    with span("s"):
        work(2)
        helper()


@scenario(
    {"out_of_order": (11, 0, 1, 1), ";a": (2, 0, 0, 1), ";a;b": (12, 0, 0, 1)},
    latencies={"out_of_order": [25], ";a": [6], ";a;b": [12]},
)
async def out_of_order():
    a, b = span("a"), span("b")
    a.__enter__()
    work(2)
    b.__enter__()
    work(4)
    a.__exit__(None, None, None)
    work(8)
    b.__exit__(None, None, None)
    work(11)


async def child():
    work(10)


@scenario(
    {"a_child_in_a_span": (1, 0, 1, 1), ";s": (2, 10, 1, 1), ";s;child": (10, 0, 1, 1)},
)
async def a_child_in_a_span():
    work(1)
    with span("s"):
        async with World.backend.open_group() as group:
            work(2)
            group.start_soon(child)


async def into(group):
    with span("in"):
        group.start_soon(child)


@scenario(
    {
        "a_foreign_group": (0, 10, 2, 1),
        ";into": (0, 0, 1, 1),
        ";into;in": (0, 0, 0, 1),
        ";into;in;child": (10, 0, 1, 1),
    },
    eager={";into;in": (0, 10, 0, 1)},
)
async def a_foreign_group():
    async with World.backend.open_group() as group:
        group.start_soon(into, group)


async def service(*, task_status):
    work(1)
    task_status.started()
    work(4)


@scenario({"a_started_task": (16, 5, 3, 1), ";service": (5, 0, 1, 1)})
async def a_started_task():
    async with World.backend.open_group() as group:
        await group.start(service)
        work(16)


@observe(name="renamed")
async def observed_child():
    work(5)


@scenario({"an_observed_task": (0, 5, 2, 1), ";renamed": (5, 0, 1, 1)})
async def an_observed_task():
    async with World.backend.open_group() as group:
        group.start_soon(observed_child)


@observe
async def recursive(depth):
    work(1)
    if depth:
        await recursive(depth - 1)


@scenario(
    {
        "recursion": (0, 3, 2, 1),
        ";recursive": (1, 0, 1, 1),
        ";recursive;recursive": (1, 0, 0, 1),
        ";recursive;recursive;recursive": (1, 0, 0, 1),
    }
)
async def recursion():
    async with World.backend.open_group() as group:
        group.start_soon(recursive, 2)


@observe
def numbers():
    work(1)
    yield 1
    work(2)
    yield 2
    work(4)


@scenario({"a_generator": (200, 0, 1, 1), ";numbers": (7, 0, 0, 1)})
async def a_generator():
    for _ in numbers():
        work(100)


@observe
async def async_numbers():
    work(1)
    yield 1
    await rest(50)
    work(2)
    yield 2
    work(4)


@scenario(
    {"an_async_generator": (200, 0, 1, 1), ";async_numbers": (7, 50, 1, 1)},
    waiting=50,
)
async def an_async_generator():
    async for _ in async_numbers():
        work(100)


@observe
def yielding():
    try:
        while True:
            work(1)
            yield
    finally:
        work(10)


@scenario({"a_closed_generator": (100, 0, 1, 1), ";yielding": (11, 0, 0, 1)})
async def a_closed_generator():
    for _ in yielding():
        work(100)
        break


@asynccontextmanager
async def connection():
    with span("connection"):
        work(1)
        yield
        work(2)


@scenario({"a_span_around_a_yield": (1000, 0, 1, 1), ";connection": (103, 0, 0, 1)})
async def a_span_around_a_yield():
    async with connection():
        work(100)
    work(1000)


async def closer(opened):
    work(10)
    opened.__exit__(None, None, None)


@scenario(
    {
        "closed_in_another_task": (1000, 0, 1, 1),
        ";lent": (100, 10, 1, 1),
        ";lent;closer": (10, 100, 1, 1),
    },
    eager={
        "closed_in_another_task": (1100, 0, 1, 1),
        ";lent": (0, 10, 0, 1),
        ";lent;closer": (10, 0, 1, 1),
    },
)
async def closed_in_another_task():
    lent = span("lent")
    lent.__enter__()
    async with World.backend.open_group() as group:
        group.start_soon(closer, lent)
        work(100)
    work(1000)


async def patient():
    with span("patient"):
        work(1)
        try:
            await World.backend.sleep_forever()
        finally:
            work(2)


@scenario(
    {
        "a_cancelled_task": (100, 3, 3, 1),
        ";patient": (0, 0, 1, 1),
        ";patient;patient": (3, 100, 1, 1),
    }
)
async def a_cancelled_task():
    async with World.backend.open_group() as group:
        group.start_soon(patient)
        await World.backend.until_all_wait()
        work(100)
        group.cancel()


shared = span("shared")


async def sharer():
    with shared:
        work(1)
        await World.backend.checkpoint()
        work(1)


@scenario(
    {
        "one_span_for_a_thousand_tasks": (0, 2000, 2, 1),
        ";sharer": (0, 999 * 1000 // 2, 1000, 1000),
        ";sharer;shared": (2000, 999 * 1000, 1000, 1000),
    },
    eager={";sharer": (0, 0, 1000, 1000)},
)
async def one_span_for_a_thousand_tasks():
    async with World.backend.open_group() as group:
        for _ in range(1000):
            group.start_soon(sharer)


@observe
def in_thread():
    World.backend.until_loop_waits()  # until then, the step that started the thread may go on
    work(5)
    with span("deeper"):
        work(6)


@scenario(
    {
        "a_worker_thread": (0, 11, 3, 1),
        ";in_thread": (0, 0, 0, 1, 5),
        ";in_thread;deeper": (0, 0, 0, 1, 6),
    },
    waiting=11,
)
async def a_worker_thread():
    await World.backend.run_in_thread(in_thread)


def plain_in_thread():
    World.backend.until_loop_waits()
    work(5)


@scenario(
    {"a_plain_function_in_a_thread": (0, 5, 3, 1), ";plain_in_thread": (0, 0, 0, 1, 5)},
    waiting=5,
)
async def a_plain_function_in_a_thread():
    await World.backend.run_in_thread(plain_in_thread)


@scenario({"an_awaitable": (1, 0, 1, 1), ";part": (10, 0, 0, 1)})
async def an_awaitable():
    work(1)
    await observe(child(), name="part")


@observe
async def failing():
    work(1)
    raise ValueError


@scenario({"an_error": (2, 0, 1, 1), ";s": (0, 0, 0, 1), ";s;failing": (1, 0, 0, 1)})
async def an_error():
    try:
        with span("s"):
            await failing()
    except ValueError:
        work(2)


@scenario({"an_exit_stack": (1, 0, 1, 1), ";a": (2, 0, 0, 1), ";a;b": (4, 0, 0, 1)})
async def an_exit_stack():
    async with AsyncExitStack() as stack:
        stack.enter_context(span("a"))
        work(2)
        stack.enter_context(span("b"))
        work(4)
    work(1)


@scenario({"two_places": (0, 0, 1, 1), ";s": (5, 0, 0, 2)})
async def two_places():
    with span("s"):
        work(2)
    with span("s"):
        work(3)


async def shared_helper(ns):
    work(ns)
    await World.backend.checkpoint()
    work(ns)


async def second(ns):
    await shared_helper(ns)


async def third(ns):
    await second(ns)


async def fourth(ns):
    await third(ns)


async def apart(ns):
    await fourth(ns)


async def alpha():
    await fourth(1)
    async with World.backend.open_group() as group:
        group.start_soon(apart, 100)  # another function: one of this name is called as well


async def beta():
    await fourth(10)


async def gamma():
    for _ in range(3):
        await fourth(1000)


@scenario(
    {
        "a_helper_shared_by_three_kinds": (0, 6222, 2, 1),
        ";alpha": (2, None, 3, 1),
        ";alpha;apart": (200, None, 2, 1),
        ";beta": (20, None, 2, 1),
        ";gamma": (6000, None, 4, 1),
    }
)
async def a_helper_shared_by_three_kinds():
    async with World.backend.open_group() as group:
        group.start_soon(alpha)
        group.start_soon(beta)
        group.start_soon(gamma)


async def holder(thing):
    async with thing:
        await rest(10)


@scenario(
    {"a_lock_that_is_taken": (1, 20, 2, 1), ";holder": (0, 30, 6, 2)},
    waiting=20,
    awaits={"await Lock": 10},
)
async def a_lock_that_is_taken():
    lock = World.backend.make_lock()
    async with World.backend.open_group() as group:
        group.start_soon(holder, lock)
        group.start_soon(holder, lock)
    work(1)


@scenario(
    {"a_limiter_that_is_saturated": (1, 30, 2, 1), ";holder": (0, 60, 9, 3)},
    waiting=30,
    awaits={"await CapacityLimiter": 30},
    limiters=[Tokens(1, 3)],
)
async def a_limiter_that_is_saturated():
    limiter = World.backend.make_limiter(1)
    async with World.backend.open_group() as group:
        for _ in range(3):
            group.start_soon(holder, limiter)
    work(1)


@scenario({"a_fork_in_a_step": (16, 30, 2, 1), ";forking": (12, 0, 0, 1)}, waiting=30, needs="fork")
async def a_fork_in_a_step():
    work(5)
    with span("forking"):
        work(5)
        World.backend.fork()
        work(7)
    await rest(30)
    work(11)


@scenario({"a_task_made_directly": (3, 10, 2, 1), ";child": (10, 2, 1, 1)}, needs="asyncio")
async def a_task_made_directly():
    work(1)
    task = World.backend.make_task(child())
    work(2)
    await task


@scenario({"an_eager_task": (3, 10, 1, 1), ";child": (10, 0, 1, 1)}, needs="eager tasks")
async def an_eager_task():
    work(1)
    await World.backend.make_task(child(), eager_start=True)
    work(2)


async def handler(done):
    with span("handling"):
        work(100)
        await rest(50)
        work(200)
    done.set_result(None)


@scenario(
    {
        "a_task_that_a_callback_makes": (3, 350, 2, 1),
        ";handler": (0, 0, 0, 1),
        ";handler;handling": (300, 50, 2, 1),
    },
    waiting=50,
    needs="asyncio",
)
async def a_task_that_a_callback_makes():
    work(1)
    await World.backend.after_callback(handler)
    work(2)


@scenario(
    {
        "an_eager_task_that_a_callback_makes": (3, 350, 2, 1),
        ";handler": (0, 0, 0, 1),
        ";handler;handling": (300, 50, 2, 1),
    },
    waiting=50,
    needs="eager tasks",
)
async def an_eager_task_that_a_callback_makes():
    work(1)
    await World.backend.after_callback(handler, eager_start=True)
    work(2)


async def napper():
    work(10)
    await rest(50)
    work(20)


@scenario(
    {
        "a_loop_within_itself": (1, 80, 2, 1),
        ";s": (5, 80, 2, 1),
        ";napper": (30, 50, 2, 1),
        ";s;napper": (30, 50, 2, 1),
    },
    waiting=100,
    needs="nesting",
)
async def a_loop_within_itself():
    World.backend.run_nested(napper())
    work(1)
    with span("s"):
        work(2)
        World.backend.run_nested(napper())
        work(3)


@scenario(
    {
        "loops_within_each_other": (7, 91, 2, 1),
        ";nests": (11, 80, 2, 1),
        ";nests;napper": (30, 50, 2, 1),
    },
    waiting=50,
    needs="nesting",
)
async def loops_within_each_other():
    work(3)
    World.backend.run_nested(nests())
    work(4)


async def nests():
    work(5)
    World.backend.run_nested(napper())
    work(6)


def called(done, cause=None):
    work(5)
    if hasattr(cause, "recv"):  # or a future
        cause.recv(1)
    done.set_result(None)


@scenario(
    {"a_callback_of_every_kind": (5, 25, 6, 1)},
    waiting=25,
    needs="asyncio",
    callbacks={"called": (25, 5, 0)},
)
async def a_callback_of_every_kind():
    for call in World.backend.ways_to_call():
        work(1)
        await call(called)


def rearms(left, done):
    work(1)
    if left:
        World.backend.call_soon(rearms, left - 1, done)
    else:
        done.set_result(None)


@scenario(
    {"a_callback_that_rearms_itself": (3, 10, 2, 1)},
    waiting=10,
    needs="asyncio",
    callbacks={"rearms": (10, 10, 9)},
)
async def a_callback_that_rearms_itself():
    work(1)
    await World.backend.call_until_done(rearms, 9)
    work(2)


def spans(done):
    work(1)
    with span("s"):
        work(2)
        helper()
    done.set_result(None)


@scenario(
    {"a_span_in_a_callback": (1, 6, 2, 1)},
    waiting=6,
    needs="asyncio",
    callbacks={"spans": (1, 1, 0), "spans;s": (2, 0, 0), "spans;s;helper": (3, 0, 0)},
)
async def a_span_in_a_callback():
    work(1)
    await World.backend.call_until_done(spans)
