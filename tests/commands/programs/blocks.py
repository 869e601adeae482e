"""A program whose loop is blocked now and then, and in which three tasks wait for one another.

python blocks.py [NAME]: the name of a span.
"""

import asyncio
import sys
import time

import tracetools

NAME = sys.argv[1] if len(sys.argv) > 1 else "part"


async def transfer(source, target):
    async with source:
        await asyncio.sleep(0.01)
        async with target:
            pass


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def report():
    while True:
        await asyncio.sleep(1.5)
        spin(2)


async def client():
    while True:
        with tracetools.span(NAME):
            await asyncio.sleep(0.01)


async def start_later(transfers):
    """Make locks that a recording knows, for it has begun."""
    await asyncio.sleep(0.5)
    locks = [asyncio.Lock() for _ in range(3)]
    pairs = zip(locks, [*locks[1:], locks[0]], strict=True)
    transfers += [asyncio.create_task(transfer(*pair)) for pair in pairs]


async def main():
    transfers = []
    tasks = [asyncio.create_task(each) for each in (report(), client(), start_later(transfers))]
    print("it runs", flush=True)
    await asyncio.gather(*tasks)


tracetools.serve()
asyncio.run(main())
