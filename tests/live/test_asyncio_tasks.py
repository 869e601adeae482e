"""What is read of asyncio's tasks: which other tasks each waits for, and what is above it."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.live.programs import name_of, tasks_of
from tracetools.live.asyncio_tasks import read_tasks
from tracetools.live.taking import take_dump
from tracetools.live.values import Dump

WAITING: list[asyncio.Future[None]] = []


async def rests():
    await WAITING[0]


def dumped(main) -> Dump:
    """Run a program that waits for something, and return a dump of it from within."""
    found = []

    async def run():
        WAITING[:] = [asyncio.get_running_loop().create_future()]
        task = asyncio.ensure_future(main())
        for _ in range(20):
            await asyncio.sleep(0)
        found.append(take_dump())
        task.cancel()
        WAITING[0].cancel()
        await asyncio.wait([task])

    asyncio.run(run())
    return found[0]


def needs(main) -> tuple[str, list[str], dict[str, str | None]]:
    """Return what the main task needs: a rule, names of tasks; and the parent of each task."""
    dump = dumped(main)
    tasks = tasks_of(dump)
    names = {task.number: name for name, task in tasks.items()}
    wait = tasks["main"].wait
    parents = {name: names.get(task.parent) for name, task in tasks.items() if name != "run"}
    return wait.rule, [names[number] for number in wait.tasks], parents


async def other():
    await WAITING[0]


def test_a_task_that_is_awaited():
    async def main():
        await asyncio.ensure_future(rests())

    assert needs(main) == ("all", ["rests"], {"main": None, "rests": "main"})


def test_a_gather_needs_all():
    async def main():
        await asyncio.gather(rests(), asyncio.gather(other()))

    parents = {"main": None, "rests": "main", "other": None}
    rule, names, found = needs(main)
    assert (rule, sorted(names)) == ("all", ["other", "rests"])
    assert found["rests"] == "main"
    assert found.keys() == parents.keys()


@pytest.mark.parametrize(
    ("when", "rule"),
    [
        (asyncio.ALL_COMPLETED, "all"),
        (asyncio.FIRST_EXCEPTION, "all"),
        (asyncio.FIRST_COMPLETED, "any"),
    ],
)
def test_a_wait_needs_all_or_any(when, rule):
    async def main():
        tasks = [asyncio.ensure_future(each()) for each in (rests, other)]
        await asyncio.wait(tasks, return_when=when)

    found, names, parents = needs(main)
    assert (found, sorted(names)) == (rule, ["other", "rests"])
    assert parents == {"main": None, "rests": "main", "other": "main"}


def test_a_wait_may_have_a_timeout():
    async def main():
        await asyncio.wait([asyncio.ensure_future(rests())], timeout=1000)

    dump = dumped(main)
    assert tasks_of(dump)["main"].wait.has_deadline


def test_a_shield_passes_on_what_is_shielded():
    async def main():
        await asyncio.shield(asyncio.ensure_future(rests()))

    assert needs(main) == ("all", ["rests"], {"main": None, "rests": "main"})


def test_wait_for_has_a_deadline():
    async def main():
        await asyncio.wait_for(rests(), 1000)

    dump = dumped(main)
    assert all(task.wait.has_deadline for task in dump.loops[0].tasks if task.state == "waiting")


def test_wait_for_without_a_timeout_has_none():
    async def main():
        await asyncio.wait_for(asyncio.ensure_future(rests()), None)

    assert needs(main) == ("all", ["rests"], {"main": None, "rests": "main"})
    assert not tasks_of(dumped(main))["main"].wait.has_deadline


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup came with 3.11")
def test_a_task_group_needs_all_of_its_tasks():
    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(rests())
            group.create_task(other())

    rule, names, parents = needs(main)
    assert (rule, sorted(names)) == ("all", ["other", "rests"])
    assert parents == {"main": None, "rests": "main", "other": "main"}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with 3.11")
@pytest.mark.parametrize(("delay", "ends"), [(1000, True), (None, False)])
def test_a_timeout_ends_what_is_within(delay, ends):
    async def main():
        async with asyncio.timeout(delay):
            async with asyncio.TaskGroup() as group:
                group.create_task(rests())

    tasks = tasks_of(dumped(main))
    assert tasks["main"].wait.has_deadline is ends
    assert tasks["rests"].wait.has_deadline is ends


def test_a_task_that_awaits_itself_is_a_deadlock():
    async def awaits_itself():
        lock = asyncio.Lock()
        async with lock, lock:
            pass

    [deadlock] = dumped(awaits_itself).deadlocks
    assert len(deadlock.cycle) == 1


def test_a_task_that_can_step_is_ready():
    async def main():
        for _ in range(1000):
            await asyncio.sleep(0)

    task = tasks_of(dumped(main))["main"]
    assert (task.state, task.wait) == ("ready", None)
    assert [frame.name.rpartition(".")[2] for frame in task.functions] == ["main"]


def test_names_that_were_given_are_told():
    async def main():
        await asyncio.create_task(rests(), name="poller")

    assert tasks_of(dumped(main))["rests"].name == "poller"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_an_eager_task_runs_while_it_starts():
    found = []

    async def starts():
        found.append(take_dump())

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        asyncio.create_task(starts())  # noqa: RUF006  # it is over at once

    asyncio.run(main())
    states = {name_of(task): task.state for task in found[0].loops[0].tasks}
    assert states == {"main": "running", "starts": "running"}


class OtherTask(asyncio.tasks._PyTask):
    """A task in Python."""


def test_tasks_of_other_classes_are_read():
    async def main():
        await OtherTask(rests())

    assert needs(main) == ("all", ["rests"], {"main": None, "rests": "main"})


def test_only_some_tasks_are_read_again():
    async def main():
        task = asyncio.ensure_future(rests())
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        kept = []
        found = [each for each in read_tasks(loop, frozenset({id(task)}), kept) if each]
        task.cancel()
        assert [each.identity for each in found] == [id(task)]
        assert any(each is task for each in kept)

    WAITING[:] = []

    async def run():
        WAITING[:] = [asyncio.get_running_loop().create_future()]
        await main()

    asyncio.run(run())
