"""The shop itself: a Starlette application with three kinds of pages.

- ``/book/7``: a page of three parts that are loaded at once and wait for the database;
- ``/cover/7``: a picture that a worker thread draws, since that takes long;
- ``/search?words=salt+sea``: work of the loop's own thread, while which nobody else gets a turn.
"""

from __future__ import annotations

import hashlib
import html
import zlib
from collections import Counter
from string import Template
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tracetools import observe, span
from tracetools.demo.database import BOOKS, Database

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

__all__ = ["make_app"]

_PAGE: Final = Template("<h1>$title</h1><p>$price</p><ol>$reviews</ol><ul>$similar</ul>")
_SIDE: Final = 160


def make_app(database: Database) -> Starlette:
    """Return the shop, on the given database."""
    shop = Shop(database)
    return Starlette(
        routes=[
            Route("/book/{number:int}", shop.show_book),
            Route("/cover/{number:int}", shop.show_cover),
            Route("/search", shop.search),
        ]
    )


class Shop:
    """The pages, and what they are made of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shelf: dict[int, Mapping[str, Any]] = {}

    @observe
    async def show_book(self, request: Request) -> Response:
        """Answer with a page of three parts, which are loaded at once."""
        number = request.path_params["number"]
        page: dict[str, str] = {}
        async with anyio.create_task_group() as parts:
            parts.start_soon(self.load_book, number, page)
            parts.start_soon(self.load_reviews, number, page)
            parts.start_soon(self.load_similar, number, page)
        with span("render"):
            return HTMLResponse(_PAGE.substitute(page))

    async def load_book(self, number: int, page: dict[str, str]) -> None:
        """Put title and price on the page."""
        book = await self._find(number)
        page["title"] = html.escape(book["title"])
        page["price"] = f"{book['price'] / 100:.2f}"

    async def load_reviews(self, number: int, page: dict[str, str]) -> None:
        """Put the reviews on the page, the best first."""
        reviews = await self._database.query("reviews", number)
        with span("sort"):
            reviews.sort(key=lambda review: (-review["stars"], review["text"]))
        page["reviews"] = "".join(f"<li>{html.escape(review['text'])}</li>" for review in reviews)

    async def load_similar(self, number: int, page: dict[str, str]) -> None:
        """Put three books on the page, the most alike first. They are loaded one by one."""
        book = await self._find(number)
        others = [await self._find((number * step + 7) % BOOKS) for step in (2, 3, 5)]
        best = sorted(others, key=lambda other: likeness(book, other), reverse=True)
        page["similar"] = "".join(f"<li>{html.escape(other['title'])}</li>" for other in best)

    @observe
    async def show_cover(self, request: Request) -> Response:
        """Answer with a picture that a worker thread draws."""
        book = await self._find(request.path_params["number"])
        picture = await anyio.to_thread.run_sync(draw_cover, book["title"])
        return Response(picture, media_type="image/png")

    @observe
    async def search(self, request: Request) -> Response:
        """Answer with titles; the first time, every book is loaded."""
        wanted = request.query_params["words"].split()
        with span("fill the shelf"):
            for number in range(BOOKS):
                if number not in self._shelf:
                    self._shelf[number] = await self._find(number)
        return JSONResponse(rank(self._shelf, wanted))

    async def _find(self, number: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._database.query("book", number)
        return found


@observe
def likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return how alike the texts of two books are, from 0 to 1."""
    mine, theirs = Counter(one["text"].split()), Counter(other["text"].split())
    return (mine & theirs).total() / (mine | theirs).total()


@observe
def rank(shelf: Mapping[int, Mapping[str, Any]], wanted: list[str]) -> list[str]:
    """Return the titles of the ten books in which the wanted words stand most often."""
    counts = {number: Counter(book["text"].split()) for number, book in shelf.items()}
    best = sorted(shelf, key=lambda number: -sum(counts[number][word] for word in wanted))
    return [shelf[number]["title"] for number in best[:10]]


@observe
def draw_cover(title: str) -> bytes:
    """Draw a picture of lines and grain for a title, as a PNG file."""
    with span("paint"):
        grain = hashlib.shake_256(title.encode()).digest(_SIDE * _SIDE)
        rows = (grain[start : start + _SIDE] for start in range(0, _SIDE * _SIDE, _SIDE))
        pixels = b"".join(b"\0" + bytes(sorted(row)) for row in rows)
    with span("compress"):
        size = _SIDE.to_bytes(4, "big") * 2
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            (
                _chunk(b"IHDR", size + b"\x08\0\0\0\0"),
                _chunk(b"IDAT", zlib.compress(pixels, 9)),
                _chunk(b"IEND", b""),
            )
        )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
