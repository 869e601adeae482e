"""What the functions of a task have entered, by what lies on Python's stack of values."""

from __future__ import annotations

import contextlib
from types import coroutine

import pytest

from tracetools.live.reading import ChainReader, entered, function_of, is_running


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


class SlowToEnter(Manager):
    async def __aenter__(self):
        await rests()


class SlowToExit(Manager):
    async def __aexit__(self, *_):
        await rests()


@coroutine
def rests():
    yield


def chain_of(function, *args):
    """Let a coroutine run until it waits, and return its chain."""
    running = function(*args)
    running.send(None)
    return ChainReader().read(running)


async def with_both(one, other):
    with one:
        async with other:
            await rests()


async def with_closed(one, other):
    async with one:
        pass
    async with other:
        await rests()


async def with_variables(one, other):
    leave, unbound = one.__aexit__, type(other).__aexit__
    async with other:
        await rests()
    return leave, unbound, one


async def with_a_pair_of_variables(one, other):
    leave = type(one).__aexit__
    also = one
    async with other:
        await rests()
    return leave, also


async def within(one, other):
    async with one:
        await with_both(other, Manager())


async def with_one(one):
    async with one:
        await rests()


@contextlib.asynccontextmanager
async def made(one):
    async with one:
        yield


@contextlib.contextmanager
def made_plainly(one):
    with one:
        yield


async def with_made(one, other):
    async with made(one):
        with made_plainly(other):
            await rests()


async def with_stacks(one, other):
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(one)
        with contextlib.ExitStack() as inner:
            inner.enter_context(other)
            await rests()


async def generates(one):
    async with one:
        await rests()
        yield


async def iterates(one, _):
    async for _ in generates(one):
        pass


async def with_cell(one, other):
    async with one:
        await rests()
    return lambda: (one, other)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (with_both, [0, 1]),
        (with_closed, [1]),
        (with_variables, [1]),
        (with_a_pair_of_variables, [1]),
        (within, [0, 1]),
        (with_made, [0, 1]),
        (with_stacks, [0, 1]),
        (iterates, [0]),
        (with_cell, [0]),
    ],
)
def test_what_was_entered_is_found(function, expected):
    managers = [Manager(), Manager()]
    found = [each for each in entered(chain_of(function, *managers)) if each in managers]
    assert found == [managers[index] for index in expected]


def test_what_is_being_entered_is_not_there_yet():
    assert entered(chain_of(with_one, SlowToEnter())) == []


def test_what_is_being_left_is_not_there_any_more():
    running = with_one(SlowToExit())
    running.send(None)
    running.send(None)
    assert entered(ChainReader().read(running)) == []


def test_a_coroutine_that_runs_is_not_walked():
    found = []

    async def runs():
        found.append((is_running(here), ChainReader().read(here)))

    here = runs()
    with pytest.raises(StopIteration):
        here.send(None)
    [(running, chain)] = found
    assert running
    assert (chain.codes, chain.functions, chain.awaits) == ([runs.__code__], [], None)
    assert not is_running(here)
    assert function_of(chain).name.endswith("runs")


def test_an_unknown_coroutine_has_no_function():
    assert function_of(ChainReader().read(object())).name == "?"
