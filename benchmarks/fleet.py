"""What a fleet costs: batches of simulated processes, written into an engine and asked for again.

    python benchmarks/fleet.py cluster --processes 10 --minutes 1440
    python benchmarks/fleet.py chdb --processes 1000 --minutes 10
    python benchmarks/fleet.py duckdb --processes 10 --minutes 60
    python benchmarks/fleet.py regressions --fleets 20 --minutes 15
    python benchmarks/fleet.py one-query --minutes 15

`cluster` starts Debian's ClickHouse, two shards of which the first has a replica, on this machine.
Each process has `--stacks` stacks, of which about `--present` run in each minute: a few in all of
them, most of them seldom. Their numbers have full entropy, which is the worst case for size: busy
and idle time have 32 random bits, steps and entries 8.

`regressions` counts in how many fleets a route is found that takes 5 % longer, and in how many
anything is found where nothing does. It asks no engine. `one-query` sends one such fleet to
`cluster`, and asks with `tracetools query`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from typing_extensions import Self

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.fleet.clickhouse_servers import Cluster, Server
from tests.fleet.simulated import Shop

from tracetools.__main__ import main as tracetools
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.engines import open_engine
from tracetools.fleet.regressions import compared
from tracetools.fleet.rows import batch_row, packed_path, stack_number, stack_row
from tracetools.fleet.schema import BATCHES, STACKS
from tracetools.fleet.selection import Selection
from tracetools.fleet.store import Slice

MINUTE = 60 * 10**9
START = 1_800_000_000 // 86_400 * 86_400 * 10**9


ROUTE = "GET /route3"
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["cluster", "chdb", "duckdb", "regressions", "one-query"])
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--services", type=int, default=1)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--stacks", type=int, default=2000)
    parser.add_argument("--present", type=int, help="stacks in each minute; all by default")
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--fleets", type=int, default=20)
    given = parser.parse_args()
    # As any other end: the servers are killed, and the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if given.engine == "regressions":
        look_for_regressions(given.fleets, given.minutes)
        return
    with tempfile.TemporaryDirectory() as folder:
        is_cluster = given.engine in ("cluster", "one-query")
        with Cluster(Path(folder)) if is_cluster else nullcontext() as cluster:
            if given.engine == "one-query":
                find_by_one_query(f"{cluster.url}&timeout=300", given.minutes)
                return
            url = cluster.url if cluster else f"{given.engine}:{folder}/store"
            engine = open_engine(f"{url}&timeout=900" if cluster else url)
            run(engine, given, Path(folder), cluster.servers if cluster else [])


def run(engine, given: argparse.Namespace, folder: Path, servers: list[Server]) -> None:
    database = engine._database
    stacks = paths(given.stacks)
    middle = first_of(given) + given.minutes // 2 * MINUTE
    print(
        f"{given.engine}: {given.processes} processes of {given.services} services,"
        f" {given.minutes} minutes, {given.present or given.stacks} of {given.stacks} stacks each"
    )
    with database.held(is_written=True):
        with Cost(servers) as cost:
            for first in range(0, given.processes, 10):
                rows = []
                for process in range(first, min(first + 10, given.processes)):
                    batch = Batch(source_of(process, given), START, START + MINUTE, Profile())
                    rows += [stack_row(batch, text, number) for number, text in stacks]
                database.insert([(STACKS, rows)])
        print(f"  {given.processes * given.stacks:,} rows of stacks sent: {cost}")
        count, numbers = send(database, given, [number for number, _ in stacks], servers)
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    print(
        f"  {size / 1e6:,.0f} MB on disk, {size / count / 1e3:.1f} kB a batch,"
        f" {size / numbers:.1f} B a stack"
    )
    for server in servers:
        print(f"  {server.folder.name}: {by_table(server.ask)}")
    ask(engine, "service0", middle, "as minutes")
    started = time.perf_counter()
    rolled = engine.roll_up(START + 48 * 60 * MINUTE)
    spent = time.perf_counter() - started
    print(f"  {rolled} hours of services added up in {spent:.1f} s")
    ask(engine, "service0", middle, "by hours")
    for server, host in zip(servers, database._place.hosts if servers else (), strict=True):
        database._on(host, f"OPTIMIZE TABLE {BATCHES.name}_here FINAL", None, {})
        print(f"  {server.folder.name}, merged: {by_table(server.ask)}")
    engine.close()


def send(
    database, given: argparse.Namespace, stacks: list[int], servers: list[Server]
) -> tuple[int, int]:
    """Send all batches; return how many, and how many stacks with numbers they have."""
    count = numbers = 0
    waiting: list = []
    making, sending = Cost(servers), Cost(servers)
    order = [(m, p) for m in range(given.minutes) for p in range(given.processes)]
    for at, (minute, process) in enumerate(order, 1):
        with making:
            row = row_of(process, minute, given, some_of(stacks, given.present))
        waiting.append(row)
        numbers += len(row["t_stack"])
        if len(waiting) == given.at_once or at == len(order):
            with sending:
                database.insert([(BATCHES, waiting)])
            count += len(waiting)
            waiting = []
    print(f"  {count:,} batches, {numbers:,} stacks with numbers, {given.at_once} an insert")
    print(f"  made: {making}")
    print(f"  sent: {sending}")
    print(
        f"  {count / sending.wall:,.0f} batches/s, {numbers / sending.wall / 1e6:.2f} M stacks/s;"
        f" {1e3 * (sending.client + making.servers + sending.servers) / count:.1f} ms of a"
        " processor each"
    )
    return count, numbers


class Cost:
    """Adds up the seconds of blocks, by the clock and of processors: this process, and servers."""

    def __init__(self, servers: list[Server]) -> None:
        self._processes = [server.process.pid for server in servers if server.process]
        self.wall = self.client = self.servers = 0.0

    def __enter__(self) -> Self:
        self._count(-1)
        return self

    def __exit__(self, *_: object) -> None:
        self._count(1)

    def _count(self, sign: int) -> None:
        self.wall += sign * time.perf_counter()
        self.client += sign * time.process_time()
        for pid in self._processes:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            self.servers += sign * (int(fields[11]) + int(fields[12])) / TICK

    def __str__(self) -> str:
        servers = f", {self.servers:.1f} s of the servers" if self._processes else ""
        return f"{self.wall:.1f} s; processors: {self.client:.1f} s of this process{servers}"


def by_table(ask_server: Callable[[str], str]) -> str:
    """Return rows, parts and bytes of each table of a server."""
    text = ask_server(
        "SELECT table, sum(rows), count(), sum(bytes_on_disk) FROM system.parts"
        " WHERE active AND database = 'default' GROUP BY table ORDER BY table FORMAT TSV"
    )
    rows = [line.split("\t") for line in text.splitlines()]
    return "; ".join(
        f"{table} {int(count):,} rows, {parts} parts, {int(size) / 1e6:,.1f} MB"
        for table, count, parts, size in rows
    )


def ask(engine, service: str, middle: int, how: str) -> None:
    questions = {
        "all of one service": lambda: engine.profile(Selection(service)),
        "again": lambda: engine.profile(Selection(service)),
        "both sides of a difference of versions": lambda: [
            engine.profile(Selection(service, version)) for version in "01"
        ],
        "both sides of a difference of halves": lambda: [
            engine.profile(Selection(service, end=middle)),
            engine.profile(Selection(service, start=middle)),
        ],
        "regressions": lambda: compared(
            *(engine.slices(Selection(service, version))[0] for version in "01")
        ),
        "list": engine.known,
    }
    for name, question in questions.items():
        started = time.perf_counter()
        question()
        print(f"  {how}, {name}: {time.perf_counter() - started:.2f} s", flush=True)


def look_for_regressions(fleets: int, minutes: int) -> None:
    """Count what is found where a route takes 5 % longer, and where nothing does."""
    print(f"16 processes a side, {minutes} minutes a side, {fleets} fleets of each kind")
    found_first = false_alarms = everything = found = 0
    for seed in range(fleets):
        before = side(Shop(seed=seed), "1", 0, minutes)
        alike = compared(before, side(Shop(seed=seed), "2", 300, minutes))
        false_alarms += bool(alike.regressions)
        slower = Shop(seed=seed, slower={("2", ROUTE): 1.05})
        other = compared(before, side(slower, "2", 300, minutes))
        everything += alike.is_everything_slower + other.is_everything_slower
        ours = [ROUTE in [frame.name for frame in each.path] for each in other.regressions]
        found_first += ours[:1] == [True]
        found += any(ours)
        false_alarms_here = ours.count(False)
        print(
            f"  seed {seed}: {ours.count(True)} of the route, {false_alarms_here} of others;"
            f" {len(alike.regressions)} where nothing is slower",
            flush=True,
        )
    print(f"  found: {found} of {fleets}, first of all: {found_first}")
    print(f"  anything found where nothing is slower: {false_alarms} of {fleets}")
    print(f"  said to be slower as a whole: {everything} of {2 * fleets}")


def find_by_one_query(url: str, minutes: int) -> None:
    """Send two versions of 16 processes, one with a route that takes 5 % longer, and ask once."""
    shop = Shop(seed=2, slower={("2", ROUTE): 1.05})
    engine = open_engine(url)
    started = time.perf_counter()
    for minute in range(minutes):
        engine.send([shop.minute("1", number, minute) for number in range(16)])
        engine.send([shop.minute("2", number, minute + 300) for number in range(16)])
    engine.close()
    spent = time.perf_counter() - started
    print(f"{32 * minutes} batches sent in {spent:.1f} s; {ROUTE} of version 2 is 5 % slower")
    arguments = ["query", url, "--service=shop", "--version=2", "--compare=version=1"]
    started = time.perf_counter()
    tracetools([*arguments, "--regressions"])
    print(f"asked in {time.perf_counter() - started:.1f} s")


def side(shop: Shop, version: str, first: int, minutes: int) -> list[Slice]:
    """Return 16 processes of a version, each as the sum of its minutes."""
    slices = []
    for number in range(16):
        stacks: dict = {}
        for minute in range(first, first + minutes):
            for path, times in shop.minute(version, number, minute).profile.stacks.items():
                stacks[path] = times.plus(stacks.get(path, Times()))
        slices.append(Slice(minutes * MINUTE, stacks))
    return slices


def paths(count: int) -> list[tuple[int, str]]:
    """Return the numbers and texts of stacks of 12 frames."""
    found = []
    for at in range(count):
        frames = [Frame(f"function{(at >> d) % 97}", f"package/module{d}.py", d) for d in range(11)]
        text = packed_path((ROOT, *frames, Frame(f"leaf{at}", "app.py", at)))
        found.append((stack_number(text), text))
    return sorted(found)


def some_of(stacks: list[int], present: int | None) -> list[int]:
    """Return about so many stacks: the first ones nearly always, the last ones seldom."""
    if present is None:
        return stacks
    many, least = len(stacks), present / len(stacks)
    power = 1 / least - 1  # the mean of x ** power is `least`
    draw = random.random
    return [each for at, each in enumerate(stacks) if draw() < (1 - at / many) ** power]


def source_of(process: int, given: argparse.Namespace) -> Source:
    return Source(
        f"{process * 0x9E3779B97F4A7C15 % 2**64:032x}"[::-1],
        f"service{process % given.services}",
        str(process // given.services % 2),
        f"host{process // 8}",
    )


def first_of(given: argparse.Namespace) -> int:
    """Return when the first batch begins: so that an hour ends in the middle."""
    return START + -(given.minutes // 2) % 60 * MINUTE


def row_of(process: int, minute: int, given: argparse.Namespace, numbers: list[int]) -> dict:
    start = first_of(given) + minute * MINUTE
    profile = Profile(duration=MINUTE, runs=1)
    row = batch_row(Batch(source_of(process, given), start, start + MINUTE, profile), {})
    many = len(numbers)
    zeros = [0] * many
    row.update(
        t_stack=numbers, t_scheduled=zeros, t_thread=zeros, t_self_wakes=zeros, t_left_open=zeros
    )
    for name in ("t_busy", "t_idle"):
        row[name] = array("I", os.urandom(4 * many)).tolist()
    for name in ("t_steps", "t_entries"):
        row[name] = [*os.urandom(many)]
    spans = many // 20
    row.update(
        l_stack=[each for each in numbers[:spans] for _ in range(10)],
        l_bucket=[*range(600, 610)] * spans,
        l_count=[*os.urandom(10 * spans)],
        m_stack=numbers[:spans],
        m_total=array("I", os.urandom(4 * spans)).tolist(),
        m_max=array("I", os.urandom(4 * spans)).tolist(),
    )
    return row


if __name__ == "__main__":
    main()
