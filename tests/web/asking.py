"""A client of ASGI applications that can go away, on any backend, and applications to ask."""

from __future__ import annotations

import asyncio
import base64
from typing import NamedTuple

import anyio
import trio
import uvloop

TOKEN = "a-token-that-is-long-enough"  # noqa: S105  # of tests alone
BEARER = {"authorization": f"Bearer {TOKEN}"}

RUNS = {
    "asyncio": asyncio.run,
    "uvloop": uvloop.run,
    "trio": lambda coroutine: trio.run(lambda: coroutine),
}


class Answer(NamedTuple):
    """What an application has sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self):
        return self.body.decode()


def basic(token, user="me"):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


def scope_of(path, query="", *, method="GET", headers=BEARER, root=""):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


async def until(condition):
    """Wait until something is true that other threads see to; return it."""
    while not (found := condition()):  # noqa: ASYNC110  # they set no event
        await anyio.sleep(0.001)
    return found


async def ask(app, path, query="", *, goes=None, sending=None, **how):
    """Return the answer to a request; None if there was none.

    Args:
        app: the application.
        path: the path of the request.
        query: what comes after the question mark.
        goes: an event: the client goes away then.
        sending: called before each message that is sent, as a client that reads slowly.
        how: see `scope_of`.
    """
    sent, asked = [], []

    async def receive():
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        if goes is None:
            await anyio.sleep_forever()
        await goes.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if sending is not None:
            await sending()
        sent.append(message)

    await app(scope_of(path, query, **how), receive, send)
    if not sent:
        return None
    start, *bodies = sent
    assert [each["more_body"] for each in bodies] == [True] * (len(bodies) - 1) + [False]
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(each["body"] for each in bodies))
