"""A copy of one moment of a loop, and the numbers that follow from it."""

from __future__ import annotations

import threading
import types

import pytest

from tests.strategies import numbers
from tracetools.core.stacks import CALLBACKS, Frame, Times
from tracetools.recording import snapshot
from tracetools.recording.snapshot import BUSY, REST, SCHEDULED, Rows, Sums, copy_moment
from tracetools.testing import ScriptedLoop


def in_thread(work):
    """Do a piece of work in another thread, and return what it returned."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_a_snapshot_has_what_is_open_up_to_now():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    loop.tick(1)
    loop.open("span")
    loop.tick(10)
    assert numbers(loop.profile) == {
        ("all-spans", "task"): Times(busy=1, entries=1),
        ("all-spans", "task", "span"): Times(busy=10, entries=1),
    }
    loop.tick(100)
    assert numbers(loop.profile)["all-spans", "task", "span"].busy == 110
    assert numbers(loop.finish())["all-spans", "task", "span"].busy == 110


def test_a_snapshot_changes_nothing():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    loop.open("span")
    loop.tick(5)
    assert loop.profile == loop.profile
    loop.close(0)
    assert numbers(loop.finish())["all-spans", "task", "span"] == Times(busy=5, entries=1)


def test_a_snapshot_from_another_thread_is_the_same():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    loop.open("span")
    loop.tick(5)
    assert in_thread(lambda: loop.profile) == loop.profile
    loop.finish()


@pytest.mark.parametrize(
    ("scheduled", "expected"),
    [
        (False, Times(busy=1, idle=110, steps=1, entries=1)),
        (True, Times(busy=1, idle=10, scheduled=100, steps=1, entries=1)),
    ],
)
def test_a_snapshot_has_the_waits_that_go_on(scheduled, expected):
    loop = ScriptedLoop(scheduled=scheduled)
    task = loop.spawn("task")
    loop.begin_step(task)
    loop.tick(1)
    loop.end_step()
    loop.tick(10)
    if scheduled:
        loop.wake(task)
    loop.tick(100)
    assert numbers(loop.profile)["all-spans", "task"] == expected
    assert numbers(loop.finish())["all-spans", "task"] == expected


def test_a_moment_keeps_its_numbers_while_the_loop_goes_on():
    loop = ScriptedLoop()
    begin = loop.clock()
    loop.begin_step(loop.spawn("task"))
    loop.open("span")
    loop.tick(5)
    now, expected, moment = loop.clock(), loop.profile, copy_moment(loop.loop)
    loop.close(0)
    loop.tick(1000)
    loop.exit(0)
    loop.finish()
    sums = Sums()
    assert sums.add_moment(moment, now) == expected.task_time == 5
    assert sums.by_path(now - begin, lambda frame: frame) == expected.stacks


def test_a_loop_that_is_in_the_midst_of_a_change_is_copied_again(monkeypatch):
    loop = ScriptedLoop()
    slept = []

    def finish_the_change(seconds):
        slept.append(seconds)
        loop.loop.changing = 0

    monkeypatch.setattr(snapshot, "time", types.SimpleNamespace(sleep=finish_the_change))
    loop.loop.changing = 1
    moment = in_thread(lambda: copy_moment(loop.loop))
    assert (slept, moment.changing) == ([0], 0)
    loop.finish()


def test_the_thread_of_the_loop_does_not_wait_for_itself(monkeypatch):
    loop = ScriptedLoop()
    monkeypatch.setattr(snapshot, "time", None)
    loop.loop.changing = 1
    assert copy_moment(loop.loop).changing == 1
    loop.loop.changing = 0
    loop.finish()


def test_paths_that_are_the_same_once_they_are_shortened_add_up():
    loop = ScriptedLoop()
    for name, busy in (("a", 1), ("b", 10)):
        loop.begin_step(loop.spawn(name))
        loop.tick(busy)
        loop.end_step()
    sums = Sums()
    sums.add_moment(copy_moment(loop.loop), loop.clock())
    stacks = sums.by_path(11, lambda frame: frame._replace(name="same"))
    loop.finish()
    found = [times for path, times in stacks.items() if len(path) == 2]
    assert found == [Times(busy=11, idle=10, steps=2, entries=2)]


def test_a_parent_has_its_row_before_its_children():
    loop = ScriptedLoop()
    tree = loop.loop.tree
    outer = tree.child(tree.root, Frame("outer"))
    inner = tree.child(outer, Frame("inner"))
    rows = Rows()
    rows.add(inner, BUSY, 7)
    rows.add(inner, BUSY, -2)
    assert [rows.number(stack, BUSY) for stack in (inner, outer)] == [5, 0]
    names = [path[-1].name for path in rows.paths(lambda frame: frame, {}, Times)]
    assert names == ["all-spans", "outer", "inner"]
    loop.finish()


def test_thousands_of_stacks_add_up():
    loop = ScriptedLoop()
    tree = loop.loop.tree
    stacks = [tree.child(tree.root, Frame(f"stack {number}")) for number in range(5000)]
    for number, stack in enumerate(stacks):
        stack.busy = number
    sums = Sums(True)
    sums.add_tree(tree)
    sums.add_tree(tree)
    assert sums.busy() == 2 * sum(range(5000))
    found = sums.by_path(sums.busy(), lambda frame: frame)
    assert [times.busy for times in list(found.values())[1:]] == list(range(0, 10_000, 2))
    loop.finish()


@pytest.mark.parametrize(
    ("what", "amount", "lawful"),
    [(BUSY, 0, True), (BUSY, 1, False), (BUSY, -1, False), (REST, 1, False), (SCHEDULED, 1, False)],
)
def test_the_laws_of_time_are_checked(what, amount, lawful):
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    loop.tick(5)
    loop.end_step()
    moment = copy_moment(loop.loop)
    sums = Sums()
    task_time = sums.add_moment(moment, loop.clock())
    [stack] = [stack for stack in loop.loop.tree.stacks if stack.frame.name == "task"]
    sums.add(stack, what, amount)
    assert sums.are_lawful(5, task_time) == lawful
    assert not sums.are_lawful(4, task_time)
    loop.finish()


def test_time_of_the_loop_itself_is_no_time_of_a_task():
    loop = ScriptedLoop()
    tree = loop.loop.tree
    sums = Sums()
    sums.add(tree.child(tree.child(tree.root, CALLBACKS), Frame("callback")), BUSY, 5)
    assert sums.are_lawful(9, 0)
    sums.add(tree.child(tree.root, Frame("task")), BUSY, 1)
    assert not sums.are_lawful(9, 0)
    assert sums.are_lawful(9, 1)
    loop.finish()


def test_frames_are_shortened_once():
    loop = ScriptedLoop()
    loop.spawn("task")
    asked: list[Frame] = []
    shown: dict[Frame, Frame] = {}

    def shorten(frame):
        asked.append(frame)
        return frame._replace(name=frame.name.upper())

    for _ in range(2):
        sums = Sums()
        sums.add_moment(copy_moment(loop.loop), loop.clock())
        paths = [tuple(frame.name for frame in path) for path in sums.paths(shorten, shown, Times)]
        assert ("ALL-SPANS", "TASK") in paths
    assert len(asked) == len(shown)
    loop.finish()
