"""Loops and runs that go on are found from the outside."""

from __future__ import annotations

import asyncio

import pytest
import trio
import uvloop

from tests.processes import run
from tests.threads import elsewhere
from tracetools import compat
from tracetools.instruments import running_loops


@pytest.mark.parametrize("run_loop", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("has_frames", [True, False])
def test_a_loop_is_found(run_loop, has_frames, monkeypatch):
    if not has_frames:
        monkeypatch.setattr(compat, "frames_of_threads", list)

    async def main():
        assert elsewhere(running_loops.running_loops) == [asyncio.get_running_loop()]

    run_loop(main())
    assert running_loops.running_loops() == []


def test_a_loop_that_another_thread_is_just_making_does_not_run():
    loop = asyncio.SelectorEventLoop.__new__(asyncio.SelectorEventLoop)
    loop._closed = True  # for its finaliser
    assert running_loops.running_loops() == []


def test_a_loop_that_the_program_runs_itself_is_found():
    loop = uvloop.new_event_loop()

    async def main():
        assert elsewhere(running_loops.running_loops) == [loop]

    loop.run_until_complete(main())
    loop.close()


@pytest.mark.parametrize("has_frames", [True, False])
def test_a_run_is_found(has_frames, monkeypatch):
    if not has_frames:
        monkeypatch.setattr(compat, "frames_of_threads", list)

    async def main():
        runner = trio._core._run.GLOBAL_RUN_CONTEXT.runner
        assert runner in elsewhere(running_loops.running_runs)

    trio.run(main)


def test_nothing_is_imported():
    run(
        "from tracetools.instruments import running_loops\n"
        "assert running_loops.running_loops() == running_loops.running_runs() == []\n"
        "assert not {'asyncio', 'trio'} & sys.modules.keys()",
        measured=False,
    )
