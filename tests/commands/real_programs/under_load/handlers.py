"""What each server under load is asked for: three handlers block its loop, one waits in line."""

import asyncio
import threading
import time

SECONDS = 0.3
"""How long a handler blocks."""

held = threading.Lock()
line = asyncio.Lock()


async def sleeps():
    time.sleep(SECONDS)
    return "slept"


async def computes():
    return count(time.thread_time() + SECONDS)  # of work, on a busy machine as well


def count(until):
    while time.thread_time() < until:
        sum(range(1000))
    return "computed"


async def locks():  # a thread has the lock
    is_held = threading.Event()
    thread = threading.Thread(target=hold, args=(is_held,))
    thread.start()
    is_held.wait()
    with held:
        return "locked"


def hold(is_held):
    with held:
        is_held.set()
        time.sleep(SECONDS)


async def queues():  # it is innocent: others go on
    holder = asyncio.create_task(hold_line())
    await asyncio.sleep(0)
    async with line:
        await holder
        return "queued"


async def hold_line():
    async with line:
        await asyncio.sleep(0.1)


async def answers():  # so is this one
    return "answered"


ALL = {handler.__name__: handler for handler in (sleeps, computes, locks, queues, answers)}
