"""Updates of a recording: exact numbers, by a clock that stands still until it is told to go on."""

from __future__ import annotations

import pytest

from tracetools.core.histogram import EMPTY
from tracetools.core.resource_accounts import Want
from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.guest.messages import to_log
from tracetools.live import updating
from tracetools.live.updates import Await, Latency, User
from tracetools.live.updating import SORTS, Updater, Wanted
from tracetools.recording.resources import Resources, State
from tracetools.testing import ScriptedLoop


@pytest.fixture
def script():
    script = ScriptedLoop(scheduled=True, threshold=100_000_000)
    yield script
    script.recorder.close()


@pytest.fixture
def updater(script):
    return Updater(script.recorder)


def step(script, task, busy, *, late=0):
    """Let a task be scheduled, wait for its turn, and step."""
    script.wake(task)
    script.tick(late)
    script.begin_step(task)
    script.tick(busy)
    script.end_step()


def row(update, name):
    [found] = [stack for stack in update.stacks if stack.frame.name == name]
    return found


def test_the_first_update_has_all_since_the_beginning(script, updater):
    task = script.spawn("job")
    step(script, task, 30)
    script.tick(70)
    update = updater.update()
    assert (update.is_first, update.elapsed, update.lasts) == (True, 100, 100)
    found = row(update, "job")
    assert (found.busy, found.idle, found.polls, found.entries, found.alive) == (30, 70, 1, 1, 1)


def test_the_next_one_has_what_has_come_since(script, updater):
    task = script.spawn("job")
    step(script, task, 30)
    updater.update()
    script.tick(50)
    step(script, task, 10, late=5)
    script.tick(35)
    update = updater.update()
    assert (update.is_first, update.elapsed, update.lasts) == (False, 100, 130)
    found = row(update, "job")
    assert (found.busy, found.scheduled, found.idle) == (10, 5, 85)
    assert (found.polls, found.entries, found.alive) == (1, 0, 1)


def test_two_who_watch_have_their_own_updates(script, updater):
    task = script.spawn("job")
    step(script, task, 30)
    updater.update()
    assert row(updater.update(), "job").polls == 0
    assert row(Updater(script.recorder).update(), "job").polls == 1


def test_awaits_are_part_of_the_task_that_awaits(script, updater):
    task = script.spawn("job")
    script.begin_step(task)
    script.end_step()
    script.tick(70)
    script.begin_step(task, ["await sleep"])
    script.tick(30)
    script.end_step()
    update = updater.update()
    assert [stack.frame.name for stack in update.stacks] == ["job"]
    found = row(update, "job")
    assert (found.busy, found.idle) == (30, 70)
    assert found.awaits == (Await(Frame("await sleep"), 70),)
    assert row(updater.update(), "job").awaits == ()


def test_spans_stand_below_tasks_and_are_apart_from_them(script, updater):
    task = script.spawn("job")
    script.begin_step(task)
    script.tick(10)
    span = script.open("part")
    script.tick(20)
    update = updater.update()
    part, job = row(update, "part"), row(update, "job")
    assert (job.busy, part.busy) == (10, 20)
    assert (part.parent, job.parent) == (job.number, 0)
    assert (part.alive, part.latency.ended) == (1, 0)
    script.close(span)
    script.end_step()
    part = row(updater.update(), "part")
    assert (part.alive, part.entries) == (0, 0)
    assert part.latency == Latency(1, 20, 20, 20, 20)
    assert updater.histogram(part.number).count == 1
    assert updater.histogram(0) == EMPTY


def test_a_loop_tells_its_tasks_and_its_time(script, updater):
    first, second = script.spawn("job"), script.spawn("job")
    step(script, first, 30, late=20)
    script.tick(50)
    script.wake(second)
    [loop] = updater.update().loops
    assert (loop.backend, loop.tasks, loop.elapsed, loop.busy) == ("script", 2, 100, 30)
    assert loop.delays.ended == 1
    assert (loop.stepping, loop.lasts, loop.functions) == (None, 0, ())
    script.tick(5)
    [loop] = updater.update().loops
    assert (loop.elapsed, loop.busy, loop.delays.ended) == (5, 0, 0)


def test_a_step_that_lasts_is_told_with_its_task(script, updater):
    task = script.spawn("job")
    script.begin_step(task)
    script.open("part")
    script.tick(60_000_000)
    [loop] = updater.update().loops
    assert (loop.stepping.name, loop.lasts) == ("part", 60_000_000)


def test_a_blocking_step_is_a_finding_once_and_grows_while_it_lasts(script, updater):
    task = script.spawn("job")
    script.begin_step(task)
    script.tick(150_000_000)
    [found] = updater.update().findings
    assert (found.task.name, found.is_stall) == ("job", False)
    assert (found.count, found.time, found.max) == (1, 150_000_000, 150_000_000)
    script.tick(50_000_000)
    [found] = updater.update().findings
    assert (found.count, found.time, found.max) == (0, 50_000_000, 200_000_000)
    script.end_step()
    assert updater.update().findings == ()


def test_a_stall_is_a_finding(script, updater):
    updater.update()
    script.recorder.add_stall((Frame("(the process was stopped)", ""),), 300)
    [found] = updater.update().findings
    assert (found.is_stall, found.task.name) == (True, "(the process was stopped)")
    assert (found.count, found.time, found.place) == (1, 300, None)


# -- what is chosen ------------------------------------------------------------------------------


@pytest.fixture
def many(script):
    """Five tasks of which each steps for longer than the one before, within one that spawns."""
    parent = script.spawn("parent")
    script.begin_step(parent)
    tasks = [script.spawn(f"job {number}") for number in range(5)]
    script.end_step()
    for number, task in enumerate(tasks, 1):
        step(script, task, 10 * number)
    return script


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(most=2), ["parent", "job 4", "job 3"]),
        (Wanted(most=2, sort="name"), ["parent", "job 0", "job 1"]),
        (Wanted(most=1, sort="name", inverted=True), ["parent"]),
        (Wanted(most=2, matching="JOB"), ["parent", "job 4", "job 3"]),
        (Wanted(matching="job 3"), ["parent", "job 3"]),
        (Wanted(matching="nothing"), []),
    ],
)
def test_rows_are_chosen_with_those_above_them(many, wanted, names):
    update = Updater(many.recorder).update(wanted)
    assert [stack.frame.name for stack in update.stacks] == names


def test_how_many_are_left_out_is_told(many):
    assert Updater(many.recorder).update(Wanted(most=2)).hidden == 4


@pytest.mark.parametrize("sort", SORTS)
def test_by_whatever_they_are_sorted_so_many_are_chosen(many, sort):
    update = Updater(many.recorder).update(Wanted(most=1, sort=sort))
    assert 1 <= len(update.stacks) <= 2


# -- resources -----------------------------------------------------------------------------------


class Thing:
    """What can be locked."""


def want(known, script, task, line=()):
    found = Want(script.tasks[task], script.tasks[task].stack, line, script.clock())
    known.account.want(found, script.clock())
    return found


def test_without_their_recording_nothing_is_known_of_resources(updater):
    assert updater.update().resources is None


def test_who_has_a_lock_and_who_waits_is_told(script, updater):
    script.recorder.resources = resources = Resources(script.recorder.waits, to_log)
    first, second = script.spawn("first"), script.spawn("second")
    lock, line = Thing(), Frame("second", "app.py", 7)
    known = resources.made(lock, Resource("Lock", Frame("main", "app.py", 3)), 1)
    resources.begin(known, State(1, 1), script.loop)
    held = want(known, script, first)
    script.tick(20)
    waits = want(known, script, second, (line,))
    script.tick(10)
    [found] = updater.update().resources
    assert found.resource.label == "Lock (app.py:3)"
    assert (found.count, found.size, found.held, found.waiting) == (1, 1, 1, 1)
    assert found.holders == (User(Frame("first"), None, 30),)
    assert found.waiters == (User(Frame("second"), line, 10),)
    known.account.got(held, script.clock())
    known.account.release(script.tasks[first], script.clock())
    known.account.got(waits, script.clock())
    [found] = updater.update().resources
    assert (found.held, found.waiting, found.waits, found.wait_time) == (1, 0, 1, 10)


def test_how_long_a_queue_is_is_told(script, updater):
    script.recorder.resources = resources = Resources(script.recorder.waits, to_log)
    taker = script.spawn("taker")
    queue = Thing()
    known = resources.made(queue, Resource("Queue", Frame("main", "app.py", 3)), 5)
    resources.begin(known, State(5, 3, is_queue=True), script.loop)
    [found] = updater.update().resources
    assert (found.is_queue, found.length, found.size, found.getting) == (True, 3, 5, 0)
    empty = Thing()
    known = resources.made(empty, Resource("Queue", Frame("main", "app.py", 4)), None)
    resources.begin(known, State(None, 0, is_queue=True), script.loop)
    wanted = Want(script.tasks[taker], script.tasks[taker].stack, (), script.clock())
    known.account.want_item(wanted, script.clock())
    script.tick(5)
    found = updater.update().resources[0]
    assert (found.resource.place.line, found.size, found.getting) == (4, None, 1)
    assert found.waiters == (User(Frame("taker"), None, 5),)


def test_what_is_gone_is_not_told(script, updater):
    script.recorder.resources = resources = Resources(script.recorder.waits, to_log)
    lock = Thing()
    resources.begin(
        resources.made(lock, Resource("Lock", Frame("main")), 1), State(1, 1), script.loop
    )
    del lock
    assert updater.update().resources == ()


def test_nothing_is_slower_for_very_many_stacks_than_their_number(script, monkeypatch):
    """Latencies of rows that are not shown are not made."""
    for number in range(50):
        task = script.spawn(f"job {number}")
        script.begin_step(task)
        script.end_step()
        script.exit(task)
    made = []
    original = updating._latency_of
    monkeypatch.setattr(updating, "_latency_of", lambda each: made.append(1) or original(each))
    Updater(script.recorder).update(Wanted(most=3))
    assert len(made) == 3 + 1  # and that of the loop
