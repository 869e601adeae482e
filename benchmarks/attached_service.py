"""A FastAPI service under load that is attached to, time and again: answers, latencies, what stays.

    python benchmarks/attached_service.py [door | none] [ROUNDS]

In each round, the service is left alone for two seconds, then `tracetools attach` records it for
two (ten, in the first and in the last round), then `tracetools dump` looks while a request blocks
the loop. After that the service is asked what of others is in it. The load is 100 requests a
second, whether they are answered or not, each checked. `none` needs Python 3.14: the service has
not been prepared. The rows show, of the time alone and of that attached, what answers took and how
much CPU time the service took a second.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

RATE = 100
BLOCKS = 3.0
QUIET = 2.0
SETTLES = 2.0
"""Seconds until the requests are answered that have come while the loop was blocked."""
LONG = 10.0

# -- the service -----------------------------------------------------------------------------------


def state() -> dict[str, Any]:
    """Return what another program could leave in this one."""

    def names_in(folder: str) -> list[str]:
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []  # noqa: PTH208

    owners = [asyncio.BaseEventLoop, asyncio.AbstractEventLoop, asyncio.Handle, asyncio.tasks]
    owners += [__import__("fastapi").routing, __import__("starlette.routing").routing.Route]
    return {
        "threads": sorted(each.name for each in threading.enumerate()),
        "native threads": len(names_in("/proc/self/task")),
        "patches": [sorted((n, id(v)) for n, v in vars(owner).items()) for owner in owners],
        "finders": [repr(type(each)) for each in sys.meta_path],
        "path": list(sys.path),
        "callbacks of the collector": len(gc.callbacks),
        "handlers": [repr(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGUSR1)],
        "profilers": [repr(sys.getprofile()), repr(sys.gettrace())],
        "temporary files": [
            name for name in names_in(os.environ["TMPDIR"]) if not name.endswith("-0")
        ],
    }


def differences(before: dict[str, Any]) -> dict[str, Any]:
    """Return what is not as it was. Our modules, open files and memory are told, whatever they are.

    A thread that is about to end is waited for.
    """
    for _ in range(100):
        now = state()
        differs = {name: (before[name], now[name]) for name in before if before[name] != now[name]}
        if not differs:
            break
        time.sleep(0.01)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "differs": differs,
        "modules": sum(name.partition(".")[0] == "tracetools" for name in sys.modules),
        "files": sum(
            not os.readlink(f"/proc/self/fd/{each}").startswith("socket")
            for each in os.listdir("/proc/self/fd")  # noqa: PTH208
            if os.path.lexists(f"/proc/self/fd/{each}")
        ),
        "MiB": round(pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20), 1),
    }


def service(*, has_door: bool) -> None:
    """Serve until the end."""
    import uvicorn  # noqa: PLC0415  # who measures needs none of that
    from fastapi import FastAPI  # noqa: PLC0415  # likewise

    if has_door:
        import tracetools  # noqa: PLC0415  # the other service has none

        tracetools.serve()
    app = FastAPI()
    before: dict[str, Any] = {}

    @app.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        await asyncio.sleep(0.005)
        return {"number": number, "sum": sum(range(number % 7000))}

    @app.get("/block")
    async def block() -> str:
        end = time.monotonic() + BLOCKS
        while time.monotonic() < end:  # it is what is looked at
            sum(range(1000))
        return "blocked"

    @app.get("/left")
    async def left() -> dict[str, Any]:
        if not before:
            before.update(state())
        return differences(before)

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    print(os.getpid(), listening.getsockname()[1], flush=True)  # for who has started it
    config = uvicorn.Config(app, log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


# -- the load --------------------------------------------------------------------------------------


class Answered(NamedTuple):
    """A request: when it was due, and how long after that its answer was there; -1 if wrong."""

    due: float
    took: float


async def load(port: int, found: list[Answered], over: threading.Event) -> None:
    """Ask at a fixed rate, each time by the next of some connections."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    locks = [asyncio.Lock() for _ in connections]

    async def ask(number: int, due: float) -> None:
        reader, writer = connections[number % len(connections)]
        async with locks[number % len(connections)]:
            writer.write(f"GET /items/{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split()[0])
            body = json.loads(await reader.readexactly(size))
        is_right = body == {"number": number, "sum": sum(range(number % 7000))}
        found.append(Answered(due, time.monotonic() - due if is_right else -1.0))

    began, number, asked = time.monotonic(), 0, set()
    while not over.is_set():
        due = began + number / RATE
        await asyncio.sleep(max(0, due - time.monotonic()))
        task = asyncio.create_task(ask(number, due))
        asked.add(task)
        task.add_done_callback(asked.discard)
        number += 1
    await asyncio.gather(*asked)


# -- who measures ----------------------------------------------------------------------------------


class Window(NamedTuple):
    """A stretch of time, and the CPU seconds that the service took in it."""

    begin: float
    end: float
    cpu: float

    def rows(self, found: list[Answered]) -> list[float]:
        """Return p50 and p99 of what answers took, in milliseconds, and CPU seconds a second."""
        took = sorted(1e3 * each.took for each in found if self.begin <= each.due < self.end - 0.05)
        parts = [took[len(took) * part // 100] for part in (50, 99)]
        return [*parts, self.cpu / (self.end - self.begin)]


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """A service under load."""

    def __init__(self, pid: int, port: int, folder: str) -> None:
        self.pid, self.port, self.folder = pid, port, folder
        self.found: list[Answered] = []
        self.alone: list[Window] = []
        self.attached: list[Window] = []
        self.left: list[dict[str, Any]] = []
        self.dumps = 0
        self.said = ""

    def ask(self, path: str) -> Any:
        """Return an answer of the service."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            return json.load(answer)

    def command(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        line = [sys.executable, "-m", "tracetools", *words]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def round(self, seconds: float) -> None:
        """Leave it alone, attach, look while it is blocked, and ask what stays."""
        time.sleep(SETTLES)
        begin, cpu = time.monotonic(), cpu_of(self.pid)
        time.sleep(QUIET)
        self.alone.append(Window(begin, time.monotonic(), cpu_of(self.pid) - cpu))
        profile = os.path.join(self.folder, "-0", "a.profile.json")
        words = ["attach", str(self.pid), "--duration", f"{seconds}", "-o", profile]
        attach = self.command(*words)
        first = attach.stderr.readline()
        begin, cpu = time.monotonic(), cpu_of(self.pid)
        time.sleep(seconds - 0.1)
        window = Window(begin, time.monotonic(), cpu_of(self.pid) - cpu)
        _, errors = attach.communicate()
        if attach.returncode or "records" not in first:
            raise RuntimeError(first + errors)
        self.attached.append(window)
        self.look()
        time.sleep(0.3)
        self.left.append(self.ask("/left"))

    def look(self) -> None:
        """Dump while a request blocks the loop."""
        blocks = threading.Thread(target=self.ask, args=("/block",))
        blocks.start()
        said, errors = self.command("dump", str(self.pid)).communicate()
        blocks.join()
        if "tracetools:" in errors:
            print(errors, end="")
        self.said = said
        self.dumps += "blocked for" in said and ".block (" in said


def show(run: Run) -> None:
    """Print the figures."""
    wrong = sum(each.took < 0 for each in run.found)
    print(f"{len(run.found):,} answers, {wrong} wrong")
    pairs = [
        (a.rows(run.found), b.rows(run.found)) for a, b in zip(run.alone, run.attached, strict=True)
    ]
    for index, what in enumerate(["p50, ms", "p99, ms", "CPU s/s"]):
        alone, attached = ([pair[which][index] for pair in pairs] for which in (0, 1))
        ratio = statistics.median(b / a for a, b in zip(alone, attached, strict=True))
        middle = [statistics.median(each) for each in (alone, attached)]
        print(f"{what:8} alone {middle[0]:7.3f}, attached {middle[1]:7.3f}, ratio {ratio:.3f}")
    differ = [each["differs"] for each in run.left if each["differs"]]
    print(f"{len(run.left)} rounds, {len(differ)} of which left something: {differ[:3]}")
    print(run.said)
    print(f"{run.dumps} dumps of a blocked loop named what blocks it")
    for name in ("modules", "files", "MiB"):
        values = [each[name] for each in run.left]
        print(f"{name}: first {values[0]}, second {values[1:2]}, last {values[-1]}")


def main(way: str = "door", rounds: str = "50") -> None:
    """Start the service and its load, attach so often, and show the figures."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # sockets want short paths
        os.environ |= {"TMPDIR": folder, "XDG_RUNTIME_DIR": ""}
        Path(folder, "-0").mkdir()
        command = [sys.executable, __file__, "--service", way]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            pid, port = map(int, running.stdout.readline().split())
            run, over = Run(pid, port, folder), threading.Event()
            time.sleep(3)
            run.ask("/left")
            asks = threading.Thread(target=lambda: asyncio.run(load(port, run.found, over)))
            asks.start()
            time.sleep(1)
            try:
                for index in range(int(rounds)):
                    run.round(LONG if index in {0, int(rounds) - 1} else QUIET)
            finally:
                over.set()
                asks.join()
                running.terminate()
    show(run)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--service"]:
        service(has_door=sys.argv[2] == "door")
    else:
        main(*sys.argv[1:])
