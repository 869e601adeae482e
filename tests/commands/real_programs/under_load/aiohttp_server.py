"""python aiohttp_server.py PORT."""

import sys

import handlers
from aiohttp import web


def endpoint(handler):
    async def answer(_):
        return web.Response(text=await handler())

    return answer


app = web.Application()
app.add_routes([web.get(f"/{name}", endpoint(handler)) for name, handler in handlers.ALL.items()])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
