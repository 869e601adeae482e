"""What a recorded loop adds to its account: blocking steps, and the program's errors."""

from __future__ import annotations

import threading

import pytest

from tests.notebooks import Notebook
from tracetools.core.accounting import NEVER, LoopAccount
from tracetools.core.stacks import ROOT, RUNTIME, Blocks, Frame, StackTree
from tracetools.recording import loops
from tracetools.recording.loops import TREND, RecordedLoop, RecordedThread
from tracetools.recording.usage import Pulse, Usage
from tracetools.testing import FakeClock, ScriptedLoop

LINE = Frame("at a line", "app.py", 3)


class Watch:
    """Takes no samples; raises the error that it is given."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.blocked = 0

    def bring(self, loop, began):
        if self.error is not None:
            raise self.error

    def step_blocked(self):
        self.blocked += 1


class Owner:
    """The recording of a loop, which does as it is told and notes what it is asked for."""

    scheduled = tells_kinds = False
    triggers = None

    def __init__(self) -> None:
        self.stopped: list[str] = []
        self.watch = Watch()

    def stop(self, why):
        self.stopped.append(why)

    def resume_loop(self, loop):
        loop.resume()


class Waits:
    """Notes the waits that end, or raises the error that it is given."""

    least = NEVER

    def __init__(self) -> None:
        self.ended: list[tuple[object, ...]] = []
        self.error: BaseException | None = None

    def end(self, task, coroutine, now, clock):
        self.ended.append((task, coroutine, now))
        if self.error is not None:
            raise self.error


class Loop:
    """A recorded loop with one task, under a fake clock."""

    def __init__(self, threshold: int = NEVER) -> None:
        self.clock = FakeClock()
        self.owner = Owner()
        self.watch = self.owner.watch
        self.waits = Waits()
        self.account = RecordedLoop(
            StackTree(), self.clock, self.owner, threshold=threshold, waits=self.waits
        )
        self.task = self.spawn("task")

    def spawn(self, name, find=None):
        return self.account.spawn(self.account.tree.root, Frame(name), self.clock(), find)

    def step(self, took: int, body=lambda: None):
        self.task.begin_step(self.clock())
        self.clock.tick(took)
        body()
        self.task.end_step(self.clock())

    def sample(self, stack, *frames, weight=1):
        """Take a sample of the step that goes on, as the sampler does."""
        self.account.add_sample(self.account.began, (stack, frames), weight)


# ------------------------------------------------------------------------------------ the threshold


def test_a_step_that_takes_as_long_as_the_threshold_does_not_block():
    loop = Loop(threshold=100)
    loop.step(100)
    assert (loop.account.blocking, loop.account.last_blocking) == ({}, None)


def test_steps_that_take_longer_are_counted_exactly():
    loop = Loop(threshold=100)
    for took in (101, 250, 30):
        loop.step(took)
    location = (loop.task.stack, ())
    assert loop.account.blocking == {location: Blocks(2, 351, 250)}
    began, last, took = loop.account.last_blocking
    assert (last, took) == (location, Blocks(1, 250, 250))
    assert began == loop.clock() - 30 - 250


def test_without_a_threshold_no_step_blocks():
    loop = Loop()
    loop.step(10**15)
    assert loop.account.blocking == {}
    assert loop.account.due == NEVER


def test_a_step_within_which_another_task_steps_blocks_once():
    loop = Loop(threshold=100)
    eager = loop.spawn("eager")

    def body():
        eager.begin_step(loop.clock())
        loop.clock.tick(200)
        eager.end_step(loop.clock())

    loop.step(20, body)
    assert loop.account.blocking == {(loop.task.stack, ()): Blocks(1, 220, 220)}


def test_a_step_that_is_not_plain_blocks_as_any_other():
    loop = Loop(threshold=100)
    loop.account.wake(loop.task, loop.clock())
    loop.clock.tick(1000)
    loop.step(200)
    assert list(loop.account.blocking.values()) == [Blocks(1, 200, 200)]


# ------------------------------------------------------------------------------------- the location


def test_a_step_is_located_where_most_of_its_samples_are():
    loop = Loop(threshold=100)
    stack = loop.task.stack

    def body():
        loop.sample(stack, Frame("once"))
        for _ in range(2):
            loop.sample(stack, Frame("twice"), LINE)

    loop.step(200, body)
    assert list(loop.account.blocking) == [(stack, (Frame("twice"), LINE))]


def test_samples_of_an_earlier_step_say_nothing():
    loop = Loop(threshold=100)
    loop.step(20, lambda: loop.sample(loop.task.stack, LINE))
    loop.step(200)
    assert list(loop.account.blocking) == [(loop.task.stack, ())]


def test_so_many_locations_are_told_apart(monkeypatch):
    monkeypatch.setattr(loops, "MAX_LOCATIONS", 2)
    loop = Loop(threshold=100)
    stack = loop.task.stack
    for name in ("a", "b", "c", "a", "d"):
        loop.step(200, lambda name=name: loop.sample(stack, Frame(name)))
    assert {frames: blocks.count for (_, frames), blocks in loop.account.blocking.items()} == {
        (Frame("a"),): 2,
        (Frame("b"),): 1,
        (): 2,
    }


# ------------------------------------------------------------------------- the ends of some steps


def test_a_step_that_blocks_ends_late_enough_to_be_looked_at():
    loop = ScriptedLoop(threshold=100)
    task = loop.spawn("task")
    for took in (10, 101, 1, 99, 1, 102, 100, 100, 200):
        loop.begin_step(task)
        loop.tick(took)
        loop.end_step()
        loop.tick(1)
    [blocks] = loop.finish().blocking.values()
    assert (blocks.count, blocks.total) == (3, 403)


def test_the_ends_of_short_steps_are_hardly_looked_at(monkeypatch):
    ended = []
    monkeypatch.setattr(LoopAccount, "step_ended", lambda *step: ended.append(1) or step[-1])
    loop = ScriptedLoop(threshold=1000)
    task = loop.spawn("task")
    for _ in range(100):
        loop.begin_step(task)
        loop.tick(100)
        loop.end_step()
    loop.finish()
    assert len(ended) == 10


def test_the_queue_has_a_trend_without_a_sampler():
    loop = ScriptedLoop(scheduled=True)
    first, second = loop.spawn("first"), loop.spawn("second")
    for waits in (2, 1, 0, 0, 2):
        for task in (first, second)[:waits]:
            loop.wake(task)
        for task in (first, second)[:waits]:
            loop.begin_step(task)
            loop.end_step()
        loop.tick(TREND + 1)
    loop.wake(first)
    loop.begin_step(first)
    loop.end_step()
    assert loop.finish().queue_trend == (1333, 1500, 0, 0, 1000)


def test_a_loop_that_has_rested_for_long_adds_little_to_the_trend():
    loop = ScriptedLoop(scheduled=True)
    task = loop.spawn("task")
    loop.wake(task)
    loop.tick(10**18)
    loop.begin_step(task)
    loop.end_step()
    trend = loop.finish().queue_trend
    assert 0 < len(trend) <= 64
    assert not any(trend[1:])


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_a_step_that_ends_where_there_is_no_room_goes_on(error):
    loop = Loop(5)
    loop.watch.error = error()
    loop.step(10)
    assert loop.owner.stopped == []
    assert loop.account.current is None


@pytest.mark.parametrize("beats", [False, True])
@pytest.mark.parametrize("notes", [False, True])
def test_a_stop_is_counted_once_though_the_sampler_notes_it_meanwhile(monkeypatch, notes, beats):
    loop = Loop(100)
    account, pulse = loop.account, Pulse()
    loop.owner.tells_kinds, loop.owner.pulse = True, pulse
    account.thread = threading.get_ident()

    def missed(_):  # it has to read a file, and the sampler runs meanwhile
        if notes:
            account.add_stop(400)
        if beats:
            pulse.beat(Usage(7, 0, 0, 0, 0))
        return 0 if beats else 400

    monkeypatch.setattr(pulse, "missed", missed)
    monkeypatch.setattr(loops, "read_usage", lambda _: Usage(loop.clock(), 0, 0, 0, 0))
    account.usage = (0, Usage(0, 0, 0, 0, 0))
    loop.task.begin_step(loop.clock())
    loop.clock.tick(500)
    loop.task.end_step(loop.clock())
    [blocks] = account.blocking.values()
    assert blocks.stopped == (400 if notes or not beats else 0)


def test_what_a_long_step_has_used_is_not_taken_for_that_of_the_next_one(monkeypatch):
    """On a busy machine, the sampler may read nothing in between."""
    loop = Loop(100)
    account, cpu = loop.account, 0
    loop.owner.tells_kinds, loop.owner.pulse = True, Pulse()
    monkeypatch.setattr(loops, "read_usage", lambda _: Usage(loop.clock(), cpu, 0, 0, cpu))
    account.usage = (0, loops.read_usage(0))
    kinds = []
    for computed in (300, 0):
        loop.task.begin_step(loop.clock())
        loop.clock.tick(300)
        cpu += computed
        loop.task.end_step(loop.clock())
        _, _, blocks = account.last_blocking
        kinds.append((blocks.computing, blocks.calling))
    assert kinds == [(300, 0), (0, 300)]


def test_an_error_of_ours_at_the_end_of_a_step_stops_the_recording():
    loop = Loop(5)
    loop.watch.error = ZeroDivisionError()
    loop.step(10)
    assert loop.owner.stopped == ["the end of a step could not be recorded"]


def test_what_interrupts_the_end_of_a_step_goes_on_to_the_program():
    loop = Loop(5)
    loop.watch.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        loop.step(10)
    assert (loop.owner.stopped, loop.account.current) == ([], None)


@pytest.mark.parametrize("threshold", [5, NEVER])
def test_an_error_that_is_postponed_is_raised_once_at_the_end_of_a_step(threshold):
    loop = Loop(threshold)
    loop.account.postpone(SystemExit(7))
    with pytest.raises(SystemExit, match="7"):
        loop.step(3)
    assert loop.account.current is None
    assert loop.account.due == (NEVER if threshold == NEVER else 0)
    loop.step(3)


def test_after_a_postponed_error_steps_that_block_are_found_as_before():
    loop = Loop(100)
    loop.account.postpone(SystemExit())
    with pytest.raises(SystemExit):
        loop.step(1)
    loop.step(101)
    assert [blocks.count for blocks in loop.account.blocking.values()] == [1]


# -------------------------------------------------------------------------------------------- waits


def test_a_wait_is_reported_with_the_coroutine_and_ends_after_that():
    loop = Loop()
    loop.account.take_note_of_waits(10)

    async def waits():
        """Stand for what the task runs."""

    coroutine = waits()
    task = loop.spawn("waits", lambda: coroutine)
    loop.task = task
    for wait in (100, 10, 11):
        loop.clock.tick(wait)
        loop.step(1)
    coroutine.close()
    assert loop.waits.ended == [(task, coroutine, loop.clock() - 1)]


def test_what_is_done_about_a_wait_is_not_charged_to_the_step():
    loop = Loop()
    loop.account.take_note_of_waits(10)
    loop.step(1)
    loop.clock.tick(50)
    loop.waits.end = lambda *_: loop.clock.tick(7)
    loop.step(1)
    assert (loop.task.busy, loop.account.began) == (2, loop.clock() - 1)


def test_a_wait_of_a_task_whose_coroutine_is_unknown_is_reported_without():
    loop = Loop()
    loop.account.take_note_of_waits(10)
    loop.step(1)
    loop.clock.tick(11)
    loop.step(1)
    assert loop.waits.ended == [(loop.task, None, loop.clock() - 1)]


def test_an_error_of_ours_at_the_end_of_a_wait_stops_the_recording_and_the_step_begins():
    loop = Loop()
    loop.account.take_note_of_waits(10)
    loop.waits.error = ZeroDivisionError()
    loop.step(1)
    loop.clock.tick(11)
    loop.step(1)
    assert loop.owner.stopped == ["a wait could not be recorded"]
    assert loop.task.busy == 2


def test_what_interrupts_the_end_of_a_wait_goes_on_to_the_program():
    loop = Loop()
    loop.account.take_note_of_waits(10)
    loop.waits.error = KeyboardInterrupt()
    loop.step(1)
    loop.clock.tick(11)
    with pytest.raises(KeyboardInterrupt):
        loop.step(1)
    assert loop.account.current is None


# -------------------------------------------------------------------------------- loops and threads


def test_a_loop_that_stands_still_is_resumed_by_a_step():
    loop = Loop()
    loop.account.pause(loop.clock())
    loop.clock.tick(10)
    loop.step(3)
    assert (loop.account.running, loop.task.busy) == (True, 3)


def test_a_loop_that_has_ended_records_no_step():
    loop = Loop()
    loop.account.finish(loop.clock())
    loop.step(3)
    assert loop.task.busy == 0


def test_a_thread_knows_who_records_it_and_which_it_is():
    tree, owner = StackTree(), Owner()
    account = RecordedThread(tree, tree.root, owner, thread=threading.get_ident(), task=None)
    opened = account.open(Frame("span"), 5)
    account.close(opened, 8)
    assert (account.owner, account.thread) == (owner, threading.get_ident())
    assert tree.child(tree.root, Frame("span")).thread == 3
    assert tree.root.frame == ROOT


def test_a_notebooks_kernel_blocks_nothing(monkeypatch):
    Notebook(monkeypatch)
    tree = StackTree()
    loop = RecordedLoop(tree, FakeClock(), Owner())
    runtime = tree.child(tree.root, RUNTIME)
    kernel = tree.child(runtime, Frame("shell_main", "/site/ipykernel/base.py", 1))
    server = tree.child(runtime, Frame("lifespan", "/site/uvicorn/on.py", 1))
    stacks = [kernel, tree.child(kernel, LINE), server, tree.child(tree.root, LINE), tree.root]
    assert [loop.may_block(stack) for stack in stacks] == [True] * 5
    loop.is_of_kernel = True
    assert [loop.may_block(stack) for stack in stacks] == [False, False, True, True, True]
