"""What runs in a thread is found out without importing a backend."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
import trio

from tracetools import FlamegraphInstrument, record, span
from tracetools.recording.running import is_in_trio_task, running_loop
from tracetools.testing import FakeClock


def test_outside_of_any_loop_there_is_none():
    assert running_loop() is None
    assert is_in_trio_task() is False


def test_in_an_asyncio_loop():
    async def main():
        assert running_loop() is asyncio.get_running_loop()
        assert not is_in_trio_task()

    asyncio.run(main())


def test_in_a_trio_task_and_not_in_its_threads():
    async def main():
        assert is_in_trio_task()
        assert running_loop() is None
        assert not await trio.to_thread.run_sync(is_in_trio_task)

    trio.run(main)


def test_no_backend_is_imported():
    code = """
import sys
from tracetools.recording.running import is_in_trio_task, running_loop
assert running_loop() is None and not is_in_trio_task()
assert not {"asyncio", "trio", "anyio"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "run", [trio.run, lambda main: asyncio.run(main())], ids=["trio", "asyncio"]
)
def test_a_span_in_a_loop_that_nobody_records_is_no_work_of_a_thread(tmp_path, run):
    clock = FakeClock()

    async def unrecorded():
        with span("elsewhere"):
            clock.tick(5)

    def in_another_thread():
        if run is trio.run:
            trio.run(unrecorded)
        else:
            asyncio.run(unrecorded())

    async def main():
        thread = threading.Thread(target=in_another_thread)
        thread.start()
        thread.join()

    if run is trio.run:
        instrument = FlamegraphInstrument(tmp_path / "stack", clock=clock, flush_interval=None)
        trio.run(main, instruments=[instrument])
        profile = instrument.profile
    else:

        async def joined():
            async with record(tmp_path / "stack", clock=clock, flush_interval=None) as recording:
                await main()
            return recording.profile

        profile = asyncio.run(joined())
    assert profile.thread_time == 0
    assert not any("elsewhere" in path[-1].name for path in profile.stacks)
