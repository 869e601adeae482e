"""What a span costs, recorded and not: the whole of opening and closing it.

Budgets: 0.6 microseconds for an observed function, 0.8 for an observed async function, and
0.15 for a span while nothing is recorded.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import trio

from tracetools import FlamegraphInstrument, observe, span

CALLS = 5000


def plain() -> None:
    pass


async def plain_async() -> None:
    pass


async def plain_waiting() -> None:
    await trio.lowlevel.checkpoint()


def plain_generator() -> Any:
    yield


observed = observe(plain)
observed_async = observe(plain_async)
observed_waiting = observe(plain_waiting)
observed_generator = observe(plain_generator)


async def nothing() -> None:
    for _ in range(CALLS):
        pass


async def with_span() -> None:
    for _ in range(CALLS):
        with span("x"):
            pass


def calling(function: Callable[[], Any]) -> Callable[[], Any]:
    async def call() -> None:
        for _ in range(CALLS):
            function()

    return call


def awaiting(function: Callable[[], Any]) -> Callable[[], Any]:
    async def call() -> None:
        for _ in range(CALLS):
            await function()

    return call


def iterating(function: Callable[[], Any]) -> Callable[[], Any]:
    async def call() -> None:
        for _ in range(CALLS):
            for _ in function():
                pass

    return call


CASES = {
    'with span("x")': (with_span, nothing),
    "observed function": (calling(observed), calling(plain)),
    "observed async function": (awaiting(observed_async), awaiting(plain_async)),
    "observed async function that waits": (awaiting(observed_waiting), awaiting(plain_waiting)),
    "observed generator of one item": (iterating(observed_generator), iterating(plain_generator)),
}


async def timed(function: Callable[[], Any]) -> float:
    begun = perf_counter_ns()
    await function()
    return (perf_counter_ns() - begun) / CALLS


async def main(rounds: int) -> dict[str, float]:
    """Return, for each case, the least difference to the same code without it."""
    best: dict[str, list[float]] = {name: [1e9, 1e9] for name in CASES}
    for _ in range(rounds):
        for name, pair in CASES.items():
            for which, function in enumerate(pair):
                best[name][which] = min(best[name][which], await timed(function))
    return {name: mine - other for name, (mine, other) in best.items()}


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    off = trio.run(main, rounds)
    with tempfile.TemporaryDirectory() as folder:
        on = trio.run(main, rounds, instruments=[FlamegraphInstrument(Path(folder) / "stack")])
    print(f"a span, in ns (Python {sys.version.split()[0]}, least of {rounds} rounds)")
    for name in CASES:
        print(f"  {name:<36} recorded {on[name]:7.0f}   not recorded {off[name]:7.0f}")
