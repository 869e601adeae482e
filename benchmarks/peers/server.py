"""A small web application, in which one route computes, one blocks and one waits for a pool.

    python benchmarks/peers/server.py PORT

``/truth`` answers with what has happened, as the program itself measured it; ``/stop`` ends it as a
program ends by itself, so that every profiler writes what it has.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time

import anyio
import uvicorn
from fastapi import FastAPI

app = FastAPI()
pool = anyio.Semaphore(2)
truth = {"computes": 0.0, "blocks": 0.0, "waits": 0.0}


def digest(rounds: int) -> str:
    data = b"report"
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()


def read_settings() -> dict[str, bool]:
    time.sleep(0.12)  # blocks
    return {"dark": True}


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/report/{year}")
async def report(year: int) -> str:
    began = time.perf_counter()
    text = digest(10_000)
    truth["computes"] += time.perf_counter() - began
    return f"{year}: {text}"


@app.get("/settings")
async def settings() -> dict[str, bool]:
    began = time.perf_counter()
    found = read_settings()
    truth["blocks"] += time.perf_counter() - began
    return found


@app.get("/row/{number}")
async def row(number: int) -> int:
    began = time.perf_counter()
    async with pool:  # waits
        truth["waits"] += time.perf_counter() - began
        await asyncio.sleep(0.03)
    return number


@app.get("/truth")
async def show_truth() -> dict[str, float]:
    return truth


@app.get("/stop")
async def stop() -> str:
    server.should_exit = True
    return "stops"


if __name__ == "__main__":
    server = uvicorn.Server(
        uvicorn.Config(app, port=int(sys.argv[1]), log_level="warning", lifespan="off")
    )
    server.run()
