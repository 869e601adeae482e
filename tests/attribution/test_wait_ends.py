"""Waits go where `WaitNames` says, also those whose chain was seen before."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import types
import weakref

import anyio
import anyio.to_thread
import pytest
import trio

from tests import processes
from tracetools.attribution.awaits import note_future
from tracetools.attribution.wait_names import WaitNames
from tracetools.attribution.waits import Waits
from tracetools.core.native import native
from tracetools.core.stacks import Frame, stack_path
from tracetools.testing import ScriptedLoop


@types.coroutine
def park():
    yield


class Counted(Waits):
    """Counts the waits whose chain was not known."""

    unknown = 0

    def end_unknown(self, *given):
        self.unknown += 1
        return super().end_unknown(*given)


class Parked:
    """A task that has stepped once, and waits from now on."""

    def __init__(self) -> None:
        self.loop = ScriptedLoop()
        self.waits = self.loop.recorder.waits = Counted(0, self.loop.clock())
        self.account = self.loop.tasks[self.loop.spawn("task")]
        self.account.begin_step(self.loop.clock())
        self.loop.end_step()

    def end_wait(self, coroutine):
        """End a wait for what a coroutine awaits; return the path of the stack that it went to."""
        stacks = self.loop.loop.tree.stacks
        before = {stack: stack.rest for stack in stacks}
        self.loop.tick(10)
        self.waits.end(self.account, coroutine, self.loop.clock(), self.loop.clock)
        gained = [stack for stack in stacks if stack.rest == before.get(stack, 0) + 10]
        assert len(gained) == 1
        return stack_path(gained[0])

    def expected(self, coroutine):
        account = self.account
        stack = WaitNames().stack(coroutine, account.base, account.stack, account.loop.tree)
        return stack_path(stack)

    def check(self, *coroutines):
        """Check several times that waits go where they belong; return the last frames' names."""
        for _ in range(3):
            found = [self.end_wait(each) for each in coroutines]
            assert found == [self.expected(each) for each in coroutines]
        return [path[-1].name for path in found]


@pytest.fixture
def parked():
    parked = Parked()
    yield parked
    parked.loop.finish().check()


@contextlib.contextmanager
def waiting(*coroutines):
    """Let coroutines step until they wait."""
    for each in coroutines:
        each.send(None)
    try:
        yield coroutines
    finally:
        for each in coroutines:
            each.close()


async def for_(awaitable):
    return await awaitable


async def wait_for(thing):
    await thing.wait()


async def enter(lock):
    async with lock:
        pass


async def two_lines(first):
    if first:
        await asyncio.sleep(0)
    else:
        await asyncio.sleep(0)


def test_a_chain_of_functions_of_the_program(parked):
    async def outer():
        await for_(park())

    with waiting(outer()) as (one,):
        assert parked.check(one) == ["park"]


@pytest.mark.skipif(native is None, reason="only the native core remembers chains")
def test_a_chain_that_was_seen_before_is_not_named_again(parked):
    async def main():
        event = asyncio.Event()
        many = [wait_for(event) for _ in range(10)]
        with waiting(*many):
            for each in many:
                parked.end_wait(each)

    asyncio.run(main())
    assert parked.waits.unknown == 1


def test_two_lines_of_one_function(parked):
    async def main():
        with waiting(two_lines(True), two_lines(False)) as both:
            parked.check(*both)
            assert parked.end_wait(both[0]) != parked.end_wait(both[1])

    asyncio.run(main())


def test_methods_are_told_apart_by_the_class_of_their_object(parked):
    class Mine(asyncio.Event):
        pass

    async def main():
        events = asyncio.Event(), Mine(), asyncio.Condition()
        await events[2].acquire()
        with waiting(*map(wait_for, events)) as all_of_them:
            return parked.check(*all_of_them)

    names = asyncio.run(main())
    assert names[:2] == ["await Event.wait", f"await {Mine.__qualname__}.wait"]


def test_what_is_entered_is_told_apart_by_its_class(parked):
    class Mine(asyncio.Semaphore):
        pass

    async def main():
        locks = asyncio.Lock(), asyncio.Semaphore(0), Mine(0)
        await locks[0].acquire()
        with waiting(*map(enter, locks)) as all_of_them:
            return parked.check(*all_of_them)

    assert asyncio.run(main())[:2] == ["await Lock", "await Semaphore"]


IN_A_CELL = """
import types
@types.coroutine
def park():
    yield
class Thing:
    async def wait(self):
        await (lambda: self.inner())()
    async def inner(self):
        await park()
class Other(Thing):
    pass
"""


def test_a_method_whose_object_is_in_a_cell(parked):
    file = asyncio.__file__.replace("__init__", "made_up")
    names = {"__name__": "asyncio.made_up"}
    exec(compile(IN_A_CELL, file, "exec"), names)  # noqa: S102
    with waiting(wait_for(names["Thing"]()), wait_for(names["Other"]())) as both:
        assert parked.check(*both) == ["await Thing.wait", "await Other.wait"]


def test_classes_that_are_gone_are_not_taken_for_later_ones(parked):
    async def main():
        names = []
        for number in range(20):
            kind = type(f"Kind{number}", (asyncio.Event,), {})
            with waiting(wait_for(kind())) as (one,):
                names += parked.check(one)
            del kind, one
            gc.collect()
        return names

    assert asyncio.run(main()) == [f"await Kind{number}.wait" for number in range(20)]


def test_classes_are_not_kept_alive(parked):
    async def main():
        kind = type("Kind", (asyncio.Event,), {})
        with waiting(wait_for(kind())) as (one,):
            parked.check(one)
        return weakref.ref(kind)

    gone = asyncio.run(main())
    gc.collect()
    assert gone() is None


def test_futures_are_told_apart_by_what_they_are_for(parked):
    async def sleep():
        await asyncio.sleep(1000)

    async def rest():
        await asyncio.sleep(1000)

    async def main():
        loop = asyncio.get_running_loop()
        noted, other = loop.create_future(), loop.create_future()
        note_future(noted, "noted")
        note_future(other, "other")
        tasks = [loop.create_task(sleep()), loop.create_task(rest())]
        gathered = asyncio.gather(*tasks)
        ends = [noted, other, loop.create_future(), gathered, *tasks]
        with waiting(*map(for_, ends)) as all_of_them:
            names = parked.check(*all_of_them)
        gathered.cancel()
        await asyncio.wait(tasks)
        return names

    names = asyncio.run(main())
    assert names[:4] == ["await noted", "await other", "await Future", "await gather"]
    assert [name.rpartition(".")[2] for name in names[4:]] == ["sleep)", "rest)"]


def test_a_future_of_a_class_of_the_programs(parked):
    class Mine(asyncio.Future):
        pass

    async def main():
        with waiting(for_(Mine()), for_(asyncio.get_running_loop().create_future())) as both:
            return parked.check(*both)

    assert asyncio.run(main()) == ["await Future", "await Future"]


def test_functions_that_are_given_to_threads_are_told_apart(parked):
    def one():
        event.wait()

    def two():
        event.wait()

    async def run(function):
        await anyio.to_thread.run_sync(function)

    async def main():
        many = [run(one), run(two), run(one)]
        with waiting(*many):
            names = parked.check(*many)
            event.set()
        return names

    event = threading.Event()
    names = asyncio.run(main())
    assert [name.rpartition(".")[2] for name in names] == ["one)", "two)", "one)"]


def test_generators_and_what_c_code_puts_between(parked):
    async def numbers():
        await park()
        yield 1

    class Wrapped:
        def __await__(self):
            return for_(park()).__await__()

    async def iterate():
        async for _ in numbers():
            pass

    async def wrapped():
        await Wrapped()

    with waiting(iterate(), wrapped()) as both:
        assert parked.check(*both) == ["park", "park"]


def test_a_coroutine_that_is_over_or_new(parked):
    new, over = for_(park()), for_(asyncio.sleep(0))
    with contextlib.suppress(StopIteration):
        over.send(None)
        over.send(None)
    parked.check(new, over)
    new.close()


def test_a_chain_that_is_too_long(parked):
    async def deep(left):
        await (deep(left - 1) if left else park())

    with waiting(deep(63), deep(64), deep(200)) as all_of_them:
        parked.check(*all_of_them)


def test_more_chains_than_are_remembered(parked):
    functions = []
    for number in range(4200):
        names = {"park": park}
        exec(f"async def f{number}():\n    await park()", names)  # noqa: S102
        functions.append(names[f"f{number}"])
    parked.loop.loop.tree.max_stacks = 100_000
    for function in functions:
        with waiting(function()) as (one,):
            parked.loop.tick(1)
            parked.waits.end(parked.account, one, parked.loop.clock(), parked.loop.clock)
    for function in functions[:3] + functions[-3:]:
        with waiting(function()) as (one,):
            assert parked.end_wait(one)[-2].name == function.__name__


def test_more_awaits_of_one_function_than_are_remembered(parked):
    async def main():
        loop = asyncio.get_running_loop()
        for number in range(300):
            future = loop.create_future()
            note_future(future, f"number {number}")
            with waiting(for_(future)) as (one,):
                assert parked.check(one) == [f"await number {number}"]

    asyncio.run(main())


def test_the_stack_of_the_span_and_of_the_task_matter(parked):
    async def main():
        with waiting(wait_for(asyncio.Event())) as (one,):
            parked.check(one)
            parked.account.begin_step(parked.loop.clock())
            parked.account.open(Frame("span"), parked.loop.clock())
            parked.account.end_step(parked.loop.clock())
            parked.check(one)
            path = parked.end_wait(one)
            assert [frame.name for frame in path[1:3]] == ["task", "span"]

    asyncio.run(main())


def test_limiters_take_note_of_each_wait(parked):
    async def main():
        limiter = trio.CapacityLimiter(1)
        limiter.acquire_on_behalf_of_nowait("another")

        async def acquire():
            async with limiter:
                pass

        with waiting(acquire()) as (one,):
            seen.extend(parked.check(one))

    seen = []
    trio.run(main)
    assert seen == ["await CapacityLimiter"]
    noted = parked.waits.limiters.by_path(lambda frame: frame)
    assert [tokens.tokens for tokens in noted.values()] == [1]


@pytest.mark.skipif(native is None, reason="only the native core remembers chains")
@pytest.mark.skipif(hasattr(sys, "gettotalrefcount"), reason="a debug build checks the type")
def test_a_walk_does_not_tell_audit_hooks_of_code():
    said = processes.run(
        """
from tests.attribution.test_wait_ends import Parked, for_, park, waiting

parked, asked = Parked(), []
with waiting(for_(for_(park()))) as (one,):
    parked.end_wait(one)
    sys.addaudithook(lambda event, given: asked.append(given[1:]) if "getattr" in event else None)
    parked.end_wait(one)
    del asked[:]
    parked.end_wait(one)
    print([name for name, in asked if "code" in name])
"""
    )
    assert said.stdout == "[]\n"
