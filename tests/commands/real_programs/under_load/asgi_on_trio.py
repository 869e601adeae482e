"""Starlette on trio: the lock that a handler waits for is trio's."""

import handlers
import trio
from asgi import endpoint
from starlette.applications import Starlette
from starlette.routing import Route

line = trio.Lock()


async def queues():
    async with trio.open_nursery() as nursery:
        await nursery.start(hold_line)
        async with line:
            return "queued"


async def hold_line(task_status):
    async with line:
        task_status.started()
        await trio.sleep(0.1)


handlers.ALL["queues"] = queues

app = Starlette(
    routes=[Route(f"/{name}", endpoint(handler)) for name, handler in handlers.ALL.items()]
)
