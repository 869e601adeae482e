"""Loops of the program's own classes are asked nothing that they would not be asked without us."""

import asyncio
import concurrent.futures
import contextvars
import sys
from asyncio import AbstractEventLoop, SelectorEventLoop

import pytest
import uvloop

from tracetools import record
from tracetools.instruments import loop_state

COUNTED = [
    name
    for name in dir(AbstractEventLoop)
    if not name.startswith("__") and name not in ("time", "_timer_handle_cancelled")
]


def counting(base):
    """Return a class of loops that counts all calls of its methods, and the counts."""
    counts = {}

    def counted(name):
        def method(self, *args, **options):
            counts[name] = counts.get(name, 0) + 1
            return getattr(super(loop_class, self), name)(*args, **options)

        return method

    methods = {name: counted(name) for name in COUNTED}
    loop_class = type("Counting", (base,), methods)
    return loop_class, counts


class Executor(concurrent.futures.Executor):
    """Does nothing, so that no thread comes between."""

    def submit(self, function, /, *args, **options):
        return concurrent.futures.Future()


async def leaf():
    await asyncio.sleep(0)


async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(len, "")
    await asyncio.gather(leaf(), leaf())
    await asyncio.create_task(leaf())
    loop.run_in_executor(Executor(), len, "")
    loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))
    await asyncio.create_task(leaf())
    loop.set_task_factory(None)


def run(loop):
    try:
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@pytest.mark.parametrize("options", [{}, {"scheduled": True, "functions": True}])
@pytest.mark.parametrize("base", [SelectorEventLoop, uvloop.Loop])
def test_methods_are_called_as_often_as_without_us(tmp_path, base, options):
    plain_class, plain = counting(base)
    run(plain_loop := plain_class())
    loop_class, counts = counting(base)
    with record(tmp_path / "stack", **options) as recording:
        run(loop := loop_class())
    assert counts == plain
    del loop, plain_loop  # not before: what is collected is asked whether it is closed
    assert plain["create_task"] >= 3
    recording.profile.check()
    assert {path[-1].name.rpartition(".")[2] for path in recording.profile.stacks} >= {"leaf"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="came with Python 3.12")
@pytest.mark.parametrize("kind", ["asyncio's", "a class", "a function"])
def test_an_eager_factory_is_the_one_that_was_set(tmp_path, kind):
    class Task(asyncio.Task):
        pass

    def construct(coro, **options):
        return Task(coro, **options)

    factory = {
        "asyncio's": lambda: asyncio.eager_task_factory,
        "a class": lambda: asyncio.create_eager_task_factory(Task),
        "a function": lambda: asyncio.create_eager_task_factory(construct),
    }[kind]()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        task = asyncio.create_task(leaf())
        assert type(task) is (asyncio.Task if kind == "asyncio's" else Task)
        await task
        return loop.get_task_factory()

    with record(tmp_path / "stack") as recording:
        assert asyncio.run(main()) is factory
    assert "leaf" in {path[-1].name for path in recording.profile.stacks}


# ------------------------------------------------------------------------------ other loops


class Slots(SelectorEventLoop):
    __slots__ = ("more",)


class Delegates(AbstractEventLoop):
    """A loop that comes from no library, and has another one do the work."""

    def __init__(self):
        self.inner = SelectorEventLoop()
        self.asked = []

    def __getattribute__(self, name):
        if name in ("inner", "asked", "__class__", "__dict__"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "inner"), name)

    def is_running(self):
        self.asked.append("is_running")

    def is_closed(self):
        self.asked.append("is_closed")

    def get_task_factory(self):
        self.asked.append("get_task_factory")


class Wraps(AbstractEventLoop):
    """Another one: it passes on what its class has."""

    def __init__(self):
        self.inner = SelectorEventLoop()

    def run_forever(self):
        self.inner.run_forever()

    def run_until_complete(self, future):
        return self.inner.run_until_complete(future)

    def create_task(self, coro, **options):
        return self.inner.create_task(coro, **options)

    def close(self):
        self.inner.close()

    def shutdown_asyncgens(self):
        return self.inner.shutdown_asyncgens()


class OfItsOwn(AbstractEventLoop):
    """One that does all the work itself, as far as it goes."""

    def __init__(self):
        self.ready = []

    def call_soon(self, callback, *args, context=None):
        self.ready.append((callback, args, context or contextvars.copy_context()))

    call_soon_threadsafe = call_soon

    def create_task(self, coro, **options):
        return asyncio.Task(coro, loop=self, **options)

    def get_debug(self):
        return False

    def run_until_complete(self, future):
        task = self.create_task(future)
        self.run_forever()
        return task.result()

    def run_forever(self):
        asyncio.set_event_loop(self)
        asyncio._set_running_loop(self)
        try:
            while self.ready:
                callback, args, context = self.ready.pop(0)
                context.run(callback, *args)
        finally:
            asyncio._set_running_loop(None)
            asyncio.set_event_loop(None)

    def run_in_executor(self, executor, function, *args):
        executor.submit(function, *args)

    def set_task_factory(self, factory):
        pass

    def call_exception_handler(self, context):
        raise AssertionError(context)

    async def shutdown_asyncgens(self):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("kind", [Slots, Delegates, Wraps, OfItsOwn])
def test_loops_of_any_class_are_recorded_once(tmp_path, kind):
    with record(tmp_path / "stack") as recording:
        loop = kind()
        run(loop)
    profile = recording.profile
    profile.check()
    assert getattr(loop, "asked", []) == []
    assert profile.runs == 1
    assert profile.untracked == 0
    assert "leaf" in {path[-1].name for path in profile.stacks}


class Policy(asyncio.DefaultEventLoopPolicy if sys.version_info < (3, 14) else object):
    def new_event_loop(self):
        return counting(SelectorEventLoop)[0]()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="policies are deprecated")
def test_a_policy_may_make_any_loop(tmp_path):
    asyncio.set_event_loop_policy(Policy())
    try:
        with record(tmp_path / "stack") as recording:
            asyncio.run(main())
    finally:
        asyncio.set_event_loop_policy(None)
    assert recording.profile.runs == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="came with Python 3.11")
def test_a_loop_factory_may_make_any_loop(tmp_path):
    with (
        record(tmp_path / "stack") as recording,
        asyncio.Runner(loop_factory=counting(SelectorEventLoop)[0]) as runner,
    ):
        runner.run(main())
    assert recording.profile.runs == 1


# ------------------------------------------------------------------------------- the answers


def test_the_library_is_asked():
    loop_class, counts = counting(SelectorEventLoop)
    loop = loop_class()
    before = dict(counts)
    assert loop_state.is_of_library(loop)
    assert not loop_state.is_running(loop)
    assert not loop_state.is_closed(loop, otherwise=True)
    assert loop_state.task_factory(loop) is None
    loop_state.set_task_factory(loop, len)
    assert loop_state.task_factory(loop) is len
    assert counts == before
    loop.close()
    assert loop_state.is_closed(loop)


def test_a_loop_of_no_library_is_not_asked():
    loop = Wraps()
    loop.is_running = loop.is_closed = loop.get_task_factory = pytest.fail
    assert not loop_state.is_of_library(loop)
    assert not loop_state.is_running(loop)
    assert loop_state.is_closed(loop, otherwise=True)
    assert loop_state.task_factory(loop) is None
    loop_state.set_task_factory(loop, len)
    loop.close()
