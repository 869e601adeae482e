"""Every scenario of the table, on every backend, in every mode of every instrument, with `==`."""

from __future__ import annotations

import asyncio
import os
import queue
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
import trio
import trio.testing

from tests.backends import (
    AnyioOnTrioBackend,
    AsyncioBackend,
    Backend,
    NestingLoop,
    TrioBackend,
)
from tests.compat import anyio_run_on_asyncio, anyio_run_on_trio
from tests.scenarios import TABLE, Scenario, World
from tests.strategies import histogram_of
from tracetools import FlamegraphInstrument, Profile, record
from tracetools.core.histogram import Histogram
from tracetools.core.stacks import CALLBACKS, RUNTIME, StackPath, Times, is_of_loop
from tracetools.sampling.sampler import Sampler

# ------------------------------------------------------------------------------------------ modes


EVERYWHERE = ("", *(["fork"] if hasattr(os, "fork") else []))


@dataclass
class Mode:
    """A way to run a program and to record it.

    Attributes:
        name: of the mode.
        backend: whose words the programs use.
        run: runs a program; given the path of the stack file and options, returns the profile.
        steps: whether the steps of the tasks are those in the table.
        eager: whether tasks make their first step where they are created.
        has: what scenarios may need.
    """

    name: str
    backend: type[Backend]
    run: Callable[..., Profile]
    steps: bool = True
    eager: bool = False
    has: tuple[str, ...] = EVERYWHERE

    def __str__(self) -> str:
        return self.name


def trio_clock():
    return trio.testing.MockClock(autojump_threshold=0)


def run_directly(main, path, **options):
    instrument = FlamegraphInstrument(path, **options)
    trio.run(main, clock=trio_clock(), instruments=[instrument, World.backend.waiting])
    return instrument.profile


def run_recorded(main, path, **options):
    with record(path, **options) as recording:
        trio.run(main, clock=trio_clock(), instruments=[World.backend.waiting])
    return recording.profile


def run_as_guest(main, path, **options):
    """Run trio on top of the simplest host loop there is."""
    instrument = FlamegraphInstrument(path, **options)
    todo: queue.Queue[Any] = queue.Queue()
    done: list[Any] = []
    trio.lowlevel.start_guest_run(
        main,
        clock=trio_clock(),
        instruments=[instrument, World.backend.waiting],
        run_sync_soon_threadsafe=todo.put,
        done_callback=done.append,
    )
    while not done:
        todo.get()()
    done[0].unwrap()
    return instrument.profile


def run_through_anyio(main, path, **options):
    instrument = FlamegraphInstrument(path, **options)
    instruments = [instrument, World.backend.waiting]
    anyio_run_on_trio(main, instruments=instruments, clock=trio_clock())
    return instrument.profile


def run_beside_another(main, path, **options):
    """Run with a second instrument in the same run: both see the same."""
    with record(path.with_name("other"), **options) as other:
        profile = run_directly(main, path, **options)
    assert by_name(other.profile) == by_name(profile)
    return profile


def on_asyncio(make_loop):
    def run(main, path, **options):
        with record(path, **options) as recording:
            anyio_run_on_asyncio(main, make_loop)
        return recording.profile

    return run


def run_asyncio_beside_another(main, path, **options):
    with record(path.with_name("other"), **options) as other:
        profile = on_asyncio(NestingLoop)(main, path, **options)
    assert by_name(other.profile) == by_name(profile)
    return profile


def make_eager_loop():
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


def make_uvloop():
    import uvloop

    return uvloop.new_event_loop()


ON_ASYNCIO = (*EVERYWHERE, "asyncio", *(["eager tasks"] if sys.version_info >= (3, 12) else []))
NESTS = (*ON_ASYNCIO, "nesting")

MODES = [
    Mode("trio", TrioBackend, run_directly),
    Mode("trio-recorded", TrioBackend, run_recorded),
    Mode("trio-guest", TrioBackend, run_as_guest),
    Mode("trio-beside-another", TrioBackend, run_beside_another),
    Mode("anyio-on-trio", AnyioOnTrioBackend, run_through_anyio, steps=False),
    *(
        Mode(name, backend, on_asyncio(make_loop), steps=False, has=ON_ASYNCIO)
        for name, backend, make_loop in [
            ("asyncio", AsyncioBackend, asyncio.new_event_loop),
            ("uvloop", AsyncioBackend, make_uvloop),
            ("anyio-on-asyncio", Backend, asyncio.new_event_loop),
            ("anyio-on-uvloop", Backend, make_uvloop),
        ]
    ),
    Mode("asyncio-beside-another", AsyncioBackend, run_asyncio_beside_another, False, False, NESTS),
    Mode("asyncio-nesting", AsyncioBackend, on_asyncio(NestingLoop), False, False, NESTS),
]
if sys.version_info >= (3, 12):
    MODES += [
        Mode("asyncio-eager", AsyncioBackend, on_asyncio(make_eager_loop), False, eager=True),
        Mode("anyio-on-asyncio-eager", Backend, on_asyncio(make_eager_loop), steps=False),
    ]

# ------------------------------------------------------------------------------------------- test


@pytest.fixture(autouse=True)
def world():
    yield World
    World.backend = TrioBackend(World.clock)


@pytest.fixture
def samples_from_within(monkeypatch):
    """Let programs be sampled where they work, instead of at any time by a thread."""

    def start(sampler):
        World.samplers.add(sampler)

    def end(sampler):
        World.samplers.discard(sampler)

    monkeypatch.setattr(Sampler, "start", start)
    monkeypatch.setattr(Sampler, "end", end)
    yield
    World.samplers.clear()


SWITCHES = ("scheduled", "await_stacks", "functions")


def combinations():
    """Return all ways to set the switches; CI has some on one Python only."""
    for values in product((False, True), repeat=len(SWITCHES)):
        on = [name for name, is_on in zip(SWITCHES, values, strict=True) if is_on]
        some = 0 < len(on) < len(SWITCHES)
        yield pytest.param(on, id=" ".join(on), marks=[pytest.mark.edges] if some else [])


@pytest.mark.parametrize("on", [*combinations()])
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param(name, mode, id=f"{name}-{mode}")
        for name, scenario in TABLE.items()
        for mode in MODES
        if scenario.needs in mode.has
    ],
)
@pytest.mark.usefixtures("samples_from_within")
def test_profile_is_exactly_as_expected(name, mode, on, tmp_path):
    scenario = TABLE[name]
    World.backend = mode.backend(World.clock)
    begun = World.clock.now
    options = {"clock": World.clock, "await_after": 0, "flush_interval": None}
    options |= {switch: switch in on for switch in SWITCHES}
    profile = mode.run(scenario.main, tmp_path / "stack", **options)
    profile.check()
    found = by_name(without_details(profile))
    if "functions" in on:
        assert {path[-1].name for path in profile.stacks if is_detail(profile, path)} >= {"work"}
    for stack, times in expected(name, scenario, eager=mode.eager).items():
        # what depends on the order in which tasks run is left open by a None
        known = {key: value for key, value in times.items() if value is not None}
        if not mode.steps:
            del known["steps"]
        assert {key: getattr(found[stack], key) for key in known} == known, stack
    assert len(found) == len(scenario.stacks)
    if "await_stacks" in on and scenario.awaits is not None:
        idle = Counter[str]()
        for path, times in profile.stacks.items():
            idle[path[-1].name] += times.idle if path[-1].name in scenario.awaits else 0
        assert +idle == scenario.awaits
        assert [*profile.limiters.values()] == scenario.limiters
    if scenario.latencies:
        assert latencies(profile) == {
            name + stack if stack.startswith(";") else stack: histogram_of(values)
            for stack, values in scenario.latencies.items()
        }
    if scenario.callbacks and "uvloop" not in mode.name:
        assert callbacks(profile) == scenario.callbacks
    assert profile.duration == World.clock.now - begun
    assert profile.own == scenario.waiting
    assert profile.scheduled_measured == ("scheduled" in on)
    assert profile.forks == (scenario.needs == "fork")


def is_detail(profile: Profile, path: StackPath) -> bool:
    """Whether a stack merely tells more of another one: what is awaited, or which function runs."""
    times = profile.stacks[path]
    return len(path) > 1 and times.steps == times.entries == 0


def without_details(profile: Profile) -> Profile:
    """Give what is told of awaits and functions back to the stacks that were entered."""
    stacks: dict[StackPath, Times] = defaultdict(Times)
    for path, times in profile.stacks.items():
        entered = path
        while is_detail(profile, entered):
            entered = entered[:-1]
        stacks[entered] = stacks[entered].plus(times)
    return replace(profile, stacks=stacks)


def by_name(profile: Profile) -> dict[str, Times]:
    """Return the numbers of a profile by names, without the loops' own tasks and callbacks.

    Scheduled time is added to idle time: a table for both cannot know which is measured.
    """
    found: dict[str, Times] = defaultdict(Times)
    for path, times in profile.stacks.items():
        names = [frame.name for frame in path]
        if not (is_of_loop(path) or path[1] == RUNTIME):
            idle = times.idle + times.scheduled
            found[";".join(names[1:])] = found[";".join(names[1:])].plus(
                times._replace(idle=idle, scheduled=0)
            )
    return dict(found)


def callbacks(profile: Profile) -> dict[str, tuple[int, int, int]]:
    """Return busy time, steps and self-wakes of what the loop has called, by names."""
    return {
        ";".join(frame.name for frame in path[2:]): (times.busy, times.steps, times.self_wakes)
        for path, times in without_details(profile).stacks.items()
        if path[1:2] == (CALLBACKS,) and len(path) > 2
    }


def latencies(profile: Profile) -> dict[str, Histogram]:
    """Return how long spans and tasks lasted, by names, without the loops' own tasks."""
    return {
        ";".join(frame.name for frame in path[1:]): latency
        for path, latency in profile.latencies.items()
        if path[1] != RUNTIME
    }


def expected(name: str, scenario: Scenario, *, eager: bool) -> dict[str, dict[str, int | None]]:
    table = {}
    rows = scenario.stacks | (scenario.eager if eager else {})
    for stack, (busy, idle, steps, entries, *thread) in rows.items():
        path = name + stack if stack.startswith(";") else stack
        table[path] = {
            "busy": busy,
            "idle": idle,
            "steps": steps,
            "entries": entries,
            "thread": thread[0] if thread else 0,
        }
    return table
