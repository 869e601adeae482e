"""Samples of steps and threads, taken from within them, under a fake clock."""

from __future__ import annotations

import contextlib
import inspect
import math
import threading
import time
from functools import partial

import pytest

from tests.sampling.world import MILLISECOND, World, name_of, weighs
from tracetools import FlamegraphInstrument, record
from tracetools.attribution.functions import register_step
from tracetools.core.stacks import Blocks, Frame
from tracetools.guest import threads as hidden_threads
from tracetools.recording.loops import RecordedLoop
from tracetools.testing import FakeClock

# ------------------------------------------------------------------------------------- functions


def test_busy_time_is_divided_by_the_weights_of_samples(world):
    def parse():
        world.sampler._sample(weighs(30))

    def encode():
        world.sampler._sample(weighs(10))

    def body():
        parse()
        encode()
        world.loop.tick(80)

    world.step(body)
    assert world.functions() == {
        f"task;{name_of(body)};{name_of(parse)}": 60,
        f"task;{name_of(body)};{name_of(encode)}": 20,
    }
    world.loop.profile.check()
    assert world.loop.profile.samples == 2


def test_time_without_samples_stays_on_the_stack_itself(world):
    def body():
        world.sampler._sample(weighs(10))
        world.loop.tick(100)

    world.step(body)
    world.step(partial(world.loop.tick, 7), name="other")
    assert world.functions() == {f"task;{name_of(body)}": 20, "task": 80, "other": 7}


def test_functions_stand_below_the_span_that_has_the_time(world):
    def helper():
        world.sampler._sample(weighs(10))

    def body():
        helper()
        world.loop.tick(10)
        span = world.loop.open("s")
        helper()
        world.loop.tick(10)
        world.loop.close(span)

    world.step(body)
    below = f"{name_of(body)};{name_of(helper)}"
    assert world.functions() == {f"task;{below}": 10, f"task;s;{below}": 10}


def test_a_function_that_a_span_was_opened_in_stands_above_it(world):
    def helper():
        world.sampler._sample(weighs(10))

    def body():
        line = inspect.currentframe().f_lineno
        account = world.loop.loop.current
        opened = account.open(Frame("s", __file__, line), world.loop.clock())
        helper()
        world.loop.tick(10)
        account.close(opened, world.loop.clock())

    world.step(body)
    assert world.functions() == {f"task;s;{name_of(helper)}": 10}


def test_our_own_functions_and_those_of_backends_are_not_shown(world):
    def body():
        with contextlib.ExitStack() as stack:  # counts as a backend's
            stack.callback(samples)
        world.loop.tick(10)

    def samples():
        world.sampler._sample(weighs(10))

    world.step(body)
    [(stack, busy)] = world.functions().items()
    assert (stack, busy) == (f"task;{name_of(body)};{name_of(samples)}", 10)


def test_the_loop_that_runs_within_a_step_of_another_has_the_inner_functions():
    outer, inner = World(), World()

    def body():
        inner.step(samples)
        outer.loop.tick(10)

    def samples():
        outer.sampler._sample(weighs(10))
        inner.sampler._sample(weighs(10))
        inner.loop.tick(10)

    outer.step(body, name="outer")
    assert inner.functions() == {f"task;{name_of(samples)}": 10}


@pytest.mark.parametrize("is_first", [False, True])
def test_of_two_loops_in_a_thread_the_one_within_has_the_inner_functions(world, is_first):
    recorder, clock = world.loop.recorder, world.loop.clock
    if is_first:
        inner = recorder.begin_loop()
        world.loop.loop, outer = recorder.begin_loop(), world.loop.loop
        recorder.end_loop(outer, clock())
    else:
        inner = recorder.begin_loop()
    account = inner.spawn(inner.tree.root, Frame("inner"), clock())

    def body():
        clock.tick(1)
        account.begin_step(clock())
        within(samples)
        inner.exit(account, clock())
        recorder.end_loop(inner, clock())

    def samples():
        world.sample()
        clock.tick(10)

    world.step(body, name="outer")
    names = f"{name_of(body)};{name_of(within)};{name_of(samples)}"
    assert world.functions() == {f"outer;{names}": 11, f"inner;{name_of(samples)}": 10}


def within(function):
    """Step a task: its functions lie below this one."""
    function()


register_step(within.__code__)


def test_stacks_of_functions_take_half_of_the_room_at_most():
    world = World()
    world.loop.loop.tree.max_stacks = 10
    for number in range(30):
        name = f"function_{number}"
        space = {"sample": partial(world.sampler._sample, weighs(10)), "tick": world.loop.tick}
        exec(f"def {name}():\n sample()\n tick(10)", space)  # noqa: S102  # functions by the dozen
        world.step(space[name])
    assert len(world.loop.loop.tree.stacks) <= 6
    assert world.loop.profile.truncated
    assert sum(world.functions().values()) == 300


def test_the_time_of_spans_in_worker_threads_is_divided_by_samples(world):
    recorder = world.loop.recorder

    def helper():
        world.sampler._sample(weighs(10))
        world.loop.tick(10)

    def work():
        opened = recorder.open_in_thread(Frame("span", __file__, work.__code__.co_firstlineno), 1)
        helper()
        recorder.close_in_thread(opened.account, opened)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    found = {
        ";".join(frame.name for frame in path[1:]): times.thread
        for path, times in recorder.profile().stacks.items()
        if times.thread
    }
    assert found == {f"worker;span;{name_of(helper)}": 10}


# ---------------------------------------------------------------------------------------- CPU time


class Processor:
    """What a world's thread does while the sampler lets it run: it computes, or it does nothing."""

    def __init__(self, world, monkeypatch):
        monkeypatch.setattr(type(world.loop.recorder), "is_cpu_time", True)
        monkeypatch.setattr(world.sampler, "_pause", self.pause)
        self.clock = world.loop.clock
        self.pauses = []
        self.computes_from = math.inf

    def pause(self, seconds):
        self.pauses.append(seconds)
        if len(self.pauses) > self.computes_from:
            self.clock.tick(1)


@pytest.fixture
def processor(world, monkeypatch):
    return Processor(world, monkeypatch)


def test_samples_are_weighed_by_the_cpu_time_since_the_last(world, processor):
    processor.computes_from = 0

    def parse():
        world.loop.tick(30)
        world.sampler._sample(weighs(1))

    def encode():
        world.loop.tick(10)
        world.sampler._sample(weighs(1000))

    def body():
        parse()
        encode()
        encode()
        world.loop.tick(48)

    world.step(body)
    # the first has the weight that it was given; then 10 ns of work, and 1 in the pause before
    assert world.functions() == {
        f"task;{name_of(body)};{name_of(parse)}": 2,
        f"task;{name_of(body)};{name_of(encode)}": 44,
        "task": 55,
    }


def test_a_sample_of_a_function_that_sleeps_weighs_nothing(world, processor):
    def compute():
        world.loop.tick(50)
        processor.computes_from = len(processor.pauses)
        world.sampler._sample(weighs(50))

    def sleep():
        processor.computes_from = math.inf
        world.loop.tick(20)  # on the way to its sleep
        world.sampler._sample(weighs(50))
        world.sampler._sample(weighs(50))

    def body():
        compute()
        sleep()

    world.step(body)
    assert world.functions() == {f"task;{name_of(body)};{name_of(compute)}": 71}
    assert world.loop.profile.samples == 1
    assert len(processor.pauses) == 1 + 3  # none for the last: its clock has stood since the one


def test_a_thread_that_waits_for_the_processor_is_waited_for(world, processor):
    def compute():
        world.loop.tick(50)
        processor.computes_from = 2
        world.sampler._sample(weighs(50))

    world.step(compute)
    assert world.functions() == {f"task;{name_of(compute)}": 51}
    assert processor.pauses == [50e-6, 100e-6, 200e-6]


def test_a_pause_lets_others_run_and_does_not_end_the_thread(world):
    world.sampler._over = over = threading.Lock()
    over.acquire()
    world.sampler._pause(50e-6)
    assert over.locked()
    over.release()
    world.sampler._pause(50e-6)
    assert not over.locked()


# ------------------------------------------------------------------------------- what blocks a loop


def test_a_blocking_step_is_counted_exactly_with_its_location(blocking, caplog):
    def load():
        blocking.loop.tick(150 * MILLISECOND)
        blocking.sample()
        blocking.sample()
        blocking.loop.tick(53 * MILLISECOND)

    blocking.step(load)
    line = load.__code__.co_firstlineno + 2
    [path] = blocking.loop.profile.blocking
    assert blocking.blocks() == {
        f"task;{name_of(load)};blocks the loop": Blocks(1, 203 * MILLISECOND, 203 * MILLISECOND)
    }
    assert path[-1].location == f"tests/sampling/test_sampler.py:{line}"
    [message] = caplog.messages
    assert message == (
        "the loop is blocked for 0.150 s so far by task at tests/sampling/test_sampler.py:"
        f"{line}: blocking.sample()"
    )
    assert blocking.loop.profile.blocking_threshold == 100 * MILLISECOND


def test_a_step_within_the_threshold_does_not_block(blocking, caplog):
    def load():
        blocking.loop.tick(100 * MILLISECOND)
        blocking.sample()

    blocking.step(load)
    assert blocking.blocks() == {}
    assert caplog.messages == []


def test_a_step_that_blocks_nothing_is_neither_counted_nor_logged(blocking, caplog, monkeypatch):
    """Such as a step of a notebook's kernel, which runs a cell."""

    def load():
        blocking.loop.tick(300 * MILLISECOND)
        blocking.sample()

    monkeypatch.setattr(RecordedLoop, "may_block", lambda *_: False)
    blocking.step(load)
    blocking.sample()
    assert blocking.blocks() == {}
    assert caplog.messages == []


def test_a_blocking_step_without_samples_is_counted_as_well(blocking, caplog):
    """Such as a step in C code that never releases the GIL."""
    blocking.step(partial(blocking.loop.tick, 300 * MILLISECOND))
    blocking.sample()
    blocking.sample()
    assert blocking.blocks() == {
        "task;blocks the loop": Blocks(1, 300 * MILLISECOND, 300 * MILLISECOND)
    }
    assert caplog.messages == ["the loop was blocked for 0.300 s by task"]


def test_the_location_is_that_of_most_samples(blocking):
    def first():
        blocking.sample()

    def second():
        for _ in range(2):
            blocking.sample()

    def body():
        blocking.loop.tick(120 * MILLISECOND)
        first()
        second()

    blocking.step(body)
    assert list(blocking.blocks()) == [f"task;{name_of(body)};{name_of(second)};blocks the loop"]


def test_a_blocking_step_that_goes_on_is_in_the_profile_already(blocking):
    def body():
        blocking.loop.tick(120 * MILLISECOND)
        seen.append(blocking.blocks())

    seen = []
    blocking.step(body)
    assert seen == [{"task;blocks the loop": Blocks(1, 120 * MILLISECOND, 120 * MILLISECOND)}]
    assert blocking.blocks() == seen[0]


def test_blocking_steps_add_up(blocking):
    for duration in (101, 250, 150):
        blocking.step(partial(blocking.loop.tick, duration * MILLISECOND))
    assert blocking.blocks() == {
        "task;blocks the loop": Blocks(3, 501 * MILLISECOND, 250 * MILLISECOND)
    }


def test_a_step_with_others_inside_blocks_the_loop_once(blocking):
    def inner():
        blocking.loop.tick(60 * MILLISECOND)

    blocking.step(lambda: (blocking.step(inner, name="eager"), inner()))
    assert list(blocking.blocks().values()) == [Blocks(1, 120 * MILLISECOND, 120 * MILLISECOND)]


def test_locations_are_bounded(blocking, monkeypatch):
    monkeypatch.setattr("tracetools.recording.loops.MAX_LOCATIONS", 3)

    def body():
        blocking.loop.tick(200 * MILLISECOND)
        blocking.sample()

    for name in "abcde":
        blocking.step(body, name=name)
    assert sum(blocks.count for blocks in blocking.blocks().values()) == 5
    assert "e;blocks the loop" in blocking.blocks()


# ------------------------------------------------------------------------------------ the thread


def burn(until):
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        pass


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_real_program_is_sampled_and_all_is_as_it_was_afterwards(
    backend, tmp_path, caplog, monkeypatch
):
    import anyio

    async def main():
        burn(is_logged)

    def is_logged():
        return any("blocked for" in message and "main" in message for message in caplog.messages)

    # A busy machine may stall all loops, and that is logged as well.
    monkeypatch.setattr("tracetools.sampling.blocking_log._LINE_GAP", 0)
    with record(tmp_path / "stack", functions=True, blocking=0.1) as recording:
        anyio.run(main, backend=backend)
    profile = recording.profile
    profile.check()
    assert is_logged()
    [(path, blocks)] = [item for item in profile.blocking.items() if is_below(item[0], "main")]
    assert (blocks.count, path[-1].name) == (1, "blocks the loop")
    assert 100 * MILLISECOND < blocks.total <= profile.busy
    assert path[-1].location.startswith("tests/sampling/test_sampler.py:")
    assert sum(t.busy for p, t in profile.stacks.items() if is_below(p, "burn")) > 0
    assert not hidden_threads.running()


def is_below(path, name):
    return any(frame.name.rpartition(".")[2] == name for frame in path)


@pytest.mark.parametrize("value", [0, -1, 1e-9, math.nan, math.inf, 1e12])
@pytest.mark.parametrize("option", ["blocking", "functions_interval"])
@pytest.mark.parametrize("make", [record, FlamegraphInstrument])
def test_a_duration_that_makes_no_sense_is_refused_at_construction(make, option, value, tmp_path):
    with pytest.raises(ValueError, match=f"{option} is a number of seconds from .* not"):
        make(tmp_path / "stack", **{option: value})


@pytest.mark.parametrize("value", [True, "1", b"1", [1], 1j])
@pytest.mark.parametrize("option", ["blocking", "functions_interval"])
def test_a_duration_that_is_no_number_is_refused(option, value, tmp_path):
    with pytest.raises(TypeError, match=f"{option} is a number of seconds, not"):
        record(tmp_path / "stack", **{option: value})


def test_no_thread_runs_where_nothing_is_sampled(tmp_path):
    world = World(interval=None)
    world.sampler.start()
    assert not hidden_threads.running()


def test_a_thread_that_cannot_be_started_is_logged_and_the_rest_goes_on(
    tmp_path, monkeypatch, caplog
):
    import trio

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    async def main():
        clock.tick(20 * MILLISECOND)

    clock = FakeClock()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    options = {"clock": clock, "flush_interval": None, "blocking": 0.01}
    with record(tmp_path / "stack", **options) as recording:
        trio.run(main)
    recording.profile.check()
    assert "not sampled" in caplog.text
    assert list(recording.profile.blocking.values()) == [
        Blocks(1, 20 * MILLISECOND, 20 * MILLISECOND)
    ]
