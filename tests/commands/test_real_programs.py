"""Real programs under `tracetools run`: they do as ever, and their handlers are named.

Each program runs twice, side by side: by Python and by us. The clients are here.
"""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx
import pytest
from trio_websocket import open_websocket

from tests.commands.programs import RECORDED, Ended, end, started
from tests.output.flamegraph.reading import read_frames
from tests.ports import free_port
from tracetools.output.formats.folded import read_folded

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix: signals, uvloop")

PROGRAMS = Path(__file__).parent / "real_programs"
OURS = ("--no-functions", "-o", "stack", "-o", "stack.svg")
"""What each program is recorded with: stacks of tasks and spans alone, and a graph beside."""

PATIENCE = 60
"""Seconds that a start, a visit or an end may take on a very busy machine."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Whatever this machine has between it and the world, servers are asked directly."""
    monkeypatch.setenv("NO_PROXY", "*")


# ------------------------------------------------------------------------------ both runs


class Both(NamedTuple):
    """What came of a program by Python and by us, and what we wrote of it."""

    folder: Path
    seen: list[object]
    plain: Ended
    recorded: Ended

    @property
    def stacks(self):
        """The names of the frames, without their locations, and their microseconds."""
        found = Counter()
        for path, count in read_folded(self.folder / "stack.folded").stacks.items():
            found[tuple(frame.split(" (")[0] for frame in path)] += count
        return found

    def assert_same(self):
        """What the program and its clients did is the same; the rest of stderr is ours."""
        assert self.seen[1] == self.seen[0]
        assert self.recorded.status == self.plain.status, self.recorded.errors
        assert "tracetools stopped recording" not in self.recorded.errors, self.recorded.errors
        # Requests that overlap may be logged in any order.
        assert sorted(self.recorded.output.splitlines()) == sorted(self.plain.output.splitlines())
        ours = self.recorded.errors.partition("\ntracetools: recorded 1 loop (")[2]
        assert ours.endswith(": tracetools report stack.profile.json\n"), self.recorded.errors

    def assert_named(self, *wanted):
        """Both files have these stacks: frames from the root down, with any others between."""
        graph = (self.folder / "stack.svg").read_text("utf-8")
        drawn = {frame.title.split(" (")[0] for frame in read_frames(graph)}
        for stack in wanted:
            assert any(is_in(stack, path) for path in self.stacks), (stack, self.stacks)
            assert {*stack} <= drawn


def is_in(wanted, path):
    """Whether a stack has these frames in this order, and ends with the last."""
    frames = iter(path)
    return wanted[-1] == path[-1] and all(frame in frames for frame in wanted)


def run_both(command, folder, visit, *, ours=(), number=None):
    """Run a program both ways, visit it, and end it by a signal, unless it ends by itself."""
    scripts = os.path.dirname(sys.executable)
    ports = [free_port(), free_port()]
    plain, recorded = ([word.format(port=port) for word in command] for port in ports)
    if not plain[0].endswith(".py") and plain[0] != "-m":
        plain[0] = os.path.join(scripts, plain[0])  # we find it in the path, as the shell does
    more = {"folder": folder, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    with (
        started(*plain, **more) as first,
        started(*RECORDED, *OURS, *ours, *recorded, **more) as second,
        asked_to_end_if_this_fails(first, second),
    ):
        seen = []
        for port, process in zip(ports, (first, second), strict=True):
            if number is not None:
                wait_until_it_listens(port, process)
            seen.append(visit(port))
        if number is not None:
            first.send_signal(number)
            second.send_signal(number)
        return Both(folder, seen, *map(without_numbers, (end(first), end(second))))


@contextlib.contextmanager
def asked_to_end_if_this_fails(*processes):
    """Let them take their worker processes along, which would survive if they were killed."""
    try:
        yield
    except BaseException:
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
        raise


def without_numbers(ended):
    """Leave out the ports and process numbers that a program prints."""
    numbers = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=process \[)\d+|^\[.*?\] \[\d+\]", re.MULTILINE)
    return Ended(ended.status, numbers.sub("N", ended.output), numbers.sub("N", ended.errors))


def wait_until_it_listens(port, process):
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        assert time.monotonic() < deadline, "nobody listens"
        time.sleep(0.02)  # nobody outside can know when a server listens
    raise AssertionError(f"it has ended: {end(process)}")


def client(port):
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE)


async def say(port, path, *words):
    """Say something through a websocket; return the answers."""
    answers = []
    async with open_websocket("127.0.0.1", port, path, use_ssl=False) as websocket:
        for word in words:
            await websocket.send_message(word)
            answers.append(await websocket.get_message())
    return answers


def visiting(backend):
    """Decorate an async function that visits a port: make it one that is called, and in time."""

    def decorate(visit):
        async def visit_in_time(port):
            with anyio.fail_after(PATIENCE):
                return await visit(port)

        return lambda port: anyio.run(visit_in_time, port, backend=backend)

    return decorate


def copy(program, folder):
    shutil.copy(PROGRAMS / program, folder)
    return folder


# ------------------------------------------------------------------------ FastAPI on uvicorn

GALLERY = {
    "-m uvicorn on uvloop": ("-m uvicorn fastapi_gallery:app --port {port} --loop uvloop", "TERM"),
    "uvicorn on asyncio": ("uvicorn fastapi_gallery:app --port {port} --loop asyncio", "INT"),
    "uvicorn.run on uvloop": ("fastapi_gallery.py {port} uvloop", "INT"),
    "uvicorn.run on asyncio": ("fastapi_gallery.py {port} asyncio", "TERM"),
}


@visiting("trio")
async def visit_gallery(port):
    async with client(port) as visitor:
        pages = [await visitor.get(path) for path in ("/picture/7", "/thumbnail/7", "/export")]
        pages.append(await visitor.post("/orders"))
        assert [page.status_code for page in pages] == [200] * 4
        return [page.text for page in pages], await say(port, "/chat", "hello", "you")


@pytest.mark.parametrize("way", GALLERY)
def test_fastapi(way, tmp_path):
    command, name = GALLERY[way]
    number = getattr(signal, f"SIG{name}")
    ours = ("--lens", "task")
    both = run_both(
        command.split(),
        copy("fastapi_gallery.py", tmp_path),
        visit_gallery,
        ours=ours,
        number=number,
    )
    both.assert_same()
    assert f"recorded 1 loop ({way.rpartition(' ')[2]})" in both.recorded.errors
    server = ("Server.serve", "RequestResponseCycle.run_asgi")
    both.assert_named(
        *((*server, name) for name in ("take_order", "export_pictures", "rows", "send_mail")),
        (*server, "show_picture", "wait for the database"),
        (*server, "open_album", "close the album"),
        (*server, "read_settings"),
        (*server, "draw_thumbnail"),
        (*server, "print_label"),
        ("Server.serve", "WSProtocol.run_asgi", "chat"),
    )
    # A sync endpoint works in its thread, beside the loop: its task is idle for as long.
    (request,) = [path for path in both.stacks if path[-1] == "GET /thumbnail/{number}"]
    thread_time = both.stacks[(*request, "draw_thumbnail")]
    assert thread_time > 10_000
    idle = sum(
        time
        for path, time in both.stacks.items()
        if path[: len(request)] == request and path[-1] == "[idle]"
    )
    assert idle > thread_time
    assert (*request, "draw_thumbnail", "[idle]") not in both.stacks


# ------------------------------------------------------------------------------------- MCP


@visiting("asyncio")  # on trio, it leaves generators open
async def visit_calculator(port):
    from mcp import ClientSession  # it is not there with the lowest versions
    from mcp.client.streamable_http import streamable_http_client

    reports = []

    async def report(*progress):
        reports.append(progress)

    async with (
        streamable_http_client(f"http://127.0.0.1:{port}/mcp") as streams,
        ClientSession(*streams) as session,
    ):
        await session.initialize()
        tools = sorted(tool.name for tool in (await session.list_tools()).tools)
        answers = [
            await session.call_tool("add", {"first": 3, "second": 4}),
            await session.call_tool("digest", {"text": "hello", "rounds": 20_000}),
            await session.call_tool("count_down", {"start": 3}, progress_callback=report),
        ]
    return tools, [answer.content[0].text for answer in answers], reports


def test_mcp_server(tmp_path):
    command = ("mcp_calculator.py", "{port}")
    both = run_both(
        command, copy("mcp_calculator.py", tmp_path), visit_calculator, number=signal.SIGINT
    )
    both.assert_same()
    assert both.seen[0][0] == ["add", "count_down", "digest"]
    request = ("RequestResponseCycle.run_asgi", "JSONRPCDispatcher._spawn.<locals>.run")
    both.assert_named(
        (*request, "add", "carry the one"), (*request, "digest"), (*request, "count_down")
    )


# ------------------------------------------------------------------------------------ trio


@visiting("trio")
async def visit_echo(port):
    return await say(port, "/", "hello", "you"), await say(port, "/", "again")


def test_trio_websocket(tmp_path):
    command = ("websocket_echo.py", "{port}")
    both = run_both(command, copy("websocket_echo.py", tmp_path), visit_echo, number=signal.SIGINT)
    both.assert_same()
    both.assert_named(("main", "echo", "answer"))


QUART = {  # the command, the signal, the loop's main function
    "serve": ("quart_notes.py {port}", "INT", "main"),
    # In one process, hypercorn does not care for signals: it ends as it happens to.
    "-m hypercorn, one process": (
        "-m hypercorn -k trio -w 0 -b 127.0.0.1:{port} quart_notes:app",
        "TERM",
        "worker_serve",
    ),
    "-m hypercorn, a worker process": (
        "-m hypercorn -k trio -b 127.0.0.1:{port} quart_notes:app",
        "INT",
        "worker_serve",
    ),
}


@visiting("trio")
async def visit_notes(port):
    async with client(port) as visitor:
        pages = [await visitor.get(path) for path in ("/note/7", "/picture/7")]
    assert [page.status_code for page in pages] == [200] * 2
    return [page.text for page in pages], await say(port, "/chat", "hello", "you")


@pytest.mark.parametrize("way", QUART)
def test_quart_on_hypercorn(way, tmp_path):
    command, name, main = QUART[way]
    number = getattr(signal, f"SIG{name}")
    both = run_both(command.split(), copy("quart_notes.py", tmp_path), visit_notes, number=number)
    both.assert_same()
    request = ("TrioASGIHTTPConnection.handle_request",)
    both.assert_named(
        (main, "serve_listeners", *request, "show_note"),
        (main, "serve_listeners", *request, "show_note", "index"),  # a task
        (main, "serve_listeners", *request, "draw_picture"),
        (main, "serve_listeners", "TrioASGIWebsocketConnection.handle_websocket", "chat"),
    )


# ----------------------------------------------------------------------------------- httpx


@pytest.fixture(scope="module")
def pages():
    """A server in a thread; returns its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps({"page": self.path}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_httpx_fan_out(backend, pages, tmp_path):
    command = ("httpx_fan_out.py", backend, pages)
    both = run_both(command, copy("httpx_fan_out.py", tmp_path), lambda _: None)
    both.assert_same()
    assert both.plain.status == 0
    assert both.plain.output.startswith("20 pages: ")
    both.assert_named(("main", "fetch", "parse"), ("main", "summarize"))
