"""Fetches many pages at once, a few at a time.

python httpx_fan_out.py BACKEND ADDRESS
"""

import hashlib
import sys

import anyio
import anyio.to_thread
import httpx

from tracetools import observe


async def fetch(client, limiter, number, found):
    async with limiter:
        response = await client.get(f"/page/{number}")
    found[number] = parse(response.text)


@observe
def parse(text):
    return hashlib.sha256(text.encode() * 10_000).hexdigest()[:8]


@observe
def summarize(found):  # in a worker thread
    return hashlib.sha256(str(sorted(found.items())).encode() * 10_000).hexdigest()


async def main(address):
    found = {}
    limiter = anyio.CapacityLimiter(4)
    async with httpx.AsyncClient(base_url=address) as client, anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(fetch, client, limiter, number, found)
    print(len(found), "pages:", await anyio.to_thread.run_sync(summarize, found))


if __name__ == "__main__":
    anyio.run(main, sys.argv[2], backend=sys.argv[1])
