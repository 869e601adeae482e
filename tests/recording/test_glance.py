"""What a recording knows just now."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tracetools import record, span
from tracetools.recording.glance import glance_at
from tracetools.testing import ScriptedLoop


@pytest.fixture
def script():
    script = ScriptedLoop(scheduled=True, threshold=100)
    yield script
    script.recorder.close()


def numbers(glance, column):
    return {stack.frame.name: glance.sums.number(stack, column) for stack in glance.stacks}


def test_open_intervals_are_part_of_it(script):
    task = script.spawn("job")
    script.tick(30)
    script.begin_step(task)
    script.tick(50)
    glance = script.recorder.glance()
    assert numbers(glance, 0)["job"] == 50
    assert numbers(glance, 1)["job"] == 30
    [loop] = glance.loops
    assert (loop.duration, loop.tasks, loop.lasts) == (80, 1, 50)
    assert loop.stepping.frame.name == "job"


def test_living_tasks_and_open_spans_are_counted(script):
    for name in ("job", "job", "other"):
        task = script.spawn(name)
    script.begin_step(task)
    script.open("part")
    script.open("inner")
    script.end_step()
    loop = glance_at(script.loop, script.clock())
    found = {stack.frame.name: count for stack, count in loop.alive.items()}
    assert found == {"job": 2, "other": 1, "part": 1, "inner": 1}
    assert loop.tasks == 3
    assert (loop.stepping, loop.lasts) == (None, 0)


def test_tasks_that_could_step_are_counted(script):
    for _ in range(3):
        script.spawn("job")
    script.wake(0)
    script.wake(1)
    assert glance_at(script.loop, script.clock()).ready == 2
    script.begin_step(0)
    script.end_step()
    assert glance_at(script.loop, script.clock()).ready == 1


def test_the_step_that_blocks_is_told_while_it_lasts(script):
    task = script.spawn("job")
    script.begin_step(task)
    script.tick(150)
    [(location, blocks)] = script.recorder.glance().blocking.items()
    assert location[0].frame.name == "job"
    assert (blocks.count, blocks.total) == (1, 150)


def test_a_loop_that_is_over_leaves_its_numbers(script):
    task = script.spawn("job")
    script.begin_step(task)
    script.tick(50)
    script.end_step()
    script.exit(task)
    script.finish()
    glance = script.recorder.glance()
    assert glance.loops == []
    assert numbers(glance, 0)["job"] == 50


def test_it_has_the_numbers_of_the_profile():
    async def work(seen):
        with span("part"):
            await asyncio.sleep(0)
        seen.append(recording.recorder.glance())

    seen = []
    with record() as recording:
        asyncio.run(work(seen))
    [glance] = seen
    entries = {name.rpartition(".")[2]: each for name, each in numbers(glance, 5).items() if each}
    collections = {name for name in entries if "collection" in name}  # they come when they come
    assert {name: entries[name] for name in entries.keys() - collections} == {"work": 1, "part": 1}


def test_another_thread_may_ask():
    async def work():
        thread = threading.Thread(target=lambda: seen.append(recording.recorder.glance()))
        thread.start()
        await asyncio.to_thread(thread.join)

    seen = []
    with record() as recording:
        asyncio.run(work())
    assert seen[0].loops[0].tasks >= 1
