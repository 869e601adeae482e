"""What the scenarios need of a backend, in the words of each: trio, anyio, and asyncio itself.

A program may rest while nothing runs. On trio the clock goes on in an instrument, while the loop
waits; on asyncio in a callback, which belongs to the loop and not to any task.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import threading
import warnings
from collections.abc import Callable, Coroutine
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import trio
import trio.testing

from tracetools.testing import FakeClock


class Backend:
    """A backend in its own words; here, those of anyio on asyncio."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def open_group(self) -> Any:
        return AnyioGroup()

    async def rest(self, ns: int) -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def wake() -> None:
            self.clock.tick(ns)
            over.set_result(None)

        loop.call_soon(wake)
        await over

    def fork(self) -> None:
        """Fork the process: the child works for long, by a clock of its own, and is gone."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a test may have left a thread
            child = os.fork()
        if not child:
            self.clock.tick(1000)
            os._exit(0)
        os.waitpid(child, 0)

    def make_event(self) -> Any:
        return anyio.Event()

    def make_lock(self) -> Any:
        return anyio.Lock()

    def make_limiter(self, tokens: int) -> Any:
        return anyio.CapacityLimiter(tokens)

    def make_semaphore(self, tokens: int) -> Any:
        return anyio.Semaphore(tokens)

    def make_queue(self, size: int) -> Any:
        return Channel(*anyio.create_memory_object_stream[int](size or math.inf))

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def sleep_forever(self) -> None:
        await anyio.sleep_forever()

    async def until_all_wait(self) -> None:
        await anyio.wait_all_tasks_blocked()

    async def run_in_thread(self, function: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        await anyio.to_thread.run_sync(function)

    def make_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        """Make a task by its class, as aiohttp does."""
        return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), **options)

    async def after_callback(self, function: Callable[..., Any], **options: Any) -> None:
        """Make a task in a callback, and wait until it has set the result of a future."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        tasks = []
        loop.call_soon(lambda: tasks.append(self.make_task(function(done), **options)))
        await done
        await tasks[0]

    def call_soon(self, function: Callable[..., None], *args: Any) -> None:
        asyncio.get_running_loop().call_soon(function, *args)

    async def call_until_done(self, function: Callable[..., None], *args: Any) -> None:
        """Have the loop call a function, and wait until that sets the result of a future."""
        done = asyncio.get_running_loop().create_future()
        self.call_soon(function, *args, done)
        await done

    def ways_to_call(self) -> list[Callable[[Callable[..., None]], Any]]:
        """Return what has the loop call a function, in all ways, and waits until it is done."""
        return [self.call_until_done, self._later, self._threadsafe, self._by_future, self._read]

    async def _later(self, function: Callable[..., None]) -> None:
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0, function, done)
        await done

    async def _threadsafe(self, function: Callable[..., None]) -> None:
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon_threadsafe(function, done)
        await done

    async def _by_future(self, function: Callable[..., None]) -> None:
        first, done = (asyncio.get_running_loop().create_future() for _ in range(2))
        first.add_done_callback(partial(function, done))
        first.set_result(None)
        await done

    async def _read(self, function: Callable[..., None]) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        ours, other = socket.socketpair()
        with ours, other:
            loop.add_reader(ours, function, done, ours)
            other.send(b"x")
            await done
            loop.remove_reader(ours)

    def run_nested(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a loop within a step of its own, as nest_asyncio lets it."""
        asyncio.get_running_loop().run_until_complete(coroutine)

    def until_loop_waits(self) -> None:
        """Block the thread that calls this until the task that waits for it has ended its step."""
        waits = threading.Event()
        self.loop.call_soon_threadsafe(waits.set)
        assert waits.wait(10)


class Channel:
    """A memory channel, in the words of a queue."""

    def __init__(self, send: Any, receive: Any) -> None:
        self._ends = send, receive
        self.put, self.get = send.send, receive.receive

    def __del__(self) -> None:
        for end in self._ends:
            end.close()


class AnyioGroup:
    async def __aenter__(self):
        self._group = await anyio.create_task_group().__aenter__()
        self.start_soon, self.start = self._group.start_soon, self._group.start
        return self

    async def __aexit__(self, *error: object) -> bool | None:
        return await self._group.__aexit__(*error)

    def cancel(self) -> None:
        self._group.cancel_scope.cancel()


class NestingLoop(asyncio.SelectorEventLoop):
    """A loop that may run within itself."""

    def run_until_complete(self, future: Any) -> Any:
        if not self.is_running():
            return super().run_until_complete(future)
        task = asyncio.ensure_future(future, loop=self)
        current = asyncio.current_task(self)
        assert current is not None
        asyncio.tasks._leave_task(self, current)
        try:
            while not task.done():
                self._run_once()
        finally:
            asyncio.tasks._enter_task(self, current)
        return task.result()


class AsyncioBackend(Backend):
    """asyncio without anyio."""

    def open_group(self) -> Any:
        return AsyncioGroup()

    def make_event(self) -> Any:
        return asyncio.Event()

    def make_lock(self) -> Any:
        return asyncio.Lock()

    def make_semaphore(self, tokens: int) -> Any:
        return asyncio.Semaphore(tokens)

    def make_queue(self, size: int) -> Any:
        return asyncio.Queue(size)

    async def checkpoint(self) -> None:
        await asyncio.sleep(0)

    async def sleep_forever(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def until_all_wait(self) -> None:
        await asyncio.sleep(0)

    async def run_in_thread(self, function: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        await asyncio.to_thread(function)


class AsyncioGroup:
    """Tasks that are waited for; like `asyncio.TaskGroup`, which 3.10 does not have."""

    async def __aenter__(self):
        self._tasks: list[asyncio.Task[None]] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        while pending := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(pending)

    def start_soon(self, function: Callable[..., Any], *args: Any) -> None:
        self._tasks.append(asyncio.create_task(function(*args)))

    async def start(self, function: Callable[..., Any]) -> None:
        started = asyncio.Event()

        status = SimpleNamespace(started=started.set)
        self._tasks.append(asyncio.create_task(function(task_status=status)))
        await started.wait()

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


class TrioBackend(Backend):
    """trio without anyio."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.waiting = Waiting(clock)

    def open_group(self) -> Any:
        return TrioGroup()

    def make_event(self) -> Any:
        return trio.Event()

    def make_lock(self) -> Any:
        return trio.Lock()

    def make_semaphore(self, tokens: int) -> Any:
        return trio.Semaphore(tokens)

    def make_queue(self, size: int) -> Any:
        return Channel(*trio.open_memory_channel[int](size or math.inf))

    def make_limiter(self, tokens: int) -> Any:
        return trio.CapacityLimiter(tokens)

    async def rest(self, ns: int) -> None:
        self.waiting.ns = ns
        await trio.sleep(1)

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()

    async def sleep_forever(self) -> None:
        await trio.sleep_forever()

    async def until_all_wait(self) -> None:
        await trio.testing.wait_all_tasks_blocked()

    async def run_in_thread(self, function: Callable[[], None]) -> None:
        await trio.to_thread.run_sync(function)

    def until_loop_waits(self) -> None:
        assert self.waiting.loop_waits.wait(10)


class TrioGroup:
    async def __aenter__(self):
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self.start_soon, self.start = self._nursery.start_soon, self._nursery.start
        return self

    async def __aexit__(self, *error: object) -> bool:
        return await self._manager.__aexit__(*error)

    def cancel(self) -> None:
        self._nursery.cancel_scope.cancel()


class AnyioOnTrioBackend(TrioBackend):
    """anyio's words, on trio."""

    def open_group(self) -> Any:
        return AnyioGroup()

    def make_event(self) -> Any:
        return anyio.Event()

    def make_lock(self) -> Any:
        return anyio.Lock()

    def make_semaphore(self, tokens: int) -> Any:
        return anyio.Semaphore(tokens)

    def make_queue(self, size: int) -> Any:
        return Channel(*anyio.create_memory_object_stream[int](size or math.inf))

    def make_limiter(self, tokens: int) -> Any:
        return anyio.CapacityLimiter(tokens)

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def run_in_thread(self, function: Callable[[], None]) -> None:
        await anyio.to_thread.run_sync(function)


class Waiting(trio.abc.Instrument):
    """Lets the time that a scenario rests for pass while the loop waits."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.ns = 0
        self.loop_waits = threading.Event()

    def before_io_wait(self, timeout: float) -> None:
        self.loop_waits.set()

    def after_io_wait(self, timeout: float) -> None:
        self.loop_waits.clear()
        self._clock.tick(self.ns)
        self.ns = 0
