"""The work that tasks give to threads: seen on every way, and nothing of the program changed."""

from __future__ import annotations

import asyncio
import functools
import inspect
import queue
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
import trio

import tracetools
from tests.backends import AsyncioBackend, TrioBackend
from tests.scenarios import World
from tracetools import observe, record, span
from tracetools.instruments import threads
from tracetools.instruments.module_imports import _finder
from tracetools.sampling.sampler import Sampler


def in_asyncio(function, *args):
    return asyncio.to_thread(function, *args)


def in_executor(function, *args):
    return asyncio.get_running_loop().run_in_executor(None, function, *args)


def in_anyio(function, *args):
    return anyio.to_thread.run_sync(function, *args)


def in_trio(function, *args):
    return trio.to_thread.run_sync(function, *args)


WAYS = [
    ("asyncio", in_asyncio),
    ("asyncio", in_executor),
    ("asyncio", in_anyio),
    ("trio", in_anyio),
    ("trio", in_trio),
]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1].__name__}")
def way(request):
    """Return how to run an async function on a backend, and how to call another in a thread."""
    backend, call = request.param

    def run(main):
        return trio.run(main) if backend == "trio" else asyncio.run(main())

    return run, call


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert not threads.is_patched()
    assert _finder not in sys.meta_path


def recorded(run, main, tmp_path, **options):
    """Return the threads' time and the entries of each stack, by names below the main task's."""
    with record(tmp_path / "stack", clock=World.clock, **options) as recording:
        result = run(main)
    recording.profile.check()
    found = {}
    for path, times in recording.profile.stacks.items():
        if times.thread:
            names = [frame.name.rpartition(".")[2] for frame in path[1:]]
            assert names[0] == "main"
            found[";".join(names[1:])] = times.thread, times.entries
    return found, result


def work(ns=5):
    World.clock.tick(ns)
    return ns


def test_a_function_in_a_thread_is_a_span_of_the_task_that_waits_for_it(way, tmp_path):
    run, call = way

    async def main():
        with span("part"):
            return await call(work), await call(functools.partial(work, 7)), await call(work, 8)

    assert recorded(run, main, tmp_path) == ({"part;work": (20, 3)}, (5, 7, 8))


def test_its_frame_is_where_it_is_defined(way, tmp_path):
    run, call = way

    async def main():
        await call(work)

    with record(tmp_path / "stack", clock=World.clock) as recording:
        run(main)
    [frame] = [path[-1] for path, times in recording.profile.stacks.items() if times.thread]
    assert frame.line == work.__code__.co_firstlineno
    assert frame.file.endswith("tests/instruments/test_threads.py")


@observe
def observed():
    work()


def test_an_observed_function_has_one_frame(way, tmp_path):
    run, call = way

    async def main():
        await call(observed)

    assert recorded(run, main, tmp_path)[0] == {"observed": (5, 1)}


def test_a_span_in_it_stands_below_it(way, tmp_path):
    run, call = way

    def outer():
        work(1)
        with span("inner"):
            work(2)

    async def main():
        await call(outer)

    assert recorded(run, main, tmp_path)[0] == {"outer": (1, 1), "outer;inner": (2, 1)}


def test_a_span_that_it_leaves_open_does_not_take_in_what_follows(way, tmp_path):
    run, call = way

    def leave():
        left.__enter__()

    async def main():
        await call(leave)
        await call(work)
        left.__exit__(None, None, None)

    left = span("left")
    assert recorded(run, main, tmp_path)[0]["work"] == (5, 1)


def test_an_error_is_the_programs_and_its_traceback_has_no_frame_of_ours(way, tmp_path):
    run, call = way

    def fail():
        work(5)
        raise error

    async def main():
        try:
            await call(fail)
        except ValueError as caught:
            return caught, traceback.extract_tb(caught.__traceback__)

    error = ValueError()
    found, (caught, trace) = recorded(run, main, tmp_path)
    assert found == {"fail": (5, 1)}
    assert caught is error
    if sys.version_info >= (3, 11):
        ours = tracetools.__path__[0]
        assert [frame.filename for frame in trace if frame.filename.startswith(ours)] == []


def test_no_frame_of_ours_is_on_the_stack_of_the_thread(way, tmp_path):
    run, call = way

    def look():
        work()
        return [frame.filename for frame in inspect.stack(0)]

    async def main():
        return await call(look)

    _, files = recorded(run, main, tmp_path)
    assert [file for file in files if file.startswith(tracetools.__path__[0])] == []


def test_what_is_not_callable_fails_as_without_us(way, tmp_path):
    run, call = way

    async def main():
        await call(5)

    def why():
        with pytest.raises(TypeError) as raised:
            run(main)
        return str(raised.value)

    without = why()
    with record(tmp_path / "stack", clock=World.clock):
        assert why() == without


def test_a_stop_iteration_is_passed_on():
    def stop():
        raise error

    error = StopIteration(5)
    after = threads._after(lambda: None, stop)
    with pytest.raises(StopIteration) as raised:
        after()
    assert raised.value is error


def test_work_by_keyword_arguments(tmp_path):
    async def main():
        await asyncio.to_thread(work, ns=3)
        with ThreadPoolExecutor() as pool:
            return await asyncio.wrap_future(pool.submit(work, ns=4))

    run = lambda main: asyncio.run(main())  # noqa: E731
    assert recorded(run, main, tmp_path) == ({"work": (7, 2)}, 4)


def test_work_that_was_cancelled_before_it_began_is_nothing(tmp_path):
    async def main():
        hold = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(hold.wait)
            second = pool.submit(work)
            assert second.cancel()
            hold.set()
        return first.result()

    run = lambda main: asyncio.run(main())  # noqa: E731
    assert recorded(run, main, tmp_path) == ({}, True)


def test_work_that_no_task_gives_is_not_recorded(tmp_path):
    def elsewhere():
        with ThreadPoolExecutor() as pool:
            assert pool.submit(work).result() == 5

    async def main():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    assert recorded(lambda main: asyncio.run(main()), main, tmp_path)[0] == {}


def test_work_that_goes_on_when_the_recording_ends_is_recorded_up_to_then(tmp_path):
    def long():
        work(5)
        begun.set()
        assert go_on.wait(10)
        work(50)

    async def main():
        async with record(tmp_path / "stack", clock=World.clock) as recording:
            future = asyncio.get_running_loop().run_in_executor(None, long)
            assert begun.wait(10)
        go_on.set()
        await future
        return recording.profile

    begun, go_on = threading.Event(), threading.Event()
    profile = asyncio.run(main())
    profile.check()
    assert profile.thread_time == 5


def test_a_profile_has_work_that_goes_on(way, tmp_path):
    run, call = way

    def long():
        work(5)
        return recording.profile.thread_time

    async def main():
        return await call(long)

    with record(tmp_path / "stack", clock=World.clock) as recording:
        assert run(main) == 5
    assert recording.profile.thread_time == 5


def test_several_recordings_see_the_same(way, tmp_path):
    run, call = way

    async def main():
        await call(work)

    with record(tmp_path / "other", clock=World.clock) as other:
        assert recorded(run, main, tmp_path)[0] == {"work": (5, 1)}
    assert other.profile.thread_time == 5


def test_functions_of_threads_are_sampled_below_them(way, tmp_path, monkeypatch):
    samplers = []

    def start(sampler):
        samplers.append(sampler)

    monkeypatch.setattr(Sampler, "start", start)
    monkeypatch.setattr(Sampler, "end", lambda _: None)
    run, call = way

    def outer():
        inner()

    def inner():
        World.clock.tick(5)
        samplers[0]._sample(lambda _: 1000)

    async def main():
        await call(outer)

    found, _ = recorded(run, main, tmp_path, functions=True)
    assert found == {"outer;inner": (5, 0)}


# ------------------------------------------------------------------------------------ the patching


def names_now():
    backend = sys.modules["anyio._backends._asyncio"]
    return [ThreadPoolExecutor.submit, trio._threads.start_thread_soon, backend.Queue]


def test_names_are_replaced_while_a_loop_is_recorded_and_no_longer(tmp_path):
    anyio.run(anyio.sleep, 0)
    before = names_now()

    async def main():
        return names_now()

    with record(tmp_path / "stack", clock=World.clock):
        outside = names_now()
        within = asyncio.run(main())
        between = names_now()
    assert outside == between == before == names_now()
    assert not set(map(id, within)) & set(map(id, before))
    assert before[2] is queue.Queue


def test_what_the_program_has_put_in_place_of_ours_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(ThreadPoolExecutor, "submit", ThreadPoolExecutor.submit)

    def mine(self, *args):
        return given(self, *args)

    async def main():
        nonlocal given
        given = ThreadPoolExecutor.submit
        ThreadPoolExecutor.submit = mine
        return await asyncio.to_thread(work)

    given = None
    with record(tmp_path / "stack", clock=World.clock) as recording:
        assert asyncio.run(main()) == 5
    assert recording.profile.thread_time == 5
    assert ThreadPoolExecutor.submit is mine
    assert asyncio.run(asyncio.to_thread(work)) == 5  # ours passes everything on


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the executor is new in 3.14")
def test_threads_with_interpreters_of_their_own_are_left_alone(tmp_path):
    from concurrent.futures import InterpreterPoolExecutor

    async def main():
        with InterpreterPoolExecutor(1) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, abs, -5)

    run = lambda main: asyncio.run(main())  # noqa: E731
    assert recorded(run, main, tmp_path, blocking=None) == ({}, 5)


@pytest.fixture(autouse=True)
def backend():
    World.backend = AsyncioBackend(World.clock)
    yield World.backend
    World.backend = TrioBackend(World.clock)
