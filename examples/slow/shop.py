"""A web shop in which some orders are slow."""

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


async def reserve(number: int) -> None:
    async with stock:
        await query(0.06 if number % 10 == 0 else 0.001)


@app.get("/order/{number}")
async def order(number: int) -> dict[str, int]:
    await asyncio.gather(*(price(item) for item in range(1, 4)))
    await reserve(number)
    return {"order": number}
