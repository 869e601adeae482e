"""How a span finds the tasks that it belongs to, and what happens when something goes wrong."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading

import pytest

from tests.strategies import numbers
from tracetools import span
from tracetools.core.stacks import Frame, Times
from tracetools.recording import current
from tracetools.recording.recorder import Recorder
from tracetools.testing import FakeClock, ScriptedLoop


@pytest.fixture
def loop():
    """Return a loop in which one task steps."""
    with stepping() as loop:
        yield loop


@contextlib.contextmanager
def stepping():
    """Record a loop in which one task steps."""
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    yield loop
    if loop.recorder.loops:
        loop.finish().check()


def busy(loop):
    """Return the busy time of the task and of what is below it."""
    found = numbers(loop.profile).items()
    return {";".join(path[1:]): times.busy for path, times in found if times.busy}


def in_thread(work):
    """Do a piece of work in another thread, and return what it returned."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()), name="worker")
    thread.start()
    thread.join()
    return found[0]


# --------------------------------------------------------------------------------- open and close


def test_a_span_is_open_from_when_it_is_opened_until_it_is_closed(loop):
    loop.tick(1)
    opened = current.open_span(Frame("span"))
    loop.tick(10)
    current.close_span(opened)
    loop.tick(100)
    assert busy(loop) == {"task": 101, "task;span": 10}


def test_a_second_close_does_nothing(loop):
    opened = current.open_span(Frame("span"))
    loop.tick(1)
    current.close_span(opened)
    around = current.open_span(Frame("around"))
    loop.tick(10)
    current.close_span(opened)
    loop.tick(100)
    current.close_span(around)
    assert busy(loop) == {"task;span": 1, "task;around": 110}


def test_a_second_close_in_another_thread_does_nothing(loop):
    opened = current.open_span(Frame("span"))
    loop.tick(1)
    current.close_span(opened)
    in_thread(lambda: current.close_span(opened))
    loop.tick(10)
    assert busy(loop) == {"task": 10, "task;span": 1}


def test_a_span_that_is_current_again_is_not_entered_again(loop):
    for entries in (1, 0):
        current.close_span(current.open_span(Frame("span"), entries))
    assert numbers(loop.profile)["all-spans", "task", "span"] == Times(entries=1)


def test_where_nothing_is_recorded_there_is_nothing_to_close():
    opened = current.open_span(Frame("span"))
    current.close_span(opened)
    assert opened is None


def test_between_two_steps_nothing_is_opened():
    loop = ScriptedLoop()
    with span("between"):
        loop.tick(5)
    profile = loop.finish()
    assert numbers(profile) == {("all-spans",): Times(busy=5)}


def test_what_is_opened_belongs_to_its_task_and_thread(loop):
    opened = current.open_span(Frame("span"))
    assert current.is_here(opened)
    assert not in_thread(lambda: current.is_here(opened))
    loop.end_step()
    loop.begin_step(loop.spawn("other"))
    assert not current.is_here(opened)


def test_what_a_worker_thread_opens_belongs_to_it(loop):
    def work():
        opened = current.open_span(Frame("span"))
        here = current.is_here(opened)
        current.close_span(opened)
        return opened, here

    opened, here = in_thread(work)
    assert here
    assert not current.is_here(opened)


# ----------------------------------------------------------------------------- several recordings


def test_two_recordings_of_one_loop_see_the_same():
    first, clock = ScriptedLoop(), FakeClock()
    second = Recorder(clock=clock)
    loop = second.begin_loop()
    task = loop.spawn(loop.tree.root, Frame("task"), clock())
    first.begin_step(first.spawn("task"))
    task.begin_step(clock())
    with span("span"):
        first.tick(5)
        clock.tick(5)
    second.end_loop(loop, clock())
    assert (
        numbers(first.finish())
        == numbers(second.profile())
        == {
            ("all-spans", "task"): Times(steps=1, entries=1),
            ("all-spans", "task", "span"): Times(busy=5, entries=1),
        }
    )


def test_what_two_recordings_opened_is_closed_once(loop):
    with stepping() as second:
        opened = current.open_span(Frame("span"))
        here = current.is_here(opened)
        for each in (loop, second):
            each.tick(1)
        current.close_span(opened)
        current.close_span(opened)
        for each in (loop, second):
            each.tick(10)
        found = [busy(each) for each in (loop, second)]
    assert here
    assert found == [{"task": 10, "task;span": 1}] * 2


def test_a_recording_that_ends_leaves_the_other_one(loop):
    with stepping() as second:
        opened = current.open_span(Frame("span"))
        second.finish()
        loop.tick(1)
        current.close_span(opened)
        with span("after"):
            loop.tick(10)
    assert busy(loop) == {"task;span": 1, "task;after": 10}


def test_the_first_recording_and_the_last_are_reported(monkeypatch):
    seen = []
    monkeypatch.setattr(current, "_switches", [])
    current.when_recording_changes(seen.append)
    with stepping():
        with stepping():
            assert seen == [True]
        assert seen == [True]
    assert seen == [True, False]


# ---------------------------------------------------------------------------------------- signals


class Raised(Exception):  # noqa: N818  # a signal handler's, and no fault of anybody's
    pass


@pytest.fixture
def strike():
    """Have a signal handler raise at the next reading of a loop's clock."""

    def handler(number, frame):
        raise Raised

    def at_next_reading(loop):
        clock = loop.loop.clock

        def interrupted():
            loop.loop.clock = clock
            signal.raise_signal(signal.SIGTERM)
            return clock()

        loop.loop.clock = interrupted

    before = signal.signal(signal.SIGTERM, handler)
    gc.disable()  # the collector reads the clock as well
    yield at_next_reading
    gc.enable()
    signal.signal(signal.SIGTERM, before)


def test_a_signal_while_a_span_opens_is_raised_and_leaves_none_open(loop, strike):
    strike(loop)
    with pytest.raises(Raised):
        current.open_span(Frame("span"))
    loop.tick(5)
    assert busy(loop) == {"task": 5}


def test_a_signal_once_a_span_is_open_is_raised_and_leaves_none_open(loop, strike, monkeypatch):
    """In C, no signal handler comes between."""
    in_python = current.references["open_span"]
    task = type(loop.tasks[0])
    open_in_task = task.open

    def then_strike(*args):
        open_in_task(*args)
        signal.raise_signal(signal.SIGTERM)

    outer = current.open_span(Frame("outer"))
    monkeypatch.setattr(task, "open", then_strike)
    with pytest.raises(Raised):
        in_python(Frame("span"))
    loop.tick(5)
    current.close_span(outer)
    assert busy(loop) == {"task;outer": 5}


def test_a_signal_while_a_span_closes_is_raised_and_the_span_is_closed(loop, strike):
    opened = current.open_span(Frame("span"))
    loop.tick(1)
    strike(loop)
    with pytest.raises(Raised):
        current.close_span(opened)
    loop.tick(10)
    assert busy(loop) == {"task": 10, "task;span": 1}


def test_a_signal_while_a_second_recording_opens_leaves_none_open_in_the_first(loop, strike):
    with stepping() as second:
        strike(second)
        with pytest.raises(Raised):
            current.open_span(Frame("span"))
        for each in (loop, second):
            each.tick(5)
        found = [busy(each) for each in (loop, second)]
    assert found == [{"task": 5}] * 2


@pytest.mark.parametrize("struck", [0, 1])
def test_a_signal_while_two_recordings_close_closes_in_both(loop, strike, struck):
    with stepping() as second:
        loops = [loop, second]
        opened = current.open_span(Frame("span"))
        strike(loops[struck])
        with pytest.raises(Raised):
            current.close_span(opened)
        for each in loops:
            each.tick(5)
        found = [busy(each) for each in loops]
    assert found == [{"task": 5}] * 2


# ----------------------------------------------------------------------------------------- errors


class Broken(Frame):
    """A frame that cannot be found: an error of ours, as it were."""

    def __hash__(self):
        raise ZeroDivisionError("ours")


def test_an_error_of_ours_in_a_span_stops_the_recording_and_not_the_program(loop, caplog):
    loop.tick(5)
    opened = current.open_span(Broken("x"))
    assert opened is None
    current.close_span(opened)
    assert not current.recorded_loops
    (record,) = caplog.records
    assert record.exc_info[0] is ZeroDivisionError
    loop.profile.check()
