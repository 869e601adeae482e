"""The same program on every backend under the real clock: its time is all there, and its own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from time import perf_counter_ns

import anyio
import anyio.lowlevel
import pytest

from tests.compat import anyio_run_on_asyncio
from tracetools import observe, record
from tracetools.core.stacks import ALL_CALLBACKS
from tracetools.output.formats.folded import read_folded
from tracetools.output.lints import find_lints
from tracetools.recording.unseen import can_be_estimated


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


LOOPS = [
    "asyncio",
    pytest.param(
        "uvloop", marks=pytest.mark.skipif(not can_be_estimated(), reason="no CPU clock of threads")
    ),
]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_that_spins_does_not_wait(loop, tmp_path):
    async def spin():
        loop = asyncio.get_running_loop()
        done, end = loop.create_future(), time.monotonic() + 0.3

        def rearm():
            if time.monotonic() < end:
                loop.call_soon(rearm)
            else:
                done.set_result(None)

        rearm()
        await done

    with record(tmp_path / "stack", blocking=None) as recording:
        RUNS[loop](spin)
    profile = recording.profile
    profile.check()
    assert profile.waiting < profile.own // 2
    if loop == "asyncio":
        [lint] = [lint for lint in find_lints(profile).shown if lint.kind == "rearms"]
        assert lint.path[-1].name.endswith("rearm")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_callback_that_blocks_is_told_while_it_does(loop, tmp_path, caplog):
    class Slow(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            time.sleep(0.5)
            self.transport.write(data)

    async def call():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Slow, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x")
        await reader.readexactly(1)
        writer.close()
        server.close()

    with record(tmp_path / "stack") as recording:
        RUNS[loop](call)
    recording.profile.check()
    [(path, blocks)] = [
        (path, blocks)
        for path, blocks in recording.profile.blocking.items()
        if path[1] in ALL_CALLBACKS and any("data_received" in frame.name for frame in path)
    ]
    assert path[2].name.endswith("data_received")
    assert path[-1].line == Slow.data_received.__code__.co_firstlineno + 1
    assert blocks.count == 1
    [line] = [line for line in caplog.messages if "data_received" in line]
    assert "so far" in line
    assert line.endswith("time.sleep(0.5)")
