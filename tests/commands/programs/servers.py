"""An application for real servers, and what it takes to ask it something."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time

APP = """
import os
from tracetools import observe

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            os.write(1, message["type"].encode() + b"\\n")  # at once: others write there too
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await answer(send)

@observe
async def answer(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""

GUNICORN = ("--workers=2", "--worker-class=uvicorn_worker.UvicornWorker", "--bind")
"""Options of gunicorn; the address follows."""


def ask(port: int, process: subprocess.Popen, workers: int = 1) -> bytes:
    """Ask a server that is about to come up, when all its workers have."""
    for _ in range(workers):
        assert process.stdout.readline() == "lifespan.startup\n"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            return _ask_now(port)
        time.sleep(0.02)  # nobody outside can know when a server listens
    raise AssertionError(f"the server is not there; {process.poll()}")


def _ask_now(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.read()
