"""Why no thread could run: told by what the sampler's thread and others have used."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time

import anyio
import pytest

from tracetools import compat, record
from tracetools.core.stacks import COLLECTIONS, HOLDS_THE_GIL, KINDS
from tracetools.recording import collector, usage
from tracetools.recording.recorder import Recorder
from tracetools.recording.usage import Usage
from tracetools.sampling import stalls
from tracetools.sampling.stalls import StallWatch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux knows what threads use")

MS = 1_000_000
LATE = 500 * MS
GIL, STOPPED, STARVED = KINDS["gil"], KINDS["stopped"], KINDS["starved"]


class Machine:
    """What threads have used, as a test says."""

    def __init__(self, monkeypatch):
        self.own = Usage(0, 0, 0, 0, 0)
        self.cpu: dict[int, int] = {}
        monkeypatch.setattr(stalls, "read_own_usage", lambda _: self.own)
        monkeypatch.setattr(usage, "_switches", lambda: self.own.switches)
        monkeypatch.setattr(time, "process_time_ns", lambda: self.own.process)
        monkeypatch.setattr(time, "thread_time_ns", lambda: self.own.cpu)
        monkeypatch.setattr(stalls, "read_cpu", lambda native: self.cpu.get(native, 0))
        monkeypatch.setattr(sys, "getswitchinterval", lambda: 0.005)
        self.recorder = Recorder()
        self.watch = StallWatch(self.recorder)
        assert self.look(late=0) == []

    def look(self, late=LATE, **used):
        moment = self.own.moment + late
        self.own = self.own._replace(moment=moment, **used)
        return list(self.watch.look(moment, late))


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


@pytest.fixture
def holder():
    """A thread that waits in a function of this file."""
    over = threading.Event()

    def compute():
        compat.this_thread()  # as threads that work for tasks do
        known.set()
        over.wait()

    known = threading.Event()
    thread = threading.Thread(target=compute, name="holder")
    thread.start()
    known.wait()
    yield thread
    over.set()
    thread.join()


def test_a_process_that_is_stopped_uses_nothing(machine):
    [stall] = machine.look()
    assert (stall.kind, stall.took, [frame.name for frame in stall.path]) == (
        "stopped",
        LATE,
        [STOPPED],
    )


def test_a_time_without_a_sampler_is_no_stall(machine):
    """It ends with the last loop, and starts with the next one."""
    machine.watch = StallWatch(machine.recorder)
    machine.own = machine.own._replace(moment=machine.own.moment + LATE)
    assert machine.look(late=0) == []
    assert [stall.kind for stall in machine.look()] == ["stopped"]


def test_one_that_is_starved_could_run(machine):
    [stall] = machine.look(delay=450 * MS)
    assert (stall.kind, [frame.name for frame in stall.path]) == ("starved", [STARVED])


def test_a_delay_of_which_nothing_is_known_is_not_told(machine):
    assert machine.look(process=200 * MS) == []


def test_the_thread_that_computed_held_the_gil_where_it_is_now(machine, holder):
    machine.cpu[holder.native_id] = 450 * MS
    [stall] = machine.look(switches=100, process=460 * MS)
    kind, thread, *functions, line = stall.path
    assert (stall.kind, kind.name, thread.name, line.name) == ("gil", GIL, "holder", HOLDS_THE_GIL)
    assert functions[-1].name.rpartition(".")[2] in {
        "compute",
        "wait",
        "Event.wait",
        "Condition.wait",
    }
    assert line.file == __file__


def test_the_gil_may_be_held_while_files_are_read(machine, holder, monkeypatch):
    read = machine.watch._read

    def read_late():
        machine.watch._cpu = {}
        read()
        moment, used = machine.own.moment + LATE, machine.own.process + LATE
        machine.own = machine.own._replace(moment=moment, switches=100, process=used)
        machine.cpu[holder.native_id] = LATE

    monkeypatch.setattr(machine.watch, "_read", read_late)
    machine.watch._next = 0
    assert machine.look(late=0) == []
    [stall] = machine.look(late=0)  # it slept as it likes, but began to sleep late
    assert (stall.kind, stall.path[1].name) == ("gil", "holder")


def test_a_collection_in_another_thread_is_named(machine, holder):
    machine.cpu[holder.native_id] = 450 * MS
    collector._elsewhere.append((holder.ident, 2, 0, LATE))
    [stall] = machine.look(switches=100, process=460 * MS)
    collector._elsewhere.clear()
    assert COLLECTIONS[2] in stall.path


def test_work_that_has_ended_since_is_known(machine):
    assert machine.look(switches=100, process=10 * MS) == []  # it may have been a loop's step
    machine.recorder._note_work(7, COLLECTIONS[0]._replace(file="a.py", line=3))
    [stall] = machine.look(switches=200, process=20 * MS)
    assert [frame.line for frame in stall.path] == [0, 0, 3, 3]
    assert [frame.file for frame in stall.path[2:]] == ["a.py", "a.py"]


def test_a_step_that_computes_is_no_stall(machine):
    machine.recorder.begin_loop()
    machine.cpu[threading.get_native_id()] = 0  # the sampler is this thread in this test
    loop = machine.recorder.loops[0]
    loop.spawn(loop.tree.root, COLLECTIONS[0], 0).begin_step(loop.clock())
    assert machine.look(switches=100) == []
    machine.recorder.close()


def test_a_short_delay_is_nothing_and_without_linux_nothing_is_known(machine, monkeypatch):
    assert machine.look(late=19 * MS) == []
    monkeypatch.setattr(stalls, "read_own_usage", lambda _: None)
    assert list(machine.watch.look(time.perf_counter_ns(), LATE)) == []


def test_a_thread_of_a_class_of_the_program_is_not_asked(machine):
    class Thread(threading.Thread):
        @property
        def ident(self):
            raise AssertionError

        native_id = name = ident

    over = threading.Event()
    thread = Thread(target=over.wait)
    native = threading.Thread.native_id.fget
    try:
        with contextlib.suppress(AssertionError):  # `threading` asks as well, when it has started
            thread.start()
        machine.cpu = {native(thread): 400 * MS}
        [stall] = machine.look(switches=100, process=400 * MS)
        assert stall.path[0].name == GIL
    finally:
        over.set()
        threading.Thread.join(thread)


def test_a_system_that_seems_to_have_slept_less_has_not_slept(machine, monkeypatch):
    """The thread could not run for a while between two clocks that it read."""
    known = machine.watch._suspended
    for seen in (known - 300 * MS, known):
        monkeypatch.setattr(stalls, "_suspended", lambda seen=seen: seen)
        machine.watch._next = 0
        assert machine.look(late=0) == []


def test_a_system_that_slept_says_so(machine, monkeypatch):
    monkeypatch.setattr(stalls, "_suspended", lambda: 5_000 * MS)
    machine.watch._suspended = 0
    machine.watch._next = 0
    [stall] = machine.look(late=0)
    assert (stall.kind, stall.took, stall.path[1].name) == (
        "stopped",
        5_000 * MS,
        stalls.SUSPENDED,
    )


# ------------------------------------------------------------------------------- the real thing


def compute():
    return sum(range(25_000_000))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_thread_that_holds_the_gil_is_named_with_the_delay_that_the_program_sees(
    backend, tmp_path
):
    late: list[float] = []

    async def heartbeat():
        for _ in range(40):
            due = time.perf_counter() + 0.01
            await anyio.sleep(0.01)
            late.append(time.perf_counter() - due)

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(heartbeat)
            await anyio.sleep(0.05)
            await anyio.to_thread.run_sync(compute)

    for _ in range(_ATTEMPTS):
        late.clear()
        with record(tmp_path / "stack", scheduled=True) as recording:
            anyio.run(main, backend=backend)
        profile = recording.profile
        profile.check()
        held = [frame for path in profile.stalls if path[0].name == GIL for frame in path]
        is_named = any("compute" in frame.name for frame in held)
        has_file = any((frame.file or "").endswith("test_stalls.py") for frame in held)
        longest = max(late) * 1e9
        is_delay = abs(profile.scheduling_delay.max - longest) < longest / 4
        own = [blocks for blocks in profile.blocking.values() if blocks.calling or blocks.computing]
        if is_named and has_file and is_delay and not own:
            return
    pytest.fail("in none of many runs the wait for the GIL fell between two steps, and was named")


STOPPED_PROGRAM = """
import asyncio, os, subprocess, sys, time
from tracetools import record

async def main():
    stop = f"sleep 0.1; kill -STOP {os.getpid()}; sleep 0.6; kill -CONT {os.getpid()}"
    with subprocess.Popen(["sh", "-c", stop]):
        until = time.thread_time() + 0.15
        while time.thread_time() < until:
            pass

with record(sys.argv[1]) as recording:
    asyncio.run(main())
profile = recording.profile
profile.check()
print({path[0].name for path in profile.stalls}, [b.stopped for b in profile.blocking.values()])
"""


def test_a_process_that_was_stopped_does_not_blame_the_task(tmp_path):
    """It is one of its own: the other tests are not stopped."""
    for _ in range(_ATTEMPTS):
        command = [sys.executable, "-c", STOPPED_PROGRAM, str(tmp_path / "stack")]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        stalls, _, stopped = said.stdout.partition("} ")
        if STOPPED in stalls and re.search("[1-9]", stopped):
            return
    pytest.fail("in none of many runs it was seen that the process was stopped")


_ATTEMPTS = 12
"""A busy machine may leave the threads no processor when they should be told apart."""
