"""Says that it is ready, from within a loop, and waits until a signal ends it."""

# ruff: noqa: T201  # this is what it is for

import sys


async def on_trio():
    import trio

    print("ready", flush=True)
    await trio.sleep_forever()


async def on_asyncio():
    import asyncio

    print("ready", flush=True)
    await asyncio.Event().wait()


if sys.argv[1] == "trio":
    import trio

    trio.run(on_trio)
elif sys.argv[1] == "asyncio":
    import asyncio

    asyncio.run(on_asyncio())
else:
    import signal

    print("ready", flush=True)
    signal.pause()
