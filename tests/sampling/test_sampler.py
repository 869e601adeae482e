"""What the watch sees of steps and threads, looked at from within them, under a fake clock."""

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
from tracetools.sampling import alarm
from tracetools.sampling.gil import Turns
from tracetools.sampling.sampler import Watch
from tracetools.testing import ScriptedLoop

MILLISECOND = 1_000_000


def name_of(function):
    return qualified_name(function.__code__)


class World:
    """A loop that steps in this thread, and the watch of its recording."""

    def __init__(self, *, every: int | None = 1000, longest: int | None = None) -> None:
        self.loop = ScriptedLoop(longest=longest)
        worlds.append(self)
        self.watch = Watch(self.loop.recorder, every)
        self.look = partial(self.watch._look, 1000)

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

    def holds(self):
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


def test_busy_time_is_divided_by_what_looks_stand_for(world):
    def parse():
        world.watch._look(30)

    def encode():
        world.watch._look(10)

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


def test_what_no_look_saw_stays_on_the_stack_itself(world):
    def body():
        world.watch._look(10)
        world.loop.tick(100)

    world.step(body)
    world.step(partial(world.loop.tick, 7), name="other")
    assert world.functions() == {f"task;{name_of(body)}": 20, "task": 80, "other": 7}


def test_functions_stand_below_the_span_that_has_the_time(world):
    def helper():
        world.watch._look(10)

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
        world.watch._look(10)

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
        backends.asyncio.run(looks())
        world.loop.tick(10)

    async def looks():
        world.watch._look(10)

    world.step(body)
    [(stack, busy)] = world.functions().items()
    assert (stack, busy) == (f"task;{name_of(body)};{name_of(looks)}", 10)


def test_the_loop_that_runs_within_a_step_of_another_has_the_inner_functions():
    outer, inner = World(), World()

    def body():
        inner.step(looks)
        outer.loop.tick(10)

    def looks():
        outer.watch._look(10)
        inner.watch._look(10)
        inner.loop.tick(10)

    outer.step(body, name="outer")
    assert inner.functions() == {f"task;{name_of(looks)}": 10}


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
        within(looks)
        inner.exit(account, clock())
        recorder.end_loop(inner, clock())

    def looks():
        world.look()
        clock.tick(10)

    world.step(body, name="outer")
    names = f"{name_of(body)};{name_of(within)};{name_of(looks)}"
    assert world.functions() == {f"outer;{names}": 11, f"inner;{name_of(looks)}": 10}


def within(function):
    """Be where the functions of a step begin."""
    function()


step_begins_below(within.__code__)


def test_a_deep_recursion_is_looked_at_as_far_as_it_goes(world):
    def descend(levels):
        if levels:
            descend(levels - 1)
        else:
            world.watch._look(10)

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
        space = {"look": world.watch._look, "tick": world.loop.tick}
        exec(f"def {name}():\n look(10)\n tick(10)", space)  # noqa: S102  # functions by the dozen
        world.step(space[name])
    assert len(world.loop.loop.tree.stacks) <= 6
    assert world.loop.profile.truncated
    assert sum(world.functions().values()) == 300


def test_a_look_keeps_nothing_alive(world):
    class Local:
        pass

    known = []

    def body():
        local = Local()
        known.append(weakref.ref(local))
        world.look()

    world.step(body)
    assert known[0]() is None


def test_a_thread_without_frames_is_no_trouble(world):
    def body():
        loop = world.loop.loop
        here, loop.thread = loop.thread, 1
        world.watch._look(10)
        loop.thread = here
        world.loop.tick(10)

    world.step(body)
    assert world.functions() == {"task": 10}


def test_the_collector_is_as_it_was(world):
    import gc

    for was_on in (False, True):
        (gc.enable if was_on else gc.disable)()
        world.step(world.look)
        assert gc.isenabled() is was_on


def test_the_time_of_spans_in_worker_threads_is_divided_likewise(world):
    recorder = world.loop.recorder

    def helper():
        world.watch._look(10)
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


# ------------------------------------------------------------------------------- what holds a loop


@pytest.fixture
def holding(caplog):
    caplog.set_level(logging.WARNING, "tracetools")
    return World(every=None, longest=100 * MILLISECOND)


def test_a_step_that_takes_too_long_is_counted_exactly_with_its_place(holding, caplog):
    def load():
        holding.loop.tick(150 * MILLISECOND)
        holding.look()
        holding.look()
        holding.loop.tick(53 * MILLISECOND)

    holding.step(load)
    line = load.__code__.co_firstlineno + 2
    [path] = holding.loop.profile.blocking
    assert holding.holds() == {
        f"task;{name_of(load)};blocks the loop": Blocks(1, 203 * MILLISECOND, 203 * MILLISECOND)
    }
    assert path[-1].location == f"tests/sampling/test_sampler.py:{line}"
    [message] = caplog.messages
    assert message == (
        "the loop is held for 0.150 s so far by task at tests/sampling/test_sampler.py:"
        f"{line}: holding.look()"
    )
    assert holding.loop.profile.blocking_threshold == 100 * MILLISECOND


def test_a_step_within_the_limit_is_not(holding, caplog):
    def load():
        holding.loop.tick(100 * MILLISECOND)
        holding.look()

    holding.step(load)
    assert holding.holds() == {}
    assert caplog.messages == []


def test_a_step_that_nobody_could_look_at_is_counted_all_the_same(holding, caplog):
    """Such as one of C code that keeps all other threads from running."""
    holding.step(partial(holding.loop.tick, 300 * MILLISECOND))
    holding.look()
    holding.look()
    assert holding.holds() == {
        "task;blocks the loop": Blocks(1, 300 * MILLISECOND, 300 * MILLISECOND)
    }
    assert caplog.messages == ["the loop was held for 0.300 s by task"]


def test_the_place_is_where_it_was_seen_most(holding):
    def first():
        holding.look()

    def second():
        for _ in range(2):
            holding.look()

    def body():
        holding.loop.tick(120 * MILLISECOND)
        first()
        second()

    holding.step(body)
    assert list(holding.holds()) == [f"task;{name_of(body)};{name_of(second)};blocks the loop"]


def test_the_line_at_fault_is_the_programs_own(holding, caplog):
    def hook(found):
        holding.look()
        return found

    def load():
        holding.loop.tick(120 * MILLISECOND)
        json.loads('{"a": 1}', object_hook=hook)

    holding.step(load)
    assert "holding.look()" in caplog.messages[0]


def test_a_step_that_goes_on_is_in_the_profile_already(holding):
    def body():
        holding.loop.tick(120 * MILLISECOND)
        seen.append(holding.holds())

    seen = []
    holding.step(body)
    assert seen == [{"task;blocks the loop": Blocks(1, 120 * MILLISECOND, 120 * MILLISECOND)}]
    assert holding.holds() == seen[0]


def test_holds_add_up(holding):
    for duration in (101, 250, 150):
        holding.step(partial(holding.loop.tick, duration * MILLISECOND))
    assert holding.holds() == {
        "task;blocks the loop": Blocks(3, 501 * MILLISECOND, 250 * MILLISECOND)
    }


def test_a_step_with_others_inside_holds_the_loop_once(holding):
    def inner():
        holding.loop.tick(60 * MILLISECOND)

    holding.step(lambda: (holding.step(inner, name="eager"), inner()))
    assert list(holding.holds().values()) == [Blocks(1, 120 * MILLISECOND, 120 * MILLISECOND)]


def test_few_lines_are_logged_and_the_next_one_says_how_many_were_not(holding, caplog, monkeypatch):
    now = 0
    monkeypatch.setattr(alarm, "perf_counter_ns", lambda: now)
    for name in "abc":
        holding.step(partial(holding.loop.tick, 200 * MILLISECOND), name=name)
        holding.look()
    assert caplog.messages == ["the loop was held for 0.200 s by a"]
    now += 1_000 * MILLISECOND
    holding.step(partial(holding.loop.tick, 200 * MILLISECOND), name="a")
    holding.look()
    assert len(caplog.messages) == 1
    holding.step(partial(holding.loop.tick, 200 * MILLISECOND), name="d")
    holding.look()
    assert caplog.messages[1:] == [
        "the loop was held for 0.200 s by d (3 more such steps were not logged)"
    ]


def test_each_step_is_told_of_once_however_often_it_is_looked_at(holding, caplog, monkeypatch):
    now = 0
    monkeypatch.setattr(alarm, "perf_counter_ns", lambda: now)

    def body():
        holding.loop.tick(200 * MILLISECOND)
        for _ in range(5):
            holding.look()

    for _ in range(3):
        holding.step(body, name="a")
    now += 60_000 * MILLISECOND
    holding.step(body, name="b")
    place = f"tests/sampling/test_sampler.py:{body.__code__.co_firstlineno + 3}: holding.look()"
    assert [message.partition(" by ")[2] for message in caplog.messages] == [
        f"a at {place}",
        f"b at {place} (2 more such steps were not logged)",
    ]


def test_places_are_bounded(holding, monkeypatch):
    monkeypatch.setattr("tracetools.recording.loops.MAX_LOCATIONS", 3)

    def body():
        holding.loop.tick(200 * MILLISECOND)
        holding.look()

    for name in "abcde":
        holding.step(body, name=name)
    assert sum(blocks.count for blocks in holding.holds().values()) == 5
    assert "e;blocks the loop" in holding.holds()


# -------------------------------------------------------------------------------------- its turn


@pytest.fixture
def interval():
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    yield
    sys.setswitchinterval(before)


def usual():
    return math.isclose(sys.getswitchinterval(), 0.005, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_turns_come_soon_from_when_they_are_wanted_until_they_come():
    turns, over = Turns(always=False), threading.Lock()
    turns.end_turn()
    assert usual()
    turns.shorten()
    assert sys.getswitchinterval() < 0.0001
    assert turns.sleep(over, 1)
    assert sys.getswitchinterval() < 0.0001
    turns.end_turn()
    assert usual()


@pytest.mark.usefixtures("interval")
def test_turns_may_always_come_soon():
    turns, over = Turns(always=True), threading.Lock()
    over.acquire()
    for _ in range(2):
        turns.end_turn()
        assert sys.getswitchinterval() < 0.0001
        assert not turns.sleep(over, 0.0001)
        assert usual()  # while it has its turn
    turns.end_turn()
    turns.restore()
    assert usual()


@pytest.mark.usefixtures("interval")
@pytest.mark.parametrize("theirs", [1e-6, 0.001, 0.5, 10])
def test_an_interval_of_the_programs_own_stays(theirs):
    sys.setswitchinterval(theirs)
    turns = Turns(always=True)
    turns.shorten()
    turns.sleep(threading.Lock(), 0)
    turns.end_turn()
    assert math.isclose(sys.getswitchinterval(), theirs, abs_tol=1e-6)
    turns.restore()
    assert math.isclose(sys.getswitchinterval(), theirs, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_an_interval_that_the_program_sets_meanwhile_stays():
    turns = Turns(always=True)
    turns.shorten()
    sys.setswitchinterval(0.25)
    turns.restore()
    assert math.isclose(sys.getswitchinterval(), 0.25, abs_tol=1e-6)


@pytest.mark.usefixtures("interval")
def test_two_recordings_leave_the_usual_interval_behind():
    one, other = Turns(always=True), Turns(always=False)
    other.shorten()
    one.end_turn()
    other.end_turn()
    one.end_turn()
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
def test_a_real_program_is_looked_at_and_all_is_as_it_was_afterwards(backend, tmp_path, caplog):
    import anyio

    async def blocks():
        burn(0.25)

    with record(tmp_path / "stack", functions=True, blocking=0.1) as recording:
        anyio.run(blocks, backend=backend)
    profile = recording.profile
    profile.check()
    [(path, held)] = profile.blocking.items()
    assert (held.count, path[-1].name) == (1, "blocks the loop")
    assert 0.25 <= held.total / 1e9 < 0.35
    assert path[-1].location.startswith("tests/sampling/test_sampler.py:")
    assert "held for" in caplog.text
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
def test_what_is_no_number_is_refused(option, value, tmp_path):
    with pytest.raises(TypeError, match=f"{option} is a number of seconds, not"):
        record(tmp_path / "stack", **{option: value})


def test_a_look_that_fails_is_none_and_leaves_the_collector_on(world, monkeypatch):
    import gc

    def refuse():
        raise RuntimeError("not allowed here")

    monkeypatch.setattr(sys, "_current_frames", refuse)
    world.step(lambda: (world.look(), world.loop.tick(10)))
    assert gc.isenabled()
    assert world.functions() == {"task": 10}


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_handler_that_raises_ends_no_watch(holding, error):
    class Raises(logging.Handler):
        def emit(self, record):
            heard.append(record)
            raise error

    heard = []
    handler = Raises()
    logging.getLogger("tracetools").addHandler(handler)
    try:
        holding.step(partial(holding.loop.tick, 200 * MILLISECOND))
        holding.look()
    finally:
        logging.getLogger("tracetools").removeHandler(handler)
    assert len(heard) == 1
    assert not holding.loop.recorder.stopped


@pytest.mark.parametrize("name", ["/dev/stdin", "nowhere.py", "", "<string>"])
def test_a_line_that_cannot_be_read_is_told_by_its_place(holding, caplog, name):
    space = {"look": holding.look, "tick": holding.loop.tick}
    exec(compile("def body():\n tick(200_000_000)\n look()", name, "exec"), space)  # noqa: S102
    holding.step(space["body"])
    assert len(caplog.messages) == 1
    assert not holding.loop.recorder.stopped


@pytest.mark.parametrize(
    "name", ["\ud800.py", "\0", "/dev/stdin", os.devnull, os.curdir, "nowhere"]
)
def test_the_text_of_a_line_is_nothing_where_there_is_none(name):
    assert alarm._text_of(name, 1) == ""


def test_the_text_of_a_line_is_read_from_its_file(tmp_path):
    file = tmp_path / "source.py"
    file.write_bytes(b"first\n  second \xff\n")
    assert alarm._text_of(str(file), 1) == "first"
    assert alarm._text_of(str(file), 2) == "second \ufffd"
    assert alarm._text_of(str(file), 3) == ""
    assert alarm._text_of(str(file), 0) == ""


@pytest.mark.usefixtures("interval")
def test_a_turn_that_is_wanted_when_all_is_over_changes_nothing():
    turns = Turns(always=True)
    turns.shorten()
    turns.end()
    turns.shorten()
    assert usual()


@pytest.mark.usefixtures("interval")
def test_a_turn_that_is_wanted_while_one_ends_does_not_make_turns_come_soon_for_ever(monkeypatch):
    turns = Turns(always=False)
    really_set = sys.setswitchinterval

    def set_and_switch(seconds):
        really_set(seconds)
        if seconds > 0.001:
            monkeypatch.undo()
            turns.shorten()  # as the loop does, in another thread

    turns.shorten()
    monkeypatch.setattr(sys, "setswitchinterval", set_and_switch)
    turns.end_turn()
    assert not usual()
    turns.end_turn()
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
            while time.perf_counter() < until:  # noqa: ASYNC110  # the loop goes on, nobody looks
                await asyncio.sleep(0)
            os._exit(0 if usual() else 1)
        return os.waitpid(child, 0)[1]

    with record(tmp_path / "stack", functions=True):
        assert asyncio.run(main()) == 0


def test_no_thread_where_nothing_is_watched(tmp_path):
    world = World(every=None)
    world.watch.begin()
    assert not [t for t in threading.enumerate() if t.name.startswith("tracetools")]


def test_a_thread_that_cannot_be_started_is_told_of_and_the_rest_goes_on(
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
    assert "nobody watches" in caplog.text
    assert sum(blocks.count for blocks in recording.profile.blocking.values()) == 1
