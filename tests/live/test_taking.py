"""Dumps of programs on every backend: the tree, what is waited for, deadlocks, blocked loops."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
import trio

from tests.live.programs import RUNS, Program, line_of, name_of, tasks_of
from tracetools import record, span
from tracetools.live import taking
from tracetools.live.taking import take_dump
from tracetools.live.values import Dump


@pytest.fixture(params=RUNS)
def program(request):
    return Program(request.param)


@pytest.fixture(params=["here", "from a thread"])
def take(request):
    return Program.dump_here if request.param == "here" else Program.dump_from_thread


# -- deadlocks -----------------------------------------------------------------------------------


async def first(mine, other, checkpoint):
    async with mine:
        await go_on(checkpoint)
        async with other:  # the line of first
            pass


async def second(mine, other, checkpoint):
    async with mine:
        await go_on(checkpoint)
        async with other:  # the line of second
            pass


async def third(mine, other, checkpoint):
    async with mine:
        await go_on(checkpoint)
        async with other:  # the line of third
            pass


async def go_on(checkpoint):
    for _ in range(5):
        await checkpoint()


async def stand_still(program, locks, take):
    a, b, c = locks
    checkpoint = program.words.checkpoint
    async with program.words.open_group() as group:
        group.start_soon(first, a, b, checkpoint)
        group.start_soon(second, b, c, checkpoint)
        group.start_soon(third, c, a, checkpoint)
        dump = await take(program)
        group.cancel()
    return dump


def the_cycle(dump: Dump) -> list[str]:
    """Return the functions of the only deadlock, from the first one on."""
    [deadlock] = dump.deadlocks
    by_number = {task.number: task for loop in dump.loops for task in loop.tasks}
    assert not deadlock.others
    names = [name_of(by_number[number]) for number in deadlock.cycle]
    start = names.index("first")
    return names[start:] + names[:start]


def test_three_tasks_that_wait_for_the_locks_of_one_another_are_a_cycle(program, take):
    async def main(program):
        locks = [program.words.make_lock() for _ in range(3)]
        return await stand_still(program, locks, take)

    dump = program.dump(main)
    assert the_cycle(dump) == ["first", "second", "third"]
    tasks = tasks_of(dump)
    for function in (first, second, third):
        task = tasks[function.__name__]
        line = line_of(function, f"the line of {function.__name__}")
        assert task.state == "waiting"
        assert task.wait.awaits.name == "await Lock"
        assert (task.wait.awaits.line, task.wait.rule) == (line, "any")
        assert [(frame.name, frame.line) for frame in task.functions] == [(function.__name__, line)]
        assert task.wait.resource.kind == "Lock"
        assert task.function.line == function.__code__.co_firstlineno
    assert tasks["first"].wait.tasks == (tasks["second"].number,)
    [loop] = dump.loops
    assert loop.backend == program.backend
    assert loop.blocked is None
    assert loop.problem == ""


@pytest.mark.parametrize("name", [name for name in RUNS if name not in {"asyncio", "uvloop"}])
def test_so_are_those_that_wait_for_limiters_and_bounded_semaphores(name, take):
    async def limiters(program):
        locks = [program.words.make_limiter(1) for _ in range(3)]
        return await stand_still(program, locks, take)

    async def semaphores(program):
        words = program.words
        locks = [trio_or_anyio(name).Semaphore(1, max_value=1) for _ in range(3)]
        assert words is program.words
        return await stand_still(program, locks, take)

    for main in (limiters, semaphores):
        assert the_cycle(Program(name).dump(main)) == ["first", "second", "third"]


def trio_or_anyio(name):
    import anyio

    return trio if name == "trio" else anyio


def test_nobody_knows_who_has_a_semaphore_that_anyone_may_release(program, take):
    async def main(program):
        locks = [program.words.make_semaphore(1) for _ in range(3)]
        return await stand_still(program, locks, take)

    dump = program.dump(main)
    assert dump.deadlocks == ()
    wait = tasks_of(dump)["first"].wait
    assert wait.rule == "unknown"
    assert wait.tasks == (tasks_of(dump)["second"].number,)  # perhaps others as well


def test_a_recording_that_begins_late_sees_no_deadlock(program):
    async def main(program):
        lock = program.words.make_semaphore(1)
        waits_for = []

        async def uses():
            while True:
                async with lock:
                    for _ in range(3):
                        await program.words.checkpoint()

        async with program.words.open_group() as group:
            for _ in range(4):
                group.start_soon(uses)
            await program.settle()
            async with record(resources=True):
                for _ in range(60):
                    await program.words.checkpoint()
                    dump = take_dump()
                    assert not dump.deadlocks
                    tasks = {task.number: task for task in dump.loops[0].tasks}
                    for wait in (task.wait for task in tasks.values() if task.state == "waiting"):
                        waits_for += [tasks[each.task].state for each in wait.holders or ()]
            group.cancel()
        assert set(waits_for) <= {"ready", "running"}
        return dump

    program.dump(main)


def test_a_recording_knows_who_has_it_and_since_when(program, take, tmp_path):
    async def main(program):
        with_record = record(
            tmp_path / "stack", resources=True, flush_interval=None, clock=program.words.clock
        )
        async with with_record:
            program.words.clock.tick(1000)
            locks = [program.words.make_semaphore(1) for _ in range(3)]
            return await stand_still(program, locks, later)

    async def later(program):
        await program.settle()
        program.words.clock.tick(500)
        return await take(program)

    dump = program.dump(main)
    assert the_cycle(dump) == ["first", "second", "third"]
    wait = tasks_of(dump)["first"].wait
    assert wait.since == 500
    [holder] = wait.holders
    assert holder.since == 500
    assert (holder.place.name, holder.place.line) == ("second", line_of(second, "with mine"))
    assert wait.resource.place.line == line_of(type(program.words).make_semaphore, "return")


async def deep(lock, still):
    async with entered(lock):
        await still()


@asynccontextmanager
async def entered(lock):
    async with lock:
        yield


async def waits_for(lock):
    async with lock:
        pass


def test_a_lock_that_a_context_manager_of_the_program_has_entered_is_held(program, take):
    async def main(program):
        lock = program.words.make_lock()
        async with program.words.open_group() as group:
            group.start_soon(deep, lock, program.words.sleep_forever)
            await program.settle()
            group.start_soon(waits_for, lock)
            dump = await take(program)
            group.cancel()
        return dump

    tasks = tasks_of(program.dump(main))
    assert tasks["waits_for"].wait.tasks == (tasks["deep"].number,)


async def parent(program, lock, take, found):
    async with lock, program.words.open_group() as group:
        group.start_soon(waits_for, lock)
        group.start_soon(take_and_cancel, program, take, group, found)


async def take_and_cancel(program, take, group, found):
    found.append(await take(program))
    group.cancel()


def test_a_parent_that_holds_what_its_child_waits_for_is_a_cycle_of_two(program, take):
    found = []

    async def main(program):
        lock = program.words.make_lock()
        async with program.words.open_group() as outer:
            outer.start_soon(parent, program, lock, take, found)
        return found[0]

    dump = program.dump(main)
    tasks = tasks_of(dump)
    numbers = {tasks["parent"].number, tasks["waits_for"].number}
    assert [set(each.cycle) for each in dump.deadlocks] == [numbers]


async def gets(queue):
    await queue.get()


def test_a_recording_knows_where_a_queue_was_made(program, take, tmp_path):
    async def main(program):
        async with record(tmp_path / "stack", resources=True, flush_interval=None):
            queue = program.words.make_queue(1)
            async with program.words.open_group() as group:
                group.start_soon(gets, queue)
                dump = await take(program)
                group.cancel()
            for end in getattr(queue, "_ends", ()):
                end.close()
            return dump

    wait = tasks_of(program.dump(main))["gets"].wait
    assert wait.is_queue
    assert wait.resource.place.line == line_of(type(program.words).make_queue, "return")
    assert (wait.holders, wait.rule) == ((), "unknown")


# -- what ends a wait ----------------------------------------------------------------------------


async def gives_up(program, lock, outer):
    import anyio

    with anyio.move_on_after(1000):
        async with lock:
            await go_on(program.words.checkpoint)
            async with outer:
                pass


@pytest.mark.parametrize("name", [name for name in RUNS if name not in {"asyncio", "uvloop"}])
def test_a_wait_with_a_deadline_is_no_deadlock(name, take):
    async def main(program):
        a, b = (program.words.make_lock() for _ in range(2))
        async with program.words.open_group() as group:
            group.start_soon(gives_up, program, a, b)
            group.start_soon(gives_up, program, b, a)
            dump = await take(program)
            group.cancel()
        return dump

    dump = Program(name).dump(main)
    waits = [task.wait for task in dump.loops[0].tasks if name_of(task) == "gives_up"]
    assert [wait.has_deadline for wait in waits] == [True, True]
    assert [wait.rule for wait in waits] == ["any", "any"]
    assert dump.deadlocks == ()


# -- the tree ------------------------------------------------------------------------------------


async def leaf(still):
    with span("resting"):
        await still()


async def branch(program, still):
    async with program.words.open_group() as group:
        group.start_soon(leaf, still)
        group.start_soon(leaf, still)


def test_tasks_are_a_tree(program, take):
    async def main(program):
        async with program.words.open_group() as group:
            group.start_soon(branch, program, program.words.sleep_forever)
            dump = await take(program)
            group.cancel()
        return dump

    dump = program.dump(main)
    [loop] = dump.loops
    numbers = {task.number: task for task in loop.tasks}
    assert [*numbers] == [*range(1, len(numbers) + 1)]
    leaves = [task for task in loop.tasks if name_of(task) == "leaf"]
    assert len(leaves) == 2
    for task in leaves:
        assert name_of(numbers[task.parent]) == "branch"
        assert task.wait.rule == "unknown"
    [of_branch] = [task for task in loop.tasks if name_of(task) == "branch"]
    assert of_branch.wait.tasks == tuple(task.number for task in leaves)
    assert of_branch.wait.rule == "all"
    assert all(task.parent is None or task.parent < task.number for task in loop.tasks)


def test_a_recording_knows_the_spans_and_who_has_spawned_a_task(program, take, tmp_path):
    async def main(program):
        async with record(tmp_path / "stack", flush_interval=None):
            async with program.words.open_group() as group:
                group.start_soon(branch, program, program.words.sleep_forever)
                dump = await take(program)
                group.cancel()
            return dump

    [one, _] = [task for task in program.dump(main).loops[0].tasks if name_of(task) == "leaf"]
    assert [frame.name for frame in one.spans] == ["resting"]
    assert one.wait.since > 0


def test_the_task_that_asks_is_running(program):
    dump = program.dump(Program.dump_here)
    [loop] = dump.loops
    [task] = [task for task in loop.tasks if task.state == "running"]
    assert task.wait is None
    assert task.functions[-1].name.endswith("dump_here")
    assert task.functions[-1].line == line_of(Program.dump_here, "return take_dump()")


# -- blocked loops -------------------------------------------------------------------------------


def in_c(goes_on):
    goes_on.wait(10)  # the line that blocks


def in_python(goes_on):
    sum(1 for _ in iter(goes_on.is_set, True))  # the line that blocks


@pytest.mark.parametrize("blocks", [in_c, in_python])
def test_a_blocked_loop_is_told_with_the_line(program, blocks):
    found = []
    goes_on = threading.Event()

    def take():
        try:
            found.append(take_dump(0.05))
        finally:
            goes_on.set()

    async def main(program):
        async with program.words.open_group() as group:
            group.start_soon(leaf, program.words.sleep_forever)
            await program.settle()
            thread = threading.Thread(target=take)
            thread.start()
            blocks(goes_on)
            thread.join()
            group.cancel()
        return found[0]

    dump = program.dump(main)
    [loop] = dump.loops
    assert loop.blocked.lasts >= 50_000_000
    assert not loop.blocked.is_exact
    names = [(frame.name, frame.line) for frame in loop.blocked.functions]
    assert (blocks.__name__, line_of(blocks, "the line that blocks")) in names
    states = {name_of(task): task.state for task in loop.tasks}
    assert states["leaf"] == "waiting"
    assert "running" in states.values()
    assert loop.thread == "MainThread"


def test_a_recording_knows_for_how_long_a_loop_is_blocked(program, tmp_path):
    found = []
    goes_on = threading.Event()
    clock = program.words.clock

    def take():
        try:
            clock.tick(700)
            found.append(take_dump(0.05))
        finally:
            goes_on.set()

    async def main(program):
        async with record(tmp_path / "stack", clock=clock, flush_interval=None):
            await program.settle()
            thread = threading.Thread(target=take)
            thread.start()
            in_c(goes_on)
            thread.join()
        return found[0]

    blocked = program.dump(main).loops[0].blocked
    assert (blocked.lasts, blocked.is_exact) == (700, True)


# -- the program comes first ---------------------------------------------------------------------


class Touchy:
    """An object of the program that notices whoever looks at it."""

    seen: ClassVar[list[str]] = []

    def __getattribute__(self, name):
        Touchy.seen.append(name)
        return object.__getattribute__(self, name)

    def __repr__(self):
        Touchy.seen.append("repr")
        return "?"

    def __eq__(self, other):
        Touchy.seen.append("eq")
        return NotImplemented

    def __hash__(self):
        Touchy.seen.append("hash")
        return 0

    def __bool__(self):
        Touchy.seen.append("bool")
        return True

    async def wait(self, still):
        await still()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


async def with_touchy(touchy, still):
    async with touchy as also:
        await type(also).wait(also, still)


def test_nothing_of_the_program_is_asked(program, take):
    async def main(program):
        async with program.words.open_group() as group:
            group.start_soon(with_touchy, Touchy(), program.words.sleep_forever)
            await program.settle()
            Touchy.seen.clear()
            dump = await take(program)
            seen = Touchy.seen.copy()
            group.cancel()
        assert seen == []
        return dump

    assert "with_touchy" in tasks_of(program.dump(main))


class Dies:
    """An object whose finaliser says in which thread it runs."""

    def __init__(self, threads):
        self._threads = threads

    def __del__(self):
        self._threads.append(threading.get_ident())


async def keeps(_thing, still):
    await still()


def test_finalisers_run_in_the_thread_of_the_loop(program):
    threads = []
    goes_on = threading.Event()

    def take():
        take_dump(0.01)
        goes_on.set()

    async def main(program):
        async with program.words.open_group() as group:
            group.start_soon(keeps, Dies(threads), program.words.sleep_forever)
            await program.settle()
            await program.words.run_in_thread(lambda: take_dump(10))
            thread = threading.Thread(target=take)
            thread.start()
            goes_on.wait(10)
            thread.join()
            group.cancel()
        del group  # asyncio's has its tasks
        await program.settle()
        gc.collect()
        assert threads == [threading.get_ident()]
        return take_dump()

    program.dump(main)


def test_nothing_is_kept_alive(program):
    tasks = []

    async def main(program):
        async with program.words.open_group() as group:
            group.start_soon(named, tasks, program)
            await program.settle()
            await program.words.run_in_thread(lambda: take_dump(10))
            group.cancel()
        del group  # asyncio's has its tasks
        await program.settle()
        gc.collect()
        assert [each() for each in tasks] == [None]
        return take_dump()

    program.dump(main)


async def named(tasks, program):
    task = trio.lowlevel.current_task() if program.backend == "trio" else asyncio.current_task()
    tasks.append(weakref.ref(task))
    del task
    await program.words.sleep_forever()


# -- slices --------------------------------------------------------------------------------------


def test_the_loop_goes_on_between_slices(program, monkeypatch):
    monkeypatch.setattr(taking, "_SLICE", 0)  # one task each
    steps = []

    async def counts():
        while True:
            steps.append(1)
            await program.words.checkpoint()

    async def main(program):
        async with program.words.open_group() as group:
            for _ in range(20):
                group.start_soon(leaf, program.words.sleep_forever)
            group.start_soon(counts)
            await program.settle()
            steps.clear()
            dump = await program.dump_from_thread()
            taken = len(steps)
            group.cancel()
        assert taken >= 20
        return dump

    dump = program.dump(main)
    assert sum(name_of(task) == "leaf" for task in dump.loops[0].tasks) == 20


def test_a_deadlock_that_slices_have_found_is_looked_at_again(program, monkeypatch):
    monkeypatch.setattr(taking, "_SLICE", 0)

    async def main(program):
        locks = [program.words.make_lock() for _ in range(3)]
        return await stand_still(program, locks, Program.dump_from_thread)

    assert the_cycle(program.dump(main)) == ["first", "second", "third"]


def test_no_loop_no_tasks():
    before = time.time_ns()
    dump = take_dump()
    assert dump.loops == ()
    assert before <= dump.when <= time.time_ns()
    assert dump.pid > 0


def test_several_loops_in_several_threads():
    found = []
    ready = threading.Barrier(3)
    ends = threading.Event()

    async def on_trio():
        ready.wait(10)
        await trio.to_thread.run_sync(ends.wait, 10)

    async def on_asyncio():
        ready.wait(10)
        await asyncio.to_thread(ends.wait, 10)

    threads = [
        threading.Thread(target=lambda: trio.run(on_trio), name="of trio"),
        threading.Thread(target=lambda: asyncio.run(on_asyncio()), name="of asyncio"),
    ]
    for thread in threads:
        thread.start()
    ready.wait(10)
    found = take_dump(10)
    ends.set()
    for thread in threads:
        thread.join()
    assert {(loop.backend, loop.thread) for loop in found.loops} == {
        ("trio", "of trio"),
        ("asyncio", "of asyncio"),
    }
    assert sorted(task.number for loop in found.loops for task in loop.tasks) == [1, 2]
