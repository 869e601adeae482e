"""Starlette, for every ASGI server on asyncio."""

import handlers
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def endpoint(handler):
    async def answer(_):
        return PlainTextResponse(await handler())

    return answer


app = Starlette(
    routes=[Route(f"/{name}", endpoint(handler)) for name, handler in handlers.ALL.items()]
)
