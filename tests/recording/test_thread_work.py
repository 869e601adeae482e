"""Work that a task gives to a thread: whose it is, and what it is named by."""

from __future__ import annotations

import functools
import time

import anyio
import pytest

from tracetools import observe, record
from tracetools.core.labels import code_frame
from tracetools.core.stacks import Frame
from tracetools.recording import current
from tracetools.recording.current import close_span, open_span
from tracetools.recording.thread_work import work_of_task
from tracetools.testing import ScriptedLoop


@pytest.fixture
def loop():
    """A recorded loop, a task of which steps in this context."""
    loop = ScriptedLoop()
    loop.spawn("task")
    loop.begin_step(0)
    token = loop.recorder.context_task.set(loop.tasks[0])
    yield loop
    loop.recorder.context_task.reset(token)
    loop.finish().check()
    assert current.recorders == set()


def function():
    pass


class Callable:
    def __call__(self):
        pass

    def method(self):
        pass


def threads(loop):
    return {path[-1]: (t.thread, t.entries) for path, t in loop.profile.stacks.items() if t.thread}


def frame_of(function):
    code = function.__code__
    return Frame(function.__qualname__, __file__, code.co_firstlineno)


@pytest.mark.parametrize(
    ("given", "frame"),
    [
        (function, frame_of(function)),
        (functools.partial(functools.partial(function)), frame_of(function)),
        (Callable().method, frame_of(Callable.method)),
        (Callable(), Frame("Callable", __file__, Callable.__call__.__code__.co_firstlineno)),
        (time.sleep, Frame("sleep")),
        (int, Frame("int")),
    ],
)
def test_the_frame_of_work_is_that_of_the_function(loop, given, frame):
    loop.recorder._shorten = lambda frame: frame
    work = work_of_task(given)
    work.begin()
    loop.tick(5)
    work.end()
    work.end()
    loop.tick(5)
    assert threads(loop) == {frame: (5, 1)}


def test_an_observed_function_opens_its_span_itself(loop):
    observed = observe(loop.tick)
    for given in (observed, functools.partial(observed)):
        work = work_of_task(given)
        work.begin()
        assert loop.recorder.open_threads() == []
        work.end()
    assert threads(loop) == {}


def test_a_span_without_a_task_of_its_own_belongs_to_the_one_that_gave_the_work(loop):
    work = work_of_task(observe(function))
    loop.recorder.context_task.set(None)
    work.begin()
    close(loop, loop.recorder.open_in_thread(Frame("one"), 1))
    work.end()
    close(loop, loop.recorder.open_in_thread(Frame("two"), 1))
    names = {
        path[-1].name: path[1].name for path, times in loop.profile.stacks.items() if times.thread
    }
    assert names == {"one": "task", "two": "MainThread"}


def close(loop, opened):
    loop.tick(5)
    loop.recorder.close_in_thread(opened.account, opened)


def test_without_a_task_there_is_no_work(loop):
    loop.recorder.context_task.set(None)
    assert work_of_task(function) is None


def test_work_stands_under_what_the_task_did_when_it_gave_it(loop):
    opened = loop.open("span")
    work = work_of_task(function)
    loop.close(opened)
    work.begin()
    loop.tick(5)
    work.end()
    [path] = [path for path, times in loop.profile.stacks.items() if times.thread]
    assert [frame.name for frame in path] == ["all-spans", "task", "span", "function"]


def test_work_that_begins_after_the_recording_is_nothing(loop):
    work = work_of_task(function)
    loop.finish()
    work.begin()
    loop.tick(5)
    work.end()
    assert threads(loop) == {}


def test_an_error_of_ours_ends_the_recording_and_nothing_else(loop, caplog):
    work = work_of_task(function)
    loop.recorder.open_work = None
    work.begin()
    work.end()
    assert loop.recorder.stopped
    assert "the work of a thread could not be recorded" in caplog.text


def test_a_thread_works_in_the_span_of_its_function_that_the_task_has():
    def work(): ...

    frame = code_frame(work.__qualname__, work.__code__)

    async def main():
        opened = open_span(frame)
        await anyio.to_thread.run_sync(work)
        close_span(opened)
        await anyio.to_thread.run_sync(work)

    with record(await_stacks=False) as recording:
        anyio.run(main)
    recording.profile.check()
    names = [
        (tuple(each.name for each in path), times.entries)
        for path, times in recording.profile.stacks.items()
        if path[-1].name == work.__qualname__
    ]
    [(path, entries)] = names  # below the task, and not below itself
    assert path.count(work.__qualname__) == 1
    assert entries == 3
