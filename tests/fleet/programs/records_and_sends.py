"""A program that records all the time and sends to an engine, until its input ends.

python records_and_sends.py FOLDER ENGINE
"""

from __future__ import annotations

import asyncio
import sys

import tracetools


async def job():
    with tracetools.span("job"):
        await asyncio.sleep(0.01)
        sum(range(1000))


async def main():
    loop = asyncio.get_running_loop()
    reader = loop.run_in_executor(None, sys.stdin.read)
    while not reader.done():
        await asyncio.gather(*(job() for _ in range(5)))


if __name__ == "__main__":
    folder, engine = sys.argv[1:]
    with tracetools.continuous(folder, every=1, service="killed", send_to=engine) as recording:
        print(recording.source.instance, flush=True)  # for who starts it
        asyncio.run(main())
    print("the end", flush=True)
