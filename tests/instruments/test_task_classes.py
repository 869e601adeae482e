"""A task is as any other, whichever class it has and whoever makes it."""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
import types
from unittest import mock

import pytest
import uvloop

from tests.instruments.test_asyncio import named as all_named
from tests.instruments.test_asyncio import run
from tracetools import compat, record, span
from tracetools.instruments import asyncio_patches, task_classes
from tracetools.testing import FakeClock


def named(profile):
    """Return the stacks of tasks by name, without the loop's own."""
    found = all_named(profile).items()
    return {name: times for name, times in found if not name.startswith("(")}


def busy(profile):
    return {name: times.busy for name, times in named(profile).items()}


LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Slots(asyncio.Task):
    __slots__ = ("extra",)


class Init(asyncio.Task):
    def __init__(self, coro, *, extra=5, **options):
        super().__init__(coro, **options)
        self.extra = extra


class Python(asyncio.tasks._PyTask):
    pass


CLASSES = [asyncio.Task, Slots, Init, asyncio.tasks._PyTask, Python]
EAGER = [{}, {"eager_start": True}] if sys.version_info >= (3, 12) else [{}]

cases = pytest.mark.parametrize(
    ("kind", "eager", "make_loop"),
    [(kind, eager, make_loop) for kind in CLASSES for eager in EAGER for make_loop in LOOPS],
)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(tmp_path, clock):
    def make(**options):
        options = {"clock": clock, "flush_interval": None, "await_stacks": False} | options
        return record(tmp_path / "stack", **options)

    return make


@cases
def test_a_task_is_tracked_and_is_the_parent_of_what_it_creates(
    kind, eager, make_loop, make, clock
):
    async def child():
        clock.tick(1)

    async def handler():
        clock.tick(10)
        with span("s"):
            await asyncio.create_task(child())
            clock.tick(100)

    async def main():
        clock.tick(1000)
        loop = asyncio.get_running_loop()
        task = kind(handler(), loop=loop, **eager)
        clock.tick(2000)
        await task

    with make() as recording:
        run(main(), make_loop=make_loop)
    recording.profile.check()
    assert busy(recording.profile) == {
        "main": 3000,
        "main;handler": 10,
        "main;handler;s": 100,
        "main;handler;s;child": 1,
    }
    assert recording.profile.untracked == 0


@cases
def test_a_task_that_a_callback_makes_blocks_the_loop_once(kind, eager, make_loop, make, clock):
    async def handler(done):
        clock.tick(300_000_000)
        done.set_result(None)

    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_soon(lambda: tasks.append(kind(handler(done), loop=loop, **eager)))
        await done

    tasks = []
    with make() as recording:
        run(main(), make_loop=make_loop)
    profile = recording.profile
    profile.check()
    assert busy(profile) == {"main": 0, "main;handler": 300_000_000}
    assert [blocks.count for blocks in profile.blocking.values()] == [1]


@pytest.mark.parametrize("make_loop", LOOPS)
@pytest.mark.parametrize("eager", EAGER)
def test_its_line_is_found(eager, make_loop, make, caplog):
    async def handler(done):
        began = time.perf_counter()  # on a busy machine, a sample may come late
        while time.perf_counter() - began < (0.3 if caplog.messages else 30):
            pass
        done.set_result(None)

    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_soon(lambda: tasks.append(asyncio.Task(handler(done), loop=loop, **eager)))
        await done

    tasks = []
    with make(clock=time.perf_counter_ns) as recording:
        run(main(), make_loop=make_loop)
    [path] = recording.profile.blocking
    assert [frame.name.rpartition(".")[2] for frame in path[1:3]] == ["main", "handler"]
    assert __file__.endswith(path[-1].file)


@cases
def test_a_task_can_be_made_before_its_loop_runs(kind, eager, make_loop, make, clock):
    async def handler():
        clock.tick(10)

    with make() as recording:
        loop = make_loop()
        loop.run_until_complete(kind(handler(), loop=loop, **eager))
        loop.close()
    recording.profile.check()
    assert busy(recording.profile) == {"handler": 10}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_task_has_the_coroutine_that_it_was_given(kind, make):
    async def nothing():
        await asyncio.sleep(0)

    async def main():
        coroutine = nothing()
        task = kind(coro=coroutine, loop=asyncio.get_running_loop(), name="its name")
        assert task.get_coro() is coroutine
        assert task.get_name() == "its name"
        one, other = nothing(), nothing()
        tasks = asyncio.create_task(one), asyncio.ensure_future(other)
        assert tasks[0].get_coro() is one
        assert tasks[1].get_coro() is other
        assert asyncio.current_task().get_coro() is given
        await asyncio.gather(task, *tasks)

    given = main()
    with make():
        run(given)


def coroutine_for(module, task):
    """Return what a module is told that a task runs."""

    def ask(task):
        return task.get_coro()

    return types.FunctionType(ask.__code__, {"__name__": module})(task)


def test_greenback_gets_what_is_in_the_memory_of_a_task(make):
    async def main():
        task = asyncio.current_task()
        assert coroutine_for("greenback._impl", task) is task._coro
        assert coroutine_for("another", task) is given
        assert task.get_coro() is given

    given = main()
    with make():
        run(given)


# one in Python that is given the wrong arguments fails again when it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", CLASSES)
def test_errors_and_signatures_are_the_same(kind, make):
    def notes():
        for args, options in [
            ((), {}),
            ((3,), {"loop": loop}),
            ((coroutine, 4), {"loop": loop}),
            ((coroutine,), {"loop": loop, "unknown": 3}),
            ((), {"coro": 3, "loop": loop}),
        ]:
            with pytest.raises(TypeError) as caught:
                kind(*args, **options)
            yield type(caught.value), str(caught.value), len(caught.traceback)
        yield inspect.signature(kind), kind.__init__.__name__, kind.__init__.__doc__

    async def nothing():
        """Run nothing."""

    loop = asyncio.new_event_loop()
    coroutine = nothing()
    alone = list(notes())
    with make():
        recorded = list(notes())
    if sys.version_info < (3, 11):  # where our frames cannot be hidden
        alone, recorded = ([note[:2] for note in noted] for noted in (alone, recorded))
    assert recorded == alone
    coroutine.close()
    loop.close()


def test_a_task_on_a_mock_of_a_loop_is_none_of_ours(make):
    async def nothing():
        """Run nothing."""

    loop = mock.Mock(spec=asyncio.AbstractEventLoop)
    loop.get_debug.return_value = False
    coroutine = nothing()
    with make():
        task = asyncio.Task(coroutine, loop=loop)
        assert [call[0] for call in loop.method_calls] == ["get_debug", "call_soon"]
        task._log_destroy_pending = False
    coroutine.close()


def test_classes_are_as_they_were_afterwards(make):
    def attributes():
        return [dict(vars(kind)) for kind in compat.asyncio_task_classes()]

    before = attributes()
    with make():
        assert task_classes.are_replaced(asyncio_patches._patches)
        assert attributes() != before
    assert attributes() == before


def test_a_task_that_lives_on_when_the_recording_ends_is_as_before(make, clock):
    async def handler():
        await asyncio.sleep(0)
        return 5

    async def main():
        async with make() as recording:
            task = asyncio.Task(handler(), loop=asyncio.get_running_loop())
            clock.tick(3)
        assert task.get_coro().__name__ == "handler"
        assert await task == 5
        return recording

    recording = run(main())
    recording.profile.check()
    assert "handler" in "".join(named(recording.profile))


@pytest.fixture
def immutable(monkeypatch):
    """Let the class in C be immutable, as where there is no ctypes."""

    def fails(_):
        raise ImportError("no ctypes")

    monkeypatch.setattr(compat, "immutable_flag", fails)


async def handler(clock):
    clock.tick(10)
    await asyncio.sleep(0)
    clock.tick(20)


@pytest.mark.usefixtures("immutable")
@pytest.mark.parametrize("make_loop", LOOPS)
@pytest.mark.parametrize("kind", [asyncio.Task, Slots, Init])
def test_a_task_of_an_immutable_class_is_followed_by_its_wake_ups(kind, make_loop, make, clock):
    async def main():
        task = kind(handler(clock), loop=asyncio.get_running_loop())
        await asyncio.create_task(handler(clock))
        await task

    with make() as recording:
        assert not task_classes.are_replaced(asyncio_patches._patches)
        run(main(), make_loop=make_loop)
    profile = recording.profile
    profile.check()
    assert busy(profile) == {"main": 0, "main;handler": 60}
    assert (named(profile)["main;handler"].entries, profile.untracked) == (2, 0)


if sys.version_info >= (3, 12):

    @pytest.mark.usefixtures("immutable")
    def test_its_first_step_is_counted_if_it_is_seen_to_be_missed(make, clock):
        async def parent():
            clock.tick(1)
            await asyncio.create_task(handler(clock))
            clock.tick(2)

        async def main():
            def make_task():
                tasks.append(asyncio.Task(parent(), loop=loop, eager_start=True))
                counted.append(recording.profile.untracked)

            loop = asyncio.get_running_loop()
            loop.call_soon(make_task)
            await asyncio.sleep(0)
            await tasks[0]

        tasks, counted = [], []
        with make() as recording:
            run(main())
        recording.profile.check()
        assert counted == [1]
        assert busy(recording.profile)["main;parent"] == 2
