"""Servers under load by `tracetools run`: what blocks them is named, and all else is as without us.

    pytest tests/commands/under_load.py        (make servers)
    pytest tests/commands/under_load.py -k aiohttp

pytest does not find this file by itself: the extra `servers` has what it needs. Each server runs
three times, side by side: by Python, by us, and by us with everything on. The clients are here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import pytest

from tests.commands.programs import RECORDED, Ended, started
from tests.commands.programs.servers import free_port
from tests.commands.test_real_programs import (
    PATIENCE,
    asked_to_end_if_this_fails,
    wait_until_it_listens,
)
from tracetools.output.formats.profile_json import read_profile
from tracetools.output.lints import find_lints, line_at_fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.profile import Profile

PROGRAMS = Path(__file__).parent / "real_programs" / "under_load"
EVERYTHING = ("--functions", "--scheduled")

# ------------------------------------------------------------------------------------- the load

CLIENTS = 2
ROUND = ("answers", "sleeps", "queues", "answers", "computes", "queues", "locks", "answers")
ROUNDS = 2
BLOCKING = ("sleeps", "computes", "locks")
"""The handlers that block the loop, for 0.3 s each time."""

ASKED = Counter({name: CLIENTS * ROUNDS * count for name, count in Counter(ROUND).items()})
"""How often each handler is asked for."""


def at_once(ask: Callable[[], list[str]]) -> Counter[str]:
    """Let some clients do the same at once; return how often each answer came."""
    with ThreadPoolExecutor(CLIENTS) as threads:
        asked = [threads.submit(ask) for _ in range(CLIENTS)]
        return sum((Counter(each.result()) for each in asked), Counter())


def ask_by_http(port: int) -> Counter[str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> list[str]:
        return [answer_to(name) for name in ROUND * ROUNDS]

    def answer_to(name: str) -> str:
        with opener.open(f"http://127.0.0.1:{port}/{name}", timeout=PATIENCE) as response:
            return f"{response.status} {response.read().decode()}"

    return at_once(ask)


def ask_by_websocket(port: int) -> Counter[str]:
    from websockets.sync.client import connect

    def ask() -> list[str]:
        answers = []
        with connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
            for name in ROUND * ROUNDS:
                connection.send(name)
                answers.append(connection.recv(timeout=PATIENCE))
        return answers

    return at_once(ask)


def ask_by_mcp(port: int) -> Counter[str]:
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


# ----------------------------------------------------------------------------------- the servers


class Server(NamedTuple):
    """How a server is started, asked, and ended: by SIGINT or SIGTERM, as its users do."""

    command: str
    number: int = signal.SIGINT
    ask: Callable[[int], Counter[str]] = ask_by_http


SERVERS = {
    "uvicorn": Server("uvicorn asgi:app --port {port}"),
    "uvicorn on asyncio": Server(
        "-m uvicorn asgi:app --port {port} --loop asyncio --http h11", signal.SIGTERM
    ),
    "uvicorn.run": Server("uvicorn_run.py {port}"),
    "gunicorn": Server(
        "gunicorn asgi:app -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port}", signal.SIGTERM
    ),
    "hypercorn on trio": Server("hypercorn -k trio asgi_on_trio:app -b 127.0.0.1:{port}"),
    "hypercorn on asyncio": Server("hypercorn asgi:app -b 127.0.0.1:{port}", signal.SIGTERM),
    "aiohttp": Server("aiohttp_server.py {port}"),
    "granian": Server("granian --interface asgi asgi:app --port {port}"),
    "quart": Server("quart_app.py {port}"),
    "quart run": Server("-m quart --app quart_app run --port {port}"),
    "tornado": Server("tornado_server.py {port}"),
    "mcp": Server("mcp_server.py {port}", ask=ask_by_mcp),
    "websockets": Server("websockets_server.py {port}", ask=ask_by_websocket),
}


# ------------------------------------------------------------------------------------- each run


class Run(NamedTuple):
    """What came of one run of a server."""

    folder: Path
    answers: Counter[str]
    ended: Ended

    @property
    def own_errors(self) -> str:
        """What we wrote to stderr at the end: the report."""
        return self.ended.errors.partition(_REPORT)[2]

    @property
    def profile(self) -> Profile:
        return read_profile(self.folder / "stack.profile.json")

    @property
    def lines(self) -> Counter[str]:
        """What the program wrote, in lines; they may come in any order, and numbers differ."""
        theirs = _BLOCKED.sub("", self.ended.errors.partition(_REPORT)[0])
        text = f"{self.ended.output}\n{theirs}".replace(str(self.folder), "HERE")
        return Counter(_NUMBER.sub("N", text).splitlines())


_REPORT = "\ntracetools: recorded "
NOTHING: Counter[str] = Counter()
_NUMBER = re.compile(r"\d+(\.\d+)?")
_BLOCKED = re.compile(r"^.*the loop (is|was) blocked for .*\n", re.MULTILINE)


def run(server: Server, folder: Path, recorded: tuple[str, ...] | None) -> Run:
    """Run a server: by us with some options, or by Python."""
    shutil.copytree(PROGRAMS, folder)
    port = free_port()
    words = server.command.format(port=port).split()
    scripts = os.path.dirname(sys.executable)
    if recorded is not None:
        words = [*RECORDED, *recorded, *words]
    elif not words[0].endswith(".py") and words[0] != "-m":
        words[0] = os.path.join(scripts, words[0])
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    with (
        started(*words, folder=folder, PATH=path) as process,
        asked_to_end_if_this_fails(process),
        read_in_the_background(process) as ended,
    ):
        wait_until_it_listens(port, process)
        answers = server.ask(port)
        send(server.number, process)
        return Run(folder, answers, ended())


def send(number: int, process: subprocess.Popen) -> None:
    """Send a signal: Ctrl-C to all that the terminal runs, others to the process."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # it has a group of its own
    else:
        process.send_signal(number)


@contextlib.contextmanager
def read_in_the_background(process):
    """Read what a process writes, so that it never waits for us; yield what waits for its end."""
    with ThreadPoolExecutor(1) as thread:
        texts = thread.submit(process.communicate)
        yield lambda: Ended(process.wait(PATIENCE), *texts.result(PATIENCE))


FORKING = {"gunicorn"} | ({"granian"} if sys.version_info < (3, 14) else set())
NOT_YET = dict.fromkeys(FORKING, "forked processes are not recorded")
CASES = [
    pytest.param(name, marks=[pytest.mark.xfail(reason=NOT_YET[name])] if name in NOT_YET else [])
    for name in SERVERS
]


@pytest.fixture(params=CASES, scope="module")
def runs(request, tmp_path_factory):
    """The three runs of a server: plain, recorded, with everything on."""
    folder = tmp_path_factory.mktemp("server")
    server = SERVERS[request.param]
    ways = {"plain": None, "recorded": (), "everything": EVERYTHING}
    with ThreadPoolExecutor(len(ways)) as threads:
        begun = [
            threads.submit(run, server, folder / name, options) for name, options in ways.items()
        ]
        return [each.result() for each in begun]


# ------------------------------------------------------------------------------ what must be true


FILES = {file.name for file in PROGRAMS.iterdir()}


def handler_of(path) -> str | None:
    """Return the handler in a stack; the innermost, if there are several."""
    names = [frame.name for frame in path if Path(frame.file or "").name in FILES]
    return next((name for name in reversed(names) if name in ASKED), None)


def blocking_steps(profile: Profile) -> Counter[str | None]:
    """Return how many steps blocked the loop by handler; None for no handler."""
    found: Counter[str | None] = Counter()
    for path, blocks in profile.blocking.items():
        found[handler_of(path)] += blocks.count
    return found


LINES = (PROGRAMS / "handlers.py").read_text().splitlines()
FAULTS = {
    "sleeps": ("time.sleep(SECONDS)",),
    "computes": ("while time.perf_counter() < until:", "sum(range(1000))"),
    "locks": ("with held:",),
}
"""The lines that block the loop, by handler."""


def assert_handlers_are_named(profile: Profile) -> None:
    """Each time that a handler blocked the loop is counted, with the line."""
    profile.check()
    assert profile.untracked == 0
    found = blocking_steps(profile)
    assert {name: found[name] for name in BLOCKING} == {name: ASKED[name] for name in BLOCKING}
    assert not set(found) & {"queues", "answers"}
    for path in profile.blocking:
        if handler := handler_of(path):
            file, _, line = line_at_fault(path).rpartition(":")
            assert Path(file).name == "handlers.py", path
            assert LINES[int(line) - 1].strip() in FAULTS[handler], path


def test_server(runs):
    plain, recorded, everything = runs
    assert sum(plain.answers.values()) == ASKED.total()
    for way in (recorded, everything):
        assert way.answers == plain.answers
        assert way.ended.status == plain.ended.status, way.ended.errors
        assert (way.lines - plain.lines, plain.lines - way.lines) == (NOTHING, NOTHING)
        assert_handlers_are_named(way.profile)
        # The one who waits is seen to wait, and for what.
        idle = way.profile.lens("idle")
        waits = {path[-1].name for path in idle if handler_of(path) == "queues"}
        assert "await Lock" in waits
        lints = {lint.kind for lint in find_lints(way.profile).shown}
        assert lints <= {"blocks", "scheduling-delay"}
        assert "blocks: " in way.own_errors
