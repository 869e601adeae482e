"""Whose time a shared helper takes: against a known truth, and against profilers of functions.

Three kinds of tasks and their children share one helper, five awaits deep, and use it for known
times. The share of each kind must be right within 1 %. A profiler that knows functions only sees
one helper; to say for whom it works, it can but divide its time by the number of calls.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter_ns

import trio

from tracetools import FlamegraphInstrument, Profile

ROUNDS = 8
TRUTH = {"alpha": 20_000_000, "beta": 30_000_000, "gamma": 60_000_000}
CHILD = {"alpha_child": 40_000_000, "gamma_child": 25_000_000}
spent: Counter[str] = Counter()


def burn(kind: str, ns: int) -> None:
    """Be busy for so long, and note for how long it was."""
    begun = perf_counter_ns()
    while perf_counter_ns() - begun < ns:
        pass
    spent[kind] += perf_counter_ns() - begun


async def helper(kind: str, ns: int) -> None:
    burn(kind, ns)
    await trio.lowlevel.checkpoint()


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
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alpha_child)


async def beta() -> None:
    for _ in range(ROUNDS):
        await first("beta", TRUTH["beta"])


async def gamma() -> None:
    for _ in range(ROUNDS):
        await first("gamma", TRUTH["gamma"])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gamma_child)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        for kind in (alpha, beta, gamma):
            nursery.start_soon(kind)


def busy_by_kind(profile: Profile) -> dict[str, int]:
    """Return the busy time of every kind of task, without its children."""
    return {
        path[-1].name: times.busy
        for path, times in profile.stacks.items()
        if path[-1].name in spent
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        instrument = FlamegraphInstrument(Path(folder) / "stack")
        trio.run(main, instruments=[instrument])
    profile = instrument.profile
    profile.check()
    found, total = busy_by_kind(profile), sum(spent.values())
    worst = 0.0
    for kind, truth in sorted(spent.items()):
        share, true_share = found[kind] / sum(found.values()), truth / total
        worst = max(worst, abs(share / true_share - 1))
        by_calls = abs(1 / len(spent) / true_share - 1)
        print(
            f"  {kind:<12} true {true_share:7.2%}  found {share:7.2%}  by calls off {by_calls:5.0%}"
        )
    print(f"  the worst share is off by {worst:.2%}")
    sys.exit(worst > 0.01)
