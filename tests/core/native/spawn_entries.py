"""Entry points of the native core that open the accounts of tasks; see `entries`."""

from __future__ import annotations

import contextvars
import types
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from tracetools.core.accounting import LoopAccount
from tracetools.core.native import native
from tracetools.core.stacks import Frame, StackTree

__all__ = ["SPAWN_ENTRIES"]


async def leaf() -> None:
    pass


class Loop:
    """A loop of the program's."""

    def run_forever(self) -> None:
        pass


class Spawning:
    """What opens accounts, in a step of a task that has spawned such a task before."""

    def __init__(self, world: Any) -> None:
        class Owner(type(world.owner)):
            exited = staticmethod(native.exit_account)

        self.owner = Owner(world.script.recorder)
        self.frame = Frame("leaf")
        self.variable = contextvars.ContextVar("task", default=None)
        self.coroutine = world.make(leaf)
        self.coroutine.close()  # its function is all that is asked for
        self.left_over: list[Any] = []

    def otherwise(self, *args: Any, **_: Any) -> None:
        """Take note of what is not plain."""
        self.left_over.append(args)


class OnAsyncio(Spawning):
    """Opens accounts of asyncio's tasks, in the loop of a world."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        world.tree.child(world.task.stack, self.frame)
        self.loop = Loop()
        self.arguments = (self.owner, self.variable, deque(), {}, world.loop, Loop)
        self.spawns = self.make()
        self.spawns.learn(self.coroutine, self.frame)
        self.init = native.spawning_init(self.close, self.otherwise, {self.loop: self.spawns})

    def make(self) -> Any:
        """Make what opens accounts."""
        return native.AsyncioSpawns(*self.arguments)

    @staticmethod
    def close(_: object, coroutine: Any, **options: Any) -> None:
        """Stand for `__init__` of a task that is over at once."""
        del options
        coroutine.close()


class OnTrio(Spawning):
    """Opens accounts of trio's tasks, in a loop whose clock is read in C."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        now = perf_counter_ns()
        self.loop = LoopAccount(StackTree(), now)
        self.loop.clock = perf_counter_ns
        account = self.loop.spawn(self.loop.tree.root, world.frame, now)
        self.loop.tree.child(account.stack, self.frame)
        account.begin_step(now)
        self.arguments = (self.owner, self.otherwise, self.variable, None, None, None)
        self.spawns = self.make()
        self.spawns.learn(self.coroutine, self.frame)
        self.spawns.follow(self.loop)

    def make(self) -> Any:
        """Make what opens accounts."""
        return native.TrioSpawns(*self.arguments)


def on(kind: Callable[[Any], Any], call: Callable[[Any, Any], object]) -> Callable[[Any], None]:
    """Make a call that is given the world, and what opens accounts in it."""

    def calling(world: Any) -> None:
        found = vars(world).get(kind.__name__)
        if found is None:
            found = vars(world)[kind.__name__] = kind(world)
        call(world, found)

    return calling


def init_of_asyncio(world: Any, spawning: OnAsyncio) -> None:
    coroutine = world.make(leaf)
    world.task.begin_step(world.now)
    try:
        spawning.init(world, coroutine, loop=spawning.loop, name=None)
    finally:
        coroutine.close()
        world.task.end_step(world.now)
        spawning.left_over.clear()


def spawn_on_trio(world: Any, spawning: OnTrio) -> None:
    task = types.SimpleNamespace(coro=world.make(leaf), context=contextvars.Context())
    try:
        spawning.spawns.task_spawned(task)
    finally:
        task.coro.close()
        spawning.left_over.clear()


def wrap_on_trio(world: Any, spawning: OnTrio) -> None:
    task = types.SimpleNamespace(coro=world.make(leaf))
    account = spawning.loop.spawn(spawning.loop.tree.root, world.frame, perf_counter_ns())
    try:
        spawning.spawns.wrap(task, account)
    finally:
        task.coro.close()
        native.exit_account(account)


def exit_one(world: Any) -> None:
    native.exit_account(world.loop.spawn(world.root, world.frame, world.now))


SPAWN_ENTRIES: dict[str, Callable[[Any], object]] = {}
if native is not None:
    SPAWN_ENTRIES = {
        "AsyncioSpawns": on(OnAsyncio, lambda _, s: s.make()),
        "AsyncioSpawns.learn": on(
            OnAsyncio, lambda w, s: s.spawns.learn(s.coroutine, s.frame, w.frame)
        ),
        "spawning_init": on(OnAsyncio, init_of_asyncio),
        "Method.__reduce__": on(OnAsyncio, lambda _, s: s.init.__reduce__()),
        "TrioSpawns": on(OnTrio, lambda _, s: s.make()),
        "TrioSpawns.task_spawned": on(OnTrio, spawn_on_trio),
        "TrioSpawns.learn": on(OnTrio, lambda w, s: s.spawns.learn(s.coroutine, s.frame, w.frame)),
        "TrioSpawns.follow": on(OnTrio, lambda _, s: s.spawns.follow(s.loop)),
        "TrioSpawns.wrap": on(OnTrio, wrap_on_trio),
        "exit_account": exit_one,
    }
