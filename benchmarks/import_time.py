"""What `import tracetools` costs over bare Python. Budget: 30 ms, and no backend imported."""

from __future__ import annotations

import statistics
import subprocess
import sys
from time import perf_counter

ROUNDS = 30


def seconds(code: str) -> float:
    begun = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return perf_counter() - begun


if __name__ == "__main__":
    codes = {
        "bare": "pass",
        "import tracetools": "import tracetools",
        "the trio instrument": "from tracetools import FlamegraphInstrument",
        "trio alone": "import trio",
    }
    found: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(ROUNDS):
        for name, code in codes.items():
            found[name].append(seconds(code))
    for name, values in found.items():
        over = statistics.median(a - b for a, b in zip(values, found["bare"], strict=True))
        print(f"  {name:<22} {over * 1000:7.1f} ms over bare Python")
