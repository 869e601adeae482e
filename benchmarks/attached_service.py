"""A FastAPI service under load that is attached to, time and again: answers, latencies, what stays.

    python benchmarks/attached_service.py [door | none] [ROUNDS [SECONDS]]

In each round, the service is left alone for some seconds (4), then `tracetools attach` records it
for as long (for ten, in the first and in the last round), then `tracetools dump` looks while a
request blocks the loop, then `tracetools top` shows it in a terminal of tmux for some seconds more,
and is left by `q`. After each of the three the service is asked what of others is in it. The load
is 100 requests a second, whether they are answered or not, each checked. `none` needs Python 3.14:
the service has not been prepared. The rows show, of the time alone, of that attached and of that
with top, what answers took and how much CPU time the service took a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import shlex
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
from typing import IO, Any, NamedTuple

RATE = 100
LONGEST_BLOCK = 20.0
"""Seconds. A block ends as soon as the dump is there."""

SETTLES = 1.0
"""Seconds, from when the requests are answered that have come while the loop was blocked."""

PROMPT = 0.1
"""Seconds since the last request that was answered was due, if no others wait."""

LONG = 10.0
PATIENCE = 60.0
SHOWN = ("BUSY%", "updates/s", "RequestResponseCycle.run_asgi (", "GET /items/{number} (")
"""What top has on its screen: the tasks of the service, and its spans."""

# -- the service -----------------------------------------------------------------------------------


def names_in(folder: str) -> list[str]:
    """Return what is in a folder."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []  # noqa: PTH208


def opened() -> list[str]:
    """Return what this process has open; of sockets those of Unix, which no load uses.

    A library's own file is told apart: libffi opens it for good as soon as ctypes is imported.
    """
    unix = {line.split()[6] for line in Path("/proc/self/net/unix").read_text().splitlines()[1:]}
    found = []
    for each in names_in("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the folder itself was open a moment ago
            name = os.readlink(f"/proc/self/fd/{each}")
            is_of_load = name.startswith("socket:") and name[len("socket:[") : -1] not in unix
            if not is_of_load and "/libffi" not in name:
                found.append(f"{each} {name}")
    return found


def temporary() -> list[str]:
    """Return all files among the temporary ones, but for those of who measures."""
    folder = os.environ["TMPDIR"]
    found = [os.path.join(where, name) for where, _, names in os.walk(folder) for name in names]
    return sorted(each for each in found if not each.startswith(os.path.join(folder, "-0")))


def state() -> dict[str, Any]:
    """Return what another program could leave in this one."""
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
        "open": opened(),
        "temporary files": temporary(),
    }


async def differences(before: dict[str, Any]) -> dict[str, Any]:
    """Return what is not as it was. Our modules and memory are told, whatever they are.

    A thread that is about to end is waited for.
    """
    for _ in range(100):
        now = state()
        differs = {name: (before[name], now[name]) for name in before if before[name] != now[name]}
        if not differs:
            break
        await asyncio.sleep(0.01)
    return {
        "differs": differs,
        "modules": sum(name.partition(".")[0] == "tracetools" for name in sys.modules),
        "MiB": memory(),
    }


def memory() -> float:
    """Return what this process has in memory, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20), 1)


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
        over = os.path.join(os.environ["TMPDIR"], "-0", "over")
        end = time.monotonic() + LONGEST_BLOCK
        print("blocks", flush=True)  # for who has asked for it
        while not os.path.exists(over) and time.monotonic() < end:  # noqa: ASYNC240  # it blocks
            for _ in range(1000):
                sum(range(1000))
        return "blocked"

    @app.get("/left")
    async def left() -> dict[str, Any]:
        if not before:
            before.update(state())
        return await differences(before)

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


class Terminal:
    """A terminal of tmux in which a command runs.

    Args:
        folder: for the socket of tmux and the status of the command.
        line: the command.
    """

    def __init__(self, folder: str, line: list[str]) -> None:
        self._tmux = ["tmux", "-S", os.path.join(folder, "tmux"), "-f", "/dev/null"]
        self._status = Path(folder, "status")
        self._status.unlink(missing_ok=True)
        written = shlex.quote(str(self._status))
        shell = f"{shlex.join(line)}; echo $? > {written}.new; mv {written}.new {written}; exec cat"
        self._run("new-session", "-d", "-x", "160", "-y", "50", "sh", "-c", shell)

    def _run(self, *words: str) -> str:
        return subprocess.run(
            [*self._tmux, *words], check=False, stdout=subprocess.PIPE, text=True, timeout=PATIENCE
        ).stdout

    def shows(self, texts: tuple[str, ...]) -> bool:
        """Wait until some texts are on the screen, and return whether they came."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self._status.exists():
            screen = self.screen()
            if all(each in screen for each in texts):
                return True
            time.sleep(0.1)
        return False

    def screen(self) -> str:
        """Return what is on the screen."""
        return self._run("capture-pane", "-p")

    def status_after(self, key: str) -> str:
        """Press a key, wait for the end of the command, close, and return its exit status."""
        self._run("send-keys", key)
        end = time.monotonic() + PATIENCE
        while not self._status.exists() and time.monotonic() < end:
            time.sleep(0.05)
        status = self._status.read_text().strip() if self._status.exists() else "none"
        self._run("kill-server")
        return status


class Dumped(NamedTuple):
    """A dump of a loop that was blocked: what it said, when it came after the block had begun."""

    said: str
    errors: str
    after: float

    @property
    def names_it(self) -> bool:
        """Whether it names what blocks the loop."""
        return "blocked for" in self.said and ".block (" in self.said


class Run:
    """A service under load."""

    def __init__(self, running: subprocess.Popen[str], folder: str, seconds: float) -> None:
        self.output: IO[str] = running.stdout
        self.pid, self.port = map(int, self.output.readline().split())
        self.folder, self.seconds = os.path.join(folder, "-0"), seconds
        self.found: list[Answered] = []
        self.windows: dict[str, list[Window]] = {"alone": [], "attached": [], "top": []}
        self.left: dict[str, list[dict[str, Any]]] = {"attach": [], "dump": [], "top": []}
        self.dumps: list[Dumped] = []
        self.screen = ""
        self.faults: list[str] = []

    def ask(self, path: str) -> Any:
        """Return an answer of the service."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            return json.load(answer)

    def line(self, *words: str) -> list[str]:
        """Return the line of a command."""
        return [sys.executable, "-m", "tracetools", *words]

    def command(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.line(*words), stdout=pipe, stderr=pipe, text=True)

    def watch(self, what: str, seconds: float) -> None:
        """Let a window of time pass."""
        begin, cpu = time.monotonic(), cpu_of(self.pid)
        time.sleep(seconds)
        self.windows[what].append(Window(begin, time.monotonic(), cpu_of(self.pid) - cpu))

    def round(self, *, is_long: bool) -> None:
        """Leave it alone, attach, look while it is blocked, watch it, and ask what stays."""
        self.settle()
        self.watch("alone", self.seconds)
        self.attach(LONG if is_long else self.seconds)
        self.see_what_stays("attach")
        self.look()
        self.settle()
        self.see_what_stays("dump")
        self.top()
        self.see_what_stays("top")

    def settle(self) -> None:
        """Wait until no requests wait that have come while the loop was blocked."""
        while not self.found or time.monotonic() - self.found[-1].due > PROMPT:
            time.sleep(0.01)
        time.sleep(SETTLES)

    def see_what_stays(self, after: str) -> None:
        """Ask the service what of others is in it."""
        self.left[after].append(self.ask("/left"))

    def attach(self, seconds: float) -> None:
        """Record it for some seconds."""
        profile = os.path.join(self.folder, "a.profile.json")
        words = ["attach", str(self.pid), "--duration", f"{seconds}", "-o", profile]
        attach = self.command(*words)
        first = attach.stderr.readline()
        self.watch("attached", seconds - 0.1)
        _, errors = attach.communicate()
        if attach.returncode or "records" not in first:
            self.faults.append(f"attach: {attach.returncode} {first}{errors}")

    def look(self) -> None:
        """Dump while a request blocks the loop: from when it has begun until the dump is there."""
        over = Path(self.folder, "over")
        over.unlink(missing_ok=True)
        blocks = threading.Thread(target=self.ask, args=("/block",))
        blocks.start()
        self.output.readline()
        began = time.monotonic()
        said, errors = self.command("dump", str(self.pid)).communicate()
        self.dumps.append(Dumped(said, errors, time.monotonic() - began))
        over.touch()
        blocks.join()

    def top(self) -> None:
        """Show it in a terminal for some seconds."""
        terminal = Terminal(self.folder, self.line("top", str(self.pid)))
        is_shown = terminal.shows(SHOWN)
        self.watch("top", self.seconds)
        self.screen = terminal.screen()
        status = terminal.status_after("q")
        if not is_shown or status != "0":
            self.faults.append(f"top: shown {is_shown}, status {status}\n{self.screen}")


def show(run: Run) -> None:
    """Print the figures."""
    wrong = sum(each.took < 0 for each in run.found)
    print(f"{len(run.found):,} answers, {wrong} wrong")
    rows = {
        name: [window.rows(run.found) for window in windows]
        for name, windows in run.windows.items()
    }
    for index, what in enumerate(["p50, ms", "p99, ms", "CPU s/s"]):
        columns = {name: [row[index] for row in each] for name, each in rows.items()}
        said = [f"{name} {statistics.median(each):7.3f}" for name, each in columns.items()]
        for name in ("attached", "top"):
            pairs = zip(columns["alone"], columns[name], strict=True)
            ratio = statistics.median(its / alone for alone, its in pairs)
            said.append(f"{name}/alone {ratio:.3f}")
        print(f"{what:8} {', '.join(said)}")
    pooled = {name: percentile_99(run.found, windows) for name, windows in run.windows.items()}
    print("p99 of all windows, ms:", *(f"{name} {each:.3f}" for name, each in pooled.items()))
    for name, left in run.left.items():
        differ = [each["differs"] for each in left if each["differs"]]
        print(f"after {name}: {len(left)} times, {len(differ)} of which left: {differ[:3]}")
    show_looks(run)
    stays = run.left["top"]
    for name in ("modules", "MiB"):
        values = [each[name] for each in stays]
        print(f"{name}: first {values[0]}, second {values[1:2]}, last {values[-1]}")


def percentile_99(found: list[Answered], windows: list[Window]) -> float:
    """Return p99 over the answers of all windows, in milliseconds."""
    took = sorted(
        1e3 * each.took
        for each in found
        if any(window.begin <= each.due < window.end - 0.05 for window in windows)
    )
    return took[len(took) * 99 // 100]


def show_looks(run: Run) -> None:
    """Print what dumps and top have shown."""
    print(run.screen.rstrip(), run.dumps[-1].said.rstrip(), sep="\n\n")
    named = sum(each.names_it for each in run.dumps)
    latest = max(each.after for each in run.dumps)
    print(f"{named} of {len(run.dumps)} dumps named what blocks, the last after {latest:.2f} s")
    for each in [each for each in run.dumps if not each.names_it][:3]:
        print(f"after {each.after:.2f} s, not named: {each.errors}{each.said}")
    print(f"{len(run.windows['top'])} times top, {len(run.faults)} faults", *run.faults, sep="\n")


def main(way: str = "door", rounds: str = "50", seconds: str = "4") -> None:
    """Start the service and its load, attach so often, and show the figures."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # sockets want short paths
        os.environ |= {"TMPDIR": folder, "XDG_RUNTIME_DIR": ""}
        Path(folder, "-0").mkdir()
        command = [sys.executable, __file__, "--service", way]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            run, over = Run(running, folder, float(seconds)), threading.Event()
            time.sleep(3)
            asks = threading.Thread(target=lambda: asyncio.run(load(run.port, run.found, over)))
            asks.start()
            time.sleep(1)
            run.ask("/left")
            try:
                for index in range(int(rounds)):
                    run.round(is_long=index in {0, int(rounds) - 1})
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
