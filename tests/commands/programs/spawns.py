"""Runs loops in processes that multiprocessing starts, as its first word says."""

import asyncio
import multiprocessing
import os
import signal
import sys

CONTEXT = multiprocessing.get_context(sys.argv[1])


async def step(number):
    await asyncio.sleep(0)
    return number


def job(number):
    return asyncio.run(step(number))


def grandchild():
    process = CONTEXT.Process(target=job, args=(1,))
    process.start()
    process.join()
    sys.exit(4)


def fail():
    job(1)
    raise ValueError("the child's own")


def leave():
    job(1)
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)
    os._exit(5)


async def sleep(ready):
    ready.set()
    await asyncio.Event().wait()


def endless(ready):
    asyncio.run(sleep(ready))


def start(target, *arguments):
    process = CONTEXT.Process(target=target, args=arguments)
    process.start()
    return process


if __name__ == "__main__":
    for target in (grandchild, fail, leave):
        child = start(target)
        child.join()
        print(child.exitcode, flush=True)
    for number in (signal.SIGTERM, signal.SIGKILL):
        ready = CONTEXT.Event()
        child = start(endless, ready)
        ready.wait()
        os.kill(child.pid, number)
        child.join()
        print(child.exitcode)
