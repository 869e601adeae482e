"""python asyncpg_client.py SOCKETS NAMES: between its handlers, it asks a database."""

import asyncio
import sys

import asyncpg
import handlers


async def visit(pool, name):
    said = await handlers.ALL[name]()
    async with pool.acquire() as connection:
        await connection.execute("select pg_sleep(0.01)")
        return await connection.fetchval("select $1::text", said)


async def main(folder, names):
    async with asyncpg.create_pool(host=folder, user="postgres", min_size=1, max_size=2) as pool:
        tasks = [asyncio.create_task(visit(pool, name)) for name in names]
        print(sorted(await asyncio.gather(*tasks)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2].split(",")))
