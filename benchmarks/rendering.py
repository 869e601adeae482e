"""Drawing a graph of many stacks: wall time and peak memory, as ratios to inferno's.

Both read the same file and write their SVG, each in a process of its own, turn by turn; starting
Python and importing are part of both. inferno is called through pyinferno, which has wheels for
Python 3.10 and 3.11; elsewhere only our own figures are shown.
"""

from __future__ import annotations

import importlib.util
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 5
SIZES = (10_000, 100_000)

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


def compare(number: int, folder: Path) -> None:
    """Print what both take for so many stacks."""
    path = folder / "stacks.folded"
    write_stacks(path, number)
    size = path.stat().st_size / 1e6
    print(f"{number:,} stacks, {size:.1f} MB ({ROUNDS} rounds)")
    has_inferno = importlib.util.find_spec("pyinferno") is not None
    rows = []
    for _ in range(ROUNDS):
        ours = measure(OURS, path)
        rows.append((ours, measure(INFERNO, path) if has_inferno else ours))
    for index, (what, unit) in enumerate([("wall", "s"), ("peak memory", "MB")]):
        mine = statistics.median(ours[index] for ours, _ in rows)
        line = f"  {what:<12} {mine:8.2f} {unit}"
        if has_inferno:
            theirs = statistics.median(inferno[index] for _, inferno in rows)
            ratio = statistics.median(ours[index] / inferno[index] for ours, inferno in rows)
            line += f"   inferno {theirs:8.2f} {unit}   ratio {ratio:.2f}"
        print(line)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            compare(size, Path(folder))
