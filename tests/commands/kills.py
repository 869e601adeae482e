"""Kills programs and commands at random moments, and looks at what they leave.

    python -m tests.commands.kills [KILLS [SEED]]

Each file has to be whole or absent, a program that is looked into has to be clean, and nothing that
stays may be in the way of the next one. Prints what was killed how often, and each fault.
"""

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
from tracetools.fleet.duckdb_engine import open_duckdb
from tracetools.fleet.folder import Folder
from tracetools.fleet.selection import Selection
from tracetools.output.formats.profile_json import read_profile
from tracetools.output.formats.reading import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = Path(__file__).parent / "programs"
KILLED = str(PROGRAMS / "killed.py")
ATTACHED = str(PROGRAMS / "attached.py")
SOURCE = Path(__file__).parents[2] / "src"
PATIENCE = 60
WITHOUT_DOOR = ["", "serve"] if sys.version_info >= (3, 14) else ["serve"]


# -- what is there afterwards ----------------------------------------------------------------------


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


class Ground:
    """Where all happens: a folder of files, and one for what is temporary.

    Attributes:
        minutes: the folder of who records always.
        engine: where those are sent to.
        chance: what is drawn.
        found: what was killed, and what was left, how often.
        faults: sentences.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.files = folder / "files"
        self.temporary = folder / "t"
        self.minutes = folder / "minutes"
        self.engine = f"duckdb:{folder / 'fleet.duckdb'}"
        self.files.mkdir()
        self.temporary.mkdir()
        self.chance = random.Random(seed)
        self.found: Counter[str] = Counter()
        self.faults: list[str] = []
        self._environment = {
            **{n: v for n, v in os.environ.items() if not n.startswith("COVERAGE_PROCESS")},
            "TMPDIR": str(self.temporary),
            "XDG_RUNTIME_DIR": "",
            "PYTHONPATH": str(SOURCE),
        }

    def start(self, *arguments: str, **how: Any) -> subprocess.Popen[str]:
        """Start a Python. It is the leader of a group of its own."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.files,
            env=self._environment,
            start_new_session=True,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
        )

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


# -- who is killed ---------------------------------------------------------------------------------


def kill_a_run(ground: Ground) -> None:
    """Kill a program that is run, which writes all the time."""
    how = ["run", "-qo", "run", "--keep", "0.005", "--flush-interval", "0.02"]
    process = ground.command(*how, KILLED, "plain")
    ground.rest(1.5)
    ground.end_group(process)


def kill_an_end(ground: Ground) -> None:
    """Kill a program that is run while it writes at its end."""
    names = [f"end.{each}" for each in ("html", "svg", "pb.gz", "profile.json", "folded")]
    outputs = [word for name in names for word in ("-o", name)]
    code = "import asyncio; asyncio.run(asyncio.sleep(.01)); print(1, flush=True)"
    process = ground.command("run", "-q", *outputs, "-c", code)
    process.stdout.readline()  # type: ignore[union-attr]  # it is a pipe
    ground.rest(0.4)
    ground.end_group(process)


def kill_a_recording(ground: Ground) -> None:
    """Kill a program that records itself."""
    process = ground.start(KILLED, "api")
    ground.rest(1.2)
    ground.end_group(process)


def kill_who_writes_at_signals(ground: Ground) -> None:
    """Kill a program with a door, which writes at signals."""
    process = ground.start(KILLED, "signals")
    ground.rest(1.2)
    ground.end_group(process)


def kill_a_worker(ground: Ground) -> None:
    """Kill a worker of a program that is run; the program ends as if nothing had happened."""
    process = ground.command("run", "-qo", "workers", "--flush-interval", "0.02", KILLED, "workers")
    assert process.stdout is not None
    process.stdout.readline()
    workers = process.stdout.readline().split()
    ground.rest(0.6)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(ground.chance.choice(workers)), signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)
    if process.returncode or "Traceback" in errors:
        ground.fault(f"a program whose worker was killed: {process.returncode} {errors}")


def kill_a_conversion(ground: Ground) -> None:
    """Kill commands that replace a file."""
    source = ground.files / "source.profile.json"
    if not source.exists():
        code = "import asyncio; asyncio.run(asyncio.sleep(.01))"
        ground.command("run", "-qo", str(source), "-c", code).communicate()
    target = ground.chance.choice(["to.html", "to.pb.gz", "to.profile.json", "to.folded", "to.svg"])
    commands = {"to.html": "render", "to.svg": "render", "to.profile.json": "merge"}
    given = {"merge": [str(source), "-o", target], "render": [str(source), "-o", target]}
    name = commands.get(target, "convert")
    process = ground.command(name, *given.get(name, [str(source), target]))
    ground.rest(0.6)
    ground.end_group(process)


@contextlib.contextmanager
def looked_into(ground: Ground, way: str) -> Iterator[Callable[[], Any]]:
    """Run a program that others look into; give what says what they have left in it."""
    how = {"stdin": subprocess.PIPE}
    process = ground.start(ATTACHED, "asyncio", *filter(None, [way]), **how)
    assert process.stdout is not None
    assert process.stdin is not None
    pid = process.stdout.readline().strip()

    def left() -> Any:
        process.stdin.write("\n")  # type: ignore[union-attr]  # it is a pipe
        process.stdin.flush()  # type: ignore[union-attr]  # likewise
        return json.loads(process.stdout.readline())  # type: ignore[union-attr]  # likewise

    left.pid, left.process = pid, process  # type: ignore[attr-defined]  # for who asks
    try:
        yield left
    finally:
        _, errors = process.communicate()
        if errors:
            ground.fault(f"a program that was looked into says: {errors}")


def kill_who_looks(ground: Ground) -> None:
    """Kill a few commands that look into a program, which is clean then."""
    way = ground.chance.choice(WITHOUT_DOOR)
    with looked_into(ground, way) as left:
        for _ in range(5):
            words = ground.chance.choice([["dump"], ["attach", "--duration", "9", "-qo", "looks"]])
            process = ground.command(words[0], left.pid, *words[1:])  # type: ignore[attr-defined]
            ground.rest(0.8)
            ground.end_group(process)
            ground.found[f"{words[0]}, {way or 'no door'}"] += 1
        differs = {name: each for name, each in left().items() if name != "in the folder"}
        if differs:
            ground.fault(f"a program that was looked into is not as before: {differs}")
        words = ["attach", left.pid, "--duration", "0.1", "-qo", "looks"]  # type: ignore[attr-defined]
        _, errors = (process := ground.command(*words)).communicate(timeout=PATIENCE)
        if process.returncode:
            ground.fault(f"the next attach: {errors}")


def kill_who_is_looked_into(ground: Ground) -> None:
    """Kill a program that commands look into. They end, with what was read or with a sentence."""
    way = ground.chance.choice(WITHOUT_DOOR)
    with looked_into(ground, way) as left:
        pid = left.pid  # type: ignore[attr-defined]
        words = [["dump", pid], ["attach", pid, "--duration", "30", "-qo", "looked"]]
        processes = [ground.command(*each) for each in words]
        ground.rest(1.0)
        left.process.kill()  # type: ignore[attr-defined]
        for process in processes:
            _, errors = process.communicate(timeout=PATIENCE)
            if process.returncode not in {0, 2} or "Traceback" in errors:
                ground.fault(f"of a program that was killed: {process.returncode} {errors}")


def kill_who_records_always(ground: Ground) -> None:
    """Kill a program that writes profiles all the time, and perhaps sends them."""
    sends = ground.chance.choice([[], [ground.engine]])
    process = ground.start(KILLED, "always", str(ground.minutes), *sends)
    ground.rest(4.0)
    ground.end_group(process)


def kill_a_push(ground: Ground) -> None:
    """Kill who sends, and the engine with it, which is in the same process."""
    if ground.minutes.exists():
        process = ground.command("push", str(ground.minutes), "--to", ground.engine)
        ground.rest(1.5)
        ground.end_group(process)


def look_at_the_fleet(ground: Ground) -> None:
    """See that what was recorded is whole, and counts once when all was sent."""
    folder = Folder(ground.minutes)
    if not (ground.minutes.exists() and folder.files()):  # each was killed before it wrote any
        return
    process = ground.command("push", str(ground.minutes), "--to", ground.engine)
    _, errors = process.communicate(timeout=PATIENCE)
    if process.returncode:
        ground.fault(f"the last push: {process.returncode} {errors}")
    files = folder.files()
    profiles = [folder.read(file).profile for file in files]
    for profile in profiles:
        profile.check()
    store = open_duckdb(ground.engine)
    try:
        sent = sum(known.batches for known in store.known()[0])
        found = store.profile(Selection("killed")).profile if sent else None
    finally:
        store.close()
    ground.found["minutes, each in the engine once"] = sent
    if sent != len(files):
        ground.fault(f"the engine has {sent} batches of {len(files)} files")
    if found is not None and found.duration != sum(each.duration for each in profiles):
        ground.fault(f"the engine counts {found.duration} ns, not what the files have")


KINDS: list[tuple[Callable[[Ground], None], int]] = [
    (kill_a_run, 1),
    (kill_an_end, 1),
    (kill_a_recording, 1),
    (kill_who_writes_at_signals, 1),
    (kill_a_worker, 1),
    (kill_a_conversion, 1),
    (kill_who_records_always, 1),
    (kill_a_push, 1),
    (kill_who_is_looked_into, 1),
    (kill_who_looks, 5),
]
"""Who is killed, and how many kills that is."""


def kill(ground: Ground, kills: int) -> None:
    """Kill so many, or a few more, and look after each."""
    done = turn = 0
    while done < kills:
        kind, count = KINDS[turn % len(KINDS)]
        kind(ground)
        ground.look(kind.__name__)
        ground.found[kind.__name__] += count
        done += count
        turn += 1
    _go_on(ground)
    look_at_the_fleet(ground)


_REPLACED = "is going to be replaced"
"""What is said of a whole file that a killed program has left, if it came so far."""


def _go_on(ground: Ground) -> None:
    """See that nothing of what was left is in the way."""
    code = "import asyncio, tracetools; tracetools.serve(); asyncio.run(asyncio.sleep(0.1))"
    for name in ("run", "end.html"):
        process = ground.command("run", "-qo", name, "-c", code)
        _, errors = process.communicate(timeout=PATIENCE)
        said = [line for line in errors.splitlines() if line and _REPLACED not in line]
        if process.returncode or said:
            ground.fault(f"the next run: {process.returncode} {errors}")
    ground.look("all that")
    sockets = [path.name for path in ground.temporary.glob("*/*.sock")]
    if sockets:
        ground.fault(f"sockets stay: {sockets}")
    folders = [*ground.temporary.glob("tracetools-*")]
    ground.found["folders left among temporary files"] = len(folders) - 1  # one is for doors


def main(kills: str = "200", seed: str = "1") -> int:
    """Kill, and print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder), int(seed))
        began = time.monotonic()
        kill(ground, int(kills))
        took = time.monotonic() - began
    for what, count in sorted(ground.found.items()):
        print(f"{count:5}  {what}")  # noqa: T201  # what it is for
    print(f"seed {seed}, {took:.0f} s, {len(ground.faults)} faults")  # noqa: T201  # likewise
    for fault in ground.faults:
        print(fault)  # noqa: T201  # likewise
    return bool(ground.faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
