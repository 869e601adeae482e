"""Kills who sends, who is sent to, and who is asked, at random moments, on a cluster of ClickHouse.

    python -m tests.fleet.kills [KILLS [SEED]]

The cluster has two shards, of which the first has a replica. A kill counts if there was something
to do just then: minutes to send, a question or a sum that was not answered. After each, when all
servers are up again, each batch that was acknowledged has to be there once, and sums have to be
equal; what was answered meanwhile may lack nothing without saying so, and count nothing twice.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fleet.clickhouse_servers import Cluster, Server
from tests.fleet.ledger import Ledger, not_answered
from tests.fleet.simulated import MINUTE, NOON, Shop
from tests.killing import PATIENCE, Place, kill_and_print, whole
from tracetools.core.errors import StackFileError
from tracetools.core.profile import Profile
from tracetools.fleet.batch import Source
from tracetools.fleet.engine import EngineUnavailableError
from tracetools.fleet.engines import open_engine
from tracetools.fleet.folder import Folder, mark_of
from tracetools.fleet.selection import Selection
from tracetools.fleet.store import Found, Store
from tracetools.output.formats.profile_json import read_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

PROGRAM = str(Path(__file__).parent / "programs" / "records_and_sends.py")
HOUR = 60 * MINUTE
PROCESSES = 6
SHOP, KILLED = "shop", "killed"
"""The services: one that is simulated, and one that records itself."""


@dataclass
class Asked:
    """A question, and what became of it.

    Attributes:
        service: that it is about.
        acknowledged: the ids of the batches that it cannot do without.
        down: the servers that were killed meanwhile or before.
        how: what is said of it.
        answer: what was answered.
        error: what was raised.
    """

    service: str
    acknowledged: frozenset[str]
    down: list[Server]
    how: str
    answer: Found | None = None
    error: BaseException | None = None


class Fleet(Place):
    """A cluster, and the folders that are sent to it.

    Attributes:
        cluster: the servers.
        url: of the engine.
        minutes: the folder of minutes.
        ledger: of that folder.
        down: the servers that were killed.
        asked: all questions since the last look.
        senders: the processes that send, with what they are.
        took: how long the last answer took, in seconds.
        rounds: how often something was recorded.
        compared: how many acknowledged batches were looked for, in all looks together.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.cluster = Cluster(folder / "servers")
        self.url = f"{self.cluster.url}&timeout=20"
        self.minutes = self._made(folder / "minutes")
        self.ledger = Ledger(self.minutes, mark_of(self.url))
        self.down: list[Server] = []
        self.asked: list[Asked] = []
        self.senders: list[tuple[subprocess.Popen[str], str]] = []
        self.rounds = 0
        self.took = 0.3
        self.compared = 0
        self.looked = 0.0
        self._begin = time.time_ns() // HOUR * HOUR - 2 * HOUR

    def __enter__(self) -> Self:
        self.cluster.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.cluster.__exit__(*error)

    @staticmethod
    def _made(path: Path) -> Folder:
        folder = Folder(path)
        folder.make()
        return folder

    @property
    def lone(self) -> Server:
        """The shard without a replica."""
        return self.cluster.shards[1][0]

    @property
    def replicas(self) -> list[Server]:
        """Those of the other shard."""
        return self.cluster.shards[0]

    # -- what there is to do -----------------------------------------------------------------------

    def record(self, folder: Folder, minutes: int, source: Source | None = None) -> None:
        """Write minutes of simulated processes, or of a process that there is.

        Each round has processes, and a version, of its own.
        """
        self.rounds += 1
        shop = Shop(routes=4, below=3, seed=self.chance.randrange(10**6))
        for at in range(minutes):
            number, minute = at % PROCESSES, at // PROCESSES
            if source is not None:  # all of one process, each second
                number, minute = 0, at
            batch = shop.minute(str(self.rounds), number, minute)
            start = self._begin + (batch.start - NOON) + (source is not None) * HOUR // 2
            batch = replace(
                batch,
                source=source or batch.source,
                start=start,
                end=start + MINUTE,
                profile=replace(batch.profile, start=start),
            )
            if not minute or source is not None:
                folder.write_source(batch.source)
            folder.write(batch)

    def push(self, folder: Folder | None = None, url: str = "") -> subprocess.Popen[str]:
        """Start the command that sends a folder."""
        path = str((folder or self.minutes).path)
        process = self.command("push", path, "--to", url or self.url)
        self.senders.append((process, "push"))
        return process

    def program(self) -> tuple[subprocess.Popen[str], Source]:
        """Start a program that records and sends."""
        process = self.start(PROGRAM, str(self.minutes.path), self.url, stdin=subprocess.PIPE)
        self.senders.append((process, "the program"))
        assert process.stdout is not None
        instance = process.stdout.readline().strip()
        return process, self.minutes.source(instance)

    def wait_for(self, is_so: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
        return True

    def wait_for_marks(
        self, process: subprocess.Popen[str], count: int, left: Callable[[], int], late: float
    ) -> None:
        """Wait until a random number of minutes is marked, and a moment more."""
        least = self.chance.randrange(count)
        if not least:  # before the first one: while it starts
            self.rest(0.5)
            return
        self.wait_for(lambda: left() <= count - least or process.poll() is not None)
        self.rest(late)

    def kill_server(self, server: Server) -> None:
        """Kill a server."""
        for asked in self.asked:
            if asked.answer is None and asked.error is None:
                asked.down.append(server)
        server.kill()
        self.down.append(server)

    # -- questions ---------------------------------------------------------------------------------

    def question(self, how: str) -> Asked:
        """Note a question to any service of which something was acknowledged."""
        self.ledger.read()
        there = [s for s in (SHOP, KILLED) if self.ledger.of(s, self.ledger.acknowledged)]
        service = self.chance.choice(there)
        acknowledged = frozenset(self.ledger.of(service, self.ledger.acknowledged))
        asked = Asked(service, acknowledged, [*self.down], how)
        self.asked.append(asked)
        return asked

    def begin_to_ask(self) -> tuple[Asked, threading.Thread]:
        """Ask from a thread."""
        asked = self.question("a question while a server was killed")
        store = self.open()

        def ask() -> None:
            began = time.monotonic()
            try:
                asked.answer = store.profile(Selection(asked.service))
                self.took = time.monotonic() - began
            except BaseException as error:  # whatever it is, it is looked at
                asked.error = error

        thread = threading.Thread(target=ask)
        thread.start()
        return asked, thread

    def ask_meanwhile(self) -> None:
        """Ask while servers are dead, from here or by the command."""
        if self.chance.random() < 0.5:  # one of two
            asked, thread = self.begin_to_ask()
            asked.how = "a question while a server is down"
            thread.join()
        else:
            asked = self.question("a query while a server is down")
            self._query(asked)
        if asked.answer is None:
            self.fault(f"{asked.how}, and others are up: {asked.error!r}")
        elif (said := self._is_said(asked.answer)) != (self.lone in self.down):
            self.fault(f"{asked.how}: what misses is{'' if said else ' not'} said")

    def _is_said(self, answer: Found) -> bool:
        said = "; ".join(not_answered(answer))
        if said and f"1 of 2 shards did not answer (127.0.0.1:{self.lone.tcp})" not in said:
            self.fault(f"the wrong one is said to be missing: {said}")
        return bool(said)

    def _query(self, asked: Asked) -> None:
        target = self.files / "answer.profile.json"
        target.unlink(missing_ok=True)
        words = ["query", self.url, "--service", asked.service, "-o", str(target)]
        process = self.command(*words)
        _, errors = process.communicate(timeout=PATIENCE)
        missing = tuple(re.findall(r"missing: (.*)", errors))
        if process.returncode == 2 and "nothing was found" in errors and missing:
            asked.answer = Found(Profile(), -1, 0, missing)
            return
        if "Traceback" in errors or process.returncode != (1 if missing else 0):
            asked.error = RuntimeError(f"exit status {process.returncode}: {errors}")
            return
        profile = read_profile(target)
        asked.answer = Found(profile, -1, profile.merged, missing)

    def open(self, url: str = "") -> Store:
        """Return the engine, newly opened."""
        engine = open_engine(url or self.url)
        assert isinstance(engine, Store)
        return engine

    # -- what is there afterwards ------------------------------------------------------------------

    def settle(self, after: str, ledger: Ledger | None = None, url: str = "") -> None:
        """Have all servers up and all senders ended, and look."""
        for server in self.down:
            server.start()
        for server in self.down:
            server.wait()
        self.down = []
        for process, what in self.senders:
            self._end(process, f"{what} after {after}")
        self.senders = []
        try:
            self._look(after, ledger or self.ledger, url)
        except (EngineUnavailableError, StackFileError, AssertionError) as error:
            self.fault(f"after {after}: {error!r}")

    def _end(self, process: subprocess.Popen[str], what: str) -> None:
        was_killed = process.poll() == -9
        output, errors = process.communicate(timeout=PATIENCE)
        if was_killed:
            return
        fine = {0} if "program" in what else {0, 1}
        said = [line for line in errors.splitlines() if line]
        if process.returncode not in fine or "Traceback" in errors:
            self.fault(f"{what}: {process.returncode} {errors}")
        elif process.returncode == 1 and not any("left" in line for line in said):
            self.fault(f"{what}: what is left is not said: {errors}")
        elif "program" in what and "the end" not in output:
            self.fault(f"{what}: it came to no end: {output} {errors}")
        if re.search(r"refused [1-9]|was not sent", errors):
            self.fault(f"{what}: {errors}")

    def _look(self, after: str, ledger: Ledger, url: str) -> None:
        for fault in ledger.faults(self.open(url)):
            self.fault(f"after {after}: {fault}")
        self.compared += len(ledger.acknowledged)
        if not url:
            on_lone = self._ids_on(self.lone)
            for replica in self.replicas:
                if lost := ledger.acknowledged - on_lone - self._ids_on(replica):
                    self.fault(f"after {after}: one replica lacks {len(lost)} batches")
        for asked in self.asked:
            self._look_at(asked, after)
        self.asked = []

    def _look_at(self, asked: Asked, after: str) -> None:
        what = f"{asked.how}, {after}"
        if asked.answer is None:
            text = str(asked.error)
            if not isinstance(asked.error, EngineUnavailableError) or not text.strip():
                self.fault(f"{what}: {asked.error!r}")
            self.found["questions that failed with a sentence"] += 1
            return
        least = asked.acknowledged
        if asked.answer.missing:
            self.found["questions whose answer says what is missing"] += 1
            for server in asked.down:
                least -= self._ids_on(server)
        else:
            self.found["questions that were answered in full"] += 1
        answer = asked.answer
        if answer.batches < 0:  # of a file, which does not say it
            answer = replace(answer, batches=len(self.ledger.of(asked.service, least)))
        most = self.ledger.batches
        faults = [*self.ledger.answer_faults(asked.service, answer, least, most)]
        if faults:
            self.fault(f"{what}: {len(faults)} numbers, such as {faults[0]}")

    @staticmethod
    def _ids_on(server: Server) -> set[str]:
        return {*server.ask("SELECT id FROM tracetools_batches_here FORMAT TSV").split()}


# -- who is killed ---------------------------------------------------------------------------------


def kill_a_push(fleet: Fleet) -> int:
    """Kill the command that sends."""
    fleet.record(fleet.minutes, 60)
    count = fleet.ledger.unsent()
    process = fleet.push()
    fleet.wait_for_marks(process, count, fleet.ledger.unsent, 0.05)
    fleet.end_group(process)
    return int(fleet.ledger.unsent() > 0)


def kill_the_program(fleet: Fleet) -> int:
    """Kill the program that records and sends."""
    process, left = _sending_program(fleet)
    fleet.end_group(process)
    return int(left() > 0)


def _sending_program(fleet: Fleet) -> tuple[subprocess.Popen[str], Callable[[], int]]:
    """Start a program with many minutes to send, and wait for a random moment."""
    process, source = fleet.program()
    fleet.record(fleet.minutes, 60, source)

    def left() -> int:
        return len(fleet.minutes.unsent(fleet.ledger.mark, source.instance))

    fleet.wait_for_marks(process, 60, left, 0.1)
    return process, left


def kill_a_server_of_a_push(fleet: Fleet) -> int:
    """Kill a server while the command sends."""
    fleet.record(fleet.minutes, 60)
    count = fleet.ledger.unsent()
    process = fleet.push()
    fleet.wait_for_marks(process, count, fleet.ledger.unsent, 0.05)
    had_to_do = process.poll() is None and fleet.ledger.unsent() > 0
    fleet.kill_server(_any(fleet))
    process.wait(PATIENCE)
    fleet.ask_meanwhile()
    return int(had_to_do)


def kill_a_server_of_the_program(fleet: Fleet) -> int:
    """Kill a server while a program sends. It goes on, and sends the rest when it is up again."""
    _, left = _sending_program(fleet)
    had_to_do = left() > 0
    fleet.kill_server(_any(fleet))
    fleet.ask_meanwhile()
    if fleet.chance.random() < 0.5:  # it is up again while the program runs
        _start(fleet)
        if not fleet.wait_for(lambda: left() == 0):
            fleet.fault("the program does not send again")
    return int(had_to_do)


def _start(fleet: Fleet) -> None:
    for server in fleet.down:
        server.start()
        server.wait()
    fleet.down = []


def kill_a_server_that_is_asked(fleet: Fleet) -> int:
    """Kill a server while a question is asked."""
    asked, thread = fleet.begin_to_ask()
    fleet.rest(fleet.took)
    in_flight = asked.answer is None and asked.error is None
    fleet.kill_server(_any(fleet))
    thread.join()
    fleet.ask_meanwhile()
    return int(in_flight)


def kill_a_server_of_all(fleet: Fleet) -> int:
    """Kill a server while the command sends and a question is asked."""
    fleet.record(fleet.minutes, 60)
    count = fleet.ledger.unsent()
    process = fleet.push()
    fleet.wait_for_marks(process, count, fleet.ledger.unsent, 0)
    asked, thread = fleet.begin_to_ask()
    fleet.rest(min(fleet.took, 0.1))
    in_flight = asked.answer is None and asked.error is None
    had_to_do = process.poll() is None and fleet.ledger.unsent() > 0
    fleet.kill_server(_any(fleet))
    thread.join()
    process.wait(PATIENCE)
    return int(in_flight and had_to_do)


def kill_a_server_that_adds_up(fleet: Fleet) -> int:
    """Kill a server while hours are added up."""
    errors: list[BaseException] = []
    done: list[int] = []
    store = fleet.open()

    def roll_up() -> None:
        try:
            done.append(store.roll_up(time.time_ns() + HOUR))
        except BaseException as error:  # whatever it is, it is looked at
            errors.append(error)

    thread = threading.Thread(target=roll_up)
    thread.start()
    fleet.rest(0.3)
    in_flight = not done and not errors
    fleet.kill_server(_any(fleet))
    thread.join()
    for error in errors:
        if not isinstance(error, EngineUnavailableError):
            fleet.fault(f"hours were added up: {error!r}")
    fleet.ask_meanwhile()
    return int(in_flight)


def kill_while_tables_are_made(fleet: Fleet) -> int:
    """Kill a server, or who sends, while there are no tables yet, in a database of its own."""
    name = f"tables{fleet.rounds}"
    for server in fleet.cluster.servers:
        server.ask(f"CREATE DATABASE {name}")
    url = fleet.url.replace("/default?", f"/{name}?")
    folder = fleet._made(fleet.minutes.path.with_name(name))
    ledger = Ledger(folder, mark_of(url))
    fleet.record(folder, 20)
    process = fleet.push(folder, url)
    sql = f"SELECT count() FROM system.tables WHERE database = '{name}' FORMAT TSV"  # noqa: S608
    first = fleet.cluster.servers[0]
    fleet.wait_for(lambda: int(first.ask(sql)) > 0 or process.poll() is not None)
    fleet.rest(0.25)
    had_to_do = process.poll() is None and ledger.unsent() > 0
    victim = fleet.chance.choice([None, *fleet.cluster.servers])
    if victim is None:
        fleet.end_group(process)
    else:
        fleet.kill_server(victim)
    process.wait(PATIENCE)
    _start(fleet)
    again = fleet.push(folder, url)
    _, errors = again.communicate(timeout=PATIENCE)
    if again.returncode:
        fleet.fault(f"the push after tables were half made: {again.returncode} {errors}")
    fleet.settle("a kill while tables are made", ledger, url)
    return int(had_to_do)


def _any(fleet: Fleet) -> Server:
    """Return the shard without a replica half of the time, else one of the other."""
    return fleet.chance.choice([fleet.lone, fleet.lone, *fleet.replicas])


KINDS: list[Callable[[Fleet], int]] = [
    kill_a_push,
    kill_a_server_of_a_push,
    kill_a_server_that_is_asked,
    kill_the_program,
    kill_a_server_of_all,
    kill_a_server_that_adds_up,
    kill_a_server_of_the_program,
    kill_while_tables_are_made,
]


def kill(fleet: Fleet, kills: int, kinds: Iterable[Callable[[Fleet], int]] = KINDS) -> None:
    """Kill so many, and look after each."""
    fleet.record(fleet.minutes, 30)
    _push_all(fleet)
    done = turn = 0
    kinds = [*kinds]
    while done < kills:
        kind = kinds[turn % len(kinds)]
        counted = kind(fleet)
        began = time.monotonic()
        fleet.settle(kind.__name__)
        fleet.looked += time.monotonic() - began
        fleet.found[kind.__name__ if counted else f"{kind.__name__}: nothing to do"] += 1
        done += counted
        turn += 1
    _push_all(fleet)
    for fault in fleet.ledger.faults(fleet.open(), is_all_sent=True):
        fleet.fault(f"at the end: {fault}")
    _look_at_files(fleet)
    fleet.found["minutes recorded, each in the engine once"] = len(fleet.ledger.batches)
    fleet.found["seconds of looking"] = round(fleet.looked)
    fleet.found["acknowledged batches looked for, after all kills"] = fleet.compared


def _look_at_files(fleet: Fleet) -> None:
    """See that all files are whole. What was being written by who was killed has another name."""
    for path in fleet.minutes.path.iterdir():
        if path.name.endswith(".source.json"):
            json.loads(path.read_bytes())
        elif path.name.startswith(".tracetools-"):
            fleet.found["a temporary file was left"] += 1
        elif path.suffix != ".lock" and (wrong := whole(path)):
            fleet.fault(f"{path.name}: {wrong}")


def _push_all(fleet: Fleet) -> None:
    process = fleet.push()
    _, errors = process.communicate(timeout=PATIENCE)
    if process.returncode:
        fleet.fault(f"a push to servers that are up: {process.returncode} {errors}")
    fleet.senders = []


def main(kills: str = "200", seed: str = "1") -> int:
    """Kill, and print what was found."""
    return kill_and_print(Fleet, kill, kills, seed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
