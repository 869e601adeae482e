"""What an await is named by: the class of an object, the purpose of a future, a function."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import time
import types
import weakref
from contextlib import closing

import anyio
import pytest
import trio
import trio.testing

from tests.attribution.test_wait_names import frames_of
from tests.backends import AsyncioBackend, TrioBackend
from tests.scenarios import World
from tracetools import record
from tracetools.attribution.awaits import function_name, name_of_future, note_future
from tracetools.attribution.wait_names import WaitNames


class Tally(asyncio.Lock):
    """A lock of the program's own."""


class Hostile(type):
    def __getattribute__(cls, name):
        if name in {"__qualname__", "__mro__"}:
            raise AssertionError(name)
        return super().__getattribute__(name)


class Watched(asyncio.Lock, metaclass=Hostile):
    """A lock that raises whatever it is asked for by others than asyncio."""

    def __getattr__(self, name):
        raise AssertionError(name)

    def __eq__(self, other):
        raise AssertionError("compared")

    __hash__ = None


async def enter(thing):
    async with thing:
        pass


async def acquire(thing):
    await thing.acquire()


async def one(numbers):
    async for _ in numbers:
        pass


async def call(function, *args):
    await function(*args)


@pytest.fixture
def awaited():
    """Return a function that says what a coroutine awaits, once it was stepped."""

    def name(coroutine):
        coroutine.send(None)
        with closing(coroutine):
            return frames_of(WaitNames(), coroutine, coroutine.cr_code)[-1].name

    return name


class TestAsyncio:
    """Objects of asyncio that are taken already."""

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (asyncio.Lock, "Lock"),
            (asyncio.Semaphore, "Semaphore"),
            (asyncio.BoundedSemaphore, "BoundedSemaphore"),
            (asyncio.Condition, "Condition"),
            (Tally, "Tally"),
            (Watched, "Watched"),
        ],
    )
    def test_an_object_that_is_entered_has_the_name_of_its_class(self, make, expected, awaited):
        async def main():
            thing = make()
            await thing.acquire()
            return awaited(enter(thing)), awaited(acquire(thing))

        inner = "Lock" if make is asyncio.Condition else expected
        assert asyncio.run(main()) == (f"await {expected}", f"await {inner}.acquire")

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (lambda: asyncio.Queue().get(), "Queue.get"),
            (lambda: asyncio.PriorityQueue().get(), "PriorityQueue.get"),
            (lambda: asyncio.Event().wait(), "Event.wait"),
            (lambda: asyncio.gather(asyncio.sleep(1)), "gather"),
            (lambda: asyncio.wait([asyncio.create_task(asyncio.sleep(1))]), "wait"),
            (lambda: asyncio.wait_for(asyncio.Future(), 1), "wait_for"),
            (lambda: asyncio.create_task(call(asyncio.sleep, 1)), "Task (call)"),
            (lambda: next(asyncio.as_completed([asyncio.sleep(1)])), "as_completed"),
            (asyncio.Future, "Future"),
        ],
    )
    def test_what_is_called_has_the_name_of_the_call(self, make, expected, awaited):
        async def task():
            await make()

        async def main():
            return awaited(task())

        assert asyncio.run(main()) == f"await {expected}"


class TestTrio:
    """Objects of trio that are taken already."""

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (trio.Lock, "Lock"),
            (trio.StrictFIFOLock, "StrictFIFOLock"),
            (lambda: trio.Semaphore(0), "Semaphore"),
            (trio.Condition, "Condition"),
            (lambda: trio.CapacityLimiter(1), "CapacityLimiter"),
        ],
    )
    def test_an_object_that_is_entered_has_the_name_of_its_class(self, make, expected, tmp_path):
        async def main():
            thing = make()
            if not isinstance(thing, trio.Semaphore):
                await thing.acquire()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(enter, thing)
                await trio.testing.wait_all_tasks_blocked()
                World.clock.tick(10)
                thing.release()

        assert idle_awaits(main, tmp_path)["enter"] == {f"await {expected} 1": 10}

    def test_channels_have_the_name_of_the_method(self, tmp_path):
        async def main():
            send, receive = trio.open_memory_channel(0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one, receive)
                nursery.start_soon(call, receive.receive)
                await trio.testing.wait_all_tasks_blocked()
                World.clock.tick(10)
                await send.send(1)
                await send.send(2)
                nursery.start_soon(call, send.send, 3)
                await trio.testing.wait_all_tasks_blocked()
                World.clock.tick(20)
                nursery.cancel_scope.cancel()

        found = idle_awaits(main, tmp_path)
        assert found["one"]["await MemoryReceiveChannel.receive 1"] >= 10
        assert found["call"]["await MemoryReceiveChannel.receive 1"] == 10


def idle_awaits(main, tmp_path, run=trio.run):
    """Return the idle time of each await under the fake clock, by the function that awaits it.

    The line of the await is counted from that of the function.
    """
    options = {"clock": World.clock, "await_after": 0}
    with record(tmp_path / "stack", **options) as recording:
        run(main)
    recording.profile.check()
    found = {}
    for path, time_ in recording.profile.lens("idle").items():
        if path[-1].name.startswith("await"):
            name = path[-2].name.rpartition(".")[2]
            line = path[-1].line - path[-2].line
            found.setdefault(name, {})[f"{path[-1].name} {line}"] = time_
    return found


def in_thread():
    World.backend.until_loop_waits()
    World.clock.tick(5)


@pytest.fixture(autouse=True)
def backend():
    World.backend = AsyncioBackend(World.clock)
    yield World.backend
    World.backend = TrioBackend(World.clock)


@pytest.mark.parametrize(
    ("wait", "run", "expected"),
    [
        (lambda: asyncio.to_thread(in_thread), "asyncio", "to_thread (in_thread)"),
        (lambda: anyio.to_thread.run_sync(in_thread), "asyncio", "to_thread (in_thread)"),
        (lambda: anyio.to_thread.run_sync(in_thread), "trio", "to_thread (in_thread)"),
        (lambda: trio.to_thread.run_sync(in_thread), "trio", "to_thread (in_thread)"),
        (
            lambda: asyncio.get_running_loop().run_in_executor(None, in_thread),
            "asyncio",
            "run_in_executor (in_thread)",
        ),
        (lambda: asyncio.shield(asyncio.to_thread(in_thread)), "asyncio", "shield"),
    ],
    ids=["to_thread", "anyio", "anyio-trio", "trio", "run_in_executor", "shield"],
)
def test_a_wait_for_a_thread_names_its_function(wait, run, expected, tmp_path, backend):
    async def main():
        if run == "asyncio":
            backend.loop = asyncio.get_running_loop()
        await wait()  # at this line

    def start(main):
        if run == "asyncio":
            return asyncio.run(main())
        World.backend = TrioBackend(World.clock)
        return trio.run(main, instruments=[World.backend.waiting])

    found = idle_awaits(main, tmp_path, start)
    assert found["main"] == {f"await {expected} 3": 5}


class Callable:
    def __call__(self):
        pass

    def method(self):
        pass


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (in_thread, "in_thread"),
        (Callable().method, "Callable.method"),
        (Callable(), "Callable"),
        (Callable, "Callable"),
        (time.sleep, "sleep"),
        ([].append, "append"),
        (functools.partial(functools.partial(in_thread, 1), 2), "in_thread"),
        (functools.partial(contextvars.Context().run, in_thread), "in_thread"),
        (functools.partial(contextvars.Context().run), "run"),
        (None, "NoneType"),
        (Watched, "Watched"),
    ],
)
def test_any_callable_has_a_name(function, expected):
    assert function_name(function) == expected


class Handler:
    def handle(self, *args):
        pass


def test_what_a_library_passes_on_is_what_is_called():
    passed = functools.partial(in_thread)
    run = contextvars.Context().run
    assert function_name(functools.partial(Handler().handle, 5, run, passed, 6)) == "in_thread"
    routing = pytest.importorskip("fastapi.routing")
    if (runs := getattr(routing, "_run_sync_endpoint", None)) is not None:
        assert function_name(functools.partial(runs, function=in_thread, arguments={})) == (
            "in_thread"
        )
        assert function_name(functools.partial(runs)) == "?"


def test_a_chain_of_partials_without_end_has_no_name():
    function = functools.partial(print)
    function.__setstate__((function, (), {}, {}))
    assert function_name(function) == "?"
    function.__setstate__((print, (), {}, {}))


def test_a_lying_name_of_a_function_is_taken_as_it_is():
    def lying():
        pass

    lying.__qualname__ = "other at 0x7f00 of mine"
    assert function_name(lying) == "other of mine"


def test_what_is_no_future_has_no_name():
    @types.coroutine
    def park():
        yield

    assert [name_of_future(end) for end in (None, 5, park())] == ["?", "?", "?"]


def test_a_compiled_coroutine_has_its_name():
    with closing(pytest.importorskip("uvloop").new_event_loop()) as loop:
        coroutine = loop.create_server(asyncio.Protocol)
        ends = coroutine, coroutine.__await__()
        assert [name_of_future(end) for end in ends] == ["Loop.create_server"] * 2

        async def wait():
            task = asyncio.ensure_future(coroutine)
            try:
                return name_of_future(iter(task))
            finally:
                task.cancel()

        assert loop.run_until_complete(wait()) == "Task (Loop.create_server)"
        coroutine.close()


def test_a_class_that_is_named_as_compiled_coroutines_is_not_asked():
    class coroutine:  # noqa: N801
        def __getattribute__(self, name):
            raise AssertionError(f"asked for {name}")

    class coroutine_wrapper:  # noqa: N801
        def __init__(self):
            self.found = coroutine()

    assert [name_of_future(end) for end in (coroutine(), coroutine_wrapper())] == ["?", "?"]


def test_a_future_that_was_noted_is_not_kept_alive():
    class Future(asyncio.Future):
        __hash__ = None

        def __eq__(self, other):
            raise AssertionError("compared")

    async def main():
        future = Future()
        note_future(future, "noted")
        names = [name_of_future(iter(future)), name_of_future(iter(Future()))]
        gone = weakref.ref(future)
        del future
        gc.collect()
        return names, gone()

    assert asyncio.run(main()) == (["noted", "Future"], None)
