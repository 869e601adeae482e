"""What slow spans waited for, exactly, on every backend and in every mode of every instrument."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

import pytest

from tests.backends import TrioBackend
from tests.instruments.test_scenarios import MODES
from tests.scenarios import Program, World, rest, work
from tests.strategies import histogram_of
from tracetools import observe, slow, span
from tracetools.core.profile import Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import StackPath


@pytest.fixture(autouse=True)
def world():
    yield World
    World.backend = TrioBackend(World.clock)


@dataclass(frozen=True)
class Slow:
    """A program, and what its spans named ``request`` must have been.

    Attributes:
        latencies: how long they lasted.
        critical: what explains them, by the names below the first such span; those of `rest`, which
            differ between the backends, are ``rest``.
        savings: how much less they would take without a frame, by its name.
        busy, children, threads: as in a `Breakdown`.
    """

    main: Program
    latencies: list[int]
    busy: int = 0
    children: int = 0
    threads: int = 0
    critical: dict[str, int] = field(default_factory=dict)
    savings: dict[str, int] = field(default_factory=dict)


# ---------------------------------------------------------------------------------- the programs


async def own_work():
    with span("request"):
        work(5)
        await rest(30)
        work(2)


async def waiter(lock):
    with span("request"):
        work(1)
        async with lock:
            work(5)


async def lock_held_over_a_wait():
    lock = World.backend.make_lock()
    async with World.backend.open_group() as group, lock:
        group.start_soon(waiter, lock)
        await World.backend.until_all_wait()
        await rest(30)
        work(2)


async def child():
    work(3)
    await rest(20)
    work(4)


async def waits_for_a_child():
    with span("request"):
        async with World.backend.open_group() as group:
            group.start_soon(child)


@observe
def in_thread():
    World.backend.until_loop_waits()
    work(7)


async def waits_for_a_thread():
    with span("request"):
        await World.backend.run_in_thread(in_thread)
        work(1)


TABLE = [
    Slow(own_work, [37], busy=7, critical={"": 7, "rest": 30}, savings={"request": 37}),
    Slow(
        lock_held_over_a_wait,
        [38],
        busy=6,
        critical={
            "": 6,
            "await Lock;lock_held_over_a_wait": 2,
            "await Lock;lock_held_over_a_wait;rest": 30,
        },
        savings={"await Lock": 32, "request": 38},
    ),
    Slow(
        waits_for_a_child,
        [27],
        children=27,
        critical={"child": 7, "child;rest": 20},
        savings={"child": 27, "request": 27},
    ),
    Slow(
        waits_for_a_thread,
        [8],
        busy=1,
        threads=7,
        critical={"": 1, "in_thread": 7},
        savings={"in_thread": 7, "request": 8},
    ),
]

# ------------------------------------------------------------------------------------- the test


_AWAITED_BY_REST = ("await sleep", "await Future")


def name_of(frame) -> str:
    """Return the name of a frame; of all that `rest` awaits, one name."""
    is_of_backend = (frame.file or "").endswith("backends.py")
    if frame.name.endswith(".rest") or (frame.name in _AWAITED_BY_REST and is_of_backend):
        return "rest"
    return frame.name


def below(path: StackPath) -> str:
    """Return the names below the first span named ``request``; each of several alike once."""
    names = [name_of(frame) for frame in path]
    found = names[names.index("request") + 1 :]
    return ";".join(name for name, _ in groupby(found))


def told(profile: Profile) -> SlowSpans:
    [spans] = [spans for path, spans in profile.slow.items() if path[-1].name == "request"]
    return spans


@pytest.mark.parametrize(
    ("scenario", "mode"),
    [
        pytest.param(scenario, mode, id=f"{scenario.main.__name__}-{mode}")
        for scenario in TABLE
        for mode in MODES
    ],
)
def test_slow_spans_are_told_exactly(scenario, mode, tmp_path):
    World.backend = mode.backend(World.clock)
    options = {"clock": World.clock, "await_after": 0, "flush_interval": None}
    profile = mode.run(scenario.main, tmp_path / "stack", keep=slow(0, after=0), **options)
    profile.check()
    [latency] = [
        latency for path, latency in profile.latencies.items() if path[-1].name == "request"
    ]
    assert latency == histogram_of(scenario.latencies)
    breakdown, critical, _ = told(profile)
    assert breakdown.duration == critical.duration == sum(scenario.latencies)
    assert (breakdown.busy, breakdown.children, breakdown.threads) == (
        scenario.busy,
        scenario.children,
        scenario.threads,
    )
    assert breakdown.waiting == breakdown.duration - breakdown.busy
    found: dict[str, int] = {}
    for path, time in critical.shares.items():
        found[below(path)] = found.get(below(path), 0) + time
    assert found == scenario.critical
    saved = {name_of(frame): time for frame, time in critical.savings.items()}
    assert {name: saved[name] for name in scenario.savings} == scenario.savings
