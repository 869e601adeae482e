"""Entry points of the native core that loops call, and those that name waits; see `entries`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import types
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.core.native.spawn_entries import on
from tracetools.core.native import native
from tracetools.core.stacks import Frame
from tracetools.instruments import asyncio_callbacks
from tracetools.instruments.wakeups import Uses

__all__ = ["LOOP_ENTRIES"]


class Waits:
    """Names waits, as Python code does that knows one frame."""

    between = ()

    def __init__(self, world: Any) -> None:
        self.named = world.tree.child(world.task.stack, Frame("await"))
        self.coroutine = waits()
        self.coroutine.close()
        self.known = self.make()
        self.known.stack_of(world.task, self.coroutine)

    def make(self) -> Any:
        """Make what names waits, and knows none."""
        return native.WaitEnds(-1, self)

    def stack(self, *_: object) -> Any:
        """Return the stack of any wait."""
        return self.named

    def named_by(self, *_: object) -> tuple[int, int]:
        """Return that the await is not shown, so that a chain has one stack."""
        return -1, -1


async def waits() -> None:
    pass


def end_a_wait(world: Any, waiting: Waits) -> None:
    world.task.parked = world.now  # it has waited for no time, which is more than the least
    waiting.known.end(world.task, waiting.coroutine, world.now, world.script.clock)


def end_unknown(_: Any, waiting: Waits) -> None:
    with contextlib.suppress(NotImplementedError):
        waiting.known.end_unknown()


class Poller:
    """Asks the system for events."""

    def __init__(self, world: Any) -> None:
        world.loop.poller = id(self)
        self.poll = self.make(world)

    @staticmethod
    def make(world: Any) -> Any:
        """Make a method that charges its time."""
        return native.measured_poll(ask, {threading.get_ident(): world.loop})


def ask(poller: Poller, timeout: float) -> None:
    del poller, timeout


class Callbacks:
    """An asyncio loop that calls a function."""

    def __init__(self, world: Any) -> None:
        self._ready: deque[Any] = deque()
        self._scheduled: list[Any] = []
        self.account = world.loop.callback(Frame("called"), world.now)
        world.loop.known["called"] = called.__code__, self.account
        self.handle = asyncio.Handle(called, (), self)
        self.uses = asyncio_callbacks._uses._replace(followed={self: world.loop})
        self.run = self.make()

    def get_debug(self) -> bool:
        return False

    def make(self) -> Any:
        """Make a method that measures callbacks."""
        return native.measured_run(run, self.uses)


def called() -> None:
    pass


def run(handle: asyncio.Handle) -> None:
    del handle


class Calls:
    """A loop in which callbacks are scheduled."""

    def __init__(self, world: Any) -> None:
        self.stepped = world.step(world.coroutine)
        self._coro = self.stepped
        self.uses = Uses(called_instead, ignore, {}, {types.MethodType}, "wakeup", {"step"})
        self.call_soon = self.make()

    def step(self) -> None:
        """Stand for a step of a task."""

    def make(self) -> Any:
        """Make a method that reports what is called."""
        return native.reported_call_soon(schedule, self.uses)


def called_instead(callback: Any) -> Any:
    return callback


def ignore(_: object) -> None:
    pass


def schedule(loop: Any, callback: Any) -> None:
    del loop, callback


def use_of_a_loop(world: Any) -> None:
    native.MainSampler(1_000_000, 1 << 60, 1_000_000, True).used(world.loop)


def collect(_: Any) -> None:
    native.note_collection(True)
    native.note_collection(False)


LOOP_ENTRIES: dict[str, Callable[[Any], object]] = {}
if native is not None:
    LOOP_ENTRIES = {
        "WaitEnds": on(Waits, lambda _, s: s.make()),
        "WaitEnds.end": on(Waits, end_a_wait),
        "WaitEnds.end_unknown": on(Waits, end_unknown),
        "WaitEnds.stack_of": on(Waits, lambda w, s: s.known.stack_of(w.task, s.coroutine)),
        "WaitEnds.stack_of, of a new chain": on(
            Waits, lambda w, s: s.make().stack_of(w.task, s.coroutine)
        ),
        "measured_poll": on(Poller, lambda w, s: s.make(w)),
        "measured_poll, a poll": on(Poller, lambda _, s: s.poll(s, 1.0)),
        "measured_run": on(Callbacks, lambda _, s: s.make()),
        "measured_run, a callback": on(Callbacks, lambda _, s: s.run(s.handle)),
        "reported_call_soon": on(Calls, lambda _, s: s.make()),
        "reported_call_soon, a function": on(Calls, lambda _, s: s.call_soon(s, called)),
        "reported_call_soon, a step": on(Calls, lambda _, s: s.call_soon(s, s.step)),
        "note_collection": collect,
        "MainSampler.used": use_of_a_loop,
    }
