"""Sends itself a signal, from within a loop, and waits for what comes of it."""

# this is what it is for

import signal
import sys


def die():
    print("dying", flush=True)
    signal.raise_signal(int(sys.argv[2]))


async def on_trio():
    import trio

    die()
    await trio.sleep_forever()


async def on_asyncio():
    import asyncio

    die()
    await asyncio.Event().wait()


if sys.argv[1] == "trio":
    import trio

    trio.run(on_trio)
elif sys.argv[1] == "asyncio":
    import asyncio

    asyncio.run(on_asyncio())
else:
    die()
