"""Idle time by await, against waits of known length: three kinds of tasks, three backends.

Budget: within 1 % for each kind and await. What is asked of a timer is what is known; by how much
the loop was late is part of what is measured.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from tracetools import Profile, record

ROUNDS = 10


async def fetch(seconds: float) -> None:
    await anyio.sleep(seconds)


async def five_deep(seconds: float, levels: int = 4) -> None:
    if levels:
        await five_deep(seconds, levels - 1)
    else:
        await fetch(seconds)


async def wait_for(event: anyio.Event) -> None:
    await event.wait()


async def reader() -> None:
    for _ in range(ROUNDS):
        await five_deep(0.05)
        await anyio.sleep(0.03)


async def writer() -> None:
    for _ in range(ROUNDS):
        await fetch(0.02)
        await anyio.sleep(0.06)


async def listener() -> None:
    for _ in range(ROUNDS):
        event = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(ring, event)
            await wait_for(event)


async def ring(event: anyio.Event) -> None:
    await anyio.sleep(0.08)
    event.set()


KINDS: dict[Callable[[], Awaitable[None]], dict[str, float]] = {
    reader: {"fetch": 0.05, "reader": 0.03},
    writer: {"fetch": 0.02, "writer": 0.06},
    listener: {"wait_for": 0.08},
}
"""What each kind waits for in each round, by the function that awaits it."""


async def main() -> None:
    async with anyio.create_task_group() as group:
        for kind in KINDS:
            group.start_soon(kind)


def by_kind(profile: Profile) -> dict[tuple[str, str], float]:
    """Sum idle seconds up by kind, and by the function that stands right below its await."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    kinds = {kind.__name__ for kind in KINDS}
    for path, nanoseconds in profile.lens("idle").items():
        names = [frame.name for frame in path]
        kind = next((name for name in names if name in kinds), None)
        if kind and names[-1].startswith("await") and "ring" not in names:
            found[kind, names[-2]] += nanoseconds / 1e9
    return found


def run(backend: str, options: dict[str, object], folder: Path) -> None:
    """Record the program on a backend, and print by how much each wait is off."""
    with record(folder / "stack", await_stacks=True, scheduled=True) as recording:
        anyio.run(main, backend=backend, backend_options=options)
    profile = recording.profile
    profile.check()
    found, worst = by_kind(profile), 0.0
    for kind, waits in KINDS.items():
        for function, seconds in waits.items():
            off = found[kind.__name__, function] / (ROUNDS * seconds) - 1
            worst = max(worst, abs(off))
            print(
                f"  {kind.__name__:<10}{function:<10}{ROUNDS * seconds:7.3f} s  off by {off:7.2%}"
            )
    print(f"  worst: {worst:.2%}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for title, backend, options in (
            ("trio", "trio", {}),
            ("asyncio", "asyncio", {}),
            ("uvloop", "asyncio", {"use_uvloop": True}),
        ):
            print(f"{title} (Python {sys.version.split()[0]})")
            run(backend, options, Path(name))
