"""The coroutine that takes the place of a task's own: what it passes on, and what it records."""

from __future__ import annotations

import collections.abc
import contextvars
import copy
import gc
import inspect
import pickle
import traceback
import types
import weakref

import pytest

from tracetools.core.native import native
from tracetools.core.stacks import Frame, StackTree
from tracetools.instruments.stepped import SteppedCoroutine, hide_frame, stepped_of
from tracetools.recording.loops import RecordedLoop
from tracetools.testing import FakeClock


class Owner:
    """Closes accounts, and notes what it is told."""

    scheduled = False

    def __init__(self):
        self.heard = []

    def exited(self, account):
        self.heard.append("exited")
        account.loop.exit(account, account.loop.clock())

    def dropped(self, account):
        self.heard.append("dropped")

    def failed(self, error):
        self.heard.append(error)

    def stop(self, why):
        self.heard.append(why)


@types.coroutine
def wait():
    return (yield)


async def waits():
    return await wait()


class World:
    def __init__(self):
        self.clock = FakeClock()
        self.owner = Owner()
        tree = StackTree(max_stacks=100, max_depth=100)
        self.loop = RecordedLoop(tree, self.clock, self.owner)
        self.account = self.spawn("task")

    def spawn(self, name):
        return self.loop.spawn(self.loop.tree.root, Frame(name), self.clock())

    def step(self, coroutine, **options):
        return SteppedCoroutine(coroutine, self.account, self.owner, **options)


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


def test_each_step_is_charged_to_the_task(world):
    coroutine = world.step(works(world.clock))
    for _ in range(2):
        assert coroutine.send(None) is None
        world.clock.tick(1000)
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == "result"
    assert (world.account.busy, world.account.stack.steps) == (111, 3)
    assert world.owner.heard == ["exited"]


def test_before_its_first_step_it_is_prepared_once(world):
    prepared = []
    coroutine = world.step(works(world.clock), prepare=prepared.append)
    coroutine.send(None)
    coroutine.send(None)
    assert prepared == [world.account]
    coroutine.close()


def test_a_context_that_others_have_as_well_says_in_each_step_whose_it_is(world):
    shared = contextvars.ContextVar("shared", default=None)
    coroutine = world.step(works(world.clock), shared=shared)
    for _ in range(2):
        shared.set(None)
        coroutine.send(None)
        assert shared.get() is world.account
    coroutine.close()


def test_a_step_within_a_step_interrupts_it(world):
    other = world.spawn("other")
    inner = SteppedCoroutine(works(world.clock), other, world.owner)

    async def creates():
        world.clock.tick(1000)
        inner.send(None)
        world.clock.tick(1000)

    with pytest.raises(StopIteration):
        world.step(creates()).send(None)
    assert (world.account.busy, other.busy) == (2000, 1)
    inner.close()


def test_a_step_that_ends_in_a_checkpoint_has_woken_itself(world):
    coroutine = world.step(works(world.clock), checkpoint="checkpoint")
    coroutine.send(None)
    assert world.account.stack.self_wakes == 0
    coroutine.close()
    coroutine = world.step(works(world.clock))
    coroutine.send(None)
    assert world.account.stack.self_wakes == 1
    coroutine.close()


class StruckError(Exception):
    """What a signal handler of the program's raises."""


def strikes(signum, frame):
    raise StruckError


@pytest.mark.parametrize("is_stepping", [False, True])
def test_what_a_signal_handler_raises_within_our_code_is_raised_in_the_coroutine(
    world, is_stepping
):
    async def catches():
        await wait()
        with pytest.raises(StruckError):
            await wait()
        world.clock.tick(5)
        return "result"

    now, struck = world.loop.clock, []

    def clock():
        stepping = world.loop.current is world.account
        if world.account.stack.steps == 1 and not struck and stepping is is_stepping:
            struck.append(stepping)
            strikes(14, inspect.currentframe())
        return now()

    world.loop.clock = clock
    coroutine = world.step(catches())
    coroutine.send(None)
    if not is_stepping:
        world.account.stack.steps = 0
        coroutine.send(None)
        world.account.stack.steps = 1
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == "result"
    assert struck == [is_stepping]
    assert world.account.busy == 5
    assert world.owner.heard == ["exited"]


def test_an_error_of_ours_is_reported_and_the_coroutine_goes_on(world):
    coroutine = world.step(works(world.clock), prepare=lambda _: 1 / 0)
    assert coroutine.send(None) is None
    assert [type(error) for error in world.owner.heard] == [ZeroDivisionError]
    coroutine.close()


def test_nothing_of_ours_refers_to_what_was_thrown_while_the_coroutine_handles_it(world):
    class StrictError(Exception):
        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = None

    async def catches():
        try:
            await wait()
        except StrictError as error:
            ours = inspect.currentframe().f_back
            held = list(ours.f_locals.values())
            if native is None:
                assert ours.f_code.co_name == "_steps"
                held += ours.f_locals["thrown"]
            kinds = (types.GeneratorType, SteppedCoroutine)
            found = [one for one in gc.get_referrers(error) if type(one) in kinds]
            return any(one is error for one in held), found

    coroutine = world.step(catches())
    coroutine.send(None)
    with pytest.raises(StopIteration) as stop:
        coroutine.throw(StrictError())
    assert stop.value.value == (False, [])


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


class Limited(collections.abc.Coroutine):
    """A coroutine that is not native, and raises an error while the one inside can go on."""

    def __init__(self, inner, error):
        self.inner, self.error = inner, error

    def send(self, value):
        if value is None:
            return self.inner.send(value)
        raise self.error

    def throw(self, *error):
        return self.inner.throw(*error)

    def close(self):
        self.inner.close()

    def __await__(self):
        return self.inner.__await__()

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize("error", [TimeoutError("limit"), GeneratorExit("limit")])
def test_an_error_ends_a_coroutine_that_is_not_native(world, error):
    stepped = world.step(Limited(waits(), error))
    stepped.send(None)
    with pytest.raises(type(error), match="limit"):
        stepped.send("more")
    assert world.owner.heard == ["exited"]
    stepped.close()


def test_an_error_of_ours_ends_no_coroutine_that_is_not_native(world, monkeypatch):
    world.loop.pause(world.clock())
    monkeypatch.setattr(RecordedLoop, "runs_again", None)  # so that no step can begin
    stepped = world.step(Limited(waits(), None))
    stepped.send(None)
    assert {type(each) for each in world.owner.heard} == {TypeError}
    stepped.close()


def test_it_can_be_neither_copied_nor_pickled_as_the_coroutine_itself(world):
    coroutine = works(world.clock)
    stepped = world.step(coroutine)
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle 'coroutine' object"):
            act(stepped)
    stepped.close()


def test_nothing_that_passed_through_is_kept_by_an_error_that_the_program_keeps(world):
    class Thing:
        pass

    errors, things = [], []

    async def work():
        try:
            await wait()
        except ValueError as error:
            errors.append(error)
        thing = Thing()
        things.append(weakref.ref(thing))
        try:
            return thing
        finally:
            del thing

    stepped = world.step(work())
    stepped.send(None)
    with pytest.raises(StopIteration):
        stepped.throw(ValueError())
    gc.disable()
    try:
        del stepped
        assert things[0]() is None
    finally:
        gc.enable()


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


@pytest.mark.parametrize("often", [1, 2])
def test_an_error_of_ours_at_the_end_leaves_the_result_as_it_is(world, monkeypatch, often):
    exited, errors = world.owner.exited, [ZeroDivisionError] * often

    def fails(account):
        if errors:
            raise errors.pop()
        exited(account)

    monkeypatch.setattr(world.owner, "exited", fails)
    coroutine = world.step(works(world.clock))
    coroutine.send(None)
    coroutine.send(None)
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == "result"
    assert not errors


@pytest.mark.skipif(native is None, reason="a generator that is dropped raises nothing")
def test_what_strikes_while_it_is_closed_is_raised_once_the_coroutine_is_closed(world, monkeypatch):
    def exited(account):
        world.owner.heard.append("exited")
        if len(world.owner.heard) == 1:
            strikes(14, inspect.currentframe())

    monkeypatch.setattr(world.owner, "exited", exited)
    inner = works(world.clock)
    coroutine = world.step(inner)
    coroutine.send(None)
    with pytest.raises(StruckError):
        coroutine.close()
    assert inspect.getcoroutinestate(inner) == inspect.CORO_CLOSED
    assert world.owner.heard == ["exited", "exited"]


def test_it_is_known_whose_steps_are_recorded(world):
    first, second = world.owner, Owner()
    inner = world.step(works(world.clock))
    outer = SteppedCoroutine(inner, world.account, second)
    assert stepped_of(outer, first) is inner
    assert stepped_of(outer, second) is outer
    assert stepped_of(inner, second) is None
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
