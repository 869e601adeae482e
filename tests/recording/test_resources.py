"""The accounts of what a recording has seen: opened when used, closed when gone."""

import gc
import logging

import pytest

from tracetools.core.resource_accounts import Want
from tracetools.core.resources import COULD_STEP, TASK_IS_OVER, Holds, Resource, Waits
from tracetools.core.stacks import Frame
from tracetools.guest.messages import to_log
from tracetools.recording import resources
from tracetools.recording.resources import Resources, State
from tracetools.testing import ScriptedLoop
from tracetools.timelines.timeline import QueueLength

LOCK = Resource("Lock", Frame("main", "app.py", 3))


class Thing:
    """What can be referred to weakly."""


class Slotted:
    """What cannot."""

    __slots__ = ()


@pytest.fixture
def script():
    script = ScriptedLoop()
    yield script
    script.recorder.close()


@pytest.fixture
def log(script):
    script.recorder.resources = Resources(script.recorder.waits, to_log)
    return script.recorder.resources


def use(log, script, thing, task=None, state=None):
    """Let a task have something from now on; return what is known of it."""
    known = log.find(thing) or log.made(thing, LOCK, 1)
    if known.account is None:
        log.begin(known, state or State(1, 1), script.loop)
    account = None if task is None else script.tasks[task]
    stack = script.loop.tree.root if account is None else account.stack
    want = Want(account, stack, (), script.clock())
    known.account.want(want, script.clock())
    if want.got is not None:
        want.is_back = True
        known.account.got(want, script.clock())
    return known


def uses(script):
    return script.profile.resources


def test_what_nobody_has_used_is_not_told(log, script):
    thing = Thing()
    log.made(thing, LOCK, 1)
    assert uses(script) == {}
    assert log.find(thing).resource == LOCK


def test_what_goes_on_is_told_up_to_now(log, script):
    thing = Thing()
    use(log, script, thing)
    script.tick(5)
    [found] = uses(script).values()
    assert (found.count, found.size, found.lived, found.saturated) == (1, 1, 5, 5)
    assert [*found.holds.values()] == [Holds(1, 5, 5, 0)]


def test_nothing_is_kept_alive_and_what_is_gone_lives_no_more(log, script):
    thing = Thing()
    use(log, script, thing)
    script.tick(5)
    del thing
    gc.collect()
    script.tick(5)
    [found] = uses(script).values()
    assert (found.lived, found.held.total) == (5, 5)


def test_what_has_the_identity_of_another_is_another(log, script):
    thing = Slotted()
    use(log, script, thing)
    script.tick(3)
    log.made(thing, LOCK, 1)
    script.tick(3)
    use(log, script, thing)
    script.tick(3)
    [found] = uses(script).values()
    assert (found.count, found.lived) == (2, 6)


def test_the_same_line_makes_one_resource_of_many(log, script):
    things = [Thing(), Thing()]
    for thing in things:
        use(log, script, thing)
    script.tick(4)
    [found] = uses(script).values()
    assert (found.count, found.lived) == (2, 8)


def test_an_account_ends_with_the_loop(log, script):
    thing = Thing()
    use(log, script, thing)
    script.tick(5)
    script.finish()
    script.tick(7)
    [found] = uses(script).values()
    assert found.lived == 5
    assert log.find(thing).account is None


def test_a_holder_is_told_by_what_it_awaits(log, script):
    thing = Thing()
    task = script.spawn("holder")
    script.begin_step(task)
    known = use(log, script, thing, task)
    script.end_step()
    other = script.spawn("waiter")
    script.begin_step(other)
    use(log, script, thing, other)
    script.tick(4)
    [found] = uses(script).values()
    assert {path[-1]: waits for path, waits in found.blockers.items()} == {
        COULD_STEP: Waits(1, 4, 4, 0)
    }
    assert len(known.account.waiting) == 1


def test_a_holder_that_is_over_is_told(log, script):
    thing = Thing()
    task = script.spawn("holder")
    script.begin_step(task)
    use(log, script, thing, task)
    script.exit(task)
    script.end_step()
    use(log, script, thing)
    script.tick(4)
    [found] = uses(script).values()
    assert [path[-1] for path in found.blockers] == [TASK_IS_OVER]


def test_there_are_as_many_resources_as_there_may_be(log, script, monkeypatch):
    monkeypatch.setattr(resources, "_MAX_RESOURCES", 2)
    things = [Thing() for _ in range(5)]
    for line, thing in enumerate(things):
        log.made(thing, Resource("Lock", Frame("f", "app.py", line)), 1)
        use(log, script, thing)
    script.tick(1)
    assert sorted(use.count for use in uses(script).values()) == [1, 1, 3]


def test_too_many_are_not_followed(log, monkeypatch):
    monkeypatch.setattr(resources, "_MAX_KNOWN", 1)
    things = [Thing(), Thing()]
    assert log.made(things[0], LOCK, 1) is not None
    assert log.made(things[1], LOCK, 1) is None


def test_an_error_of_ours_is_said_once(log, caplog):
    caplog.set_level(logging.ERROR)
    log.stop(ValueError("a"))
    log.stop(ValueError("b"))
    assert log.is_stopped
    [record] = caplog.records
    assert "locks and queues are not recorded any more" in record.getMessage()


def test_a_forked_copy_notes_nothing(log, script):
    script.recorder.forget()
    assert log.is_stopped
    script.recorder.stopped = False  # this is no copy


def test_a_profile_is_of_the_moment_at_which_it_was_made(log, script):
    thing = Thing()
    use(log, script, thing)
    script.tick(5)
    profile = script.profile
    script.tick(5)
    [found] = profile.resources.values()  # its paths are made only now
    assert (found.lived, found.held.total) == (5, 5)


def test_what_is_used_first_while_a_profile_is_made_is_left_out(log, script):
    thing = Thing()
    use(log, script, thing)
    log._totals.clear()  # as they were when they were copied, before a loop in another thread
    assert uses(script) == {}


# ---------------------------------------------------------------------------- lengths over time


def queue(log, script, length=0, place=LOCK.place):
    """Return the account of a new queue with so many items; it must be kept."""
    thing = Thing()
    known = log.made(thing, Resource("Queue", place), None)
    log.begin(known, State(None, length, is_queue=True), script.loop)
    return thing, known.account


def put(script, account, length):
    """Let the queue have so many items from now on."""
    account.put(Want(None, script.loop.tree.root, (), script.clock()), script.clock(), length)


def lengths(log, begin, end, loop=0):
    return [each[1:] for each in log.lengths(loop, begin, end, lambda frame: frame)]


def test_lengths_of_queues_are_kept_if_that_is_asked_for(script, log):
    thing, account = queue(log, script)
    put(script, account, 1)
    assert log.lengths(0, 0, 10**18, lambda frame: frame) == ()
    log.keep_lengths()
    begin = script.clock()
    thing, account = queue(log, script, 2)
    script.tick(10)
    put(script, account, 3)
    script.tick(10)
    put(script, account, 3)
    script.tick(10)
    put(script, account, 0)
    found = log.lengths(script.loop.number, begin, begin + 30, lambda frame: frame)
    assert found == tuple(
        QueueLength("Queue (app.py:3)", begin + after, length)
        for after, length in ((0, 2), (10, 3), (30, 0))
    )
    assert lengths(log, begin + 15, begin + 20) == [(begin + 15, 3)]
    assert lengths(log, begin, begin + 5) == [(begin, 2)]
    assert lengths(log, begin, begin + 30, loop=1) == []
    del thing


def test_queues_of_one_line_are_one_and_those_that_are_gone_have_no_items(script, log):
    log.keep_lengths()
    begin = script.clock()
    one, _ = queue(log, script, 2)
    other, _ = queue(log, script, 5)
    script.tick(10)
    del one
    gc.collect()
    script.tick(10)
    assert lengths(log, begin, begin + 20) == [(begin, 2), (begin, 7), (begin + 10, 5)]
    log.end_loop(script.loop, script.clock())
    assert lengths(log, begin + 20, begin + 20) == [(begin + 20, 5), (begin + 20, 0)]
    del other


def test_the_last_changes_of_lengths_are_kept(script, log):
    log.keep_lengths(2)
    begin = script.clock()
    thing, account = queue(log, script)
    for length in range(1, 5):
        put(script, account, length)
    assert lengths(log, begin, begin) == [(begin, 3), (begin, 4)]
    del thing
