"""Whose time a shared helper takes: against a known truth, on every backend.

Three kinds of tasks and their children share one helper, five awaits deep, and use it for known
times; part of it is a span. The share of each kind, and of each kind's span, must be right within
1 %, and all stacks together must be the wall clock's time within 0.1 %. A profiler that knows
functions only sees one helper; to say for whom it works, it can but divide its time by the number
of calls.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter_ns

import anyio
import anyio.lowlevel

from tracetools import Profile, observe, record
from tracetools.output.formats.folded import read_folded

ROUNDS = 4
# Long, so that what task groups themselves take (a quarter of a millisecond a round) is little.
TRUTH = {"alpha": 80_000_000, "beta": 120_000_000, "gamma": 240_000_000}
CHILD = {"alpha_child": 160_000_000, "gamma_child": 100_000_000}
BACKENDS = {
    "trio": ("trio", {}),
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
}
spent: Counter[str] = Counter()


def burn(kind: str, ns: int) -> None:
    """Be busy for so long, and note for how long it was."""
    begun = perf_counter_ns()
    while perf_counter_ns() - begun < ns:
        pass
    spent[kind] += perf_counter_ns() - begun


@observe
def encode(kind: str, ns: int) -> None:
    burn(f"{kind};encode", ns)


async def helper(kind: str, ns: int) -> None:
    burn(kind, ns)
    encode(kind, ns // 4)
    await anyio.lowlevel.checkpoint()


async def fourth(kind: str, ns: int) -> None:
    await helper(kind, ns)


async def third(kind: str, ns: int) -> None:
    await fourth(kind, ns)


async def second(kind: str, ns: int) -> None:
    await third(kind, ns)


async def first(kind: str, ns: int) -> None:
    await second(kind, ns)


async def alpha_child() -> None:
    await first("alpha_child", CHILD["alpha_child"])


async def gamma_child() -> None:
    await first("gamma_child", CHILD["gamma_child"])


async def alpha() -> None:
    for _ in range(ROUNDS):
        await first("alpha", TRUTH["alpha"])
        async with anyio.create_task_group() as group:
            group.start_soon(alpha_child)


async def beta() -> None:
    for _ in range(ROUNDS):
        await first("beta", TRUTH["beta"])


async def gamma() -> None:
    for _ in range(ROUNDS):
        await first("gamma", TRUTH["gamma"])
        async with anyio.create_task_group() as group:
            group.start_soon(gamma_child)


async def main() -> None:
    async with anyio.create_task_group() as group:
        for kind in (alpha, beta, gamma):
            group.start_soon(kind)


def busy_by_kind(profile: Profile) -> Counter[str]:
    """Return the busy time of every kind of task, its spans apart, without its children."""
    found: Counter[str] = Counter()
    for path, times in profile.stacks.items():
        names = [frame.name for frame in path]
        found[";".join(names[-2:]) if names[-1] == "encode" else names[-1]] += times.busy
    return Counter({kind: found[kind] for kind in spent})


def compare(profile: Profile) -> float:
    """Print the shares that were found beside the true ones; return how far off the worst is."""
    found, total, worst = busy_by_kind(profile), spent.total(), 0.0
    for kind, truth in sorted(spent.items()):
        share, true_share = found[kind] / found.total(), truth / total
        worst = max(worst, abs(share / true_share - 1))
        by_calls = abs(1 / len(spent) / true_share - 1)
        shares = f"true {true_share:7.2%}  found {share:7.2%}"
        print(f"    {kind:<20} {shares}  by calls off {by_calls:5.0%}")
    return worst


def run(backend: str, file: Path) -> bool:
    """Run the program on a backend; return whether all is as true as it has to be."""
    name, options = BACKENDS[backend]
    anyio.run(anyio.lowlevel.checkpoint, backend=name, backend_options=options)  # imports
    spent.clear()
    with record(file) as recording:
        begun = perf_counter_ns()
        anyio.run(main, backend=name, backend_options=options)
        wall = perf_counter_ns() - begun
    recording.profile.check()
    print(f"  {backend}")
    worst = compare(recording.profile)
    off = abs(sum(read_folded(recording.write()).stacks.values()) * 1000 / wall - 1)
    print(f"    the worst share is off by {worst:.2%}, the folded total by {off:.3%} of the wall")
    return worst <= 0.01 and off <= 0.001


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        results = [run(backend, Path(folder) / backend) for backend in BACKENDS]
    sys.exit(not all(results))
