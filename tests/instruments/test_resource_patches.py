"""Which methods are replaced, and that they are put back."""

import asyncio
import gc

import anyio
import pytest
import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from tests.compat import ANYIO, anyio_run_on_asyncio
from tracetools import record
from tracetools.instruments import resource_patches

CLASSES = [
    *(asyncio.Lock, asyncio.Semaphore, asyncio.Condition, asyncio.Queue),
    *(trio.Lock, trio.StrictFIFOLock, trio.Semaphore, trio.CapacityLimiter, trio.Condition),
    *(trio.MemorySendChannel, trio.MemoryReceiveChannel),
    *(MemoryObjectSendStream, MemoryObjectReceiveStream, anyio.Condition),
]


def methods():
    return [{name: vars(kind)[name] for name in vars(kind)} for kind in CLASSES]


def test_all_is_as_before_after_the_last_recording():
    before = methods()
    with record(resources=True):
        assert methods() != before
        with record(resources=True):
            assert resource_patches.is_in()
        assert methods() != before
    assert methods() == before
    assert not resource_patches.is_in()


def test_nothing_is_replaced_unless_it_is_wanted():
    before = methods()
    with record():
        assert methods() == before
        asyncio.run(asyncio.sleep(0))
        assert methods() == before


def run_on_asyncio(main):
    anyio_run_on_asyncio(main, asyncio.new_event_loop)


since_4_5 = pytest.mark.skipif(ANYIO < (4, 5), reason="came with anyio 4.5")

RUNS = [pytest.param(trio.run, id="trio"), pytest.param(run_on_asyncio, id="asyncio")]


def resources_of(run, main):
    with record(resources=True) as recording:
        run(main)
    return recording.profile.resources


def one_of(run, main):
    [(resource, use)] = resources_of(run, main).items()
    return resource, use


@since_4_5
@pytest.mark.parametrize("run", RUNS)
def test_what_anyio_makes_outside_of_a_loop_has_its_line(run):
    made = []

    async def main():
        async with made[0], made[1], made[2]:
            pass

    with record(resources=True) as recording:
        made += [anyio.Lock(), anyio.Semaphore(1), anyio.CapacityLimiter(1)]
        run(main)
    found = recording.profile.resources
    assert {one.kind for one in found} == {"Lock", "Semaphore", "CapacityLimiter"}
    name = "test_what_anyio_makes_outside_of_a_loop_has_its_line"
    assert {one.place.name for one in found} == {name}


@pytest.mark.parametrize("run", RUNS)
def test_the_limiter_of_threads_has_its_name(run):
    async def main():
        await anyio.to_thread.run_sync(int)

    resource, use = one_of(run, main)
    assert resource.label == "CapacityLimiter (default limiter of threads)"
    assert (use.size, use.held.count) == (40, 1)


@pytest.mark.parametrize("run", RUNS)
def test_a_condition_is_known_by_its_own_name(run):
    async def waits(condition, log):
        async with condition:
            await condition.wait()
            log.append("notified")

    async def main():
        condition, log = anyio.Condition(), []
        async with anyio.create_task_group() as group:
            group.start_soon(waits, condition, log)
            await anyio.wait_all_tasks_blocked()
            async with condition:
                condition.notify()
        assert log == ["notified"]

    resource, use = one_of(run, main)
    assert resource.kind == "Condition"
    found = [path[-1].name.rpartition(".")[2] for path in use.holds]
    assert sorted(found) == ["main", "waits", "waits"]  # in two lines


def test_a_condition_of_trio_has_its_lock_again_after_a_wait():
    async def waits(condition):
        async with condition:
            await condition.wait()

    async def main():
        condition = trio.Condition()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits, condition)
            await trio.testing.wait_all_tasks_blocked()
            async with condition:
                condition.notify_all()

    resource, use = one_of(trio.run, main)
    assert (resource.kind, use.held.count, use.size) == ("Condition", 3, 1)


def test_a_condition_of_asyncio_is_followed():
    async def waits(condition):
        async with condition:
            await condition.wait()

    async def main():
        condition = asyncio.Condition()
        task = asyncio.create_task(waits(condition))
        await asyncio.sleep(0)
        async with condition:
            condition.notify_all()
        await task

    resource, use = one_of(lambda main: asyncio.run(main()), main)
    assert (resource.kind, use.held.count) == ("Condition", 3)


@since_4_5
@pytest.mark.parametrize("kind", [anyio.Lock, lambda **how: anyio.Semaphore(1, **how)])
@pytest.mark.parametrize("run", RUNS)
def test_fast_locks_of_anyio_are_followed(kind, run):
    async def holds(lock):
        async with lock:
            pass

    async def main():
        lock = kind(fast_acquire=True)
        async with anyio.create_task_group() as group, lock:
            group.start_soon(holds, lock)
            await anyio.wait_all_tasks_blocked()

    _, use = one_of(run, main)
    assert (use.held.count, use.waited.count, use.waited.given_up) == (2, 1, 0)


@pytest.mark.parametrize("run", RUNS)
def test_a_try_that_fails_is_no_wait(run):
    async def main():
        lock = anyio.Lock()
        lock.acquire_nowait()
        with pytest.raises(RuntimeError):
            lock.acquire_nowait()
        lock.release()
        limiter = anyio.CapacityLimiter(1)
        limiter.acquire_on_behalf_of_nowait("me")
        with pytest.raises((anyio.WouldBlock, trio.WouldBlock)):  # anyio 4.0 lets trio's through
            limiter.acquire_on_behalf_of_nowait("you")
        limiter.release_on_behalf_of("me")

    found = resources_of(run, main)
    assert [(use.held.count, use.waited.count) for use in found.values()] == [(1, 0), (1, 0)]


@pytest.mark.parametrize("run", RUNS)
def test_a_channel_is_one_however_many_ends_it_has(run):
    async def main():
        send, receive = anyio.create_memory_object_stream[int](3)
        with send, receive, send.clone() as other, receive.clone() as another:
            await send.send(1)
            other.send_nowait(2)
            assert [await another.receive(), receive.receive_nowait()] == [1, 2]

    resource, use = one_of(run, main)
    assert resource.kind == "memory channel"
    assert (use.count, use.size, use.items, use.taken, use.lengths.max) == (1, 3, 2, 2, 2)


def test_queues_have_the_names_of_their_classes():
    async def main():
        for kind in (asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue):
            queue = kind()
            queue.put_nowait(1)
            assert await queue.get() == 1

    found = resources_of(lambda main: asyncio.run(main()), main)
    assert {(one.kind, use.items, use.taken) for one, use in found.items()} == {
        ("Queue", 1, 1),
        ("PriorityQueue", 1, 1),
        ("LifoQueue", 1, 1),
    }


def test_more_tokens_are_seen():
    async def main():
        limiter = trio.CapacityLimiter(1)
        async with limiter:
            limiter.total_tokens = 2
            limiter.acquire_on_behalf_of_nowait("another")

    with record(resources=True) as recording:
        trio.run(main)
    [use] = recording.profile.resources.values()
    assert use.held.count == 2
    gc.collect()


def test_classes_that_a_module_has_imported_are_left_alone():
    assert resource_patches._is_of(asyncio.Lock, "asyncio.locks")
    assert not resource_patches._is_of(asyncio.Lock, "anyio._backends._asyncio")
