"""The same program on every backend under the real clock: its time is all there, and its own."""

from __future__ import annotations

from collections import Counter
from functools import partial
from time import perf_counter_ns

import anyio
import anyio.lowlevel
import pytest

from tests.compat import anyio_run_on_asyncio
from tracetools import observe, record
from tracetools.output.formats.folded import read_folded


def run_on_uvloop(main):
    import uvloop

    return anyio_run_on_asyncio(main, uvloop.new_event_loop)


RUNS = {
    "trio": partial(anyio.run, backend="trio"),
    "asyncio": partial(anyio.run, backend="asyncio"),
    "uvloop": run_on_uvloop,
}

spent: Counter[str] = Counter()


def burn(whom: str, ns: int) -> None:
    """Be busy for so long, and note for how long it was."""
    begun = perf_counter_ns()
    while perf_counter_ns() - begun < ns:
        pass
    spent[whom] += perf_counter_ns() - begun


@observe
def shared(whom: str) -> None:
    burn(f"{whom};shared", 400_000)


async def helper(whom: str, ns: int) -> None:
    burn(whom, ns)
    shared(whom)
    await anyio.lowlevel.checkpoint()


async def little() -> None:
    for _ in range(20):
        await helper("little", 300_000)


async def much() -> None:
    for _ in range(20):
        await helper("much", 900_000)
        await anyio.sleep(0.0005)


async def main() -> int:
    begun = perf_counter_ns()
    async with anyio.create_task_group() as group:
        group.start_soon(little)
        group.start_soon(much)
        group.start_soon(much)
    return perf_counter_ns() - begun


@pytest.mark.parametrize("backend", RUNS)
def test_all_of_the_wall_clocks_time_is_there_and_each_kind_has_its_own(backend, tmp_path):
    run = RUNS[backend]
    run(anyio.lowlevel.checkpoint)  # imports
    spent.clear()
    with record(tmp_path / "stack") as recording:
        outside = perf_counter_ns()
        inside = run(main)
        outside = perf_counter_ns() - outside
    recording.profile.check()
    stacks = read_folded(tmp_path / "stack.folded").stacks
    total = sum(stacks.values())
    assert inside / 1000 * 0.999 - len(stacks) <= total <= outside / 1000 * 1.001 + len(stacks)

    busy: Counter[str] = Counter()
    for path, times in recording.profile.stacks.items():
        names = [frame.name for frame in path]
        busy[";".join(names[-2:]) if names[-1] == "shared" else names[-1]] += times.busy
    # Never less than the truth. How much more depends on what else the machine does meanwhile; but
    # all of them together are the run's time, so that none can have what is another's.
    assert {whom: truth <= busy[whom] for whom, truth in spent.items()} == dict.fromkeys(
        spent, True
    )
