"""What recording costs a real HTTP service: the demo's shop, with and without the instrument.

Budget: at most 1.03 of no instrument for time alone, at most 1.15 with everything on.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import trio
from interleave import measure, report

from tracetools import FlamegraphInstrument
from tracetools.demo.drive import Outcome, main

REQUESTS = 150


def run(*instruments: trio.abc.Instrument) -> float:
    """Return the milliseconds of all requests."""
    outcome = Outcome()
    trio.run(main, REQUESTS, outcome, instruments=instruments)
    assert outcome.answered == REQUESTS  # noqa: S101
    return outcome.seconds * 1000


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stack"
        found = measure(
            {
                "no instrument": run,
                "time alone": lambda: run(
                    FlamegraphInstrument(file, await_stacks=False, blocking=None)
                ),
                "recording": lambda: run(FlamegraphInstrument(file)),
                "everything": lambda: run(
                    FlamegraphInstrument(file, scheduled=True, functions=True)
                ),
                "no instrument, again": run,
            },
            rounds,
        )
    report(f"{REQUESTS} requests of the demo", found, "no instrument", "ms")
