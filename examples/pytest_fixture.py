"""Record a test: pytest-trio runs a test with every instrument that its fixtures return.

Run it with ``pytest examples/pytest_fixture.py``.
"""

from pathlib import Path

import pytest
import trio

from tracetools import FlamegraphInstrument, observe


@observe
async def serve(requests: "trio.MemoryReceiveChannel[int]") -> None:
    async for _ in requests:
        await trio.lowlevel.checkpoint()


@pytest.fixture
def instrument(tmp_path: Path) -> FlamegraphInstrument:
    return FlamegraphInstrument(tmp_path / "stack", flush_interval=None)


@pytest.mark.trio
async def test_server_is_called_once_per_request(instrument: FlamegraphInstrument) -> None:
    send, receive = trio.open_memory_channel[int](0)
    async with trio.open_nursery() as nursery, send:
        nursery.start_soon(serve, receive)
        for number in range(10):
            await send.send(number)

    instrument.profile.check()
    entries = {path[-1].name: times.entries for path, times in instrument.profile.stacks.items()}
    assert entries["serve"] == 1
