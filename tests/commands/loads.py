"""Programs that are put under load: how each is started, asked, and ended. The clients are here.

The programs are in `real_programs/under_load`. Their handlers are the same: see `handlers.py`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from tests.commands.test_real_programs import PATIENCE, wait_until_it_listens
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# ------------------------------------------------------------------------------------- the load

CLIENTS = 2
ROUND = ("answers", "sleeps", "queues", "answers", "computes", "queues", "locks", "answers")
ROUNDS = 2
BLOCKING = ("sleeps", "computes", "locks")
"""The handlers that block the loop, for 0.3 s each time."""

ASKED = Counter({name: CLIENTS * ROUNDS * count for name, count in Counter(ROUND).items()})
"""How often each handler is asked for."""

NAMES = ",".join(ROUND * ROUNDS * CLIENTS)
"""The same for a program that asks itself."""


def at_once(ask: Callable[[], list[str]]) -> Counter[str]:
    """Let some clients do the same at once; return how often each answer came."""
    with ThreadPoolExecutor(CLIENTS) as threads:
        asked = [threads.submit(ask) for _ in range(CLIENTS)]
        return sum((Counter(each.result()) for each in asked), Counter())


def ask_by_http(port: int, _: Path) -> Counter[str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> list[str]:
        return [answer_to(name) for name in ROUND * ROUNDS]

    def answer_to(name: str) -> str:
        with opener.open(f"http://127.0.0.1:{port}/{name}", timeout=PATIENCE) as response:
            return f"{response.status} {response.read().decode()}"

    return at_once(ask)


def ask_by_websocket(port: int, _: Path) -> Counter[str]:
    from websockets.sync.client import connect

    def ask() -> list[str]:
        answers = []
        with connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
            for name in ROUND * ROUNDS:
                connection.send(name)
                answers.append(connection.recv(timeout=PATIENCE))
        return answers

    return at_once(ask)


def ask_by_mcp(port: int, _: Path) -> Counter[str]:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def call_tools() -> list[str]:
        with anyio.fail_after(PATIENCE):
            async with (
                streamable_http_client(f"http://127.0.0.1:{port}/mcp") as streams,
                ClientSession(*streams) as session,
            ):
                await session.initialize()
                results = [await session.call_tool(name) for name in ROUND * ROUNDS]
                return [result.content[0].text for result in results]

    return at_once(lambda: anyio.run(call_tools))


def ask_by_celery(_: int, folder: Path) -> Counter[str]:
    """Give tasks to a worker: by a program, for the client has settings of its own."""
    code = (
        "from celery_worker import call\n"
        f"results = [call.delay(name) for name in {ROUND * ROUNDS * CLIENTS}]\n"
        f"print(*(result.get({PATIENCE}) for result in results))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True)
    return Counter(done.stdout.decode().split())


# --------------------------------------------------------------------------------- what they need


@contextlib.contextmanager
def postgresql(_) -> Iterator[str]:
    """Start Debian's PostgreSQL, which does not run as root; yield the folder of its socket."""
    (binaries,) = Path("/usr/lib/postgresql").glob("*/bin")
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket must be short
        if user is not None:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        with process_of(
            f"{binaries}/initdb", "-D", data, "-A", "trust", "-U", "postgres", user=user
        ) as it:
            assert it.wait(PATIENCE) == 0
        server = (f"{binaries}/postgres", "-D", data, "-k", folder, "-c", "listen_addresses=")
        with process_of(*server, user=user) as it:
            wait_for(lambda: os.path.exists(f"{folder}/.s.PGSQL.5432"), it)
            yield folder


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start Debian's Redis; yield its port."""
    port = free_port()
    with process_of("redis-server", "--port", f"{port}", "--save", "", cwd=folder) as it:
        wait_until_it_listens(port, it)
        yield f"{port}"


@contextlib.contextmanager
def process_of(*words: str, **options) -> Iterator[subprocess.Popen]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=quiet, stderr=quiet, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for(it_is_so: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not it_is_so():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)  # nobody outside can know


# ----------------------------------------------------------------------------------- the programs


class Program(NamedTuple):
    """How a program is started, asked, and ended.

    Attributes:
        command: the words after ``python``, or after ``tracetools run``.
        number: by which signal its users end it; ``None`` if it ends by itself.
        ask: what its clients do; ``None`` if it does everything by itself.
        service: starts what it needs in a folder, and yields its address.
        of_runtime: functions of tasks that are the server's own.
        options: those of `tracetools run` that it needs.
        lints: kinds of what else may rightly stand out.
    """

    command: str
    number: int | None = signal.SIGINT
    ask: Callable[[int, Path], Counter[str]] | None = ask_by_http
    of_runtime: tuple[str, ...] = ()
    service: Callable[[Path], contextlib.AbstractContextManager[str]] | None = None
    options: tuple[str, ...] = ()
    lints: tuple[str, ...] = ()


def that_ends(command: str, service=None) -> Program:
    return Program(f"{command} {{names}}", None, None, (), service)


UVICORN = ("LifespanOn.main",)
HYPERCORN = ("Lifespan.handle_lifespan", "TCPServer._idle_timeout")
PROGRAMS = {
    "uvicorn": Program("uvicorn asgi:app --port {port}", of_runtime=UVICORN),
    "uvicorn on asyncio": Program(
        "-m uvicorn asgi:app --port {port} --loop asyncio --http h11",
        signal.SIGTERM,
        of_runtime=UVICORN,
    ),
    "uvicorn.run": Program("uvicorn_run.py {port}", of_runtime=UVICORN),
    "gunicorn": Program(
        "gunicorn asgi:app -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port}",
        signal.SIGTERM,
        of_runtime=UVICORN,
    ),
    "hypercorn on trio": Program(
        "hypercorn -k trio asgi_on_trio:app -b 127.0.0.1:{port}", of_runtime=HYPERCORN
    ),
    "hypercorn on asyncio": Program(
        "hypercorn asgi:app -b 127.0.0.1:{port}", signal.SIGTERM, of_runtime=HYPERCORN
    ),
    "aiohttp": Program("aiohttp_server.py {port}"),
    # A worker that gets two signals at once, Ctrl-C and its parent's, may hang in granian's code.
    "granian": Program("granian --interface asgi asgi:app --port {port}", signal.SIGTERM),
    "quart": Program("quart_app.py {port}", of_runtime=HYPERCORN),
    "quart run": Program("-m quart --app quart_app run --port {port}", of_runtime=HYPERCORN),
    "tornado": Program("tornado_server.py {port}"),
    "mcp": Program("mcp_server.py {port}", ask=ask_by_mcp, of_runtime=UVICORN),
    "websockets": Program("websockets_server.py {port}", ask=ask_by_websocket),
}
BY_HAND = {
    "twisted": Program("twisted_server.py {port}"),
    "scrapy": that_ends("scrapy_spider.py"),
    "distributed": that_ends("distributed_client.py"),
    "textual": that_ends("textual_app.py"),
    "asyncpg": that_ends("asyncpg_client.py {service}", postgresql),
    "redis": that_ends("redis_client.py {service}", redis_server),
    "notebook": that_ends("notebook.py")._replace(
        options=("--subprocesses",),  # the kernel
        lints=("never-yielded",),  # its heartbeat, which has a thread and a loop of its own
    ),
    "celery": Program(
        "-m celery -A celery_worker worker --concurrency 1 --loglevel ERROR",
        signal.SIGTERM,
        ask_by_celery,
    ),
}
"""These need what is not in the extra `servers`, or not in CI."""
