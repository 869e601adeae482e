"""Run all benchmarks, one after another: `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALL = [
    "steps",
    "callbacks",
    "awaits",
    "watch",
    "spans",
    "shares",
    "truth",
    "service",
    "import_time",
    "short_tasks",
    "rendering",
]

if __name__ == "__main__":
    chosen = sys.argv[1:] or ALL
    failed = [
        name for name in chosen if subprocess.call([sys.executable, str(HERE / f"{name}.py")])
    ]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
