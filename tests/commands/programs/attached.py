"""A program that is attached to: it works, and says on its input's wish what of others is in it.

python attached.py (asyncio | uvloop | trio) [serve]
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path

BACKEND = sys.argv[1]


def names_in(folder):
    try:
        return sorted(path.name for path in Path(folder).iterdir())
    except FileNotFoundError:
        return []


def state():
    """Return what another program could leave here."""
    import asyncio

    import trio

    owners = [asyncio.BaseEventLoop, asyncio.AbstractEventLoop, asyncio.Handle, asyncio.tasks]
    owners += [trio._core._run]
    if BACKEND == "uvloop":
        import uvloop

        owners.append(uvloop.Loop)
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "native threads": len(names_in("/proc/self/task")),
        "files": names_in("/proc/self/fd"),
        "sockets": names_in(Path(os.environ["TMPDIR"], f"tracetools-{os.geteuid()}")),
        "in the folder": names_in(os.environ["TMPDIR"]),
        "patches": [sorted((n, id(v)) for n, v in vars(owner).items()) for owner in owners],
        "finders": [repr(type(finder)) for finder in sys.meta_path],
        "path": sys.path,
        "callbacks of the collector": len(gc.callbacks),
        "handlers": [repr(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGUSR1)],
        "profilers": [repr(sys.getprofile()), repr(sys.gettrace())],
    }


def differences(before):
    now = state()
    return {name: [before[name], now[name]] for name in before if before[name] != now[name]}


def wishes():
    """Take the lines of standard input, in a thread."""
    for _ in sys.stdin:
        wished.set()
    over.set()


async def work(rest):
    while True:
        await rest(0.001)
        sum(range(1000))


async def serve_wishes(rest):
    before = state()
    print(os.getpid(), flush=True)
    while not over.is_set():
        await rest(0.001)
        if wished.is_set():
            wished.clear()
            for _ in range(1000):  # a thread of others may be about to end
                if not differences(before):
                    break
                await rest(0.001)
            print(json.dumps(differences(before)), flush=True)


async def on_asyncio():
    import asyncio

    tasks = [asyncio.create_task(work(asyncio.sleep)) for _ in range(3)]
    await serve_wishes(asyncio.sleep)
    for task in tasks:
        task.cancel()


async def on_trio():
    import trio

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(work, trio.sleep)
        await serve_wishes(trio.sleep)
        nursery.cancel_scope.cancel()


wished, over = threading.Event(), threading.Event()
threading.Thread(target=wishes, name="wishes", daemon=True).start()
if "serve" in sys.argv:
    import tracetools

    tracetools.serve()
if BACKEND == "trio":
    import trio

    trio.run(on_trio)
elif BACKEND == "uvloop":
    import uvloop

    uvloop.run(on_asyncio())
else:
    import asyncio

    asyncio.run(on_asyncio())
