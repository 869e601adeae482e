"""Who ended which waits, exactly, on every backend and in every mode of every instrument."""

from __future__ import annotations

import asyncio
import linecache
import socket
import threading
from dataclasses import dataclass, field

import pytest
import trio

from tests.backends import TrioBackend
from tests.instruments.test_scenarios import MODES
from tests.scenarios import TABLE as PROGRAMS
from tests.scenarios import Program, World, rest, work
from tracetools import compat, observe, span
from tracetools.core.edges import Edge, Waited
from tracetools.core.stacks import RUNTIME, StackPath


@pytest.fixture(autouse=True)
def world():
    yield World
    World.backend = TrioBackend(World.clock)


Key = tuple[str, str | None, str, str]
"""The function or span that waits; who ends that; which function of a task, callback or thread; and
its line of code. A function of the backends of these tests stands for the line."""


@dataclass(frozen=True)
class Ended:
    """A program, and who must have ended which waits, how many, and how long those took in all.

    Waits by `rest` are not among them. Timers and callbacks of uvloop cannot be seen.

    Attributes:
        needs: what not every mode has: ``trio``, or ``asyncio``.
        steps_at_once: whether a child's first step, where it is made at once, is within a step of
            the task that waits for it: a wait of its own.
    """

    main: Program
    edges: dict[Key, tuple[int, int]] = field(default_factory=dict)
    needs: str = ""
    steps_at_once: bool = False


# ---------------------------------------------------------------------------------- the programs


async def waits_for_event(event):
    await event.wait()


async def event_is_set():
    event = World.backend.make_event()
    async with World.backend.open_group() as group:
        group.start_soon(waits_for_event, event)
        await World.backend.until_all_wait()
        await rest(30)
        work(2)
        event.set()


async def span_waits(event):
    with span("request"):
        await event.wait()


async def event_is_set_for_spans():
    event = World.backend.make_event()
    async with World.backend.open_group() as group:
        group.start_soon(span_waits, event)
        group.start_soon(span_waits, event)
        await World.backend.until_all_wait()
        with span("sets"):
            work(3)
            event.set()


async def waits_for_lock(lock):
    await lock.acquire()
    lock.release()


async def lock_is_released():
    lock = World.backend.make_lock()
    async with World.backend.open_group() as group:
        await lock.acquire()
        group.start_soon(waits_for_lock, lock)
        await World.backend.until_all_wait()
        await rest(30)
        work(2)
        lock.release()


async def waits_for_item(queue):
    await queue.get()


async def item_is_put():
    queue = World.backend.make_queue(5)
    async with World.backend.open_group() as group:
        group.start_soon(waits_for_item, queue)
        await World.backend.until_all_wait()
        await rest(20)
        work(1)
        await queue.put(1)


async def child():
    work(3)
    await rest(20)
    work(4)


async def child_ends():
    async with World.backend.open_group() as group:
        group.start_soon(child)


async def children_are_gathered():
    await asyncio.gather(child())


async def task_is_awaited():
    await asyncio.create_task(child())


async def waits_forever():
    await World.backend.sleep_forever()


async def task_is_cancelled():
    async with World.backend.open_group() as group:
        group.start_soon(waits_forever)
        await World.backend.until_all_wait()
        work(5)
        group.cancel()


@observe
def in_thread():
    World.backend.until_loop_waits()
    work(7)


async def thread_has_worked():
    await World.backend.run_in_thread(in_thread)


async def trio_sleeps():
    World.backend.waiting.ns = 40
    with span("sleeps"):
        await trio.sleep(1)


async def timer_is_due():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(work, 30)
    loop.call_later(0, done.set_result, None)
    await done


def called_back(done):
    work(5)
    done.set_result(None)


async def callback_sets_future():
    await World.backend.call_until_done(called_back)


async def called_from_a_thread():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(called_back, done))
    thread.start()
    await done
    thread.join()


async def reads(ours):
    await trio.lowlevel.wait_readable(ours)


async def data_arrives():
    ours, other = socket.socketpair()
    with ours, other:
        async with World.backend.open_group() as group:
            group.start_soon(reads, ours)
            await World.backend.until_all_wait()
            await rest(9)
            other.send(b"x")


def has_data(done, ours):
    work(9)
    ours.recv(1)
    done.set_result(None)


async def data_is_read():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    ours, other = socket.socketpair()
    with ours, other:
        loop.add_reader(ours, has_data, done, ours)
        other.send(b"x")
        await done
        loop.remove_reader(ours)


TABLE = [
    Ended(event_is_set, {("waits_for_event", "task", "event_is_set", "event.set()"): (1, 32)}),
    Ended(event_is_set_for_spans, {("request", "task", "sets", "event.set()"): (2, 6)}),
    Ended(
        lock_is_released,
        {("waits_for_lock", "task", "lock_is_released", "lock.release()"): (1, 32)},
    ),
    Ended(item_is_put, {("waits_for_item", "task", "item_is_put", "await queue.put(1)"): (1, 21)}),
    Ended(child_ends, {("child_ends", "task", "child", ""): (1, 27)}, steps_at_once=True),
    Ended(
        children_are_gathered,
        {("children_are_gathered", "task", "child", ""): (1, 27)},
        needs="asyncio",
        steps_at_once=True,
    ),
    Ended(
        task_is_awaited,
        {("task_is_awaited", "task", "child", ""): (1, 27)},
        needs="asyncio",
        steps_at_once=True,
    ),
    Ended(task_is_cancelled, {("waits_forever", "task", "task_is_cancelled", "cancel"): (1, 5)}),
    Ended(thread_has_worked, {("thread_has_worked", "thread", "in_thread", ""): (1, 7)}),
    Ended(trio_sleeps, {("sleeps", "timer", "", ""): (1, 40)}, needs="trio"),
    Ended(timer_is_due, {("timer_is_due", "timer", "", ""): (1, 30)}, needs="asyncio"),
    Ended(
        callback_sets_future,
        {("callback_sets_future", "callback", "called_back", "done.set_result(None)"): (1, 5)},
        needs="asyncio",
    ),
    Ended(
        called_from_a_thread,
        {("called_from_a_thread", "callback", "called_back", "done.set_result(None)"): (1, 5)},
        needs="asyncio",
    ),
    Ended(data_arrives, {("reads", "loop", "", ""): (1, 9)}, needs="trio"),
    Ended(
        data_is_read,
        {("data_is_read", "callback", "has_data", "done.set_result(None)"): (1, 9)},
        needs="asyncio",
    ),
]

# ------------------------------------------------------------------------------------- the tests

SPANS = {"request", "sets", "sleeps"}


def is_rest(path: StackPath) -> bool:
    return any(frame.name == "rest" or frame.name.endswith(".rest") for frame in path)


def name_of(path: StackPath) -> str:
    """Return the last function or span of these programs in a stack."""
    names = [
        frame.name
        for frame in path
        if not frame.name.startswith("await ")
        and ((frame.file or "").endswith("scenarios.py") or frame.name in SPANS)
    ]
    return names[-1] if names else ""


def code_of(edge: Edge) -> str:
    """Return the code of the line at which a waker was."""
    if edge.line is None:
        return ""
    file = edge.line.file or ""
    if not file.endswith("test_edge_scenarios.py"):
        return edge.line.name.rpartition(".")[2]
    return linecache.getline(__file__, edge.line.line).strip()


def unseen(edges: dict[Key, tuple[int, int]]) -> dict[Key, tuple[int, int]]:
    """Return edges as they are where callbacks and timers cannot be seen."""
    found = {}
    for key, waited in edges.items():
        hidden = key[1] in {"callback", "timer"}
        found[(key[0], "loop", "", "") if hidden else key] = waited
    return found


def modes_of(scenario: Ended):
    for mode in MODES:
        is_trio = issubclass(mode.backend, TrioBackend)
        if scenario.needs in {"", "trio" if is_trio else "asyncio"}:
            yield mode


@pytest.mark.parametrize(
    ("scenario", "mode"),
    [
        pytest.param(scenario, mode, id=f"{scenario.main.__name__}-{mode}")
        for scenario in TABLE
        for mode in modes_of(scenario)
    ],
)
def test_ends_of_waits_are_told_exactly(scenario, mode, tmp_path, monkeypatch):
    monkeypatch.setattr(compat, "asyncio_lateness", lambda _: 0)  # that is by another clock
    World.backend = mode.backend(World.clock)
    options = {"clock": World.clock, "await_after": 0, "flush_interval": None, "wakers": True}
    profile = mode.run(scenario.main, tmp_path / "stack", **options)
    profile.check()
    found: dict[Key, tuple[int, int]] = {}
    for edge, waited in profile.edges.items():
        if edge.waiter[1:2] == (RUNTIME,) or is_rest(edge.waiter):
            continue
        key = (name_of(edge.waiter), edge.by, name_of(edge.waker), code_of(edge))
        count, total = found.get(key, (0, 0))
        found[key] = (count + waited.count, total + waited.total)
    expected = unseen(scenario.edges) if "uvloop" in mode.name else scenario.edges
    eager = "eager" in mode.name and (mode.eager or scenario.needs == "asyncio")
    if scenario.steps_at_once and eager:
        expected = {key: (count + 1, total) for key, (count, total) in expected.items()}
    assert found == expected


ALL = ["trio-recorded", "anyio-on-trio", "asyncio", "uvloop", "asyncio-nesting", "asyncio-eager"]


UNKNOWN = {"closed_in_another_task": {"lent"}}
"""A wait that another task's act cuts in two has no end in the first stack."""


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.name in ALL], ids=str)
def test_each_wait_of_every_program_has_one_end(mode, tmp_path):
    for name, program in PROGRAMS.items():
        if program.needs not in mode.has:
            continue
        World.backend = mode.backend(World.clock)
        options = {"clock": World.clock, "await_after": 0, "flush_interval": None}
        profile = mode.run(program.main, tmp_path / "stack", wakers=True, **options)
        profile.check()
        unknown = {name_of(edge.waiter) for edge in profile.edges if edge.by is None}
        if program.needs != "nesting":  # nobody sees that a loop within a step is over
            assert unknown == UNKNOWN.get(name, set()), name
        assert Waited() not in profile.edges.values()
