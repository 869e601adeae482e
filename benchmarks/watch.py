"""What the sampler costs a step: bare checkpoints, recorded, with and without it.

Budget, over the same recording without it: blocking steps at most 1.02, functions every 5 ms at
most 1.05.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import hooks
from hooks import run
from interleave import measure, report

from tracetools import FlamegraphInstrument

if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    hooks.STEPS = 10_000  # long enough for some samples
    with tempfile.TemporaryDirectory() as folder:
        recording = partial(FlamegraphInstrument, Path(folder) / "stack", flush_interval=None)
        variants = {
            "empty hooks": hooks.Empty,
            "recording": partial(recording, blocking=None),
            "blocking": recording,
            "functions, 5 ms": partial(
                recording, blocking=None, functions=True, functions_interval=0.005
            ),
            "functions, 1 ms": partial(recording, blocking=None, functions=True),
            "both, 5 ms": partial(recording, functions=True, functions_interval=0.005),
        }
        found = measure({name: partial(run, make) for name, make in variants.items()}, rounds)
    report("a step of a bare checkpoint loop", found, "recording", "ns")
    report("the same", found, "empty hooks", "ns")
