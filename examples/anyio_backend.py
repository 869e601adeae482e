"""An anyio program, recorded when it runs on trio: the instrument goes to the backend.

Run it with ``python examples/anyio_backend.py``, then open ``stack.svg``.
"""

import json
import sys

import anyio
import anyio.to_thread

from tracetools import FlamegraphInstrument, observe


@observe
def encode(rows: int) -> str:
    """Runs in a worker thread, and stands under the task that waits for it."""
    return json.dumps([{"row": row, "square": row * row} for row in range(rows)])


async def export(rows: int) -> None:
    text = await anyio.to_thread.run_sync(encode, rows)
    await anyio.sleep(0.01)
    print(f"{rows} rows: {len(text)} bytes")


async def main() -> None:
    async with anyio.create_task_group() as group:
        for rows in (1_000, 10_000, 50_000):
            group.start_soon(export, rows)


if __name__ == "__main__":
    instrument = FlamegraphInstrument(*sys.argv[1:] or ["stack"])
    anyio.run(main, backend="trio", backend_options={"instruments": [instrument]})
    print(f"open {instrument.flamegrapher.write_flamegraph()}")
