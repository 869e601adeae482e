"""How a task comes to have an account, on whatever backend."""

from __future__ import annotations

import logging

import pytest

from tracetools.core.stacks import Frame, stack_path
from tracetools.instruments.tasks import Tasks
from tracetools.recording.recorder import Recorder
from tracetools.testing import FakeClock


@pytest.fixture
def tasks():
    tasks = Tasks(Recorder(clock=FakeClock()), task_names=False)
    yield tasks
    for loop in tasks.recorder.loops:
        tasks.recorder.end_loop(loop, tasks.recorder.clock())


async def function():
    pass


@pytest.fixture
def coroutine():
    coroutine = function()
    yield coroutine
    coroutine.close()


@pytest.mark.parametrize(
    ("task_names", "name", "expected"),
    [
        (False, "given", "function"),
        (True, "given", "given"),
        (True, None, "function"),
    ],
)
def test_a_task_is_named_by_its_function_or_as_asked_for(
    tasks, coroutine, task_names, name, expected
):
    tasks = Tasks(tasks.recorder, task_names=task_names)
    loop = tasks.recorder.begin_loop()
    account = tasks.open_account(loop, loop.tree.root, coroutine, name)
    assert account.base.frame.name == expected


def test_an_error_in_a_guard_is_logged_and_ends_the_recording_alone(tasks, caplog):
    with tasks.guard("it failed"):
        raise ValueError
    assert tasks.recorder.stopped
    [said] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "it failed" in said.getMessage()


def test_the_programs_own_recursion_ends_nothing(tasks):
    with tasks.guard("it failed"):
        raise RecursionError
    assert not tasks.recorder.stopped


async def serve():
    pass


def test_a_task_of_the_runtimes_own_stands_apart_and_has_no_spawner(tasks):
    loop = tasks.recorder.begin_loop()
    spawner = loop.spawn(loop.tree.root, Frame("main"), loop.clock())
    coroutines = [serve(), serve()]
    own, other = (
        tasks.spawn(loop, spawner, coroutine, None, is_of_runtime=is_own)
        for coroutine, is_own in zip(coroutines, (True, False), strict=True)
    )
    for coroutine in coroutines:
        coroutine.close()
    assert [frame.name for frame in stack_path(own.base)[1:]] == ["(runtime)", "serve"]
    assert [frame.name for frame in stack_path(other.base)[1:]] == ["main", "serve"]
    assert (own.is_of_runtime, own.spawner) == (True, None)
    assert (other.is_of_runtime, other.spawner) == (False, spawner)
    tasks.recorder.end_loop(loop, loop.clock())
