"""A program that writes all that a recording can write, as often as it may, until it is killed.

python killed.py (api | signals | workers | plain | always FOLDER [ENGINE])
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys

import tracetools

HOW = sys.argv[1]


async def job():
    with tracetools.span("job"):
        await asyncio.sleep(0.006)
        sum(range(1000))


async def main(seconds):
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        await asyncio.gather(*(job() for _ in range(5)))


async def told_by_signals():
    task = asyncio.create_task(main(60))
    while not task.done():
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.02)


def run(seconds=60):
    asyncio.run(main(seconds))


if __name__ == "__main__":
    print(os.getpid(), flush=True)  # for who starts it
    if HOW == "api":
        with tracetools.record("api", flush_interval=0.02, keep=0.005):
            run()
    elif HOW == "always":
        folder, engine = [*sys.argv[2:], None][:2]
        with tracetools.continuous(folder, every=1, service="killed", send_to=engine):
            run()
    elif HOW == "signals":
        with tracetools.serve(signals=True):
            asyncio.run(told_by_signals())
    elif HOW == "workers":
        fork = multiprocessing.get_context("fork")
        workers = [fork.Process(target=run, args=(0.5,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        print(*(worker.pid for worker in workers), flush=True)
        for worker in workers:
            worker.join()
    else:
        run()
