"""Ask tools why requests are slow, of a shop that knows it: `slow_shop.py`.

    python benchmarks/peers/slow_request.py --newest /path/to/python3.15 --ddtrace /path/to/python

This Python has tracetools and viztracer, `--newest` is a Python 3.15, and `--ddtrace` one that has
ddtrace; what is not given is not asked. Each round runs the shop under each tool, in an order that
differs. With `--write` the tables stand in `docs/explanation/slow-requests-compared.md`; with
`--keep` what the tools have written stays in a folder, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, NamedTuple

from slow_reading import (
    CAUSES,
    Seconds,
    causes_of,
    of_locks,
    of_samples,
    of_tracetools,
    of_viztracer,
    of_wall,
)

HERE: Final = Path(__file__).parent
SHOP: Final = str(HERE / "slow_shop.py")
PAGE: Final = HERE.parents[1] / "docs" / "explanation" / "slow-requests-compared.md"
PLACE: Final = re.compile(r"(?s)(?<=<!-- measured -->\n).*?(?=<!-- end of measured -->)")
NEAR: Final = 0.25
"""How far off a time may be to count as told."""
SNAPSHOTS: Final = 5
PATIENCE: Final = 120
DDTRACE: Final = {
    "DD_PROFILING_ENABLED": "true",
    "DD_PROFILING_LOCK_ENABLED": "true",
    "DD_PROFILING_CAPTURE_PCT": "100",
    "DD_TRACE_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
}
"""All lock events rather than one in a hundred, and no agent."""


RESOURCES: Final = "tracetools --keep 0.35 --resources"
VIZTRACER: Final = "viztracer --log_async"
SAMPLING: Final = "profiling.sampling --async-mode all"
LOCKS: Final = "ddtrace, lock profiler"
WALL: Final = "ddtrace, wall time"


class Pythons(NamedTuple):
    """The Pythons with the tools; those that are not given are empty."""

    own: str
    newest: str
    ddtrace: str


class Tool(NamedTuple):
    """A tool, and how it is asked.

    Attributes:
        name: as the table has it.
        base: what it is compared with.
        command: what is run, for the Pythons and a folder.
        read: what it says, for the Pythons and that folder, by the rows of the table.
        environment: what is set for it, for the folder.
    """

    name: str
    base: str
    command: Callable[[Pythons, Path], list[str]]
    read: Callable[[Pythons, Path], dict[str, Seconds]]
    environment: Callable[[Path], dict[str, str]] = lambda _folder: {}


def _tracetools(*options: str) -> Callable[[Pythons, Path], list[str]]:
    return lambda pythons, folder: [
        *(pythons.own, "-m", "tracetools", "run", "-q", *options),
        *("-o", str(folder / "out"), SHOP, "tracetools"),
    ]


def _viztracer(pythons: Pythons, folder: Path) -> list[str]:
    options = ["--quiet", "--log_async", "-o", str(folder / "out.json")]
    return [pythons.own, "-m", "viztracer", *options, SHOP]


def _ddtrace(pythons: Pythons, _folder: Path) -> list[str]:
    return [str(Path(pythons.ddtrace).parent / "ddtrace-run"), pythons.ddtrace, SHOP]


def _sampling(pythons: Pythons, folder: Path) -> list[str]:
    options = ["--async-aware", "--async-mode", "all", "--collapsed", "-o", str(folder / "out")]
    return [pythons.newest, "-m", "profiling.sampling", "run", *options, SHOP]


def _read_ddtrace(pythons: Pythons, folder: Path) -> dict[str, Seconds]:
    [path] = folder.glob("*.pprof")
    code = "import sys, compression.zstd as z; sys.stdout.buffer.write(z.open(sys.argv[1]).read())"
    data = subprocess.run([pythons.newest, "-c", code, path], stdout=subprocess.PIPE, check=True)
    return {LOCKS: of_locks(data.stdout), WALL: of_wall(data.stdout)}


def _nothing(_pythons: Pythons, _folder: Path) -> dict[str, Seconds]:
    return {}


TOOLS: Final = [
    Tool("own", "own", lambda pythons, _: [pythons.own, SHOP], _nothing),
    Tool("tracetools", "own", _tracetools(), _nothing),
    Tool("tracetools --keep 10, nothing kept", "own", _tracetools("--keep", "10"), _nothing),
    Tool("tracetools --keep 0.35", "own", _tracetools("--keep", "0.35"), _nothing),
    Tool(
        RESOURCES,
        "own",
        _tracetools("--keep", "0.35", "--resources"),
        lambda _, folder: {RESOURCES: of_tracetools(folder / "out.profile.json")},
    ),
    Tool(
        VIZTRACER,
        "own",
        _viztracer,
        lambda _, folder: {VIZTRACER: of_viztracer(folder / "out.json")},
    ),
    Tool("newest", "newest", lambda pythons, _: [pythons.newest, SHOP], _nothing),
    Tool(
        SAMPLING,
        "newest",
        _sampling,
        lambda _, folder: {SAMPLING: of_samples(folder / "out")},
    ),
    Tool("with ddtrace", "with ddtrace", lambda pythons, _: [pythons.ddtrace, SHOP], _nothing),
    Tool(
        "ddtrace",
        "with ddtrace",
        _ddtrace,
        _read_ddtrace,
        lambda folder: {**DDTRACE, "DD_PROFILING_OUTPUT_PPROF": str(folder / "out")},
    ),
]


def tools_for(pythons: Pythons) -> list[Tool]:
    """Return the tools whose Python is given."""
    missing = {
        *([] if pythons.newest else ["newest", "with ddtrace"]),
        *([] if pythons.ddtrace else ["with ddtrace"]),
    }
    return [tool for tool in TOOLS if tool.base not in missing]


# ----------------------------------------------------------------------------------------- a run


def run(tool: Tool, pythons: Pythons, folder: Path) -> dict[str, float]:
    """Run the shop under a tool; return what the shop measured, and what all of it took."""
    folder.mkdir(parents=True)
    used = _cpu_of_children()
    printed = subprocess.run(
        tool.command(pythons, folder),
        env={**os.environ, **tool.environment(folder)},
        cwd=folder,
        capture_output=True,
        check=True,
        text=True,
        timeout=PATIENCE,
    ).stdout
    [line] = [line for line in printed.splitlines() if line.startswith('{"wall"')]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        **json.loads(line),
        "all": _cpu_of_children() - used,
        "size": sum(path.stat().st_size for path in files),
    }


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# ----------------------------------------------------------------------------------- snapshots

LOOKS: Final = {
    "profiling.sampling dump --async-aware": (
        ["-m", "profiling.sampling", "dump", "--async-aware"],
        r"\n\n",
    ),
    "asyncio pstree": (["-m", "asyncio", "pstree"], r"\(T\)"),
}
"""What looks at a process that runs, and what stands between two tasks in what it prints."""


def looks_at(newest: str, command: Sequence[str], between: str) -> tuple[Seconds, float]:
    """Look at the shop a few times; return how often each cause was seen, and CPU of one look."""
    seen: Seconds = Counter()
    with subprocess.Popen([newest, SHOP], stdout=subprocess.DEVNULL) as shop:
        time.sleep(0.3)
        used = _cpu_of_children()
        for _ in range(SNAPSHOTS):
            looked = subprocess.run(
                [newest, *command, str(shop.pid)], stdout=subprocess.PIPE, check=False, text=True
            )
            tasks = re.split(between, looked.stdout)
            seen.update({cause for task in tasks for cause in causes_of([task])})
        taken = (_cpu_of_children() - used) / SNAPSHOTS
        shop.kill()
    return seen, taken


# ----------------------------------------------------------------------------------- the tables


class Found(NamedTuple):
    """What all rounds have found.

    Attributes:
        runs: what the shop measured and what it took, of each tool.
        said: for each row, seconds said and seconds true of each cause.
        seen: for what looks at a process, how often each cause was seen, and CPU of one look.
    """

    runs: dict[str, list[dict[str, float]]]
    said: dict[str, dict[str, list[tuple[float, float]]]]
    seen: dict[str, tuple[Seconds, float]]


def measure(pythons: Pythons, rounds: int, kept: Path) -> Found:
    found = Found(defaultdict(list), defaultdict(lambda: defaultdict(list)), {})
    tools, dice = tools_for(pythons), random.Random(1)
    for number in range(rounds):
        dice.shuffle(tools)
        for tool in tools:
            print(f"round {number + 1} of {rounds}: {tool.name}", file=sys.stderr)
            folder = kept / f"{number + 1}" / tool.name.replace(" ", "-")
            truth = run(tool, pythons, folder)
            found.runs[tool.name].append(truth)
            for row, seconds in tool.read(pythons, folder).items():
                for cause in CAUSES:
                    found.said[row][cause].append((seconds.get(cause, 0), truth[cause]))
    if pythons.newest:
        for name, (command, between) in LOOKS.items():
            found.seen[name] = looks_at(pythons.newest, command, between)
    return found


def tables(found: Found, about: str) -> str:
    """Return what stands in the page."""
    causes = ["waits for the pool", "for the lock", "for the limiter", "the slow child"]
    return "\n".join(
        [
            "",
            *_lines([["its own output says", *causes], *_answers(found)]),
            "",
            *_lines([["", "CPU of the shop", "CPU in all", "a request", "output"], *_costs(found)]),
            "",
            about,
            "",
            "",
        ]
    )


def _answers(found: Found) -> Iterator[list[str]]:
    for row in (RESOURCES, VIZTRACER, SAMPLING, LOCKS, WALL):
        if row in found.said:
            said = found.said[row]
            yield [f"`{row}`", *(_answer(row, cause, said[cause]) for cause in CAUSES)]
    for name, (seen, _) in found.seen.items():
        yield [
            f"`{name}`",
            *(
                f"partly: in {seen[cause]:.0f} of {SNAPSHOTS} looks" if seen[cause] else "not"
                for cause in CAUSES
            ),
        ]


def _answer(row: str, cause: str, pairs: Sequence[tuple[float, float]]) -> str:
    """Return told, partly or not, with the seconds of a round beside the true ones."""
    said, true = (statistics.fmean(each) for each in zip(*pairs, strict=True))
    if not said:
        return "not"
    if cause == "child" and row != RESOURCES:
        return f"partly: took {said:.2f} s"
    word = "told" if abs(said - true) <= NEAR * true else "partly"
    if cause == "child":
        return f"{word}: {said * 1e3:.0f} of {true * 1e3:.0f} ms a request"
    return f"{word}: {_seconds(said)} of {_seconds(true)}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.01 else f"{value * 1e3:.2f} ms"


def _costs(found: Found) -> Iterator[list[str]]:
    for tool in TOOLS:
        if tool.name in found.runs and tool.name != tool.base:
            runs, base = found.runs[tool.name], found.runs[tool.base]
            ratios = (_ratio(runs, base, what) for what in ("cpu", "all", "request"))
            yield [f"`{tool.name}`", *ratios, _size(runs[0]["size"])]
    for name, (_, taken) in found.seen.items():
        yield [f"`{name}`", "", f"{taken:.2f} s a look", "", ""]


def _ratio(runs: list[dict[str, float]], base: list[dict[str, float]], what: str) -> str:
    ratios = [one[what] / other[what] for one, other in zip(runs, base, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _size(count: float) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *others = (f"| {' | '.join(row)} |" for row in rows)
    return [head, "|---" * len(rows[0]) + "|", *others]


def _about(pythons: Pythons, rounds: int, load: float) -> str:
    day = datetime.now(timezone.utc).date().isoformat()
    versions = {
        "Python": _version(pythons.own),
        "viztracer": _version(pythons.own, "viztracer"),
        "Python of profiling.sampling": _version(pythons.newest),
        "Python of ddtrace": _version(pythons.ddtrace),
        "ddtrace": _version(pythons.ddtrace, "ddtrace"),
    }
    return (
        f"Measured on {day}: {os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"load average {load:.1f} and {os.getloadavg()[0]:.1f} at the start and the end, rounds: "
        f"{rounds}. {', '.join(f'{name} {text}' for name, text in versions.items() if text)}."
    )


def _version(python: str, package: str = "") -> str:
    if not python:
        return ""
    code = (
        f"from importlib.metadata import version; print(version({package!r}))"
        if package
        else "import platform; print(platform.python_version())"
    )
    ran = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    return ran.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--newest", default="", help="a Python 3.15")
    parser.add_argument("--ddtrace", default="", help="a Python with ddtrace; needs --newest")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for what the tools write")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    options = parser.parse_args()
    pythons = Pythons(sys.executable, options.newest, options.ddtrace)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        found = measure(pythons, options.rounds, options.keep or Path(folder))
    text = tables(found, _about(pythons, options.rounds, load))
    if options.write:
        PAGE.write_text(PLACE.sub(lambda _: text, PAGE.read_text()))
    else:
        print(text)


if __name__ == "__main__":
    main()
