"""A web application with three slow routes: one computes, one blocks the loop, one waits."""

import asyncio
import hashlib
import time

import anyio
from fastapi import FastAPI

app = FastAPI()
pool = anyio.Semaphore(2)  # two connections to a database


@app.get("/report/{year}")
async def show_report(year: int):
    return {"year": year, "seal": seal(20_000)}


def seal(rounds):
    data = b"report"
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()


@app.get("/settings")
async def show_settings():
    return read_settings()


def read_settings():
    time.sleep(0.15)  # stands for a slow disk
    return {"dark": True}


@app.get("/book/{number}")
async def show_book(number: int):
    async with pool:
        await asyncio.sleep(0.05)  # stands for a query
    return {"number": number}


@app.get("/cover/{number}")
def draw_cover(number: int):  # not async: it runs in a worker thread
    time.sleep(0.01)
    return {"cover": number}
