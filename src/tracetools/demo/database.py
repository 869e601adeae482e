"""The shop's database: books and their reviews as JSON, behind few connections and a slow line.

It stands for a server elsewhere: a query waits for a connection, then for the answer. The data is
made up, the same in each run.
"""

from __future__ import annotations

import json
import random
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import anyio

from tracetools import observe, span

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BOOKS", "Database"]

BOOKS: Final = 60
"""How many books there are; they are numbered from 0."""

_WORDS: Final = (  # noqa: SIM905  # words are for reading
    "sea night garden winter letter river silent city stone memory glass road mother island bird"
    " shadow train summer machine orchard ghost bridge kingdom mirror harbour lantern clock wolf"
    " forest desert salt paper crown fever thread signal border engine window storm candle echo"
).split()


class Database:
    """Answers queries, a few at a time.

    Args:
        connections: how many queries may be on their way at once.
        latency: seconds that an answer takes.
    """

    def __init__(self, connections: int = 8, latency: float = 0.003) -> None:
        self._connections = connections
        self._latency = latency
        self._tables = {
            "book": [json.dumps(_book(number)) for number in range(BOOKS)],
            "reviews": [json.dumps(_reviews(number)) for number in range(BOOKS)],
        }

    @cached_property
    def _pool(self) -> anyio.CapacityLimiter:  # anyio before 4.2 makes one in a running loop only
        return anyio.CapacityLimiter(self._connections)

    @observe
    async def query(self, table: str, number: int) -> Any:
        """Return one row of a table, decoded."""
        with span("wait for a connection"):
            await self._pool.acquire()
        try:
            with span("wait for the answer"):
                await anyio.sleep(self._latency)
        finally:
            self._pool.release()
        with span("decode"):
            return json.loads(self._tables[table][number])


def _book(number: int) -> dict[str, Any]:
    words = _text(f"book {number}")
    return {
        "number": number,
        "title": f"The {next(words).title()} and the {next(words).title()}",
        "price": 900 + 37 * number % 1600,
        "text": " ".join(next(words) for _ in range(800)),
    }


def _reviews(number: int) -> list[dict[str, Any]]:
    words = _text(f"reviews {number}")
    return [
        {"stars": len(next(words)) % 5 + 1, "text": " ".join(next(words) for _ in range(40))}
        for _ in range(25)
    ]


def _text(seed: str) -> Iterator[str]:
    """Yield words without end, always the same ones for a seed."""
    chosen = random.Random(seed)  # noqa: S311  # prose, not secrets
    while True:
        yield chosen.choice(_WORDS)
