"""Forty-eight readers ask a shop for books at the same time.

``slow_fan_out.py`` takes far too long. The documentation shows how to find the two lines at fault.
``fast_fan_out.py`` is the same program with both of them mended. Start the shop with
``uvicorn shop:app``, then run ``tracetools run slow_fan_out.py``. It needs the extra ``demo``.
"""

import re
import sys
from time import perf_counter

import anyio
import httpx

READERS = 48
BOOKS = 24


class Catalogue:
    """The pages of books, each of them fetched once."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.pages: dict[int, str] = {}
        self.lock = anyio.Lock()

    async def page(self, number: int) -> str:
        """Fetch a page, or return the kept one."""
        async with self.lock:  # so no two readers fetch the same page
            if number not in self.pages:
                response = await self.client.get(f"/book/{number}")
                self.pages[number] = response.text
        return self.pages[number]

    async def price_now(self, number: int) -> str:
        """Ask again, since the kept page may be old."""
        response = get(self.client.base_url.join(f"/book/{number}"))
        return price_on(response.text)


def get(url: httpx.URL) -> httpx.Response:
    return httpx.get(url)


def price_on(page: str) -> str:
    return re.findall("<p>(.*?)</p>", page)[0]


async def read(catalogue: Catalogue, reader: int) -> None:
    number = reader % BOOKS
    price = price_on(await catalogue.page(number))
    if reader % 8 == 0:  # who buys
        assert await catalogue.price_now(number) == price


async def main(client: httpx.AsyncClient) -> None:
    began = perf_counter()
    catalogue = Catalogue(client)
    async with client, anyio.create_task_group() as readers:
        for reader in range(READERS):
            readers.start_soon(read, catalogue, reader)
    print(f"{READERS} readers, {BOOKS} books, {perf_counter() - began:.2f} s")


if __name__ == "__main__":
    (shop,) = sys.argv[1:] or ["http://127.0.0.1:8000"]
    anyio.run(main, httpx.AsyncClient(base_url=shop))
