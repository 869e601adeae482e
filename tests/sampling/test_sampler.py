"""Samples of steps and threads, taken from within them, under a fake clock."""

from __future__ import annotations

import inspect
import json
import logging
import math
import os
import sys
import threading
import time
import weakref
from functools import partial

import pytest

from tests import backends
from tracetools import FlamegraphInstrument, record
from tracetools.attribution.functions import qualified_name, step_begins_below
from tracetools.core.stacks import Blocks, Frame
from tracetools.sampling import blocking_log
from tracetools.sampling.gil import GilHandover
from tracetools.sampling.sampler import Sampler
from tracetools.testing import ScriptedLoop

MILLISECOND = 1_000_000


def name_of(function):
    return qualified_name(function.__code__)


class World:
    """A loop that steps in this thread, and the sampler of its recording."""

    def __init__(self, *, interval: int | None = 1000, threshold: int | None = None) -> None:
        self.loop = ScriptedLoop(threshold=threshold)
        worlds.append(self)
        self.sampler = Sampler(self.loop.recorder, interval)
        self.sample = partial(self.sampler._sample, 1000)

    def step(self, body, name="task"):
        """Let a new task make one step, which is `body`, and exit."""
        task = self.loop.spawn(name)
        self.loop.begin_step(task)
        try:
            return body()
        finally:
            self.loop.exit(task)

    def functions(self):
        """The busy time of each stack, by names, without what has none."""
        return {
            ";".join(frame.name for frame in path[1:]): times.busy
            for path, times in self.loop.profile.stacks.items()
            if times.busy and path[1:]
        }

    def blocks(self):
        return {
            ";".join(frame.name for frame in path[1:]): blocks
            for path, blocks in self.loop.profile.blocking.items()
        }


step_begins_below(World.step.__code__)
worlds: list[World] = []


@pytest.fixture(autouse=True)
def end_of_all_worlds():
    yield
    while worlds:
        worlds.pop().loop.finish()


@pytest.fixture
def world():
    return World()


# ------------------------------------------------------------------------------------- functions


def test_busy_time_is_divided_by_the_weights_of_samples(world):
    def parse():
        world.sampler._sample(30)

    def encode():
        world.sampler._sample(10)

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
        world.sampler._sample(10)
        world.loop.tick(100)

    world.step(body)
    world.step(partial(world.loop.tick, 7), name="other")
    assert world.functions() == {f"task;{name_of(body)}": 20, "task": 80, "other": 7}


def test_functions_stand_below_the_span_that_has_the_time(world):
    def helper():
        world.sampler._sample(10)

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
        world.sampler._sample(10)

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
        backends.asyncio.run(samples())
        world.loop.tick(10)

    async def samples():
        world.sampler._sample(10)

    world.step(body)
    [(stack, busy)] = world.functions().items()
    assert (stack, busy) == (f"task;{name_of(body)};{name_of(samples)}", 10)


def test_the_loop_that_runs_within_a_step_of_another_has_the_inner_functions():
    outer, inner = World(), World()

    def body():
        inner.step(samples)
        outer.loop.tick(10)

    def samples():
        outer.sampler._sample(10)
        inner.sampler._sample(10)
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


step_begins_below(within.__code__)


def test_a_deep_recursion_is_sampled_as_far_as_it_goes(world):
    def descend(levels):
        if levels:
            descend(levels - 1)
        else:
            world.sampler._sample(10)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(4000)
    try:
        world.step(lambda: (descend(2500), world.loop.tick(10)))
    finally:
        sys.setrecursionlimit(limit)
    world.loop.profile.check()
    assert sum(world.functions().values()) == 10


def test_stacks_of_functions_take_half_of_the_room_at_most():
    world = World()
    world.loop.loop.tree.max_stacks = 10
    for number in range(30):
        name = f"function_{number}"
        space = {"sample": world.sampler._sample, "tick": world.loop.tick}
        exec(f"def {name}():\n sample(10)\n tick(10)", space)  # noqa: S102  # functions by the dozen
        world.step(space[name])
    assert len(world.loop.loop.tree.stacks) <= 6
    assert world.loop.profile.truncated
    assert sum(world.functions().values()) == 300


def test_a_sample_keeps_nothing_alive(world):
    class Local:
        pass

    known = []

    def body():
        local = Local()
        known.append(weakref.ref(local))
        world.sample()

    world.step(body)
    assert known[0]() is None


def test_a_thread_without_frames_is_no_trouble(world):
    def body():
        loop = world.loop.loop
        here, loop.thread = loop.thread, 1
        world.sampler._sample(10)
        loop.thread = here
        world.loop.tick(10)

    world.step(body)
    assert world.functions() == {"task": 10}


def test_the_collector_is_as_it_was(world):
    import gc

    for was_on in (False, True):
        (gc.enable if was_on else gc.disable)()
        world.step(world.sample)
        assert gc.isenabled() is was_on


def test_the_time_of_spans_in_worker_threads_is_divided_by_samples(world):
    recorder = world.loop.recorder

    def helper():
        world.sampler._sample(10)
        world.loop.tick(10)

    def work():
        opened = recorder.open_in_thread(Frame("span", __file__, work.__code__.co_firstlineno), 1)
        helper()
        recorder.close_in_thread(opened[0], opened)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    found = {
        ";".join(frame.name for frame in path[1:]): times.thread
        for path, times in recorder.profile().stacks.items()
        if times.thread
    }
    assert found == {f"worker;span;{name_of(helper)}": 10}


# ------------------------------------------------------------------------------- what blocks a loop


@pytest.fixture
def blocking(caplog):
    caplog.set_level(logging.WARNING, "tracetools")
    return World(interval=None, threshold=100 * MILLISECOND)


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


def test_the_line_at_fault_is_a_line_of_the_program(blocking, caplog):
    def hook(found):
        blocking.sample()
        return found

    def load():
        blocking.loop.tick(120 * MILLISECOND)
        json.loads('{"a": 1}', object_hook=hook)

    blocking.step(load)
    assert "blocking.sample()" in caplog.messages[0]


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


def test_few_lines_are_logged_and_the_next_one_counts_the_others(blocking, caplog, monkeypatch):
    now = 0
    monkeypatch.setattr(blocking_log, "perf_counter_ns", lambda: now)
    for name in "abc":
        blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND), name=name)
        blocking.sample()
    assert caplog.messages == ["the loop was blocked for 0.200 s by a"]
    now += 1_000 * MILLISECOND
    blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND), name="a")
    blocking.sample()
    assert len(caplog.messages) == 1
    blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND), name="d")
    blocking.sample()
    assert caplog.messages[1:] == [
        "the loop was blocked for 0.200 s by d (3 more such steps were not logged)"
    ]


def test_each_step_is_logged_once_however_often_it_is_sampled(blocking, caplog, monkeypatch):
    now = 0
    monkeypatch.setattr(blocking_log, "perf_counter_ns", lambda: now)

    def body():
        blocking.loop.tick(200 * MILLISECOND)
        for _ in range(5):
            blocking.sample()

    for _ in range(3):
        blocking.step(body, name="a")
    now += 60_000 * MILLISECOND
    blocking.step(body, name="b")
    location = (
        f"tests/sampling/test_sampler.py:{body.__code__.co_firstlineno + 3}: blocking.sample()"
    )
    assert [message.partition(" by ")[2] for message in caplog.messages] == [
        f"a at {location}",
        f"b at {location} (2 more such steps were not logged)",
    ]


def test_locations_are_bounded(blocking, monkeypatch):
    monkeypatch.setattr("tracetools.recording.loops.MAX_LOCATIONS", 3)

    def body():
        blocking.loop.tick(200 * MILLISECOND)
        blocking.sample()

    for name in "abcde":
        blocking.step(body, name=name)
    assert sum(blocks.count for blocks in blocking.blocks().values()) == 5
    assert "e;blocks the loop" in blocking.blocks()


# -------------------------------------------------------------------------------------- the GIL


@pytest.fixture
def interval():
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    yield
    sys.setswitchinterval(before)


def usual():
    return math.isclose(sys.getswitchinterval(), 0.005, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_the_interval_is_short_from_a_request_to_the_next_sleep():
    gil, over = GilHandover(always=False), threading.Lock()
    gil.before_sleep()
    assert usual()
    gil.request()
    assert sys.getswitchinterval() < 0.0001
    assert gil.sleep(over, 1)
    assert sys.getswitchinterval() < 0.0001
    gil.before_sleep()
    assert usual()


@pytest.mark.usefixtures("interval")
def test_the_interval_is_short_during_sleeps_if_always():
    gil, over = GilHandover(always=True), threading.Lock()
    over.acquire()
    for _ in range(2):
        gil.before_sleep()
        assert sys.getswitchinterval() < 0.0001
        assert not gil.sleep(over, 0.0001)
        assert usual()  # while it has the GIL
    gil.before_sleep()
    gil.restore()
    assert usual()


@pytest.mark.usefixtures("interval")
@pytest.mark.parametrize("theirs", [1e-6, 0.001, 0.5, 10])
def test_an_interval_of_the_programs_own_stays(theirs):
    sys.setswitchinterval(theirs)
    gil = GilHandover(always=True)
    gil.request()
    gil.sleep(threading.Lock(), 0)
    gil.before_sleep()
    assert math.isclose(sys.getswitchinterval(), theirs, abs_tol=1e-6)
    gil.restore()
    assert math.isclose(sys.getswitchinterval(), theirs, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_an_interval_that_the_program_sets_meanwhile_stays():
    gil = GilHandover(always=True)
    gil.request()
    sys.setswitchinterval(0.25)
    gil.restore()
    assert math.isclose(sys.getswitchinterval(), 0.25, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_two_recordings_leave_the_usual_interval_behind():
    one, other = GilHandover(always=True), GilHandover(always=False)
    other.request()
    one.before_sleep()
    other.before_sleep()
    one.before_sleep()
    assert sys.getswitchinterval() < 0.0001
    one.restore()
    other.restore()
    assert usual()


# ------------------------------------------------------------------------------------ the thread


def burn(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@pytest.mark.usefixtures("interval")
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_real_program_is_sampled_and_all_is_as_it_was_afterwards(backend, tmp_path, caplog):
    import anyio

    async def main():
        burn(0.25)

    with record(tmp_path / "stack", functions=True, blocking=0.1) as recording:
        anyio.run(main, backend=backend)
    profile = recording.profile
    profile.check()
    [(path, blocks)] = profile.blocking.items()
    assert (blocks.count, path[-1].name) == (1, "blocks the loop")
    assert 0.25 <= blocks.total / 1e9 < 0.35
    assert path[-1].location.startswith("tests/sampling/test_sampler.py:")
    assert "blocked for" in caplog.text
    busy = {path[-1].name: times.busy / 1e9 for path, times in profile.stacks.items()}
    assert busy["burn"] > 0.2
    assert usual()
    assert not [t for t in threading.enumerate() if t.name.startswith("tracetools")]


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


def test_a_sample_that_fails_leaves_the_collector_on(world, monkeypatch):
    import gc

    def refuse():
        raise RuntimeError("not allowed here")

    monkeypatch.setattr(sys, "_current_frames", refuse)
    world.step(lambda: (world.sample(), world.loop.tick(10)))
    assert gc.isenabled()
    assert world.functions() == {"task": 10}


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_log_handler_that_raises_ends_no_sampling(blocking, error):
    class Raises(logging.Handler):
        def emit(self, record):
            heard.append(record)
            raise error

    heard = []
    handler = Raises()
    logging.getLogger("tracetools").addHandler(handler)
    try:
        blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND))
        blocking.sample()
    finally:
        logging.getLogger("tracetools").removeHandler(handler)
    assert len(heard) == 1
    assert not blocking.loop.recorder.stopped


@pytest.mark.parametrize("name", ["/dev/stdin", "nowhere.py", "", "<string>"])
def test_a_line_that_cannot_be_read_is_logged_by_its_location(blocking, caplog, name):
    space = {"sample": blocking.sample, "tick": blocking.loop.tick}
    exec(compile("def body():\n tick(200_000_000)\n sample()", name, "exec"), space)  # noqa: S102
    blocking.step(space["body"])
    assert len(caplog.messages) == 1
    assert not blocking.loop.recorder.stopped


@pytest.mark.parametrize(
    "name", ["\ud800.py", "\0", "/dev/stdin", os.devnull, os.curdir, "nowhere"]
)
def test_the_text_of_a_line_is_nothing_where_there_is_none(name):
    assert blocking_log._text_of(name, 1) == ""


def test_the_text_of_a_line_is_read_from_its_file(tmp_path):
    file = tmp_path / "source.py"
    file.write_bytes(b"first\n  second \xff\n")
    assert blocking_log._text_of(str(file), 1) == "first"
    assert blocking_log._text_of(str(file), 2) == "second \ufffd"
    assert blocking_log._text_of(str(file), 3) == ""
    assert blocking_log._text_of(str(file), 0) == ""


@pytest.mark.usefixtures("interval")
def test_a_request_after_the_end_changes_nothing():
    gil = GilHandover(always=True)
    gil.request()
    gil.end()
    gil.request()
    assert usual()


@pytest.mark.usefixtures("interval")
def test_a_request_during_a_restore_does_not_last_for_ever(monkeypatch):
    gil = GilHandover(always=False)
    really_set = sys.setswitchinterval

    def set_and_switch(seconds):
        really_set(seconds)
        if seconds > 0.001:
            monkeypatch.undo()
            gil.request()  # as the loop does, in another thread

    gil.request()
    monkeypatch.setattr(sys, "setswitchinterval", set_and_switch)
    gil.before_sleep()
    assert not usual()
    gil.before_sleep()
    assert usual()


@pytest.mark.usefixtures("interval")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is none")
def test_a_forked_child_has_the_usual_interval_and_can_import(tmp_path):
    import asyncio

    async def main():
        for _ in range(10):
            await asyncio.sleep(0)
        child = os.fork()
        if not child:
            import ctypes  # noqa: F401

            until = time.perf_counter() + 0.01
            while time.perf_counter() < until:  # noqa: ASYNC110  # the loop goes on, unsampled
                await asyncio.sleep(0)
            os._exit(0 if usual() else 1)
        return os.waitpid(child, 0)[1]

    with record(tmp_path / "stack", functions=True):
        assert asyncio.run(main()) == 0


def test_no_thread_runs_where_nothing_is_sampled(tmp_path):
    world = World(interval=None)
    world.sampler.start()
    assert not [t for t in threading.enumerate() if t.name.startswith("tracetools")]


def test_a_thread_that_cannot_be_started_is_logged_and_the_rest_goes_on(
    tmp_path, monkeypatch, caplog
):
    import trio

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    async def main():
        burn(0.02)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with record(tmp_path / "stack", flush_interval=None, blocking=0.01) as recording:
        trio.run(main)
    recording.profile.check()
    assert "not sampled" in caplog.text
    assert sum(blocks.count for blocks in recording.profile.blocking.values()) == 1
