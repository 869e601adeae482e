"""The coroutine that takes the place of a task's own: what it passes on, and what it records."""

from __future__ import annotations

import collections.abc
import inspect
import traceback
import types

import pytest

from tracetools.core.accounting import NEVER, LoopAccount
from tracetools.core.stacks import Frame, StackTree
from tracetools.instruments.stepped import SteppedCoroutine, hide_frame
from tracetools.testing import FakeClock


class Owner:
    """Records steps as plainly as can be, and notes what it is told."""

    def __init__(self, clock):
        self.clock = clock
        self.heard = []

    def begin(self, account):
        self.heard.append("begin")
        account.loop.begin_step(account, self.clock())
        return True

    def end(self, account):
        self.heard.append("end")
        account.loop.end_step(self.clock())

    def exited(self, account):
        self.heard.append("exited")
        account.loop.exit(account, self.clock())

    def dropped(self, account):
        self.heard.append("dropped")


@types.coroutine
def wait():
    return (yield)


class World:
    def __init__(self):
        self.clock = FakeClock()
        self.owner = Owner(self.clock)
        self.loop = LoopAccount(StackTree(max_stacks=100, max_depth=100), self.clock())
        self.account = self.loop.spawn(
            self.loop.tree.root, Frame("task"), self.clock(), clock=self.clock
        )

    def step(self, coroutine, *, special=False):
        return SteppedCoroutine(
            coroutine, self.account, self.owner, special=special, scheduled=False, least_wait=NEVER
        )


@pytest.fixture
def world():
    return World()


async def works(clock):
    clock.tick(1)
    await wait()
    clock.tick(10)
    await wait()
    clock.tick(100)
    return "result"


def test_each_step_is_charged_to_the_task_and_the_first_is_the_owners(world):
    coroutine = world.step(works(world.clock))
    for _ in range(2):
        assert coroutine.send(None) is None
        world.clock.tick(1000)
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == "result"
    assert (world.account.busy, world.account.stack.steps) == (111, 3)
    assert world.owner.heard == ["begin", "end", "exited"]


def test_a_special_task_has_all_its_steps_from_the_owner(world):
    coroutine = world.step(works(world.clock), special=True)
    coroutine.send(None)
    coroutine.send(None)
    assert world.owner.heard == ["begin", "end"] * 2
    coroutine.close()


def test_a_step_within_a_step_interrupts_it(world):
    other = world.loop.spawn(world.loop.tree.root, Frame("other"), world.clock(), clock=world.clock)
    inner = SteppedCoroutine(
        works(world.clock), other, world.owner, special=False, scheduled=False, least_wait=NEVER
    )

    async def creates():
        world.clock.tick(1000)
        inner.send(None)
        world.clock.tick(1000)

    with pytest.raises(StopIteration):
        world.step(creates()).send(None)
    assert (world.account.busy, other.busy) == (2000, 1)
    inner.close()


def test_what_is_thrown_arrives_and_the_step_is_recorded(world):
    async def catches():
        try:
            await wait()
        except ValueError as error:
            world.clock.tick(5)
            return error.args

    coroutine = world.step(catches())
    coroutine.send(None)
    with pytest.raises(StopIteration) as stop:
        coroutine.throw(ValueError("x"))
    assert stop.value.value == ("x",)
    assert world.account.busy == 5


def test_an_error_passes_by_without_our_frames(world):
    async def raises():
        raise ValueError

    with pytest.raises(ValueError) as caught:
        world.step(raises()).send(None)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[0] == "test_an_error_passes_by_without_our_frames"
    assert names[-1] == "raises"
    assert world.owner.heard[-1] == "exited"


def test_it_looks_like_the_coroutine_itself(world):
    real = works(world.clock)
    coroutine = world.step(real)
    assert isinstance(coroutine, (types.CoroutineType, collections.abc.Coroutine))
    assert inspect.iscoroutine(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    assert coroutine.cr_code is real.cr_code
    assert coroutine.__qualname__ == "works"
    assert repr(coroutine) == repr(real)
    assert coroutine == real
    assert hash(coroutine) == hash(real)
    coroutine.close()
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


def test_one_that_is_over_says_so_as_a_coroutine_does(world):
    coroutine = world.step(works(world.clock))
    coroutine.close()
    with pytest.raises(RuntimeError, match="already awaited"):
        coroutine.send(None)
    with pytest.raises(RuntimeError, match="already awaited"):
        coroutine.throw(ValueError())


def test_the_owner_hears_of_one_that_is_dropped(world):
    coroutine = world.step(works(world.clock))
    coroutine.send(None)
    del coroutine
    assert world.owner.heard[-1] == "dropped"


def test_it_is_known_whose_steps_are_recorded(world):
    first, second = world.owner, Owner(world.clock)
    inner = world.step(works(world.clock))
    outer = SteppedCoroutine(
        inner, world.account, second, special=False, scheduled=False, least_wait=NEVER
    )
    assert outer.is_of(first)
    assert outer.is_of(second)
    assert not inner.is_of(second)
    outer.close()


def test_a_frame_is_hidden_once():
    def raises():
        raise ValueError

    def passes_on():
        try:
            raises()
        except ValueError as error:
            hide_frame(error)
            raise

    with pytest.raises(ValueError) as caught:
        passes_on()
    assert "raises" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
