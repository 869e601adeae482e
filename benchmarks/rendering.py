"""Drawing a graph of many stacks: wall time and peak memory, as ratios to inferno's; and reports.

Both read the same file and write their SVG, each in a process of its own, turn by turn; starting
Python and importing are part of both. inferno is called through pyinferno, which has wheels for
Python 3.10 and 3.11; elsewhere only our own figures are shown. `costs.py` prints them.

A report is written by one process, of a profile of as many stacks. It is opened in chromium, where
playwright and Debian's chromium are there: until its script has run and the layout is done.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure, spread

from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.formats.profile_json import write_profile

LIMITS = (1.0, 0.8)
"""Of wall time and memory, of inferno's."""

REPORT_LIMITS = (3.0, 1.0)
"""Of writing and opening the report of 100,000 stacks, in seconds."""

CHROMIUM = "/usr/bin/chromium"

OURS = """
from tracetools.output.flamegraph import Flamegrapher
Flamegrapher(FILE).write_flamegraph()
"""
INFERNO = """
import pyinferno
with open(FILE) as file:
    text = pyinferno.flamegraph_from_lines(file.read().splitlines(), "Flame Graph")
with open(FILE + ".inferno.svg", "w") as file:
    file.write(text)
"""
PROGRAMS = {"ours": OURS, "inferno": INFERNO}
MEASURED = """
import json, resource, sys, time
began = time.perf_counter()
FILE = sys.argv[1]
{}
wall = time.perf_counter() - began
print(json.dumps([wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def write_stacks(path: Path, number: int, seed: int = 1) -> None:
    """Write distinct stacks of a mean depth of 20, about 66 MB for 100,000 of them.

    Each goes on from a prefix of one before it, as calls do that share their callers.
    """
    dice = random.Random(seed)  # the same file in every run
    modules = [f"app/module{n}.py" for n in range(40)]
    functions = [
        f"{dice.choice('abcdefgh')}_call{n} ({dice.choice(modules)}:{dice.randrange(1, 900)})"
        for n in range(400)
    ]
    known: list[tuple[str, ...]] = [()]
    seen: set[tuple[str, ...]] = set()
    with path.open("w") as file:
        while len(seen) < number:
            caller = known[dice.randrange(min(len(known), 2000))]
            depth = max(1, min(60, round(dice.gauss(20, 6))))
            shared = caller[: dice.randrange(len(caller) + 1)]
            stack = shared + tuple(dice.choices(functions, k=max(0, depth - len(shared))))
            if stack and stack not in seen:
                seen.add(stack)
                known.append(stack)
                file.write(f"{';'.join(stack)} {dice.randrange(1, 1000)}\n")


def profile_of(number: int, seed: int = 1) -> Profile:
    """Return a profile of so many stacks, of functions of a program and of libraries."""
    dice = random.Random(seed)
    own, libraries = range(40), range(30)
    files = [f"app/m{n}.py" for n in own] + [f"starlette/m{n}.py" for n in libraries]
    frames = [Frame(f"call{n}", dice.choice(files), dice.randrange(1, 900)) for n in range(600)]
    stacks = {(ROOT,): Times(busy=10**9)}
    known = [(ROOT,)]
    while len(stacks) < number:
        path = known[dice.randrange(min(len(known), 2000))]
        path = path[: 1 + dice.randrange(len(path))]
        depth = max(2, min(60, round(dice.gauss(24, 6))))
        while len(path) < depth and len(stacks) < number:
            path = (*path, dice.choice(frames))
            busy = dice.randrange(1, 10**6)
            stacks.setdefault(path, Times(busy, busy // 5, 3 * busy, steps=2, entries=1))
        known.append(path)
    return Profile(
        stacks,
        duration=sum(times.busy for times in stacks.values()),
        task_time=sum(sum(times[:3]) for path, times in stacks.items() if path[1:]),
        runs=1,
        samples=number,
        scheduled_measured=True,
        origins={file: "library" for file in files if file.startswith("starlette")},
    )


def report_figures(number: int, rounds: int, folder: Path) -> list[Figure]:
    """Return how long it takes to write the report of so many stacks, and to open it."""
    source, page = folder / "many.profile.json", folder / "many.html"
    write_profile(source, profile_of(number))
    written = []
    for _ in range(rounds):
        began = time.perf_counter()
        command = [sys.executable, "-m", "tracetools", "render", str(source), "-o", str(page)]
        subprocess.run(command, check=True, capture_output=True)
        written.append(time.perf_counter() - began)
    found = {"written": written}
    if importlib.util.find_spec("playwright") is not None and Path(CHROMIUM).exists():
        found["opened in chromium"] = [opened(page) for _ in range(rounds)]
    return [
        Figure(
            f"report of {number:,} stacks, {what}",
            found=f"{min(taken):.2f} s",
            spread=spread(taken, ".2f"),
            limit=f"\u2264{limit} s",
            met=min(taken) <= limit,
        )
        for (what, taken), limit in zip(found.items(), REPORT_LIMITS, strict=False)
    ]


def opened(page: Path) -> float:
    """Return how many seconds chromium takes to open a page."""
    sync_api = importlib.import_module("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto("about:blank")
        began = time.perf_counter()
        tab.goto(page.as_uri())
        tab.evaluate("document.body.getBoundingClientRect().height")
        taken = time.perf_counter() - began
        browser.close()
    return taken


def measure(program: str, path: Path) -> tuple[float, float]:
    """Return the seconds and the megabytes that a program takes for a file."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURED.format(program), str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    wall, memory = json.loads(run.stdout)
    return wall, memory


def compare(number: int, rounds: int, folder: Path) -> list[Figure]:
    """Return our wall time and memory for so many stacks, as ratios where inferno is there."""
    path = folder / "stacks.folded"
    write_stacks(path, number)
    found: dict[str, list[tuple[float, float]]] = {"ours": []}
    if importlib.util.find_spec("pyinferno") is not None:
        found["inferno"] = []
    for _ in range(rounds):
        for name, taken in found.items():
            taken.append(measure(PROGRAMS[name], path))
    return [
        figure(f"drawing {number:,} stacks: {what}", index, unit, found)
        for index, (what, unit) in enumerate([("wall", "s"), ("memory", "MB")])
    ]


def figure(what: str, index: int, unit: str, found: dict[str, list[tuple[float, float]]]) -> Figure:
    mine = [taken[index] for taken in found["ours"]]
    if "inferno" not in found:
        return Figure(what, found=f"{min(mine):,.1f} {unit}", spread=spread(mine, ".1f"))
    theirs = [taken[index] for taken in found["inferno"]]
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    ratio = min(mine) / min(theirs)
    limit = LIMITS[index]
    base = f"{min(theirs):,.1f} {unit}"
    return Figure(what, base, f"{ratio:.2f}", spread(ratios, ".2f"), f"≤{limit}", ratio <= limit)


def figures(*, quick: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        number = 10_000 if quick else 100_000
        return [
            *compare(number, 2, Path(folder)),
            *report_figures(number, 2, Path(folder)),
        ]
