"""Buys at the shop: ten customers, ten items each."""

import asyncio

import httpx


async def customer(first: int) -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:8000") as client:
        for item in range(first, first + 10):
            (await client.get(f"/buy/{item}")).raise_for_status()
            await asyncio.sleep(0.02)


async def main() -> None:
    await asyncio.gather(*(customer(10 * each + 1) for each in range(10)))


asyncio.run(main())
