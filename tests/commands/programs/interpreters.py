"""A task blocks its loop while another interpreter runs code in a thread."""

import time

import anyio
import anyio.to_interpreter


def block():
    time.sleep(0.4)


async def block_later():
    await anyio.sleep(0.2)
    block()


async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(block_later)
        await anyio.to_interpreter.run_sync(time.sleep, 0.6)
        print(await anyio.to_interpreter.run_sync(pow, 2, 3))


anyio.run(main)
