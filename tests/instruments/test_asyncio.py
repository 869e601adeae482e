"""Programs on asyncio do the same, recorded or not; and how they are recorded."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import io
import itertools
import linecache
import logging
import os
import re
import signal
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Coroutine
from contextlib import ExitStack, suppress

import anyio
import pytest
import trio
import uvloop

from tracetools import record, span
from tracetools.core.stacks import RUNTIME
from tracetools.instruments import asyncio_patches as loops
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(tmp_path, clock):
    """Return a maker of recordings under the fake clock, without a thread that flushes."""
    numbers = itertools.count()

    def make(**options):
        options = {"clock": clock, "flush_interval": None} | options
        return record(tmp_path / str(next(numbers)), **options)

    return make


@pytest.fixture(autouse=True)
def log(caplog):
    """Return what asyncio logs; we ourselves must log nothing that a test did not ask for."""
    yield caplog
    assert not [r for r in caplog.records if r.name == "tracetools" and r.levelno >= logging.ERROR]


def named(profile):
    """Return the profile's stacks by the short names below the root, without the loop's own."""
    return {
        ";".join(frame.name.rpartition(".")[2] for frame in path[1:]): times
        for path, times in profile.stacks.items()
        if len(path) > 1 and path[1] != RUNTIME
    }


def busy(profile):
    return {name: times.busy for name, times in named(profile).items()}


# --------------------------------------------------------------- the same, recorded or not
#
# Each program notes what it sees, by `see`; the notes must be the same with and without us.

PROGRAMS = []


def program(function):
    PROGRAMS.append(function)
    return function


def text_of(error):
    """Return a traceback as text; on 3.10, where it shows frames of ours, without them."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if sys.version_info < (3, 11):
        text = re.sub(r'(?m)^  File "[^"]*/tracetools/[^\n]*\n    [^\n]*\n', "", text)
    return text


async def error_of(awaitable):
    try:
        await awaitable
    except BaseException as error:
        return text_of(error)
    return "no error"


async def leaf(result=1):
    await asyncio.sleep(0)
    return result


async def fails():
    await asyncio.sleep(0)
    raise ValueError("late")


async def fails_at_once():
    raise ValueError("early")


async def forever():
    await asyncio.get_running_loop().create_future()


@program
async def results(see):
    see(await asyncio.gather(leaf(1), leaf(2), fails(), return_exceptions=True))
    see(await asyncio.shield(leaf(3)), await asyncio.wait_for(leaf(4), 1))
    see([await first for first in asyncio.as_completed([leaf(5)])])
    done, pending = await asyncio.wait([asyncio.ensure_future(leaf(6))])
    see([task.result() for task in done], pending)


@program
async def errors(see):
    for awaitable in (fails(), fails_at_once(), asyncio.gather(leaf(), fails())):
        see(await error_of(awaitable))
    see(await error_of(asyncio.create_task(fails())))
    see(await error_of(asyncio.create_task(fails_at_once())))


@program
async def errors_that_iterators_know(see):
    for error in (StopIteration(3), StopAsyncIteration(), RecursionError()):

        async def raises(error=error):
            await asyncio.sleep(0)
            raise error

        see(await error_of(asyncio.create_task(raises())))


@program
async def waiting_for_too_long(see):
    see("TimeoutError" in await error_of(asyncio.wait_for(forever(), 0.001)))


@program
async def cancellation(see):
    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    see(task.cancel("message"), await error_of(task), task.cancelled(), task)

    task = asyncio.create_task(forever())  # it never steps
    see(task.cancel("before"), await error_of(task), task.cancelled())

    async def stubborn():
        for _ in range(3):
            try:
                await forever()
            except asyncio.CancelledError as error:  # noqa: PERF203
                see(error.args)
        return 7

    task = asyncio.create_task(stubborn())
    for number in range(4):
        task.cancel(number)
        await asyncio.sleep(0)
    see(await error_of(task))


@program
async def a_task_that_refuses_to_be_cancelled(see):
    async def stubborn():
        for _ in range(3):
            try:
                await forever()
            except asyncio.CancelledError as error:  # noqa: PERF203
                see(error.args)
        return 7

    task = asyncio.create_task(stubborn())
    for number in range(3):
        await asyncio.sleep(0)
        task.cancel(number)
    see(await task)


@program
async def introspection(see):
    future = asyncio.get_running_loop().create_future()

    async def waits(argument):
        await future

    task = asyncio.create_task(waits(5), name="its name")

    def look():
        coroutine = task.get_coro()
        see(task, repr(coroutine), inspect.getcoroutinestate(coroutine), coroutine.__class__)
        see(inspect.iscoroutine(coroutine), asyncio.iscoroutine(coroutine))
        see(isinstance(coroutine, (Coroutine, types.CoroutineType)), inspect.isawaitable(coroutine))
        see(coroutine.__name__, coroutine.__qualname__, coroutine.cr_code, coroutine.cr_running)
        see(coroutine.cr_await, getattr(coroutine, "cr_suspended", None))
        see(coroutine in {coroutine}, coroutine == coroutine)  # noqa: FURB171, PLR0124
        if coroutine.cr_frame is not None:
            see(inspect.getcoroutinelocals(coroutine)["argument"])
        see([(frame.f_code, frame.f_lineno) for frame in task.get_stack()])
        out = io.StringIO()
        task.print_stack(file=out)
        see(out.getvalue())

    look()
    await asyncio.sleep(0)
    look()
    future.set_result(None)
    await task
    look()
    see(asyncio.current_task().get_coro().cr_running)


@program
async def what_is_no_coroutine(see):
    loop = asyncio.get_running_loop()
    for create in (asyncio.create_task, loop.create_task, asyncio.ensure_future):
        for thing in (1, None, leaf, iter([])):
            try:
                create(thing)
            except Exception as error:  # noqa: PERF203
                see(type(error), str(error))
    for options in ({}, {"coro": 1}, {"unknown": 1}):
        try:
            loop.create_task(**options)  # noqa: RUF006
        except Exception as error:  # noqa: PERF203
            see(type(error))


@program
async def generators_as_coroutines(see):
    @types.coroutine
    def decorated():
        yield
        return 3

    def plain():
        yield

    async def generator():
        yield 1

    for thing in (decorated(), plain(), generator().asend(None)):
        try:
            task = asyncio.create_task(thing)
            see(task, await task)
        except Exception as error:
            see(type(error), str(error))
        getattr(thing, "close", int)()


class NonNative(Coroutine):
    """A coroutine of a class of its own, as Cython makes them."""

    def __init__(self, see):
        self.__name__ = self.__qualname__ = "NonNative"
        self.see = see
        self.steps = 0

    def send(self, value):
        self.see("send", value)
        self.steps += 1
        if self.steps > 2:
            raise StopIteration(9)

    def throw(self, *error):
        self.see("throw", error)
        raise error[0]

    def close(self):
        self.see("close")

    def __await__(self):
        yield


@program
async def a_coroutine_of_its_own_class(see):
    see(await asyncio.create_task(NonNative(see)))
    for steps in range(2):
        task = asyncio.create_task(NonNative(see))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        see(task)
    see(await asyncio.gather(NonNative(see)))


@program
async def coroutines_used_by_hand(see):
    coroutine = leaf()
    await coroutine
    see(await error_of(asyncio.create_task(coroutine)))
    coroutine = leaf()
    tasks = [asyncio.create_task(coroutine), asyncio.create_task(coroutine)]
    see(*[await error_of(task) for task in tasks])


@program
async def a_coroutine_that_is_closed_by_hand(see):
    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    task.get_coro().close()
    task.cancel()
    see(await error_of(task))


@program
async def a_coroutine_that_is_awaited_by_hand(see):
    task = asyncio.create_task(leaf())
    await asyncio.sleep(0)
    see((await error_of(task.get_coro())).splitlines()[-1])
    see(await task)


@program
async def what_a_task_may_not_wait_for(see):
    @types.coroutine
    def wait_for(thing):
        yield thing

    async def waits(thing):
        await wait_for(thing)

    for thing in (3, "x", asyncio.get_running_loop().create_future()):
        task = asyncio.create_task(waits(thing), name="its name")
        see((await error_of(task)).splitlines()[-1])

    async def waits_for_itself():
        await asyncio.current_task()

    see(await error_of(asyncio.create_task(waits_for_itself(), name="its name")))


@program
async def names(see):
    first, second = asyncio.create_task(leaf()), asyncio.create_task(leaf())
    see(
        int(second.get_name()[5:]) - int(first.get_name()[5:]), first.get_name().startswith("Task-")
    )
    task = asyncio.create_task(leaf(), name=3)
    see(task.get_name())
    task.set_name(5)
    see(task.get_name())
    await asyncio.gather(first, second, task)


@program
async def contexts(see):
    variable = contextvars.ContextVar("variable", default=0)

    async def changes(value):
        before = variable.get()
        variable.set(value)
        await asyncio.sleep(0)
        return before, variable.get()

    variable.set(5)
    see(await asyncio.create_task(changes(1)), variable.get())
    if sys.version_info >= (3, 11):
        context = contextvars.copy_context()
        tasks = [asyncio.create_task(changes(n), context=context) for n in range(4)]
        see(await asyncio.gather(*tasks), context[variable])


@program
async def a_task_that_is_dropped(see):
    task = asyncio.create_task(forever(), name="dropped")
    del task
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()


@program
async def an_error_that_nobody_retrieves(see):
    asyncio.create_task(fails_at_once(), name="unretrieved")  # noqa: RUF006
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()


@program
async def async_generators_that_are_left_over(see):
    async def generator(what):
        try:
            yield
        finally:
            await asyncio.sleep(0)
            see(what)

    async for _ in generator("dropped"):
        break
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kept = generator("kept")
    await kept.__anext__()
    see.kept = kept  # the loop closes it at its end


@program
async def an_async_generator_that_fails_when_it_is_left_over(see):
    async def generator():
        try:
            yield
        finally:
            raise ValueError("in finally")

    async for _ in generator():
        break
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()


@program
async def a_task_factory(see):
    def factory(loop, coroutine, **options):
        see(inspect.iscoroutine(coroutine), sorted(options))
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    see(loop.get_task_factory() is factory)
    see(await asyncio.create_task(leaf()), await asyncio.gather(leaf(2), leaf(3)))
    task = asyncio.create_task(leaf(), name="its name")
    see(task.get_name(), await task, await error_of(asyncio.create_task(fails())))
    loop.set_task_factory(None)
    see(loop.get_task_factory(), await asyncio.create_task(leaf()))
    try:
        loop.set_task_factory(3)
    except TypeError as error:
        see(text_of(error))


@program
async def a_task_factory_that_wraps(see):
    def factory(loop, coroutine, **options):
        async def wrapper():
            return await coroutine

        return asyncio.Task(wrapper(), loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    see(await asyncio.create_task(leaf()), await error_of(asyncio.create_task(fails())))
    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    task.cancel("message")
    see(await error_of(task))
    asyncio.get_running_loop().set_task_factory(None)


@program
async def a_task_factory_that_wants_real_coroutines(see):
    def factory(loop, coroutine, **options):
        if type(coroutine) is not types.CoroutineType:
            raise TypeError
        return asyncio.Task(coroutine, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    see(await asyncio.create_task(leaf()), await error_of(asyncio.create_task(fails())))
    see(await asyncio.gather(leaf(2), leaf(3)))
    asyncio.get_running_loop().set_task_factory(None)


@program
async def a_task_factory_that_fails(see):
    def factory(loop, coroutine, **options):
        coroutine.close()
        raise ValueError("its own")

    asyncio.get_running_loop().set_task_factory(factory)
    try:
        asyncio.create_task(leaf())  # noqa: RUF006
    except ValueError as error:
        see(text_of(error))
    asyncio.get_running_loop().set_task_factory(None)


@program
async def a_task_factory_that_fails_after_all(see):
    made = []

    def factory(loop, coroutine, **options):
        made.append(asyncio.Task(coroutine, loop=loop, **options))
        if len(made) == 1:
            raise ValueError("its own")
        return made[-1]

    asyncio.get_running_loop().set_task_factory(factory)
    try:
        asyncio.create_task(leaf())  # noqa: RUF006
    except ValueError as error:
        see(str(error))
    asyncio.get_running_loop().set_task_factory(None)
    see(len(made))
    await asyncio.wait(made)


@program
async def tasks_written_in_python(see):
    def factory(loop, coroutine, **options):
        return asyncio.tasks._PyTask(coroutine, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    see(await asyncio.create_task(leaf()), await error_of(asyncio.create_task(fails())))
    for steps in range(2):
        task = asyncio.create_task(forever(), name="its name")
        for _ in range(steps):
            await asyncio.sleep(0)
        see(task, task.cancel("message"), await error_of(task))
    asyncio.get_running_loop().set_task_factory(None)


@program
async def tasks_made_without_the_loop(see):
    for make_task in (asyncio.Task, asyncio.tasks._PyTask):
        loop = asyncio.get_running_loop()
        see(await make_task(leaf(), loop=loop), await error_of(make_task(fails(), loop=loop)))


@program
async def a_loop_within_a_loop(see):
    def run_nested(coroutine):
        task = asyncio.ensure_future(coroutine)
        current = asyncio.current_task()
        asyncio.tasks._leave_task(loop, current)
        while not task.done():
            loop._run_once()
        asyncio.tasks._enter_task(loop, current)
        return task.result()

    async def nests():
        return run_nested(leaf(8))

    loop = asyncio.get_running_loop()
    if hasattr(loop, "_run_once"):  # uvloop has none
        see(run_nested(leaf(7)), await asyncio.create_task(nests()))
        see(await error_of(asyncio.create_task(nests_and_fails(run_nested))))


async def nests_and_fails(run_nested):
    return run_nested(fails())


@program
async def loops_that_run_already(see):
    loop, other = asyncio.get_running_loop(), asyncio.new_event_loop()
    # not by run_forever: on 3.13.0, to call it again stops the loop that runs
    for run in (loop.run_until_complete, other.run_until_complete):
        try:
            run(loop.create_future())
        except RuntimeError as error:  # noqa: PERF203
            see(text_of(error))
    other.close()
    coroutine = leaf()
    try:
        other.create_task(coroutine)
    except RuntimeError as error:
        see(text_of(error))
    coroutine.close()


@program
async def signatures(see):
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.BaseEventLoop):  # uvloop's are written in C
        for name in ("create_task", "run_forever", "close", "set_task_factory"):
            method = getattr(loop, name)
            see(inspect.signature(method), method.__name__, method.__doc__)


@program
async def anyios_words(see):
    async with anyio.create_task_group() as group:
        group.start_soon(leaf)
    with anyio.move_on_after(0.001) as scope:
        await anyio.sleep_forever()
    see(scope.cancelled_caught, anyio.get_current_task().name)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            group.start_soon(fails_at_once)
    except BaseException as error:
        see(type(error), [type(inner) for inner in error.exceptions])
    see(await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(leaf, 4)))


@program
async def a_guest_run_of_trio(see):
    async def guest():
        await trio.lowlevel.checkpoint()
        return "guest"

    loop = asyncio.get_running_loop()
    done = loop.create_future()
    trio.lowlevel.start_guest_run(
        guest,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        done_callback=done.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    see(await asyncio.create_task(leaf()), (await done).unwrap())


@program
async def a_call_from_another_thread(see):
    loop = asyncio.get_running_loop()

    def in_thread():
        return asyncio.run_coroutine_threadsafe(leaf(4), loop).result(5)

    see(await asyncio.to_thread(in_thread))


@program
async def no_stack_left(see):
    def recurse():
        recurse()

    async def runs():
        recurse()

    for _ in range(3):
        see("maximum recursion depth exceeded" in await error_of(asyncio.create_task(runs())))


if sys.version_info >= (3, 11):

    @program
    async def task_groups(see):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(leaf(1)), group.create_task(leaf(2), name="b")]
        see([task.result() for task in tasks], tasks[1].get_name())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                group.create_task(forever())
        except BaseExceptionGroup as error:  # noqa: F821
            see(text_of(error))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(forever())
            task.cancel("before its first step")
        see(await error_of(task))

    @program
    async def timeouts_and_uncancelling(see):
        try:
            async with asyncio.timeout(0.001):
                await forever()
        except TimeoutError as error:
            see(text_of(error))
        see(asyncio.current_task().cancelling())

        async def uncancels():
            try:
                await forever()
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                see(error.args, task.cancelling(), task.uncancel())
            return "fine"

        task = asyncio.create_task(uncancels())
        await asyncio.sleep(0)
        see(task.cancel("m"), task.cancel("n"), await task, task.cancelling())


if sys.version_info >= (3, 12):

    @program
    async def eager_tasks(see):
        async def at_once():
            task = asyncio.current_task()
            see(task in asyncio.all_tasks(), inspect.getcoroutinestate(task.get_coro()))
            return 3

        async def deep(depth):
            if depth:
                return await asyncio.create_task(deep(depth - 1))
            return await leaf()

        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(at_once())
        see(task.done(), task.result(), await asyncio.gather(at_once(), leaf()), await deep(9))
        for function in (fails, fails_at_once):
            see(await error_of(asyncio.create_task(function())))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(at_once()), group.create_task(leaf(), name="its name")]
            see(tasks[1].get_name())
        try:
            asyncio.create_task(3)  # noqa: RUF006
        except Exception as error:
            see(type(error), str(error))
        loop.set_task_factory(None)
        see(loop.get_task_factory())

    @program
    async def eager_tasks_of_a_class_of_ones_own(see):
        class Task(asyncio.Task):
            pass

        def construct(coroutine, **options):
            see(sorted(options))
            return Task(coroutine, **options)

        factory = asyncio.create_eager_task_factory(construct)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        see(loop.get_task_factory().__code__ is asyncio.eager_task_factory.__code__)
        task = asyncio.create_task(leaf())
        see(type(task), await task, await error_of(asyncio.create_task(fails())))
        loop.set_task_factory(None)

    @program
    async def anyios_groups_of_eager_tasks(see):
        async def starts(*, task_status):
            task_status.started(3)
            await leaf()

        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with anyio.create_task_group() as group:
            group.start_soon(leaf)
            see(await group.start(starts))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                group.start_soon(fails_at_once)
        except BaseExceptionGroup as error:  # noqa: F821
            see([type(inner) for inner in error.exceptions])
        asyncio.get_running_loop().set_task_factory(None)


if sys.version_info >= (3, 14):

    @program
    async def tasks_that_start_eagerly(see):
        async def at_once(number):
            task = asyncio.current_task()
            see(task.get_name(), task in asyncio.all_tasks(), asyncio.all_tasks() == everyone())
            return number

        def everyone():
            found = []
            loop = asyncio.get_running_loop()
            thread = threading.Thread(target=lambda: found.append(asyncio.all_tasks(loop)))
            thread.start()
            thread.join()
            return found[0]

        for start in (True, False, None):
            options = {"name": "its name", "eager_start": start}
            task = asyncio.create_task(at_once(1), **options)
            see(task.done(), await task, asyncio.all_tasks() == everyone())
            for function in (fails, fails_at_once):
                see(await error_of(asyncio.create_task(function(), eager_start=start)))
            async with asyncio.TaskGroup() as group:
                task = group.create_task(at_once(2), **options)
                see(task.done())
            task = asyncio.Task(at_once(3), loop=asyncio.get_running_loop(), **options)
            see(task.done(), await task)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(at_once(4), name="another", eager_start=False)
        see(task.done(), await task)
        loop.set_task_factory(None)

    @program
    async def errors_of_eager_tasks_are_not_kept_alive(see):
        class Error(Exception):
            pass

        async def raises():
            raise Error

        task = asyncio.create_task(raises(), eager_start=True)
        error = weakref.ref(task.exception())
        gc.disable()
        try:
            del task
            see(error())
        finally:
            gc.enable()

    @program
    async def graphs_of_awaits(see):
        async def outer():
            await forever()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(outer(), name="outer")
            await asyncio.sleep(0)
            see(asyncio.format_call_graph(task))
            task.cancel()


class Notes:
    """What a program has seen."""

    def __init__(self):
        self.all = []

    def __call__(self, *seen):
        self.all += [re.sub(r"0x[0-9a-f]+|Task-[0-9]+", "…", repr(one)) for one in seen]


def run(main, *, make_loop=asyncio.new_event_loop, debug=False):
    """Run a program as `asyncio.run` does, on any kind of loop."""
    loop = make_loop()
    loop.set_debug(debug)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def seen_by(function, log, recordings, **options):
    """Run a program within recordings; return what it has seen, and what asyncio has logged."""
    see = Notes()
    log.clear()
    linecache.clearcache()  # it finds uvloop's source the second time that it looks, since 3.14
    with ExitStack() as stack:
        entered = [stack.enter_context(recording) for recording in recordings]
        run(function(see), **options)
        gc.collect()
        for recording in entered:
            recording.profile.check()
    for recording in entered:
        recording.profile.check()
        assert not recording.recorder.loops
    messages = [r.getMessage().split("\n")[0] for r in log.records if r.name == "asyncio"]
    logged = [line for line in messages if not line.startswith("Executing")]  # that it was slow
    return see.all, [re.sub(r"0x[0-9a-f]+|Task-[0-9]+|[0-9.]+ sec", "…", line) for line in logged]


def in_loops():
    """Return each program with each kind of loop that it can run on.

    uvloop and Python 3.13.0 do not agree on what an eager factory is given, recorded or not.
    """
    for function in PROGRAMS:
        yield pytest.param(function, asyncio.new_event_loop, id=f"{function.__name__}-asyncio")
        if "eager" not in function.__name__ or sys.version_info < (3, 13):
            yield pytest.param(function, uvloop.new_event_loop, id=f"{function.__name__}-uvloop")


@pytest.mark.parametrize(("function", "make_loop"), [*in_loops()])
def test_a_program_does_the_same_whether_it_is_recorded_or_not(function, make_loop, make, log):
    alone = seen_by(function, log, [], make_loop=make_loop)
    assert seen_by(function, log, [make()], make_loop=make_loop) == alone
    assert seen_by(function, log, [make(lens="task")], make_loop=make_loop) == alone
    several = [make(), make(scheduled=True)]
    assert seen_by(function, log, several, make_loop=make_loop) == alone


@pytest.mark.parametrize(
    "function",
    # of a loop within a loop, asyncio itself says how long each took
    [function for function in PROGRAMS if function is not a_loop_within_a_loop],
    ids=lambda function: function.__name__,
)
def test_a_program_does_the_same_in_debug_mode(function, make, log):
    alone = seen_by(function, log, [], debug=True)
    assert seen_by(function, log, [make(scheduled=True)], debug=True) == alone


def test_debug_mode_says_where_tasks_and_handles_were_made(make):
    async def main():
        task = asyncio.create_task(leaf())
        handle = asyncio.get_running_loop().call_soon(int)
        for made in (task, handle):
            files = [frame.filename for frame in made._source_traceback[-3:]]
            assert __file__ in files
            assert loops.__file__ not in files
        await task

    for recording in (make(), make(scheduled=True)):
        with recording:
            run(main(), debug=True)


def test_debug_mode_complains_of_slow_steps_by_the_name_of_the_task(make, log):
    async def slow():
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0  # all are

    for recording in (make(), make(scheduled=True)):
        log.clear()
        with recording:
            run(slow(), debug=True)
        said = [r.getMessage() for r in log.records if "Executing" in r.getMessage()]
        assert any("slow() done" in line for line in said)
        assert not any("tracetools" in line for line in said)


# ------------------------------------------------------------------------------------- Ctrl-C


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_in_a_task_arrives_and_its_finally_is_run(make, clock):
    done = []

    async def main():
        try:
            clock.tick(3)
            ctrl_c()
        finally:
            done.append(True)

    with make() as recording:
        loop = asyncio.new_event_loop()
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(main())
        loop.close()
    recording.profile.check()
    assert done
    assert busy(recording.profile) == {"main": 3}


def test_ctrl_c_ends_asyncio_run(make):
    async def main():
        ctrl_c()
        await forever()

    with make() as recording, pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    recording.profile.check()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_errors_that_end_the_loop_are_the_tasks_as_well(make, error):
    async def raises():
        await asyncio.sleep(0)
        raise error

    async def main():
        task = asyncio.create_task(raises())
        with pytest.raises(error):
            await task

    with make() as recording, pytest.raises(error):
        asyncio.run(main())
    recording.profile.check()


@pytest.fixture
def no_collections():
    """Let no garbage be collected: that reads the clock as well; see test_collector."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("scheduled", [False, True])
def test_ctrl_c_in_the_midst_of_our_own_code_is_not_lost(tmp_path, scheduled):
    """A clock that is read for the n-th time is as good a moment as any; we read it everywhere.

    Nobody watches, who would read it as well, in another thread.
    """

    class Clock(FakeClock):
        def __init__(self, interrupt_at):
            super().__init__()
            self.left = interrupt_at

        def __call__(self):
            self.left -= 1
            if self.left == 0:
                ctrl_c()
            return super().__call__()

    async def main():
        task, other = asyncio.create_task(leaf()), asyncio.create_task(forever())
        with span("here"):
            await asyncio.sleep(0)
        other.cancel()
        await asyncio.wait([task, other])

    lost, stuck = [], []
    for number in itertools.count(1):
        clock = Clock(0)
        with record(
            tmp_path / "stack",
            clock=clock,
            flush_interval=None,
            scheduled=scheduled,
            blocking=None,
        ) as recording:
            loop = asyncio.new_event_loop()
            clock.left = number
            try:
                loop.run_until_complete(main())
            except KeyboardInterrupt:
                arrived = True
            else:
                arrived = False
            over, clock.left = clock.left > 0, 0
            for task in (left := asyncio.all_tasks(loop)):
                task.cancel()
            if left:
                with suppress(KeyboardInterrupt):
                    loop.run_until_complete(asyncio.wait(left, timeout=0.2))
                if not all(task.done() for task in left):
                    stuck.append(number)
            loop.close()
        recording.profile.check()
        if over:
            break
        if not arrived:
            lost.append(number)
    gc.collect()  # here, where it is expected that coroutines were not awaited
    assert lost == []
    assert stuck == []
    assert number > 10


# ---------------------------------------------------------------------------- how it is recorded


def test_a_loop_that_stops_and_runs_again_is_one(make, clock):
    async def waits(future):
        clock.tick(1)
        await future
        clock.tick(2)

    with make() as recording:
        loop = asyncio.new_event_loop()
        future = loop.create_future()
        task = loop.create_task(waits(future))
        loop.run_until_complete(leaf())
        clock.tick(100)  # nobody runs
        assert recording.profile.duration == 1
        future.set_result(None)
        loop.run_until_complete(task)
        loop.close()
    profile = recording.profile
    profile.check()
    assert (profile.runs, profile.backends) == (1, ("asyncio",))
    assert named(profile)["waits"].busy == 3
    assert profile.duration == 103
    assert profile.own == 100


def test_uvloop_is_named_as_the_backend(make):
    with make() as recording:
        run(leaf(), make_loop=uvloop.new_event_loop)
    assert recording.profile.backends == ("uvloop",)


def test_loops_in_several_threads_add_up(make, clock):
    async def main():
        for _ in range(10):
            with span("s"):
                await asyncio.create_task(leaf())

    with make() as recording:
        threads = [threading.Thread(target=run, args=[main()]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    profile = recording.profile
    profile.check()
    assert profile.runs == 4
    assert named(profile)["main;s"].entries == 40
    assert named(profile)["main;s;leaf"].entries == 40


def by_a_factory(coroutine):
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    return asyncio.create_task(coroutine)


def by_an_option(coroutine):
    return asyncio.create_task(coroutine, eager_start=True)


@pytest.mark.parametrize(
    "create",
    [
        pytest.param(
            by_a_factory,
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="came with Python 3.12"),
        ),
        pytest.param(
            by_an_option,
            marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14"),
        ),
    ],
)
def test_an_eager_task_steps_within_the_step_of_its_creator(create, make, clock):
    async def child():
        clock.tick(10)
        await asyncio.sleep(0)
        clock.tick(100)

    async def main():
        clock.tick(1)
        task = create(child())
        clock.tick(2)
        await task

    with make(lens="task") as recording:
        run(main())
    recording.profile.check()
    assert busy(recording.profile) == {"main": 3, "main;child": 110}
    times = named(recording.profile)["main;child"]
    assert (times.scheduled, times.idle) == (2, 0)


def test_a_task_is_scheduled_from_its_wake_up_until_its_step(make, clock):
    async def waits(future):
        await future

    async def main():
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(waits(future))
        clock.tick(1)
        await asyncio.sleep(0)
        clock.tick(10)
        future.set_result(None)
        clock.tick(100)
        await task

    with make(lens="task") as recording:
        run(main())
    recording.profile.check()
    times = named(recording.profile)["main;waits"]
    assert (times.busy, times.scheduled, times.idle) == (0, 101, 10)


def test_tasks_have_the_names_that_they_were_given_if_asked_for(make):
    async def main():
        await asyncio.create_task(leaf(), name="mine")
        await asyncio.create_task(leaf())

    with make(task_names=True) as recording:
        run(main())
    assert set(named(recording.profile)) == {"main", "main;mine", "main;leaf"}


def test_what_is_no_string_names_a_task_by_what_asyncio_makes_of_it(make):
    async def main():
        await asyncio.create_task(leaf(), name=7)

    with make(task_names=True) as recording:
        run(main())
    found = named(recording.profile).items()
    assert {name for name, times in found if times.entries} == {"main", "main;7"}


def test_a_name_that_is_no_string_is_asked_for_that_by_asyncio_alone(make, caplog):
    class Name:
        def __str__(self):
            refs.append(weakref.ref(self))
            raise LookupError("no name")

    async def main():
        coroutine, loop = leaf(), asyncio.get_running_loop()
        with pytest.raises(LookupError, match="no name"):
            asyncio.Task(coroutine, loop=loop, name=Name())
        coroutine.close()
        return await asyncio.create_task(leaf())

    refs = []
    with make(task_names=True) as recording:
        assert run(main()) == 1
    assert len(refs) == 1
    assert refs[0]() is None
    assert set(named(recording.profile)) == {"main", "main;leaf"}
    assert [line for line in caplog.records if line.name == "tracetools"] == []


def test_a_task_whose_name_cannot_be_asked_for_is_named_by_its_function(make, caplog):
    class Task(asyncio.Task):
        def get_name(self):
            raise LookupError("no name")

    async def main():
        return await Task(leaf(), loop=asyncio.get_running_loop())

    with make(task_names=True) as recording:
        assert run(main()) == 1
    assert set(named(recording.profile)) == {"main", "main;leaf"}
    assert [line for line in caplog.records if line.name == "tracetools"] == []


def test_a_task_that_a_callback_creates_stands_under_the_task_that_asked_for_it(make):
    async def main():
        loop = asyncio.get_running_loop()
        made = loop.create_future()
        with span("s"):
            loop.call_soon(lambda: made.set_result(loop.create_task(leaf())))
        await (await made)

    with make() as recording:
        run(main())
    assert "main;leaf" in named(recording.profile)


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # what tests before it left
def test_no_task_is_kept_alive_after_its_end(make, scheduled):
    def new(coroutine_function):
        thing = FakeClock()
        task = asyncio.create_task(coroutine_function(thing))
        refs.extend([weakref.ref(thing), weakref.ref(task), weakref.ref(task.get_coro())])
        return task

    async def returns(thing):
        await asyncio.sleep(0)

    async def waits(thing):
        await forever()

    async def raises(thing):
        raise ValueError

    refs = []

    async def main(recording):
        for function in (returns, waits, raises):
            task = new(function)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            task.cancelled() or task.exception()
            del task
        task = new(waits)  # it never steps
        task.cancel()
        await asyncio.wait([task])
        del task
        await asyncio.sleep(0)
        gc.collect()
        assert [ref() for ref in refs] == [None] * 12
        [loop] = recording.recorder.loops
        assert len(loop.tasks) == 1
        refs.append(weakref.ref(asyncio.current_task()))
        refs.append(weakref.ref(asyncio.get_running_loop()))

    with make(scheduled=scheduled) as recording:
        run(main(recording))
        gc.collect()
        assert [ref() for ref in refs] == [None] * 14
        assert not recording.recorder.loops


def test_the_account_of_a_task_that_was_dropped_is_closed(make, log):
    async def main(recording):
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        del task
        gc.collect()
        await asyncio.create_task(leaf())
        [loop] = recording.recorder.loops
        assert len(loop.tasks) == 1

    with make() as recording:
        run(main(recording))
    recording.profile.check()


def test_a_loop_that_is_never_closed_is_not_kept_alive(make):
    with make(scheduled=True) as recording:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leaf())
        ref = weakref.ref(loop)
    recording.profile.check()
    loop.close()
    del loop
    gc.collect()
    assert ref() is None


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # an error on 3.15
def test_a_forked_child_goes_on_unrecorded(make):
    async def main():
        child = os.fork()
        if not child:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        await leaf()

    with make() as recording:
        run(main())
    recording.profile.check()


class OwnTask(asyncio.Future):
    """A task that is none of asyncio's, and takes real coroutines only."""

    def __init__(self, coroutine, loop):
        if type(coroutine) is not types.CoroutineType:
            raise TypeError
        super().__init__(loop=loop)
        self._coroutine = coroutine
        loop.call_soon(self.__step)

    def get_coro(self):
        return self._coroutine

    def set_name(self, name):
        pass

    def __step(self):
        asyncio.tasks._enter_task(self.get_loop(), self)
        try:
            self._coroutine.send(None)
        except StopIteration as stop:
            self.set_result(stop.value)
        else:
            self.get_loop().call_soon(self.__step)
        finally:
            asyncio.tasks._leave_task(self.get_loop(), self)


async def with_factory(clock, factory):
    async def child():
        await asyncio.sleep(0)
        clock.tick(5)

    asyncio.get_running_loop().set_task_factory(factory)
    await asyncio.create_task(child())
    asyncio.get_running_loop().set_task_factory(None)


def test_a_factory_that_wants_real_coroutines_is_followed_by_wake_ups(make, clock, log):
    def factory(loop, coroutine, **options):
        return OwnTask(coroutine, loop)

    with make() as recording:
        run(with_factory(clock, factory))
    recording.profile.check()
    assert busy(recording.profile) == {"with_factory": 0, "with_factory;child": 5}
    assert "less well" in log.text


def test_a_factory_that_wants_real_coroutines_may_make_asyncios_tasks(make, clock, log):
    def factory(loop, coroutine, **options):
        if type(coroutine) is not types.CoroutineType:
            raise TypeError
        return asyncio.Task(coroutine, loop=loop, **options)

    with make() as recording:
        run(with_factory(clock, factory))
    recording.profile.check()
    assert busy(recording.profile) == {"with_factory": 0, "with_factory;child": 5}
    assert named(recording.profile)["with_factory;child"].steps == 2
    assert "less well" not in log.text


def test_an_error_of_ours_ends_the_recording_and_not_the_program(make, caplog):
    def clock():
        if broken:
            raise ValueError("broken")
        return 5_000_000_000

    broken = []

    async def main():
        broken.append(True)
        return await asyncio.create_task(leaf(5))

    with make(clock=clock) as recording:
        assert run(main()) == 5
    recording.profile.check()
    assert [r for r in caplog.records if "its clock failed" in r.getMessage()]
    caplog.clear()


def test_a_step_that_waits_while_the_loop_stops_is_one_step(make, clock):
    """A task that was there before is followed by its wake-ups, which may wait for the next run."""

    async def main():
        for _ in range(3):
            clock.tick(1)
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    with make() as one, make(scheduled=True) as other:
        for _ in range(3):
            loop.run_forever()
        loop.run_until_complete(task)
        loop.close()
    for recording in (one, other):
        recording.profile.check()
        assert named(recording.profile)["main"].steps == 4


def test_a_task_that_another_thread_drops_is_closed_in_the_thread_of_its_loop(make, clock):
    held = []

    async def main():
        async def abandoned():
            await asyncio.get_running_loop().create_future()

        held.append(asyncio.create_task(abandoned()))
        await asyncio.sleep(0)
        held[0]._log_destroy_pending = False
        dropping = threading.Thread(target=held.clear)
        dropping.start()
        dropping.join()
        gc.collect()
        clock.tick(5)
        await asyncio.create_task(leaf())

    with make() as recording:
        run(main())
    recording.profile.check()
    assert named(recording.profile)["main;abandoned"].idle == 5


def test_a_task_that_yields_to_the_loop_has_woken_itself(tmp_path):
    async def polls():
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    with record(tmp_path / "stack") as recording:
        asyncio.run(polls())
    [times] = [
        times for path, times in recording.profile.stacks.items() if path[-1].name.endswith("polls")
    ]
    assert (times.self_wakes, times.steps) == (10, 12)
