"""Kills programs and commands at random moments, and looks at what they leave.

    python -m tests.commands.kills [KILLS [SEED]]

Each file has to be whole or absent, a program that is looked into has to be clean, and nothing that
stays may be in the way of the next one. Prints what was killed how often, and each fault.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fleet.ledger import Ledger
from tests.killing import PATIENCE, Place, kill_and_print
from tracetools.fleet.duckdb_engine import open_duckdb
from tracetools.fleet.folder import Folder, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = Path(__file__).parent / "programs"
KILLED = str(PROGRAMS / "killed.py")
ATTACHED = str(PROGRAMS / "attached.py")
WITHOUT_DOOR = ["", "serve"] if sys.version_info >= (3, 14) else ["serve"]


class Ground(Place):
    """Where all happens.

    Attributes:
        minutes: the folder of who records always.
        engine: where those are sent to.
        ledger: of both.
        compared: how many acknowledged batches were looked for, in all looks together.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.minutes = folder / "minutes"
        self.engine = f"duckdb:{folder / 'fleet.duckdb'}"
        self.ledger = Ledger(Folder(self.minutes), mark_of(self.engine))
        self.compared = 0

    def look_at_the_fleet(self, after: str, *, is_all_sent: bool = False) -> None:
        """See that what was recorded is whole, and what was acknowledged is there once."""
        self.ledger.read()
        if not self.ledger.acknowledged:  # there may be no engine yet
            return
        store = open_duckdb(self.engine)
        try:
            for fault in self.ledger.faults(store, is_all_sent=is_all_sent):
                self.fault(f"after {after}: {fault}")
        finally:
            store.close()
        self.compared += len(self.ledger.acknowledged)


# -- who is killed ---------------------------------------------------------------------------------


def kill_a_run(ground: Ground) -> int:
    """Kill a program that is run, which writes all the time."""
    how = ["run", "-qo", "run", "--keep", "0.005", "--flush-interval", "0.02"]
    process = ground.command(*how, KILLED, "plain")
    ground.rest(1.5)
    ground.end_group(process)
    return 1


def kill_an_end(ground: Ground) -> int:
    """Kill a program that is run while it writes at its end."""
    names = [f"end.{each}" for each in ("html", "svg", "pb.gz", "profile.json", "folded")]
    outputs = [word for name in names for word in ("-o", name)]
    code = "import asyncio; asyncio.run(asyncio.sleep(.01)); print(1, flush=True)"
    process = ground.command("run", "-q", *outputs, "-c", code)
    process.stdout.readline()  # type: ignore[union-attr]  # it is a pipe
    ground.rest(0.4)
    ground.end_group(process)
    return 1


def kill_a_recording(ground: Ground) -> int:
    """Kill a program that records itself."""
    process = ground.start(KILLED, "api")
    ground.rest(1.2)
    ground.end_group(process)
    return 1


def kill_who_writes_at_signals(ground: Ground) -> int:
    """Kill a program with a door, which writes at signals."""
    process = ground.start(KILLED, "signals")
    ground.rest(1.2)
    ground.end_group(process)
    return 1


def kill_a_worker(ground: Ground) -> int:
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
    return 1


def kill_a_conversion(ground: Ground) -> int:
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
    return 1


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


_LOOKS = 5


def kill_who_looks(ground: Ground) -> int:
    """Kill a few commands that look into a program, which is clean then."""
    way = ground.chance.choice(WITHOUT_DOOR)
    with looked_into(ground, way) as left:
        for _ in range(_LOOKS):
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
    return _LOOKS


def kill_who_is_looked_into(ground: Ground) -> int:
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
    return 1


def kill_who_records_always(ground: Ground) -> int:
    """Kill a program that writes profiles all the time, and perhaps sends them."""
    sends = ground.chance.choice([[], [ground.engine]])
    process = ground.start(KILLED, "always", str(ground.minutes), *sends)
    ground.rest(4.0)
    ground.end_group(process)
    ground.look_at_the_fleet("a kill of who records always")
    return 1


def kill_a_push(ground: Ground) -> int:
    """Kill who sends, and the engine with it, which is in the same process.

    It counts if something was left to send.
    """
    if not ground.ledger.unsent():
        return 0
    process = ground.command("push", str(ground.minutes), "--to", ground.engine)
    ground.rest(1.5)
    ground.end_group(process)
    ground.look_at_the_fleet("a kill of a push")
    return int(ground.ledger.unsent() > 0)


def push_all(ground: Ground) -> None:
    """Send what is left: all is there then, once."""
    ground.ledger.read()
    if not ground.ledger.batches:  # each was killed before it wrote any
        return
    process = ground.command("push", str(ground.minutes), "--to", ground.engine)
    _, errors = process.communicate(timeout=PATIENCE)
    if process.returncode:
        ground.fault(f"the last push: {process.returncode} {errors}")
    ground.look_at_the_fleet("the last push", is_all_sent=True)
    ground.found["minutes, each in the engine once"] = len(ground.ledger.batches)
    ground.found["acknowledged batches looked for, after all kills"] = ground.compared


KINDS: list[Callable[[Ground], int]] = [
    kill_a_run,
    kill_an_end,
    kill_a_recording,
    kill_who_writes_at_signals,
    kill_a_worker,
    kill_a_conversion,
    kill_who_records_always,
    kill_a_push,
    kill_who_is_looked_into,
    kill_who_looks,
]
"""Who is killed; each returns how many kills that was."""

A_ROUND = len(KINDS) - 1 + _LOOKS
"""How many kills all kinds are at most."""


def kill(ground: Ground, kills: int) -> None:
    """Kill so many, or a few more, and look after each."""
    done = turn = 0
    while done < kills:
        kind = KINDS[turn % len(KINDS)]
        count = kind(ground)
        ground.look(kind.__name__)
        ground.found[kind.__name__ if count else f"{kind.__name__}: nothing to do"] += count or 1
        done += count
        turn += 1
    _go_on(ground)
    push_all(ground)


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
    return kill_and_print(Ground, kill, kills, seed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
