"""What those have in common that kill processes at random moments: `kills.py` in some folders."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracetools.core.errors import NoStacksError, TracetoolsError
from tracetools.output.formats.profile_json import read_profile
from tracetools.output.formats.reading import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

SOURCE = Path(__file__).parents[1] / "src"
PATIENCE = 60


def whole(path: Path) -> str:
    """Return what is wrong with a file; nothing if it is whole."""
    data = path.read_bytes()
    try:
        if path.name.endswith((".profile.json", ".json")):
            read_profile(path).check()
        elif path.suffix == ".folded":
            with contextlib.suppress(NoStacksError):  # made at the start, and empty
                read(path)
            return "" if not data or data.endswith(b"\n") else "no whole line"
        elif path.suffix in {".html", ".svg"}:
            return "" if data.rstrip().endswith((b"</html>", b"</svg>")) else "no end"
        elif path.suffix == ".gz":
            json.loads(gzip.decompress(data)) if "trace" in path.name else read(path)
        elif not path.name.startswith(".tracetools-"):
            return "not expected"
    except (TracetoolsError, OSError, ValueError, EOFError) as error:
        return repr(error)
    mode = path.stat().st_mode & 0o777
    return "" if mode == 0o600 else f"its mode is {mode:o}"


class Place:
    """Where processes are killed: a folder of files, and one for what is temporary.

    What was started ends with the `with`.

    Attributes:
        chance: what is drawn.
        found: what was killed, and what was left, how often.
        faults: sentences.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.files = folder / "files"
        self.temporary = folder / "t"
        self.files.mkdir()
        self.temporary.mkdir()
        self.chance = random.Random(seed)
        self.found: Counter[str] = Counter()
        self.faults: list[str] = []
        self._running: list[subprocess.Popen[str]] = []
        self._environment = {
            **{n: v for n, v in os.environ.items() if not n.startswith("COVERAGE_PROCESS")},
            "TMPDIR": str(self.temporary),
            "XDG_RUNTIME_DIR": "",
            "PYTHONPATH": str(SOURCE),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            if process.poll() is None:
                self.end_group(process)

    def start(self, *arguments: str, **how: Any) -> subprocess.Popen[str]:
        """Start a Python. It is the leader of a group of its own."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.files,
            env=self._environment,
            start_new_session=True,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
        )
        self._running = [each for each in self._running if each.poll() is None]
        self._running.append(process)
        return process

    def command(self, *arguments: str, **how: Any) -> subprocess.Popen[str]:
        """Start a command."""
        return self.start("-m", "tracetools", *arguments, **how)

    def rest(self, longest: float) -> None:
        """Wait until a random moment."""
        time.sleep(self.chance.uniform(0, longest))

    def fault(self, what: str) -> None:
        """Note a fault."""
        self.faults.append(what)

    def look(self, after: str) -> None:
        """Look at all files."""
        for path in [each for each in self.files.rglob("*") if each.is_file()]:
            wrong = whole(path)
            if wrong:
                self.fault(f"after {after}: {path.name}: {wrong}")
            if path.name.startswith(".tracetools-"):
                self.found["a temporary file was left"] += 1
                path.unlink()

    def end_group(self, process: subprocess.Popen[str]) -> None:
        """Kill a process and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def kill_and_print(
    made: Callable[[Path, int], Any], kill: Callable[[Any, int], None], kills: str, seed: str
) -> int:
    """Kill so many in a place that is made, and print what was found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends what it started
    with tempfile.TemporaryDirectory() as folder, made(Path(folder), int(seed)) as place:
        began = time.monotonic()
        kill(place, int(kills))
        took = time.monotonic() - began
        for what, count in sorted(place.found.items()):
            print(f"{count:5}  {what}")  # noqa: T201  # what it is for
        print(f"seed {seed}, {took:.0f} s, {len(place.faults)} faults", flush=True)  # noqa: T201
        for fault in place.faults:
            print(fault, flush=True)  # noqa: T201  # likewise
    return bool(place.faults)
