"""python redis_client.py PORT NAMES: between its handlers, it asks a database."""

import asyncio
import sys

import handlers
import redis.asyncio


async def visit(client, name):
    said = await handlers.ALL[name]()
    await client.rpush("said", said)


async def main(port, names):
    async with redis.asyncio.Redis(port=int(port)) as client:
        await client.delete("said")
        await asyncio.gather(*(visit(client, name) for name in names))
        print(sorted(await client.lrange("said", 0, -1)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2].split(",")))
