"""Idle time goes to what was awaited, once a wait, and all of it is accounted for."""

from __future__ import annotations

import types

import pytest

from tracetools.attribution.waits import Waits
from tracetools.core.accounting import NEVER
from tracetools.core.stacks import Frame
from tracetools.testing import ScriptedLoop

MS = 1_000_000


@types.coroutine
def park():
    """What the bottom of every backend is: a generator that gives the loop a word."""
    yield


class Parked:
    """A task that has stepped once, and waits from now on."""

    def __init__(self, *, least: int | None = 0, scheduled: bool = False) -> None:
        self.loop = ScriptedLoop(scheduled=scheduled)
        self.waits = self.loop.recorder.waits = Waits(least, self.loop.clock())
        self.account = self.loop.tasks[self.loop.spawn("task")]
        self.step()

    def step(self):
        self.account.begin_step(self.loop.clock())
        self.loop.end_step()

    def end_wait(self, coroutine=None):
        self.waits.end(self.account, coroutine, self.loop.clock(), self.loop.clock)

    def child(self, name):
        return self.loop.loop.tree.child(self.account.stack, Frame(name))

    def idle(self):
        """The idle time of each stack, by its last name, without what has none."""
        profile = self.loop.profile
        profile.check()
        found = {path[-1].name: times.idle for path, times in profile.stacks.items()}
        return {name: idle for name, idle in found.items() if idle}


@pytest.fixture
def parked():
    parked = Parked()
    yield parked
    parked.loop.finish().check()


class Chosen:
    """A budget that says what was asked of it for how much waiting each wait stands."""

    def __init__(self, *weights: int) -> None:
        self.weights = list(weights)
        self.spent: list[int] = []

    def weight(self, wait, now):
        return self.weights.pop(0)

    def spend(self, time):
        self.spent.append(time)


def test_a_wait_goes_to_what_the_coroutine_awaits(parked):
    async def fetch():
        await park()

    async def main():
        await fetch()

    coroutine = main()
    coroutine.send(None)
    parked.loop.tick(10)
    parked.end_wait(coroutine)
    coroutine.close()
    found = {name.rpartition(".")[2]: idle for name, idle in parked.idle().items()}
    assert found == {"park": 10}


def test_a_wait_of_a_task_without_a_coroutine_stays_where_it_is(parked):
    parked.loop.tick(10)
    parked.end_wait()
    assert parked.idle() == {"task": 10}


def test_a_wait_goes_to_what_was_awaited_only_once(parked):
    parked.waits.awaited = lambda account, _: parked.child("await one")
    parked.loop.tick(10)
    parked.end_wait()
    parked.waits.awaited = lambda account, _: parked.child("await two")
    parked.end_wait()
    assert parked.idle() == {"await one": 10}


def test_scheduled_time_is_no_wait():
    parked = Parked(scheduled=True)
    parked.waits.awaited = lambda account, _: parked.child("await one")
    parked.loop.tick(10)
    parked.loop.wake(0)
    parked.loop.tick(5)
    parked.end_wait()
    assert parked.idle() == {"await one": 10}
    assert sum(times.scheduled for times in parked.loop.finish().stacks.values()) == 5


def test_a_wait_within_which_a_finaliser_closes_a_span_is_not_moved():
    parked = Parked()
    parked.loop.begin_step(0)
    span = parked.loop.open("span")
    parked.loop.end_step()
    parked.loop.tick(10)

    def awaited(account, _):
        stack = parked.child("await one")
        parked.loop.tick(1)
        parked.loop.close(span)
        return stack

    parked.waits.awaited = awaited
    parked.waits._sampling = Chosen(1000)
    parked.end_wait()
    assert parked.idle() == {"span": 11}
    assert list(parked.waits.divided({parked.account.stack: 100})) == []
    parked.loop.finish()


@pytest.mark.parametrize(("least", "walked"), [(10, 0), (9, 1)])
def test_only_waits_that_are_longer_than_the_least_are_walked(least, walked):
    parked = Parked(least=least)
    walks = []
    parked.waits.awaited = lambda account, _: walks.append(account) or account.stack
    parked.loop.tick(10)
    parked.end_wait()
    assert len(walks) == walked
    assert parked.waits.skipped() == {}
    parked.loop.finish()


def test_what_a_walk_took_is_taken_from_the_sampling(parked):
    def awaited(account, _):
        parked.loop.tick(7)
        return account.stack

    parked.waits.awaited = awaited
    parked.waits._sampling = Chosen(10, 0)
    for _ in range(2):
        parked.loop.tick(10)
        parked.end_wait()
        parked.step()
    assert parked.waits._sampling.spent == [7]


def test_walking_awaits_takes_its_part_of_the_time_and_no_more(parked):
    account, loop, walks = parked.account, parked.loop, []

    def awaited(account, _):
        walks.append(loop.clock())
        loop.tick(MS)  # it takes as long as the wait itself
        return account.stack

    parked.waits.awaited = awaited
    for _ in range(200):
        account.parked = loop.clock()
        loop.tick(MS)
        parked.end_wait()
    in_all = 2 + (loop.clock() - walks[0]) // (50 * MS)  # what was saved up, and the share
    assert in_all - 1 <= len(walks) <= in_all + 1
    account.parked = loop.clock()
    loop.tick(20 * MS)
    parked.end_wait()
    assert walks[-1] == loop.clock() - MS


def test_waits_that_were_not_walked_are_divided_by_the_weights_of_the_others():
    parked = Parked(least=10)
    awaited = ["a", "b", "b", "a", "b", "a"]
    parked.waits.awaited = lambda account, _: parked.child(awaited[step])
    parked.waits._sampling = Chosen(0, 400, 0, 100, 200, 0)
    for step in range(6):
        parked.loop.tick(100 if step < 5 else 10)
        parked.end_wait()
        parked.loop.begin_step(0)
        parked.loop.tick(1)
        parked.loop.end_step()
    # a: one of 100 that stood for itself; b: two of 100, and as they alone stood for others, also
    # the two of 100 that were not walked; the last one was too short for a walk
    assert parked.idle() == {"task": 10, "a": 100, "b": 400}
    assert parked.waits.skipped() == {parked.account.stack: 200}
    recorder = parked.loop.recorder
    assert parked.loop.finish().task_time == 516
    recorder.close()
    stacks = recorder.profile().stacks
    found = {path[-1].name: times.idle for path, times in stacks.items()}
    assert found == {"all-spans": 0, "task": 10, "a": 100, "b": 400}


def test_samples_that_were_forgotten_divide_nothing(parked):
    parked.waits.awaited = lambda account, _: parked.child("a")
    parked.waits._sampling = Chosen(400)
    parked.loop.tick(100)
    parked.end_wait()
    own = parked.account.stack
    assert list(parked.waits.divided({own: 50})) == [(own, parked.child("a"), 50)]
    parked.waits.forget()
    assert list(parked.waits.divided({own: 50})) == []


def test_at_the_end_all_tasks_that_wait_for_long_give_their_waits_away():
    parked = Parked(least=10)
    loop, walks = parked.loop, []

    def awaited(account, coroutine):
        walks.append((account, coroutine))
        return account.stack

    short, steps = (loop.tasks[loop.spawn(name)] for name in ("short", "steps"))
    parked.waits.awaited = awaited

    async def waits():
        """Stand for what the task runs."""

    coroutine = waits()
    loop.loop.tasks[parked.account] = lambda: coroutine
    loop.tick(10)
    short.begin_step(loop.clock())
    short.end_step(loop.clock())
    loop.tick(10)
    steps.begin_step(loop.clock())
    parked.waits.end_all(loop.loop, loop.clock(), loop.clock)
    coroutine.close()
    assert walks == [(parked.account, coroutine)]
    loop.finish()


def test_where_no_wait_is_attributed_the_least_is_later_than_any_moment():
    assert Waits(None, 0).least == NEVER
    assert Waits(0, 0).least == 0
