"""An anyio program, recorded on whichever backend it runs.

Run it with ``python examples/anyio_backend.py``, then open ``stack.svg``.
"""

import json
import sys

import anyio
import anyio.to_thread

from tracetools import observe, record


@observe
def encode(rows: int) -> str:
    """Run in a worker thread, under the task that waits for it."""
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
    with record(*sys.argv[1:] or ["stack"]) as recording:
        anyio.run(main)  # on asyncio; with backend="trio", on trio
    print(f"open {recording.flamegrapher.write_flamegraph()}")
