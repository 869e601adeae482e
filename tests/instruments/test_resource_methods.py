"""What takes the place of methods: the program gets what it would get without us."""

import asyncio
import gc
import inspect
import logging
import signal
import sys
import traceback
import weakref

import anyio
import anyio.lowlevel
import pytest
import trio
import trio.testing

from tracetools import record
from tracetools.core.resources import ITSELF, TASK_IS_OVER, UNKNOWN_HOLDER
from tracetools.instruments import resource_methods


def recorded(main, run=lambda main: asyncio.run(main())):
    with record(resources=True) as recording:
        run(main)
    return recording.profile.resources


def run_trio(coroutine):
    """Run what was begun already."""

    async def main():
        return await coroutine

    return trio.run(main)


def one_of(main, **how):
    [(resource, use)] = recorded(main, **how).items()
    return resource, use


def last_frames(rows):
    return [path[-1] for path in rows]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="frames cannot be taken out")
def test_errors_have_no_frame_of_ours():
    async def main():
        with pytest.raises(ValueError, match="released too many times") as raised:
            asyncio.BoundedSemaphore(1).release()
        frames = traceback.extract_tb(raised.value.__traceback__)
        assert not [frame for frame in frames if frame.filename == resource_methods.__file__]
        with pytest.raises(asyncio.QueueEmpty) as raised:
            asyncio.Queue().get_nowait()
        frames = traceback.extract_tb(raised.value.__traceback__)
        assert not [frame for frame in frames if frame.filename == resource_methods.__file__]

    assert recorded(main) == {}


def test_methods_look_as_they_did():
    with record(resources=True):
        assert inspect.iscoroutinefunction(asyncio.Lock.acquire)
        assert asyncio.Lock.acquire.__qualname__ == "Lock.acquire"
        assert list(inspect.signature(asyncio.Queue.put).parameters) == ["self", "item"]


def test_neither_a_lock_nor_a_task_is_kept_alive():
    gone = []

    async def waits(lock):
        async with lock:
            raise AssertionError

    async def main():
        lock = asyncio.Lock()
        await lock.acquire()
        task = asyncio.create_task(waits(lock))
        await asyncio.sleep(0)
        gone.extend(map(weakref.ref, (lock, task)))
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # "pending"
        del lock, task
        gc.collect()
        assert [reference() for reference in gone] == [None, None]

    _, use = one_of(main)
    assert use.waited.given_up == 1


def test_nothing_is_asked_for_its_text():
    class Lock(asyncio.Lock):
        def __repr__(self):
            raise AssertionError

        __str__ = __repr__

        def __eq__(self, other):
            raise AssertionError

        __hash__ = None

    async def main():
        async with Lock():
            pass

    resource, use = one_of(main)
    assert (resource.kind, use.held.count) == ("Lock", 1)


def test_what_was_made_before_has_the_place_of_its_first_use():
    async def main():
        async with lock:
            pass

    lock = asyncio.Lock()
    resource, _ = one_of(main)
    assert not resource.is_made
    assert resource.place.name.endswith("main")


def test_who_had_a_lock_before_is_unknown():
    async def waits():
        async with lock:
            pass

    async def main():
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        lock.release()
        await task

    lock = asyncio.Lock()
    asyncio.run(lock.acquire())
    _, use = one_of(main)
    assert last_frames(use.blockers) == [UNKNOWN_HOLDER]
    assert (use.held.count, use.waited.count) == (1, 1)


LATE = {
    "asyncio.Lock": (asyncio.Lock, asyncio.run, 1),
    "asyncio.Semaphore": (lambda: asyncio.Semaphore(2), asyncio.run, 2),
    "asyncio.BoundedSemaphore": (lambda: asyncio.BoundedSemaphore(2), asyncio.run, 2),
    "anyio.Lock": (anyio.Lock, asyncio.run, 1),
    "anyio.Semaphore": (lambda: anyio.Semaphore(2, max_value=2), asyncio.run, 2),
    "anyio.CapacityLimiter": (lambda: anyio.CapacityLimiter(2), asyncio.run, 2),
    "anyio.Lock on trio": (anyio.Lock, run_trio, 1),
    "trio.Lock": (trio.Lock, run_trio, 1),
    "trio.Semaphore": (lambda: trio.Semaphore(2, max_value=2), run_trio, 2),
    "trio.CapacityLimiter": (lambda: trio.CapacityLimiter(2), run_trio, 2),
}
"""What is made before the recording begins, who runs it, and how many tokens it has."""


@pytest.mark.parametrize("name", LATE)
def test_what_tasks_have_and_wait_for_when_a_recording_begins_is_known(name):
    made, run, size = LATE[name]

    async def main():
        lock, asked = made(), []

        async def uses():
            asked.append(None)
            async with lock:
                for _ in range(20):
                    await anyio.lowlevel.checkpoint()

        async def begin(group, count):
            """Start so many, and go on when they have asked."""
            wanted = len(asked) + count
            for _ in range(count):
                group.start_soon(uses)
            while len(asked) < wanted:
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            await begin(group, 5)
            async with record(resources=True) as recording, anyio.create_task_group() as later:
                await begin(later, 4)
        return recording.profile.resources

    [use] = run(main()).values()
    assert (use.size, use.held.count, use.waited.count, use.waited.given_up) == (size, 4, 4, 0)
    assert {frame.name for frame in last_frames(use.blockers)} <= {
        UNKNOWN_HOLDER.name,
        "await checkpoint",
    }


@pytest.mark.parametrize("first", ["release", "acquire_nowait"])
def test_what_changes_something_first_is_counted_once(first):
    async def main():
        lock = anyio.Lock()
        if first == "release":
            await lock.acquire()
        async with record(resources=True) as recording:
            getattr(lock, first)()
            if first == "acquire_nowait":
                lock.release()
            for _ in range(3):
                async with lock:
                    await asyncio.sleep(0)
        return recording.profile.resources

    [use] = asyncio.run(main()).values()
    held = 3 if first == "release" else 4
    assert (use.size, use.held.count, use.waited.count, use.most_waiting) == (1, held, 0, 0)
    assert use.saturated < use.lived


def test_a_task_that_waits_for_itself_is_told():
    async def waits():
        lock = asyncio.Lock()
        async with lock:
            await lock.acquire()

    async def main():
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    _, use = one_of(main)
    assert last_frames(use.blockers) == [ITSELF]


def test_a_holder_that_is_over_is_told():
    async def main():
        lock = asyncio.Lock()
        await asyncio.create_task(lock.acquire())
        task = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    _, use = one_of(main)
    assert last_frames(use.blockers) == [TASK_IS_OVER]
    assert (use.held.count, use.waited.given_up) == (1, 1)


def test_a_waiter_that_is_cancelled_with_its_turn_passes_it_on():
    async def holds(lock):
        async with lock:
            await asyncio.sleep(0)

    async def main():
        lock = asyncio.Lock()
        await lock.acquire()
        tasks = [asyncio.create_task(holds(lock)) for _ in range(2)]
        await asyncio.sleep(0)
        lock.release()
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert not lock.locked()

    _, use = one_of(main)
    assert (use.held.count, use.waited.count, use.waited.given_up) == (2, 2, 1)


def test_a_coroutine_that_is_closed_has_given_up():
    async def main():
        lock = asyncio.Lock()
        await lock.acquire()
        coroutine = lock.acquire()
        coroutine.send(None)
        coroutine.close()
        lock.release()

    _, use = one_of(main)
    assert (use.held.count, use.waited.given_up) == (1, 1)


def test_a_lock_may_be_used_by_one_loop_after_another():
    async def main():
        async with lock:
            pass

    with record(resources=True) as recording:
        lock = asyncio.Lock()
        for _ in range(2):
            asyncio.run(main())
    [(resource, use)] = recording.profile.resources.items()
    assert resource.is_made
    assert (use.count, use.held.count) == (2, 2)


def test_tasks_that_are_not_recorded_hold_locks_as_well():
    async def holds(lock):
        async with lock:
            await trio.sleep_forever()

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(holds, lock := trio.Lock())
            await trio.testing.wait_all_tasks_blocked()
            async with record(resources=True) as recording:
                with trio.move_on_after(0):
                    await lock.acquire()
            nursery.cancel_scope.cancel()
        return recording.profile.resources

    [use] = trio.run(main).values()
    assert (use.waited.count, use.waited.given_up) == (1, 1)
    assert last_frames(use.blockers) == [UNKNOWN_HOLDER]


def test_an_error_of_ours_does_not_reach_the_program(monkeypatch, caplog):
    def fails(*_):
        raise ValueError("of ours")

    async def main():
        lock = asyncio.Lock()
        async with lock:
            monkeypatch.setattr(resource_methods, "line_of", fails)
        async with lock:
            pass

    caplog.set_level(logging.ERROR)
    _, use = one_of(main)
    assert use.held.count == 1
    [message] = [record.getMessage() for record in caplog.records]
    assert message == (
        "locks and queues are not recorded any more: ValueError('of ours'); the program goes on"
    )


def test_a_queue_that_cannot_tell_its_length_is_not_ours_to_blame(caplog):
    class Queue(asyncio.Queue):
        asked = 0

        def qsize(self):
            self.asked += 1
            if self.asked > 1:
                raise LookupError("of the program")
            return 0

    async def main():
        await Queue().put(1)

    caplog.set_level(logging.ERROR)
    recorded(main)
    [message] = [record.getMessage() for record in caplog.records]
    assert "of the program" in message


def test_two_recordings_see_the_same():
    async def main():
        async with asyncio.Lock():
            pass

    with record(resources=True) as one, record(resources=True) as two, record() as three:
        asyncio.run(main())
    found = [recording.profile.resources for recording in (one, two, three)]
    assert [sum(use.held.count for use in each.values()) for each in found] == [1, 1, 0]


def nothing():
    """Do nothing."""


@pytest.mark.skipif(
    trio.lowlevel.enable_ki_protection(nothing) is not nothing,
    reason="this trio protects calls of a wrapper, not code",
)
def test_ctrl_c_does_not_come_between_a_lock_and_its_holder(monkeypatch):
    """trio raises it where the program's own code runs: not while it is told of its lock."""
    original = resource_methods._got

    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        original(*args)

    async def main():
        lock = trio.Lock()
        await lock.acquire()
        with pytest.raises(KeyboardInterrupt):
            await trio.sleep(1)
        lock.release()

    monkeypatch.setattr(resource_methods, "_got", interrupted)
    _, use = one_of(main, run=trio.run)
    assert use.held.count == 1
