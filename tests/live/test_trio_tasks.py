"""What is read of trio's tasks."""

from __future__ import annotations

import asyncio
from functools import partial

import outcome
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.live.programs import name_of, tasks_of
from tracetools import compat
from tracetools.live.taking import take_dump
from tracetools.live.trio_tasks import read_tasks
from tracetools.live.values import Dump


def dumped(main) -> Dump:
    found = []

    async def run():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(main)
            await wait_all_tasks_blocked()
            found.append(take_dump())
            for scope in scopes:
                scope.cancel()
            nursery.cancel_scope.cancel()

    scopes.clear()
    trio.run(run)
    return found[0]


scopes: list[trio.CancelScope] = []
"""Those that the program has shielded."""


async def rests():
    await trio.sleep_forever()


async def starts(task_status):
    await rests()


def test_a_nursery_needs_all_of_its_tasks():
    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rests)
            nursery.start_soon(rests)

    dump = dumped(main)
    task = tasks_of(dump)["main"]
    children = [each.number for each in dump.loops[0].tasks if each.parent == task.number]
    assert (task.wait.rule, [*task.wait.tasks]) == ("all", children)
    assert len(children) == 2
    assert task.wait.awaits.name == "await open_nursery"


def test_a_start_needs_what_it_starts():
    async def main():
        async with trio.open_nursery() as nursery:
            await nursery.start(starts)

    tasks = tasks_of(dumped(main))
    assert tasks["main"].wait.tasks == (tasks["starts"].number,)
    assert tasks["starts"].parent == tasks["main"].number


def test_a_task_that_works_in_its_nursery_does_not_wait_for_it():
    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rests)
            await trio.sleep_forever()

    wait = tasks_of(dumped(main))["main"].wait
    assert (wait.rule, wait.tasks) == ("unknown", ())


@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        (partial(trio.move_on_after, 1000), True),
        (partial(trio.CancelScope, shield=True), False),
        (trio.CancelScope, False),
    ],
)
def test_deadlines_end_a_wait_unless_it_is_shielded(scope, ends):
    lock = trio.Lock()

    async def main():
        async with lock:
            with scope() as opened:
                scopes.append(opened)
                await waits()

    async def waits():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wants)

    async def wants():
        async with lock:
            pass

    dump = dumped(main)
    assert tasks_of(dump)["wants"].wait.has_deadline is ends
    assert bool(dump.deadlocks) is not ends


def test_a_task_that_was_notified_waits_for_the_lock_of_its_condition():
    condition = trio.Condition()

    async def waits():
        async with condition:
            await condition.wait()

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            async with condition:
                condition.notify_all()
                await trio.sleep_forever()

    tasks = tasks_of(dumped(main))
    assert tasks["waits"].wait.tasks == (tasks["main"].number,)


def test_before_that_it_waits_for_whoever_notifies_it():
    condition = trio.Condition()

    async def main():
        async with condition:
            await condition.wait()

    wait = tasks_of(dumped(main))["main"].wait
    assert (wait.rule, wait.resource) == ("unknown", None)


def test_a_task_that_can_step_is_ready():
    async def main():
        await trio.sleep_forever()

    found = []

    async def run():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(main)
            found.append(take_dump())
            nursery.cancel_scope.cancel()

    trio.run(run)
    states = {name_of(task): task.state for task in found[0].loops[0].tasks}
    assert states == {"run": "running", "main": "ready"}


def test_system_tasks_of_the_program_are_read_and_trios_own_are_not():
    async def main():
        trio.lowlevel.spawn_system_task(rests)
        await trio.sleep_forever()

    found = {name_of(task): task.parent for task in dumped(main).loops[0].tasks}
    assert found == {"run": None, "main": 1, "rests": None}


def test_only_some_tasks_are_read_again():
    async def main():
        task = trio.lowlevel.current_task()
        found = [*filter(None, read_tasks(compat.trio_runner(), frozenset({id(task)})))]
        assert [each.identity for each in found] == [id(task)]
        kept = []
        assert len([*filter(None, read_tasks(compat.trio_runner(), None, kept))]) == 1
        assert any(each is task for each in kept)

    trio.run(main)


def run_as_guest(main) -> None:
    """Run trio within asyncio."""

    async def host():
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        trio.lowlevel.start_guest_run(
            main,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=over.set_result,
        )
        outcome.Value.unwrap(await over)

    asyncio.run(host())


def test_a_guest_run_is_read_beside_its_host():
    found = []

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rests)
            await wait_all_tasks_blocked()
            found.append(take_dump())
            found.append(await trio.to_thread.run_sync(take_dump, 10))
            nursery.cancel_scope.cancel()

    run_as_guest(main)
    for dump in found:
        assert {loop.backend for loop in dump.loops} == {"trio", "asyncio"}
        [loop] = [loop for loop in dump.loops if loop.backend == "trio"]
        assert {name_of(task) for task in loop.tasks} == {"main", "rests"}
        assert (loop.thread, loop.blocked, loop.problem) == ("MainThread", None, "")
