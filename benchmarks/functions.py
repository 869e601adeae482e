"""How much of the busy time each function has, without decorators: against a known truth.

Workers compute in Python, call C code that keeps the GIL, sleep on the loop, recurse deeply, and
call short functions by the thousand, each for a random time. The program notes by the same clock
how long each kind of work took. The share of each is compared with what the recording says, in
several runs; then one table says by how much a part is off on average, and in the worst run. A
mean that is not within chance is a bias: its standard error over the runs is beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import statistics
import sys
import time
from collections import Counter
from functools import partial
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

import trio

from tracetools import Profile, record

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = [{"name": str(number), "value": [number] * 5} for number in range(100)]
spent: Counter[str] = Counter()


def parse(number: int) -> int:
    total = 0
    for each in range(number):
        total += each * each % 7
    return total


def encode(number: int) -> None:
    for _ in range(number):
        json.dumps(DATA)


def sort(number: int) -> int:
    ordered = sorted(range(number * 1000), key=float)
    ordered.clear()  # within the function: what happens as it returns is told as its caller's
    return number


def nap(number: int) -> None:
    time.sleep(number / 10_000)


def descend(number: int) -> int:
    if number == 0:
        return 0
    below = descend(number - 1)
    return max(below, len(DATA))


def many(number: int) -> None:
    for _ in range(number):
        one()
        other(number)


def one() -> int:
    return 1


def other(number: int) -> int:
    return number + number


WORK: dict[Callable[[int], Any], tuple[int, int]] = {
    parse: (1000, 12_000),
    encode: (1, 8),
    sort: (1, 6),
    nap: (1, 10),
    descend: (100, 800),
    many: (500, 5000),
}


def work(chance: random.Random, only: Callable[[int], Any] | None = None) -> None:
    """Do one piece of each kind of work, in any order, and note how long each took."""
    for function in chance.sample(list(WORK), len(WORK)) if only is None else [only]:
        number = chance.randint(*WORK[function])
        begun = perf_counter_ns()
        function(number)
        spent[function.__name__] += perf_counter_ns() - begun


async def worker(seed: int, seconds: float, pause: Callable[[float], Any]) -> None:
    chance = random.Random(seed)
    end = perf_counter() + seconds
    while perf_counter() < end:
        work(chance)
        await pause(chance.random() * 0.002)


async def on_trio(seed: int, seconds: float) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(worker, seed + number, seconds, trio.sleep)


async def on_asyncio(seed: int, seconds: float) -> None:
    workers = (worker(seed + number, seconds, asyncio.sleep) for number in range(3))
    await asyncio.gather(*workers)


def run(backend: str, seed: int, seconds: float) -> None:
    if backend == "trio":
        trio.run(on_trio, seed, seconds)
    elif backend == "uvloop":
        import uvloop  # noqa: PLC0415

        uvloop.run(on_asyncio(seed, seconds))
    else:
        asyncio.run(on_asyncio(seed, seconds))


def found(profile: Profile) -> Counter[str]:
    """Return the busy time of each kind of work, with all that it calls."""
    times: Counter[str] = Counter()
    for path, figures in profile.stacks.items():
        for frame in path:
            if frame.name in spent:
                times[frame.name] += figures.busy
                break
    return times


def errors(backend: str, seed: int, seconds: float, interval: float | None) -> dict[str, float]:
    """Return by how much the share of each kind of work is off, as a part of all, in one run.

    The interval is that of the product if it is ``None``.
    """
    spent.clear()
    options = {} if interval is None else {"functions_interval": interval}
    with record(None, functions=True, blocking=None, **options) as recording:
        run(backend, seed, seconds)
    profile = recording.profile
    profile.check()
    times = found(profile)
    return {
        name: times[name] / times.total() - true / spent.total() for name, true in spent.items()
    } | {"samples a second": profile.samples / (spent.total() / 1e9)}


def show(backend: str, seconds: float, runs: int, interval: float | None) -> float:
    """Print by how much each part is off; return the worst mean of the absolute errors."""
    each = [errors(backend, 100 * number, seconds, interval) for number in range(runs)]
    rate = statistics.mean(one.pop("samples a second") for one in each)
    print(f"  {backend}, {runs} runs of {seconds:g} s, {rate:.0f} samples a second of work")
    all_off = [abs(off) for one in each for off in one.values()]
    for function in WORK:
        name = function.__name__
        offs = [one[name] for one in each]
        mean = statistics.mean(offs)
        chance = statistics.stdev(offs) / math.sqrt(runs) if runs > 1 else math.nan
        worst = max(offs, key=abs)
        print(f"    {name:<8} mean {mean:+7.2%} +- {chance:6.2%}   worst {worst:+7.2%}")
    print(f"    off by {statistics.mean(all_off):.2%} on average, at most {max(all_off):.2%}")
    return max(all_off)


# -- what it costs -----------------------------------------------------------------------------


async def checkpoints(pause: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        await pause()


def time_of(backend: str, *, functions: bool, count: int = 100_000) -> int:
    """Return the CPU time of a loop that does nothing but step, in nanoseconds."""
    with record(None, functions=functions, blocking=None, await_stacks=False):
        begun = time.process_time_ns()
        if backend == "trio":
            trio.run(checkpoints, trio.lowlevel.checkpoint, count)
        elif backend == "uvloop":
            import uvloop  # noqa: PLC0415

            uvloop.run(checkpoints(partial(asyncio.sleep, 0), count))
        else:
            asyncio.run(checkpoints(partial(asyncio.sleep, 0), count))
        return time.process_time_ns() - begun


def cost(backend: str, rounds: int) -> None:
    """Print the CPU time of a bare loop with functions, as a ratio of the same without."""
    times = [
        (time_of(backend, functions=False), time_of(backend, functions=True)) for _ in range(rounds)
    ]
    without, with_functions = (min(column) for column in zip(*times, strict=True))
    middle = statistics.median(most / least for least, most in times)
    print(f"  {backend}: {with_functions / without:.3f} (minima), {middle:.3f} (median of pairs)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--interval", type=float, help="in seconds; else that of the product")
    parser.add_argument("--rounds", type=int, default=15, help="of what it costs; 0 for none")
    parser.add_argument("--backend", choices=("trio", "asyncio", "uvloop"), action="append")
    chosen = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, shares of all busy time")
    for backend in chosen.backend or ("trio", "asyncio", "uvloop"):
        if chosen.runs:
            show(backend, chosen.seconds, chosen.runs, chosen.interval)
        if chosen.rounds:
            cost(backend, chosen.rounds)
