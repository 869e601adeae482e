"""What tests of libraries have in common: requests without a server, and their stacks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import httpx

from tracetools import Profile
from tracetools.core.labels import PathShortener, code_frame
from tracetools.core.stacks import COLLECTIONS


@dataclass(frozen=True)
class Recorded:
    """What was recorded while a function ran."""

    profile: Profile
    main: str

    def entries(self) -> dict[str, int]:
        """Return how often each stack below the function's own was entered, by names alone."""
        found: dict[str, int] = {}
        for path, times in self.profile.stacks.items():
            names = [frame.name for frame in path]
            if names[-1] in _LEFT_OUT or path[-1] in COLLECTIONS:
                continue
            if self.main in names and times.entries:
                below = ";".join(names[names.index(self.main) + 1 :])
                found[below] = found.get(below, 0) + times.entries
        found.pop("", None)
        return found

    def line(self, name: str) -> tuple[str, int]:
        """Return the file and the line of the frame of a name, of which there is one."""
        [found] = {frame for path in self.profile.stacks for frame in path if frame.name == name}
        return str(found.file), found.line


_LEFT_OUT = {"ExceptionMiddleware.http_exception", "ASGIHTTPConnection._send_response"}
"""What older versions of Starlette do in threads, and Quart before Python 3.12 in a task."""


def here(function) -> tuple[str, int]:
    """Return the file, as a profile has it, and the line where a function begins."""
    code = function.__code__
    return PathShortener()(code_frame("", code))[1:]


def client_of(app) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def get(app, *paths: str, method: str = "GET") -> list[int]:
    """Make requests of an app, in the task that calls this; return the statuses."""
    async with client_of(app) as client:
        return [(await client.request(method, path)).status_code for path in paths]


async def connect(app, path: str, *texts: str) -> list[dict]:
    """Open a websocket of an app, send texts, close it; return what the app has sent."""
    messages = [{"type": "websocket.connect"}]
    messages += [{"type": "websocket.receive", "text": text} for text in texts]
    messages += [{"type": "websocket.disconnect", "code": 1000}]
    sent: list[dict] = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "ws",
        "query_string": b"",
        "headers": [],
        "subprotocols": [],
        "http_version": "1.1",
        "extensions": {},
        "state": {},
    }
    with contextlib.suppress(Exception):  # what a server would log
        await app(scope, receive, send)
    return sent
