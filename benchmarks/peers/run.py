"""Measure other profilers beside tracetools, on two programs, in one run.

    python benchmarks/peers/run.py --newest /path/to/python3.15 -o benchmarks/peers/found.json

This Python and `--newest` (for the profiler that only 3.15 has) both need the extra `peers`:
`pip install 'trio-tracetools[peers]'`. With five rounds it takes about ten minutes. Every round
starts each program anew under each tool, in an order that differs; a ratio is to the same program
under the same Python in the same round. `python benchmarks/peers/table.py` makes the table of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from questions import ask_of_server, ask_of_tasks
from reading import (
    Reading,
    of_folded,
    of_memray,
    of_pyinstrument,
    of_tracetools,
    of_viztracer,
)

from tracetools.core.native import why_not

HERE: Final = Path(__file__).parent
SERVER: Final = HERE / "server.py"
TASKS: Final = HERE / "tasks.py"
PINGS: Final = 50
SLICES: Final = 10
FASTEST: Final = 20
"""The fastest of so many slices count."""
PARTS: Final = 3
"""Rounds are compared in so many parts, to see how far they differ."""
CONNECTIONS: Final = 8
MIXED: Final = ["/report/2024", "/row/1", "/row/2", "/ping", "/row/3"] * 16 + ["/settings"] * 5
PATIENCE: Final = 120
"""Seconds until a program under a tool counts as hanging."""


Slices = dict[str, list[float]]
"""What the slices of one run took: ``wall`` and ``cpu``, in seconds."""


class Tool(NamedTuple):
    """A profiler, and how it is asked to write what can be read.

    Attributes:
        name: as the table has it.
        package: the distribution whose version counts; empty for what is part of Python.
        command: what stands before the program, for a Python and a file to write.
        read: reads that file.
        newest: it needs the newest Python.
        file: the name of the file; `read` and the size are about it.
    """

    name: str
    package: str
    command: Callable[[str, str], list[str]]
    read: Callable[[Path], Reading]
    newest: bool = False
    file: str = "out"


def _sampling(*options: str) -> Callable[[str, str], list[str]]:
    return lambda python, out: [
        *(python, "-m", "profiling.sampling", "run", *options, "--collapsed", "-o", out)
    ]


def _py_spy(*options: str) -> Callable[[str, str], list[str]]:
    return lambda python, out: [
        *(str(Path(python).parent / "py-spy"), "record", "-f", "raw", *options, "-o", out),
        *("--", python),
    ]


def _tracetools(python: str, out: str) -> list[str]:
    return [
        python,
        "-m",
        "tracetools",
        "run",
        "-q",
        "--functions",
        "-o",
        out.removesuffix(".profile.json"),
    ]


def _nothing(python: str, _out: str) -> list[str]:
    return [python]


TOOLS: Final = [
    Tool("nothing", "", _nothing, of_memray),
    Tool("tracetools", "trio-tracetools", _tracetools, of_tracetools, file="out.profile.json"),
    Tool(
        "pyinstrument",
        "pyinstrument",
        lambda python, out: [python, "-m", "pyinstrument", "-r", "json", "-o", out],
        of_pyinstrument,
    ),
    Tool("py-spy", "py-spy", _py_spy(), of_folded(0.01)),
    Tool("py-spy --idle", "py-spy", _py_spy("--idle"), of_folded(0.01)),
    Tool(
        "viztracer",
        "viztracer",
        lambda python, out: [python, "-m", "viztracer", "--quiet", "-o", out],
        of_viztracer,
        file="out.json",
    ),
    Tool(
        "memray",
        "memray",
        lambda python, out: [python, "-m", "memray", "run", "-q", "-f", "-o", out],
        of_memray,
    ),
    Tool("nothing, newest", "", _nothing, of_memray, newest=True),
    Tool("profiling.sampling", "", _sampling(), of_folded(0.001), newest=True),
    Tool(
        "profiling.sampling --async-aware",
        "",
        _sampling("--async-aware"),
        of_folded(0.001),
        newest=True,
    ),
    Tool(
        "profiling.sampling --async-aware --async-mode all",
        "",
        _sampling("--async-aware", "--async-mode", "all"),
        of_folded(0.001),
        newest=True,
    ),
]


def base_of(tool: Tool) -> str:
    """Return the name of what a tool is compared with."""
    return "nothing, newest" if tool.newest else "nothing"


# ----------------------------------------------------------------------------------- the programs


@contextmanager
def started(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a command, and kill it if it does not end."""
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def run_server(tool: Tool, python: str, folder: Path) -> dict[str, Any]:
    """Run the server under a tool; return what a ping took there, and what was true."""
    port = _free_port()
    command = [*tool.command(python, str(folder / tool.file)), str(SERVER), str(port)]
    with started(command, folder) as process:
        found = asyncio.run(asyncio.wait_for(_load(port, process.pid), PATIENCE))
        process.communicate(timeout=PATIENCE)
        _see_that_it_ended_well(process, folder)
    return found


def run_tasks(tool: Tool, python: str, folder: Path, backend: str) -> dict[str, Any]:
    """Run the tasks under a tool; return what they took, and what was true."""
    command = [*tool.command(python, str(folder / tool.file)), str(TASKS), backend]
    with started(command, folder) as process:
        printed, _ = process.communicate(timeout=PATIENCE)
        _see_that_it_ended_well(process, folder)
    [line] = [line for line in printed.splitlines() if line.startswith('{"wall"')]
    return json.loads(line)


def _see_that_it_ended_well(process: subprocess.Popen[str], folder: Path) -> None:
    if process.returncode:
        raise RuntimeError(f"{process.args}: {(folder / 'said').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# --------------------------------------------------------------------------------------- the load


async def _load(port: int, pid: int) -> dict[str, Any]:
    await _until_it_answers(port)
    await _burst(port, ["/ping"] * 200)
    taken: dict[str, list[float]] = {"wall": [], "cpu": []}
    for _ in range(SLICES):
        used, began = cpu_of_tree(pid), time.perf_counter()
        await _burst(port, ["/ping"] * PINGS)
        taken["wall"].append(time.perf_counter() - began)
        taken["cpu"].append(cpu_of_tree(pid) - used)
    await _burst(port, MIXED)
    truth = json.loads(await _ask(port, "/truth"))
    await _ask(port, "/stop")
    return {**taken, **truth}


async def _until_it_answers(port: int) -> None:
    while not await _answers(port):  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.05)


async def _answers(port: int) -> bool:
    try:
        await _ask(port, "/ping")
    except OSError:
        return False
    return True


async def _burst(port: int, paths: Sequence[str]) -> None:
    """Ask for all paths, over some connections that are kept."""
    left = iter(paths)

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in left:
            await _request(reader, writer, path)
        writer.close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


async def _ask(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = await _request(reader, writer, path)
    writer.close()
    return body


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> str:
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    if " 200 " not in head.splitlines()[0]:
        raise RuntimeError(f"{path}: {head}")
    length = next(
        line.split(":")[1]
        for line in head.lower().splitlines()
        if line.startswith("content-length")
    )
    return (await reader.readexactly(int(length))).decode()


def cpu_of_tree(pid: int) -> float:
    """Return the CPU time of a process and of all below it, in seconds."""
    children: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children[parent].append(int(path.parent.name))
    nanoseconds, left = 0, [pid]
    while left:
        number = left.pop()
        left += children[number]
        for path in Path(f"/proc/{number}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                nanoseconds += int(path.read_text().split()[0])
    return nanoseconds / 1e9


# ---------------------------------------------------------------------------------------- a round


def measure(tool: Tool, python: str, found: dict[str, Any], *, on_trio: bool) -> None:
    """Run both programs under a tool once, and add what is found."""
    _measure(found, tool, partial(run_server, tool, python), _note_server)
    _measure(found, tool, partial(run_tasks, tool, python, backend="asyncio"), _note_tasks)
    if on_trio:
        _measure(found, tool, partial(run_tasks, tool, python, backend="trio"), _note_trio)


def _measure(
    found: dict[str, Any],
    tool: Tool,
    run: Callable[..., dict[str, Any]],
    note: Callable[[dict[str, Any], dict[str, Any], Reading, int], None],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = run(folder=folder)
        path = folder / tool.file
        if tool.command is _nothing:
            note(found, one, Reading({}, {}), 0)
        else:
            note(found, one, tool.read(path), path.stat().st_size)


def _note_server(found: dict[str, Any], one: dict[str, Any], said: Reading, size: int) -> None:
    found["request"].append({"wall": one["wall"], "cpu": one["cpu"]})
    found["size of server"].append(size)
    for question, is_right in ask_of_server(said, one).items():
        found["answers"][question].append(is_right)


def _note_tasks(found: dict[str, Any], one: dict[str, Any], said: Reading, size: int) -> None:
    found["tasks"].append({"wall": one["wall"], "cpu": one["cpu"]})
    found["size of tasks"].append(size)
    found["answers"]["tree"].append(ask_of_tasks(said, one))


def _note_trio(found: dict[str, Any], one: dict[str, Any], said: Reading, _size: int) -> None:
    found["answers"]["tree on trio"].append(ask_of_tasks(said, one))


# ------------------------------------------------------------------------------------- the whole


def measure_all(pythons: Mapping[bool, str], rounds: int) -> Iterator[dict[str, dict[str, Any]]]:
    """Measure every tool in every round; yield what is found until then after each."""
    found: dict[str, dict[str, Any]] = {
        tool.name: {**{key: [] for key in KEPT}, "answers": defaultdict(list)} for tool in TOOLS
    }
    tools, dice = list(TOOLS), random.Random(1)
    for number in range(rounds):
        dice.shuffle(tools)
        for tool in tools:
            print(f"round {number + 1} of {rounds}: {tool.name}", file=sys.stderr)
            measure(tool, pythons[tool.newest], found[tool.name], on_trio=number < TRIO_ROUNDS)
        yield found


KEPT: Final = ["request", "tasks", "size of server", "size of tasks"]
TRIO_ROUNDS: Final = 3


def summary(tool: Tool, all_found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what is kept of a tool: ratios to nothing, sizes, and what most rounds answered."""
    found, base = all_found[tool.name], all_found[base_of(tool)]
    return {
        "name": tool.name,
        **{
            f"{what} {kind}": _ratios(found[what], base[what], kind)
            for what in ("request", "tasks")
            for kind in ("wall", "cpu")
        },
        "size": statistics.median(found["size of server"]),
        "answers": {
            question: sum(given) * 2 > len(given) for question, given in found["answers"].items()
        },
    }


def _ratios(found: list[Slices], base: list[Slices], kind: str) -> list[float]:
    """Return the ratio of the fastest slices of all rounds; the lowest and the highest of parts."""
    whole = _fastest(found, kind) / _fastest(base, kind)
    parts = [
        _fastest(found[part::PARTS], kind) / _fastest(base[part::PARTS], kind)
        for part in range(min(PARTS, len(found)))
    ]
    return [round(value, 3) for value in (min(parts), whole, max(parts))]


def _fastest(rounds: list[Slices], kind: str) -> float:
    """Return the mean of the fastest slices: a machine that does other work slows down the rest."""
    slices = sorted(chain.from_iterable(one[kind] for one in rounds))
    return statistics.fmean(slices[: max(3, len(slices) // FASTEST)])


def versions(pythons: Mapping[bool, str]) -> dict[str, str]:
    """Return the versions of what was measured."""
    packages = {tool.package for tool in TOOLS} - {""} | {"fastapi", "uvicorn", "trio"}
    return {
        "Python": _version(pythons[False]),
        "Python of profiling.sampling": _version(pythons[True]),
        **{name: metadata.version(name) for name in sorted(packages)},
    }


def _version(python: str) -> str:
    code = "import platform; print(platform.python_version())"
    ran = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    return ran.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--newest", required=True, help="a Python 3.15 with the extra `peers`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "found.json")
    options = parser.parse_args()
    if why_not:
        parser.error(f"tracetools has no native core here: {why_not}; install it anew")
    pythons = {False: sys.executable, True: options.newest}
    load = os.getloadavg()[0]
    for number, found in enumerate(measure_all(pythons, options.rounds), start=1):
        text = {
            "date": datetime.now(timezone.utc).date().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
            "load average": [round(load, 1), round(os.getloadavg()[0], 1)],
            "rounds": number,
            "versions": versions(pythons),
            "tools": [summary(tool, found) for tool in TOOLS if tool.command is not _nothing],
        }
        options.output.write_text(json.dumps(text, indent=1) + "\n")
    print(f"Written: {options.output}")


if __name__ == "__main__":
    main()
