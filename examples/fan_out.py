"""A job that fans out. Two kinds of work share a helper; the graph shows its time for each kind.

Run it with ``python examples/fan_out.py``, then open ``stack.svg``.
"""

import hashlib
import sys

import trio

from tracetools import FlamegraphInstrument, observe, span


def checksum(data: bytes, rounds: int) -> str:
    """The shared helper. It is not observed, so its time belongs to its caller."""
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()


async def fetch(number: int) -> bytes:
    with span("wait for the line"):
        await trio.sleep(0.01)
    return number.to_bytes(4, "big") * 256


async def check_mail(number: int) -> None:
    checksum(await fetch(number), rounds=2000)


async def check_image(number: int) -> None:
    checksum(await fetch(number), rounds=6000)


@observe
async def backup() -> None:
    """This is one span. The tasks that it spawns stand under it."""
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(check_mail, number)
            nursery.start_soon(check_image, number)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backup)
        nursery.start_soon(check_mail, 99)


if __name__ == "__main__":
    instrument = FlamegraphInstrument(*sys.argv[1:] or ["stack"])
    trio.run(main, instruments=[instrument])
    print(f"open {instrument.flamegrapher.write_flamegraph()}")
