"""Samples that the main thread takes of itself, where there is a native core."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time

import pytest

from tests.processes import run
from tests.sampling.world import name_of
from tracetools import record
from tracetools.attribution.functions import register_step
from tracetools.core.accounting import NEVER
from tracetools.core.native import native
from tracetools.core.stacks import Frame
from tracetools.recording.recorder import Recorder
from tracetools.sampling.main_thread import FOR_EVER, MainThread

pytestmark = pytest.mark.skipif(
    not hasattr(native, "MainSampler"), reason="the native core does not sample here"
)

MS = 1_000_000


class Program:
    """A loop in this thread, which is the main one, and the samples of it."""

    def __init__(self, interval: int = MS, threshold: int | None = None, **options) -> None:
        self.recorder = Recorder(threshold=threshold)
        self.loop = self.recorder.begin_loop()
        self.account = self.loop.spawn(self.loop.tree.root, Frame("task"), self.loop.clock())
        options = {
            "functions": True,
            "part": NEVER if threshold is None else threshold // 5,
        } | options
        self.main = MainThread(self.recorder, interval, **options)
        try:
            self.main.start()
        except RuntimeError:
            self.recorder.end_loop(self.loop, self.loop.clock())
            raise
        self.main.watch()

    def step(self, body):
        self.account.begin_step(self.loop.clock())
        try:
            return body()
        finally:
            self.account.end_step(self.loop.clock())

    def weights(self) -> dict[str, int]:
        """The weights of samples by the function that ran."""
        found: dict[str, int] = {}
        for taken in self.main.take():
            name = taken.sample.inwards[0].co_name if taken.sample.inwards else ""
            found[name] = found.get(name, 0) + taken.weight
        return found

    def end(self) -> None:
        self.main.stop()
        self.recorder.end_loop(self.loop, self.loop.clock())


register_step(Program.step.__code__)


@pytest.fixture
def program():
    found = Program()
    yield found
    found.end()


def compute(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def sleep(seconds):
    time.sleep(seconds)


def test_samples_weigh_what_fell_due_in_the_step(program):
    begin = time.perf_counter_ns()
    program.step(lambda: compute(0.1))
    took = time.perf_counter_ns() - begin
    weights = program.weights()
    assert set(weights) <= {"compute", "<lambda>", ""}  # "" as the step begins
    assert took // 4 < weights["compute"] < 2 * took


def test_a_call_that_waits_has_all_moments_of_its_time(program):
    program.step(lambda: sleep(0.2))
    assert program.weights()["sleep"] >= 150 * MS


def test_what_falls_due_before_a_step_is_not_given_to_it(program):
    time.sleep(0.2)
    program.step(lambda: compute(0.02))
    assert sum(program.weights().values()) < 150 * MS


def test_functions_end_with_what_steps_the_task(program):
    program.step(lambda: compute(0.1))
    for taken in program.main.take():
        assert taken.own is program.account.stack
        assert Program.step.__code__ not in taken.sample.inwards


def test_a_function_that_was_only_just_entered_has_nothing():
    """The moment fell due in its caller: this is the first check after that."""
    program = Program(interval=MS // 5)

    def enters():
        return None

    def calls():
        for _ in range(300_000):
            enters()

    program.step(calls)
    assert "enters" not in program.weights()
    program.end()


def test_samples_that_were_taken_are_given_once(program):
    program.step(lambda: compute(0.05))
    assert program.weights()
    assert program.weights() == {}


def test_a_step_that_takes_long_has_lines():
    program = Program(threshold=50 * MS)
    samples = []

    def waits():
        time.sleep(0.1)
        samples.extend(program.main.take_long())

    program.step(waits)
    found = [sample.links[0] for loop, sample, _ in samples if loop is program.loop]
    assert (waits.__code__, waits.__code__.co_firstlineno + 1) in found
    program.end()


def test_samples_of_earlier_long_steps_are_given_up():
    program = Program(threshold=NEVER // 2, part=MS // 10, interval=MS // 10)
    code = compute.__code__
    before, bits, is_full = sys.getrefcount(code), 0, 2
    until = time.perf_counter() + 30
    while not bits & is_full and time.perf_counter() < until:
        program.step(lambda: compute(0.01))
        bits |= program.main._native.wait(0)
    assert bits & is_full
    for _ in range(100):
        program.step(lambda: compute(0.01))
    assert sys.getrefcount(code) - before < 1500
    program.end()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_the_main_thread_of_a_forked_process_is_known_by_its_own_number():
    child = os.fork()
    if not child:
        status = 1
        try:
            program = Program(threshold=1000 * MS, interval=5 * MS)
            program.step(lambda: sleep(0.7))
            known = program.main.used(program.loop)[1] is not None
            status = 0 if known or sys.platform != "linux" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_loop_that_begins_while_others_are_looked_for_is_watched(program, monkeypatch):
    class Changing:
        @property
        def loops(self):
            program.main._native.watch((), ())  # as another thread that has seen older ones
            monkeypatch.setattr(program.main, "_recorder", program.recorder)
            return ()

    monkeypatch.setattr(program.main, "_recorder", Changing())
    program.main.watch()
    assert program.main.watches(program.loop)
    program.step(lambda: compute(0.05))
    assert program.weights()


def test_it_is_known_what_the_thread_had_used_early_in_a_long_step():
    program = Program(threshold=1000 * MS, interval=5 * MS)
    if sys.platform != "linux":
        pytest.skip("Linux knows what threads use")
    used = []

    def waits():
        time.sleep(0.7)
        used.append(program.main.used(program.loop))

    program.step(waits)
    [(began, usage)] = used
    assert began == program.loop.began
    assert program.loop.began < usage.moment < program.loop.began + 700 * MS
    program.end()


def test_a_blocking_step_ends_the_wait_of_the_sampler_while_it_goes_on():
    program = Program(threshold=50 * MS, interval=10 * MS)
    woke = threading.Event()

    def wait():
        program.main.wait(FOR_EVER)
        woke.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert program.step(lambda: woke.wait(30))
    thread.join()
    program.end()


def test_an_idle_loop_wakes_nobody(program):
    begin = time.perf_counter()
    program.main.wait(150 * MS)
    assert time.perf_counter() - begin >= 0.149


def test_no_time_of_collections_is_given_to_functions(tmp_path):
    rubbish = [[] for _ in range(300_000)]
    gc.collect()

    def collects():
        for _ in range(10):
            gc.collect()

    async def main():
        collects()

    import asyncio

    with record(tmp_path / "stack", functions=True) as recording:
        asyncio.run(main())
    profile = recording.profile
    profile.check()
    busy = {path[-1].name: times.busy for path, times in profile.stacks.items()}
    assert busy.get(name_of(collects), 0) < profile.collecting / 4
    del rubbish


def test_a_collection_whose_end_was_never_told_ends_before_the_next_step(program):
    native.note_collection(True)
    program.step(lambda: compute(0.05))
    assert program.weights()


def test_a_sample_keeps_no_local_alive(program):
    class Local:
        pass

    import weakref

    def body():
        local = Local()
        compute(0.05)
        return weakref.ref(local)

    assert program.step(body)() is None


def test_the_garbage_collector_is_as_it_was(program):
    was_on = gc.isenabled()
    for is_on in (False, True):
        (gc.enable if is_on else gc.disable)()
        program.step(lambda: compute(0.03))
        assert gc.isenabled() is is_on
    (gc.enable if was_on else gc.disable)()


def test_deep_stacks_are_sampled_less_often():
    program = Program(interval=MS // 5)

    def descend(levels):
        return descend(levels - 1) if levels else compute(0.5)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 3000)
    try:
        program.step(lambda: descend(1500))
    finally:
        sys.setrecursionlimit(limit)
    taken = list(program.main.take())
    assert max(len(each.sample.inwards) for each in taken) > 1500
    assert sum(each.weight for each in taken) > 300 * MS
    program.end()


def test_many_recordings_run_side_by_side_up_to_a_bound():
    programs = []
    try:
        with pytest.raises(RuntimeError, match="no more samplers"):
            for _ in range(20):
                programs.append(Program())  # noqa: PERF401  # until one fails
    finally:
        for each in programs:
            each.end()
    assert len(programs) == 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_in_a_step_has_no_sampler_and_goes_on(tmp_path):
    run(FORKS, tmp_path)


FORKS = """
import asyncio, os, sys, time
from tracetools import record

def burn():
    until = time.perf_counter() + 0.1
    while time.perf_counter() < until:
        pass

async def main():
    for _ in range(3):
        burn()
        child = os.fork()
        burn()
        if not child:
            assert len(os.listdir("/proc/self/task")) == 1
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    burn()

with record(None, functions=True) as recording:
    asyncio.run(main())
profile = recording.profile
profile.check()
assert profile.samples > 10, profile.samples
"""


def test_an_interpreter_that_exits_with_loops_in_their_midst_ends_well(tmp_path):
    for _ in range(5):
        run(EXITS, tmp_path)


EXITS = """
import asyncio, atexit, sys, threading, time
from tracetools import record

async def main():
    while True:
        sum(range(1000))
        await asyncio.sleep(0)

async def ends():
    sum(range(1_000_000))
    sys.exit(0)

recording = record(None, functions=True, functions_interval=0.0002)
recording.__enter__()
threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
time.sleep(0.05)
asyncio.run(ends())
"""


def test_no_audit_hook_of_the_program_is_called_within_a_sample(tmp_path):
    run(AUDITED, tmp_path)


AUDITED = """
import asyncio, sys, threading, time
from tracetools import record

asked = []

def hook(event, args):
    if event == "object.__getattr__" and args[1] in {"cr_frame", "gi_frame"}:
        asked.append(args[1])

sys.addaudithook(hook)

async def main():
    asked.clear()
    until = time.thread_time() + 0.2  # however busy the machine is
    while time.thread_time() < until:
        pass
    assert not asked, asked

with record(None, functions=True) as recording:
    asyncio.run(main())
assert recording.profile.samples > 10
"""
