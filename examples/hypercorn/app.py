"""The same web application on trio, with Starlette: one route computes, one blocks, one waits."""

import hashlib
import time

import trio
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

pool = trio.CapacityLimiter(2)  # two connections to a database


async def show_report(request):
    return JSONResponse({"seal": seal(20_000)})


def seal(rounds):
    data = b"report"
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()


async def show_settings(request):
    return JSONResponse(read_settings())


def read_settings():
    time.sleep(0.15)  # stands for a slow disk
    return {"dark": True}


async def show_book(request):
    async with pool:
        await trio.sleep(0.05)  # stands for a query
    return JSONResponse({"number": request.path_params["number"]})


def draw_cover(request):  # not async: it runs in a worker thread
    time.sleep(0.01)
    return JSONResponse({"cover": request.path_params["number"]})


app = Starlette(
    routes=[
        Route("/report/{year:int}", show_report),
        Route("/settings", show_settings),
        Route("/book/{number:int}", show_book),
        Route("/cover/{number:int}", draw_cover),
    ]
)
