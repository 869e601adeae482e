"""Which function a task runs, whatever stands around it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import types

import pytest
import trio

from tests.notebooks import FILE, Notebook
from tracetools import observe
from tracetools.core.stacks import Frame
from tracetools.instruments.task_functions import is_of_runtime, task_function


async def plain():
    pass


async def items():
    yield


@types.coroutine
def old():
    yield


def frame_of(function, name=None):
    """Return the frame of a function, perhaps by another name."""
    code = function.__code__
    return Frame(name or function.__qualname__, __file__, code.co_firstlineno)


def told(coroutine):
    """Return what is told of a new task, which never steps."""
    with contextlib.closing(coroutine):
        return task_function(coroutine)


def test_a_coroutine_is_shown_as_its_function():
    assert [told(plain()) for _ in range(2)] == [(frame_of(plain), None)] * 2


def test_an_old_coroutine_is_shown_as_its_function():
    assert told(old()) == (frame_of(old), None)


def test_an_observed_function_has_its_frame_for_the_span_as_well():
    frame = frame_of(plain, "by another name")
    assert told(observe(plain, name="by another name")()) == (frame, frame)
    assert told(plain()) == (frame_of(plain), None)


def test_coroutines_of_one_function_may_have_names_of_their_own():
    renamed = plain()
    renamed.__qualname__ = "renamed"
    assert told(plain()) == (frame_of(plain), None)
    assert told(renamed) == (frame_of(plain, "renamed"), None)
    assert told(plain()) == (frame_of(plain), None)


def passing(function):
    @functools.wraps(function)
    async def wrapper():
        await function()

    return wrapper


def test_a_wrapper_that_goes_by_the_name_of_a_function_is_shown_as_it():
    assert told(passing(plain)()) == (frame_of(plain), None)


def test_an_observed_wrapper_is_shown_as_it_was_observed():
    frame, observed = told(observe(passing(plain))())
    assert frame == observed == frame_of(plain)


# ---------------------------------------------------------------------------- runners of libraries


def run(main):
    """Run a coroutine as uvloop does."""

    async def wrapper():
        return await main

    return wrapper()


def coroutine_or_error(orig_coro):
    """Wrap an awaitable as trio does."""

    async def python_wrapper():
        return await orig_coro

    return python_wrapper()


class BlockingPortal:
    """The runner of anyio's calls from threads."""

    async def _call_func(self, func):
        await func()


def test_the_runners_of_libraries_are_walked_through():
    main = plain()
    with contextlib.closing(main):
        assert told(run(main)) == (frame_of(plain), None)
    with contextlib.closing(old()) as awaitable:
        assert told(coroutine_or_error(awaitable)) == (frame_of(old), None)
    assert told(BlockingPortal()._call_func(plain)) == (frame_of(plain), None)


def test_runners_around_runners_are_walked_through():
    observed = observe(plain)()
    inner = run(observed)
    with contextlib.closing(observed), contextlib.closing(inner):
        assert told(run(inner)) == (frame_of(plain), frame_of(plain))


def test_what_only_has_the_name_of_a_runner_is_shown_itself():
    frame, observed = told(run("no coroutine"))
    assert (frame.name, observed) == ("run.<locals>.wrapper", None)


# --------------------------------------------------------------------------------- all other things


@pytest.mark.parametrize(
    ("finish", "method"),
    [
        (lambda generator: generator.aclose(), "aclose"),
        (lambda generator: generator.athrow(ValueError), "aclose"),
        (lambda generator: generator.asend(None), "asend"),
    ],
    ids=["aclose", "athrow", "asend"],
)
def test_the_end_of_an_async_generator_has_the_name_of_its_function(finish, method):
    assert told(finish(items())) == (frame_of(items, f"items.{method}"), None)


class Foreign:
    def close(self):
        pass


class Named(Foreign):
    def __init__(self):
        self.__qualname__ = "<a foreign one at 0x7f00>"


class Failing(Foreign):
    def __getattr__(self, name):
        raise ZeroDivisionError(name)


@pytest.mark.parametrize(
    ("make", "name"),
    [(Foreign, "Foreign"), (Named, "<a foreign one>"), (Failing, "Failing")],
)
def test_what_cannot_be_told_has_a_name_and_no_location(make, name):
    assert told(make()) == (Frame(name), None)


def test_what_a_signal_handler_raises_meanwhile_is_raised():
    class Struck(Foreign):
        def __getattr__(self, name):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        task_function(Struck())


# ---------------------------------------------------------------------------- whose a task is


class BaseEventLoop:
    async def shutdown_asyncgens(self):
        """Named as asyncio's own, and the program's all the same."""


def of_loop(make, method):
    with contextlib.closing(make()) as loop:
        return getattr(loop, method)()


def of_uvloop(method):
    return of_loop(pytest.importorskip("uvloop").new_event_loop, method)


def of_uvicorn():
    lifespan = pytest.importorskip("uvicorn.lifespan.on").LifespanOn
    return lifespan.main(object.__new__(lifespan))


def of_hypercorn(backend):
    module = pytest.importorskip(f"hypercorn.{backend}.lifespan")
    return module.Lifespan.handle_lifespan(object.__new__(module.Lifespan))


def of_granian(method):
    protocol = pytest.importorskip("granian.asgi").LifespanProtocol
    return getattr(protocol, method)(object.__new__(protocol))


def of_keep_alive():
    server = pytest.importorskip("hypercorn.asyncio.tcp_server").TCPServer
    return server._idle_timeout(object.__new__(server))


def of_keep_alive_on_trio():
    context = pytest.importorskip("hypercorn.trio.worker_context")
    server = pytest.importorskip("hypercorn.trio.tcp_server").TCPServer
    made = []
    group = types.SimpleNamespace(_nursery=types.SimpleNamespace(start=async_append_to(made)))
    task = context.TrioSingleTask()
    trio.run(task.restart, group, object.__new__(server)._idle_timeout)
    return made[0]()


def async_append_to(made):
    async def append(function):
        made.append(function)

    return append


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: of_loop(asyncio.new_event_loop, "shutdown_asyncgens"), True),
        (lambda: of_loop(asyncio.new_event_loop, "shutdown_default_executor"), True),
        (lambda: of_uvloop("shutdown_asyncgens"), True),
        (lambda: of_uvloop("shutdown_default_executor"), True),
        (of_uvicorn, True),
        (lambda: of_hypercorn("asyncio"), True),
        (lambda: of_hypercorn("trio"), True),
        (lambda: of_granian("startup"), True),
        (lambda: of_granian("handle"), True),
        (lambda: of_granian("shutdown"), True),
        (of_keep_alive, True),
        (of_keep_alive_on_trio, True),
        (lambda: BaseEventLoop().shutdown_asyncgens(), False),
        (lambda: asyncio.sleep(0), False),
        (plain, False),
        (old, False),
    ],
)
def test_tasks_of_loops_and_servers_are_not_the_programs(make, expected):
    with contextlib.closing(make()) as coroutine:
        assert is_of_runtime(coroutine) is expected


# ------------------------------------------------------------------------------------- notebooks


@pytest.fixture
def notebook(monkeypatch):
    return Notebook(monkeypatch)


def test_the_task_of_a_cell_is_shown_as_the_cell(notebook):
    cell = Frame("<module>", FILE, 1)
    coroutine = notebook.shell.run_cell_async("await pause()")
    assert task_function(coroutine) == (cell, None)

    @types.coroutine
    def pause():
        yield

    notebook.shell.user_ns["pause"] = pause
    coroutine.send(None)
    assert told(coroutine) == (cell, None)


@pytest.mark.parametrize("name", ["_trio_runner.<locals>.loc", "TrioRunner.__call__.<locals>.loc"])
def test_the_task_of_a_cell_that_trio_runs_is_shown_as_the_cell(notebook, name):
    async def loc(coro):
        await coro

    loc.__qualname__ = name
    cell = notebook.shell.run_cell_async("1")
    assert told(loc(cell)) == (Frame("<module>", FILE, 1), None)
    cell.close()


def test_the_tasks_of_a_notebooks_kernel_are_not_the_programs(notebook):
    coroutines = [notebook.kernel.shell_main(None), notebook.shell.run_cell_async("1"), plain()]
    assert [is_of_runtime(coroutine) for coroutine in coroutines] == [True, False, False]
    for coroutine in coroutines:
        coroutine.close()
