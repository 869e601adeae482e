"""The same web application with aiohttp: one route computes, one blocks the loop, one waits."""

import asyncio
import hashlib
import time

from aiohttp import web

routes = web.RouteTableDef()
pool = asyncio.Semaphore(2)  # two connections to a database


@routes.get("/report/{year}")
async def show_report(request):
    return web.json_response({"seal": seal(20_000)})


def seal(rounds):
    data = b"report"
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()


@routes.get("/settings")
async def show_settings(request):
    return web.json_response(read_settings())


def read_settings():
    time.sleep(0.15)  # stands for a slow disk
    return {"dark": True}


@routes.get("/book/{number}")
async def show_book(request):
    async with pool:
        await asyncio.sleep(0.05)  # stands for a query
    return web.json_response({"number": request.match_info["number"]})


@routes.get("/cover/{number}")
async def draw_cover(request):
    await asyncio.to_thread(time.sleep, 0.01)
    return web.json_response({"cover": request.match_info["number"]})


if __name__ == "__main__":
    app = web.Application()
    app.add_routes(routes)
    web.run_app(app, host="127.0.0.1", port=8000, print=None)
