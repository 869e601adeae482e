"""Drawing a graph of many stacks: wall time and peak memory, as ratios to inferno's.

Both read the same file and write their SVG, each in a process of its own, turn by turn; starting
Python and importing are part of both. inferno is called through pyinferno, which has wheels for
Python 3.10 and 3.11; elsewhere only our own figures are shown. `costs.py` prints them.
"""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, spread

LIMITS = (1.0, 0.8)
"""Of wall time and memory, of inferno's."""

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
        return compare(10_000 if quick else 100_000, 2, Path(folder))
