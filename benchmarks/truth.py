"""A program with known truth: where its time goes, waits and blocks, on every backend.

Three kinds of workers share one helper, five awaits deep, that computes in two functions; they have
child tasks, wait for different times at different awaits, and call a thread; and one task sleeps on
the loop for 200 ms. The program notes what it does by the same clock. Without any decorator, the
recording must tell within 5 % how much busy time each function has for each kind, within 1 % with
spans, and how long each kind waits at each await within 1 %; it must find the blocking step once,
within 10 %.

Steps are far shorter than Python's switch interval. The loop is saturated, so most of the waiting
is scheduled time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from time import perf_counter_ns

import anyio
import anyio.lowlevel
import anyio.to_thread

from tracetools import Profile, record, span

BACKENDS = {
    "trio": ("trio", {}),
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
}
SCALE = {"reader": 3, "writer": 5, "indexer": 2, "child": 1}
"""How much each kind computes at a time."""

times = 8
"""How often it does so between two waits: the more often, the busier the loop."""

busy: Counter[tuple[str, str]] = Counter()
waited: Counter[tuple[str, str]] = Counter()


def burn(ns: int) -> None:
    until = perf_counter_ns() + ns
    while perf_counter_ns() < until:
        pass


def parse(kind: str) -> None:
    begun = perf_counter_ns()
    burn(200_000 * SCALE[kind])
    busy[kind, "parse"] += perf_counter_ns() - begun


def encode(kind: str) -> None:
    begun = perf_counter_ns()
    for _ in range(300 * SCALE[kind]):
        sum([number * number for number in range(20)])
    busy[kind, "encode"] += perf_counter_ns() - begun


async def helper(kind: str, levels: int = 5) -> None:
    if levels:
        await helper(kind, levels - 1)
        return
    for _ in range(times):
        parse(kind)
        await anyio.lowlevel.checkpoint()
        encode(kind)
        with span("pack"):
            begun = perf_counter_ns()
            burn(300_000 * SCALE[kind])
            busy[kind, "pack"] += perf_counter_ns() - begun
        await anyio.lowlevel.checkpoint()


async def child() -> None:
    await helper("child")


async def fetch(kind: str, seconds: float) -> None:
    begun = perf_counter_ns()
    await anyio.sleep(seconds)
    waited[kind, "fetch"] += perf_counter_ns() - begun


async def store(kind: str, seconds: float) -> None:
    event = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(ring, event, seconds)
        begun = perf_counter_ns()
        await event.wait()
        waited[kind, "store"] += perf_counter_ns() - begun


async def ring(event: anyio.Event, seconds: float) -> None:
    await anyio.sleep(seconds)
    event.set()


async def reader(until: float) -> None:
    while time.monotonic() < until:
        await helper("reader")
        await fetch("reader", 0.3)


async def writer(until: float) -> None:
    while time.monotonic() < until:
        await helper("writer")
        await store("writer", 0.5)
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(child)


async def indexer(until: float) -> None:
    while time.monotonic() < until:
        await helper("indexer")
        await anyio.to_thread.run_sync(in_thread)
        await fetch("indexer", 0.7)


def in_thread() -> None:
    with span("in a thread"):
        begun = perf_counter_ns()
        digest()
        busy["thread", "digest"] += perf_counter_ns() - begun


def digest() -> None:
    time.sleep(0.002)


async def blocks() -> None:
    await anyio.sleep(0.5)
    with span("the culprit"):
        time.sleep(0.2)  # noqa: ASYNC251  # that is the point


async def main(seconds: float) -> None:
    until = time.monotonic() + seconds
    async with anyio.create_task_group() as group:
        group.start_soon(blocks)
        for kind in (reader, writer, indexer):
            for _ in range(3):
                group.start_soon(kind, until)


# -- a saturated loop --------------------------------------------------------------------------


async def in_a_crowd(turns: int) -> None:
    for _ in range(turns):
        burn(1_000_000)
        begun = perf_counter_ns()
        await anyio.lowlevel.checkpoint()
        waited["crowd", "turn"] += perf_counter_ns() - begun
    begun = perf_counter_ns()
    await anyio.sleep(0.05)
    waited["crowd", "sleep"] += perf_counter_ns() - begun


async def crowd() -> None:
    for _ in range(5):
        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(in_a_crowd, 10)


def run_crowd(backend: str, file: Path) -> None:
    """Tell waiting for a turn from waiting for something where every task does both."""
    name, options = BACKENDS[backend]
    waited.clear()
    with record(file, scheduled=True, blocking=None) as recording:
        anyio.run(crowd, backend=name, backend_options=options)
    turn, sleep = waited["crowd", "turn"], waited["crowd", "sleep"]
    found = {"scheduled": 0, "idle": 0}
    for path, times in recording.profile.stacks.items():
        if any(frame.name == "in_a_crowd" for frame in path):
            found["scheduled"] += times.scheduled
            found["idle"] += times.idle
    scheduled, idle = found.values()
    print(
        f"    a crowd of 30 waited {turn / 1e9:.2f} s for turns and {sleep / 1e9:.2f} s in sleep()"
        f" of 7.50 s; found {scheduled / 1e9:.2f} s scheduled and {idle / 1e9:.2f} s idle:"
        f" {scheduled / (scheduled + idle):.0%} of the waiting was for a turn"
    )


# -- what was found ------------------------------------------------------------------------------


def found_busy(profile: Profile) -> Counter[tuple[str, str]]:
    """Sum busy time up by kind and by the function or span that is innermost of those known."""
    found: Counter[tuple[str, str]] = Counter()
    functions = {function for _, function in busy}
    for path, times in profile.stacks.items():
        names = [frame.name for frame in path]
        kind = next((name for name in reversed(names) if name in SCALE), None)
        function = next((name for name in reversed(names) if name in functions), None)
        if function == "digest":
            found["thread", function] += times.thread
        elif kind and function:
            found[kind, function] += times.busy
    return found


def found_waits(profile: Profile) -> Counter[tuple[str, str]]:
    """Sum idle time up by kind and by the function that awaits."""
    found: Counter[tuple[str, str]] = Counter()
    for path, times in profile.stacks.items():
        names = [frame.name for frame in path]
        kind = next((name for name in reversed(names) if name in SCALE), None)
        if kind and "ring" not in names and names[-1] in {"await sleep", "await Event.wait"}:
            found[kind, names[-2]] += times.idle
    return found


def compare(what: str, found: Counter[tuple[str, str]], truth: Counter[tuple[str, str]]) -> float:
    """Print what was found beside the truth; return how far off the worst is."""
    worst = 0.0
    for (kind, name), true in sorted(truth.items()):
        off = found[kind, name] / true - 1
        worst = max(worst, abs(off))
        print(
            f"    {what} {kind:<8} {name:<8} true {true / 1e9:8.4f} s"
            f"  found {found[kind, name] / 1e9:8.4f} s  off {off:7.2%}"
        )
    return worst


def run(backend: str, seconds: float, file: Path, interval: float) -> None:
    name, options = BACKENDS[backend]
    anyio.run(anyio.lowlevel.checkpoint, backend=name, backend_options=options)  # imports
    busy.clear()
    waited.clear()
    with record(
        file, functions=True, functions_interval=interval, await_stacks=True, scheduled=True
    ) as recording:
        anyio.run(main, seconds, backend=name, backend_options=options)
    profile = recording.profile
    profile.check()
    print(f"  {backend}, {profile.samples} samples, {profile.busy / profile.duration:.0%} busy")
    functions = compare("busy", found_busy(profile), busy)
    idle = found_waits(profile)
    # what the program measures of a wait is idle and scheduled time together
    compare("idle", idle, waited)
    late = profile.scheduling_delay
    print(
        f"    of all waiting, {late.total / (profile.task_time - profile.busy):.0%} was for a turn;"
        f" late by {late.mean / 1e6:.2f} ms on average, p50 {late.quantile(0.5) / 1e6:.2f},"
        f" p99 {late.quantile(0.99) / 1e6:.2f}, max {late.max / 1e6:.0f}"
    )
    for path, blocks_ in profile.blocking.items():
        where = ";".join(frame.label for frame in path[-3:])
        print(f"    held {blocks_.count} x, {blocks_.total / 1e6:.1f} ms: {where}")
    print(f"    worst function off by {functions:.2%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--interval", type=float, default=0.001)
    parser.add_argument("--times", type=int, default=times)
    parser.add_argument("--backend", choices=BACKENDS, action="append")
    chosen = parser.parse_args()
    times = chosen.times
    print(f"Python {sys.version.split()[0]}, a sample every {chosen.interval * 1000:g} ms")
    with tempfile.TemporaryDirectory() as folder:
        for each in chosen.backend or BACKENDS:
            run(each, chosen.seconds, Path(folder) / each, chosen.interval)
            run_crowd(each, Path(folder) / each)
