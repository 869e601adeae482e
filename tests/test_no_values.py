"""What is written has names of the program's source, and no values that go through it."""

from __future__ import annotations

import gzip
import os
import socket
import sys

import anyio
import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.libraries.apps import client_of
from tracetools import record, slow, span
from tracetools.door.tasks import tasks_as_json, tasks_as_text
from tracetools.output.formats.writing import SUFFIXES, write
from tracetools.output.report import write_report

SECRET = "s3cr3t"


def user(token: str) -> str:
    return token


async def fails(local):
    with span("lookup"):
        await anyio.sleep(0)
        raise ValueError(local)


def make_app(dumps):
    app = FastAPI()

    @app.api_route("/report/{name}", methods=["GET", "POST"])
    async def report(name: str, token: str = Depends(user)):
        local = name + token
        with span("work"):
            await anyio.sleep(0.002)
            dumps.append(tasks_as_json())
        try:
            await fails(local)
        except ValueError:
            raise HTTPException(400, local) from None

    plain = Starlette(routes=[Route("/{item}", lambda _: PlainTextResponse("x"))])
    app.mount("/items/{tenant}", Starlette(routes=[Mount("/in/{inner}", plain)]))
    return app


async def ask(app):
    async with client_of(app) as client:
        for path in (f"/report/{SECRET}", f"/items/{SECRET}/in/{SECRET}/{SECRET}", f"/{SECRET}"):
            for method in ("GET", "POST", SECRET.upper()):
                await client.request(
                    method,
                    f"{path}?token={SECRET}",
                    headers={"authorization": SECRET, "cookie": f"a={SECRET}"},
                    content=SECRET,
                )


def written_in(folder):
    """Return the names and the bytes of all files, unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            yield path.name, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_values_are_in_no_file_and_no_dump(tmp_path, monkeypatch, backend):
    monkeypatch.setattr(sys, "argv", ["app.py", "--password", SECRET])
    monkeypatch.setenv("API_TOKEN", SECRET)
    monkeypatch.setattr(socket, "gethostname", lambda: SECRET)
    dumps = []
    everything = {"resources": True, "wakers": True, "functions": True, "blocking": 0.001}
    keep = slow(0, errors=True, blocking=True)
    with record(tmp_path / "stack", keep=keep, **everything) as recording:
        anyio.run(ask, make_app(dumps), backend=backend)
        recording.dump()
    for suffix in SUFFIXES:
        write(tmp_path / f"all{suffix}", recording.profile)
    write_report(tmp_path / "report.html", recording.profile)
    found = [*written_in(tmp_path)]
    assert len(found) > len(SUFFIXES) + 3, "there are pages, too"
    for name, data in found:
        assert SECRET not in name.lower()
        assert SECRET.encode() not in data.lower(), name
    assert any(b"GET /report/{name}" in data for _, data in found)
    for dump in dumps:
        assert SECRET not in dump.lower() + tasks_as_text(dump).lower()
    assert "report" in dumps[0]
    assert os.environ["API_TOKEN"] == SECRET
