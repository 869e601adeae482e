"""What recording costs: the table of every figure that has a limit, and whether it is met.

    python benchmarks/costs.py                          all rows, in less than ten minutes
    python benchmarks/costs.py --quick                  in less than two, less exact
    python benchmarks/costs.py --rows steps,tasks       some rows
    python benchmarks/costs.py --pure                   the Python reference, not the native core
    python benchmarks/costs.py --python python3.11 --python python3.13

Everything is measured in processes of their own, and compared with the same program with nothing
recorded, in turns, in one run. What is measured is kept on one core, the threads of the recorder
with it. A figure is a ratio of the fastest slices that each variant had (`figures.fastest`), or
their difference: the median of three processes, and as the spread the lowest and the highest of
them. With `--quick` there is one process, and the spread is that of thirds of its time. The 99th
percentile of the latency is a median over rounds, and its spread is the quartiles.

The limits are those of the core that is in use; it stands above the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from figures import Figure, extra, ratio, spread, within_noise

HERE = Path(__file__).parent
FIGURES = """
import json, sys
sys.path.insert(0, sys.argv[1])
from {module} import figures
print(json.dumps(figures(quick={quick})))
"""
ERRORS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from functions import errors
backend, seconds, runs = sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
print(json.dumps([errors(backend, 100 * run, seconds, None) for run in range(runs)]))
"""
CORE = """
import json, platform
from tracetools.core.native import native, why_not
print(json.dumps([platform.python_version(), native is not None, why_not]))
"""


class Machine:
    """Where it is measured: by which Python, with which core of ours, and how thoroughly.

    Attributes:
        quick: less thoroughly.
        cores: the numbers of one or two processors; none where a process cannot be kept on one.
        is_native: the native core is in use.
    """

    def __init__(self, python: str, *, quick: bool, pure: bool, cores: Sequence[str]) -> None:
        self.quick = quick
        self.cores = cores
        self._python = python
        self._environment = {**os.environ, **({"TRACETOOLS_PURE": "1"} if pure else {})}
        self._version, self.is_native, self._why_not = self.run("-c", CORE)

    def __str__(self) -> str:
        core = "native core" if self.is_native else f"Python reference ({self._why_not})"
        return f"Python {self._version}, {core}"

    def run(self, *arguments: object) -> Any:
        """Return what a process of this Python writes last, as JSON.

        Raises:
            subprocess.CalledProcessError: it failed; what it wrote to stderr is written to ours.
        """
        command = [self._python, *map(str, arguments)]
        run = subprocess.run(
            command, check=False, capture_output=True, text=True, env=self._environment
        )
        if run.returncode:
            sys.stderr.write(run.stderr)
        run.check_returncode()
        return json.loads(run.stdout.splitlines()[-1])

    def measure(self, script: str, *arguments: object) -> list[Any]:
        """Return what three processes find, one after another; one, if it is to be quick."""
        command = [HERE / f"{script}.py", *arguments, *self.cores[:1]]
        return [self.run(*command) for _ in range(1 if self.quick else 3)]


# ----------------------------------------------------------------------------------------- limits

NATIVE = {
    "step, trio: time only": 1.05,
    "step, trio: default": 1.08,
    "step, trio: keep": 1.10,
    "step, trio: all on": 1.20,
    "step, asyncio: default": 1.06,
    "step, asyncio: keep": 1.10,
    "step, asyncio: all on": 1.20,
    "step, uvloop: default": 1.12,
    "step, uvloop: all on": 1.35,
    "step, trio: functions, of default": 1.03,
    "step, asyncio: functions, of default": 1.03,
    "step, uvloop: functions, of default": 1.03,
    "short task, trio: default": 1.25,
    "short task, asyncio create_task: default": 1.30,
    "short task, asyncio TaskGroup: default": 1.30,
    "request, hypercorn: default": 1.04,
    "request, hypercorn: keep": 1.10,
    "request, hypercorn: all on": 1.08,
    "request, uvicorn: default": 1.06,
    "request, uvicorn: keep": 1.10,
    "request, uvicorn: all on": 1.12,
    "observe, function, recorded": 80,
    "observe, async function, recorded": 80,
    "with span, recorded": 150,
    "callback, one at a time: default": 100,
    "callback, 100 at a time: default": 100,
    "functions, in 2 s": 0.02,
    "functions, in 20 s": 0.01,
}
"""What the native core may cost: ratios, but of spans and callbacks nanoseconds."""

PURE = {
    "step, trio: time only": 1.25,
    "step, asyncio: time only": 1.40,
}
"""What the Python reference may cost."""


def limit(machine: Machine, what: str) -> float | None:
    return (NATIVE if machine.is_native else PURE).get(what)


# ------------------------------------------------------------------------------------------- rows


def steps(program: str, machine: Machine) -> Iterator[Figure]:
    runs = machine.measure("loops", program, 3 if machine.quick else 8)
    for variant in ("time only", "default", "keep", "all on"):
        what = f"{program}: {variant}"
        yield ratio(what, runs, variant, limit(machine, what))
    what = f"{program}: functions, of default"
    yield ratio(what, runs, "functions", limit(machine, what), base="default")


def tasks(program: str, machine: Machine) -> Iterator[Figure]:
    runs = machine.measure("loops", program, 2 if machine.quick else 5)
    for variant in ("time only", "default", "all on"):
        what = f"{program}: {variant}"
        yield ratio(what, runs, variant, limit(machine, what))


def callbacks(program: str, machine: Machine) -> Iterator[Figure]:
    runs = machine.measure("loops", program, 1.5 if machine.quick else 3)
    for variant in ("time only", "default", "all on"):
        what = f"{program}: {variant}"
        yield extra(what, runs, variant, limit(machine, what))


def spans(machine: Machine) -> Iterator[Figure]:
    runs = machine.measure("spans", 2 if machine.quick else 4)
    for what in runs[0]:
        yield extra(what, [run[what] for run in runs], "span", limit(machine, what))


def requests(server: str, where: str, machine: Machine) -> Iterator[Figure]:
    """Compare servers, with the load on the same core or on another one."""
    if where == "two cores" and len(machine.cores) < 2:
        return
    rounds = 5 if machine.quick else 7
    load = machine.cores[where == "two cores"] if machine.cores else ""
    runs = machine.measure("http_load", server, rounds, load)
    name = f"{runs[0]['server']}, {where}"
    cpu = [run["cpu"] for run in runs]
    for variant in ("default", "keep", "all on", "nothing again"):
        allowed = limit(machine, f"request, {server}: {variant}")
        yield ratio(f"HTTP CPU, {name}: {variant}", cpu, variant, allowed)
    p99 = {variant: list(chain(*(run["p99"][variant] for run in runs))) for variant in cpu[0]}
    for variant in ("default", "keep", "all on"):
        yield within_noise(f"HTTP p99, {name}: {variant}", p99, variant)


def functions(seconds: int, backend: str, machine: Machine) -> Iterator[Figure]:
    """Say how far the share of a function is off, at most, in runs of a known truth."""
    what = f"functions, in {seconds} s, {backend}: most off"
    if not (HERE / "functions.py").exists():
        yield Figure(what, found="not there")
        return
    if machine.quick and seconds > SECONDS[0]:
        return
    runs = 1 if machine.quick else {2: 5, 20: 1}[seconds]
    errors = machine.run("-c", ERRORS, HERE, backend, seconds, runs)
    worst = [
        max(abs(off) for name, off in run.items() if name != "samples a second") for run in errors
    ]
    allowed = limit(machine, f"functions, in {seconds} s")
    met = None if allowed is None else max(worst) <= allowed
    yield Figure(
        what,
        "",
        f"{max(worst):.2%}",
        spread(worst, ".2%"),
        f"≤{allowed:.0%}" if allowed else "",
        met,
    )


def of_module(module: str, machine: Machine) -> Iterator[Figure]:
    """Ask a module that measures in its own way, if it is there."""
    if not (HERE / f"{module}.py").exists():
        yield Figure(module, found="not there")
        return
    code = FIGURES.format(module=module, quick=machine.quick)
    for figure in machine.run("-c", code, HERE):
        yield Figure(*figure)


SECONDS = (2, 20)
Measure = Callable[[Machine], Iterable[Figure]]

ROWS: dict[str, list[Measure]] = {
    "steps": [partial(steps, f"step, {loop}") for loop in ("trio", "asyncio", "uvloop")],
    "tasks": [
        partial(tasks, f"short task, {how}")
        for how in ("trio", "asyncio create_task", "asyncio TaskGroup")
    ],
    "http": [
        partial(requests, server, where)
        for server in ("hypercorn", "uvicorn")
        for where in ("same core", "two cores")
    ],
    "spans": [spans],
    "callbacks": [
        partial(callbacks, how)
        for how in ("callback, one at a time", "callback, 100 at a time", "callback of a future")
    ],
    "functions": [
        partial(functions, seconds, backend)
        for seconds in SECONDS
        for backend in ("trio", "asyncio", "uvloop")
    ],
    "snapshots": [partial(of_module, "snapshots")],
    "drawing": [partial(of_module, "rendering")],
}

# ------------------------------------------------------------------------------------------ table

WIDTHS = (56, 10, 10, 18, 10, 4)
HEAD = Figure("what", "base", "found", "spread", "limit")


def print_row(*cells: str) -> None:
    padded = [cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)]
    print(f"| {' | '.join(padded)} |", flush=True)


def print_table(machine: Machine, rows: Iterable[str]) -> bool:
    """Measure and print some rows; return whether all could be measured."""
    print(f"{machine}\n")
    print_row(*HEAD[:-1], "met")
    print_row(*("-" * width for width in WIDTHS))
    load = busy()
    went_well = [print_figures(row, measure(machine)) for row in rows for measure in ROWS[row]]
    print(f"\nprocesses that wanted a processor: {load} before, {busy()} at the end\n")
    return all(went_well)


def busy() -> str:
    """Return how many processes wanted to run in the last minute, where that is known."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def print_figures(row: str, figures: Iterable[Figure]) -> bool:
    """Print some figures as they are measured; return whether they could be."""
    try:
        for figure in figures:
            print_row(*figure[:-1], {None: "", True: "yes", False: "no"}[figure.met])
    except subprocess.CalledProcessError:
        print_row(row, "", "failed", "", "", "")
        return False
    return True


def cores() -> Sequence[str]:
    """Return the first two processors that this process may run on, where that can be chosen."""
    if hasattr(os, "sched_getaffinity"):
        return [str(core) for core in sorted(os.sched_getaffinity(0))[:2]]
    return []


def main() -> int:
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--pure", action="store_true", help="set TRACETOOLS_PURE=1")
    parser.add_argument(
        "--python", action="append", metavar="PYTHON", help="an interpreter; may be repeated"
    )
    parser.add_argument(
        "--rows", default=",".join(ROWS), metavar="ROW,...", help="default: %(default)s"
    )
    chosen = parser.parse_args()
    rows = chosen.rows.split(",")
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    went_well = True
    for python in chosen.python or [sys.executable]:
        machine = Machine(python, quick=chosen.quick, pure=chosen.pure, cores=cores())
        went_well = print_table(machine, rows) and went_well
    return not went_well


if __name__ == "__main__":
    sys.exit(main())
