"""What a span takes, recorded and not: measured by `costs.py`.

    python benchmarks/spans.py SECONDS [CORE]

writes for each kind of span what the same code took without it and with it, in each slice, in
nanoseconds of CPU time of the process. It is the whole of opening and closing the span.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import process_time_ns
from typing import Any

import trio
from variants import interleave, pin, recording

from tracetools import observe, span

CALLS, SLICES = 5000, 4


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


KINDS = {
    "observe, function": (calling(plain), calling(observed)),
    "observe, async function": (awaiting(plain_async), awaiting(observed_async)),
    "observe, async function that waits": (awaiting(plain_waiting), awaiting(observed_waiting)),
    "observe, generator of one item": (iterating(plain_generator), iterating(observed_generator)),
    "with span": (nothing, with_span),
}


async def timed() -> dict[str, dict[str, list[float]]]:
    """Return what one call takes without and with each kind of span, in some slices."""
    found: dict[str, dict[str, list[float]]] = {}
    for kind, pair in KINDS.items():
        found[kind] = {"nothing": [], "span": []}
        for _ in range(SLICES):
            for which, function in zip(("nothing", "span"), pair, strict=True):
                began = process_time_ns()
                await function()
                found[kind][which].append((process_time_ns() - began) / CALLS)
    return found


def main(seconds: float) -> None:
    taken: dict[str, dict[str, list[list[float]]]] = {
        f"{kind}, {how}": {"nothing": [], "span": []}
        for how in ("recorded", "not recorded")
        for kind in KINDS
    }

    def measured(how: str, options: dict[str, Any] | None) -> list[float]:
        with recording(options):
            for kind, found in trio.run(timed).items():
                for which, slices in found.items():
                    taken[f"{kind}, {how}"][which].append(slices)
        return []

    interleave(
        {
            "recorded": lambda: measured("recorded", {}),
            "not recorded": lambda: measured("not recorded", None),
        },
        seconds=seconds,
    )
    print(json.dumps(taken))


if __name__ == "__main__":
    pin(int(sys.argv[2]) if len(sys.argv) > 2 else None)
    main(float(sys.argv[1]))
