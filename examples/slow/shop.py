"""A web shop in which it sometimes takes long to buy."""

import asyncio

from fastapi import FastAPI

app = FastAPI()
connections = asyncio.Semaphore(2)
stock = asyncio.Lock()


async def query(seconds: float) -> None:
    async with connections:
        await asyncio.sleep(seconds)


async def price(item: int) -> None:
    await query(0.002 if item else 0.03)


async def reserve(item: int) -> None:
    async with stock:
        await query(0.06 if item % 10 == 0 else 0.001)


@app.get("/buy/{item}")
async def buy(item: int) -> dict[str, int]:
    await asyncio.gather(*(price(other) for other in range(1, 4)))
    await reserve(item)
    return {"item": item}
