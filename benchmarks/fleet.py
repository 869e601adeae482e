"""What a fleet costs: batches of simulated processes, written into an engine and asked for again.

    python benchmarks/fleet.py cluster --processes 10 --minutes 1440
    python benchmarks/fleet.py chdb --processes 1000 --minutes 10
    python benchmarks/fleet.py duckdb --processes 10 --minutes 60

`cluster` starts Debian's ClickHouse, two shards of which the first has a replica, on this machine.
Each batch has `--stacks` stacks with numbers of full entropy, which is the worst case for size:
busy and idle time have 32 random bits, steps and entries 8.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from array import array
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.fleet.clickhouse_servers import Cluster

from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.engines import open_engine
from tracetools.fleet.rows import batch_row, packed_path, stack_number, stack_row
from tracetools.fleet.schema import BATCHES, STACKS
from tracetools.fleet.selection import Selection

MINUTE = 60 * 10**9
START = 1_800_000_000 // 86_400 * 86_400 * 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["cluster", "chdb", "duckdb"])
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--services", type=int, default=1)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--stacks", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args()
    # As any other end: the servers are killed, and the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as folder:
        shape = Cluster(Path(folder)) if given.engine == "cluster" else nullcontext()
        with shape as cluster:
            url = cluster.url if cluster else f"{given.engine}:{folder}/store"
            run(open_engine(f"{url}&timeout=300" if cluster else url), given, Path(folder))


def run(engine, given: argparse.Namespace, folder: Path) -> None:
    database = engine._database
    sent = generated = 0.0
    count = 0
    waiting: list = []
    stacks = paths(given.stacks)
    with database.held(is_written=True):
        for process in range(given.processes):
            source = Source(
                f"{process:032x}", f"service{process % given.services}", str(process % 2)
            )
            first = Batch(source, START, START + MINUTE, Profile())
            rows = [stack_row(first, text, number) for number, text in stacks]
            database.insert([(STACKS, rows)])
        for minute in range(given.minutes):
            for process in range(given.processes):
                started = time.perf_counter()
                waiting.append(row_of(process, minute, given, [number for number, _ in stacks]))
                generated += time.perf_counter() - started
                if len(waiting) == given.at_once:
                    started = time.perf_counter()
                    database.insert([(BATCHES, waiting)])
                    sent += time.perf_counter() - started
                    count += len(waiting)
                    waiting = []
        if waiting:
            database.insert([(BATCHES, waiting)])
            count += len(waiting)
    numbers = count * given.stacks
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    print(
        f"{given.engine}: {given.processes} processes of {given.services} services,"
        f" {given.minutes} minutes"
    )
    print(f"  {count:,} batches, {numbers:,} stacks with numbers; generated in {generated:.0f} s")
    print(
        f"  sent in {sent:.1f} s: {count / sent:,.0f} batches/s,"
        f" {numbers / sent / 1e6:.2f} M stacks/s"
    )
    print(
        f"  {size / 1e6:,.0f} MB on disk, {size / count / 1e3:.1f} kB a batch,"
        f" {size / numbers:.1f} B a stack"
    )
    ask(engine, "service0", "as minutes")
    started = time.perf_counter()
    rolled = engine.roll_up(START + 48 * 60 * MINUTE)
    spent = time.perf_counter() - started
    print(f"  {rolled} hours of services added up in {spent:.1f} s")
    ask(engine, "service0", "by hours")
    engine.close()


def ask(engine, service: str, how: str) -> None:
    questions = {
        "all of one service": lambda: engine.profile(Selection(service)),
        "again": lambda: engine.profile(Selection(service)),
        "both sides of a difference": lambda: [
            engine.profile(Selection(service, version)) for version in "01"
        ],
        "both sides of regressions": lambda: [
            engine.slices(Selection(service, version)) for version in "01"
        ],
        "list": engine.known,
    }
    for name, question in questions.items():
        started = time.perf_counter()
        question()
        print(f"  {how}, {name}: {time.perf_counter() - started:.2f} s")


def paths(count: int) -> list[tuple[int, str]]:
    """Return the numbers and texts of stacks of 12 frames."""
    found = []
    for at in range(count):
        frames = [Frame(f"function{(at >> d) % 97}", f"package/module{d}.py", d) for d in range(11)]
        text = packed_path((ROOT, *frames, Frame(f"leaf{at}", "app.py", at)))
        found.append((stack_number(text), text))
    return sorted(found)


def row_of(process: int, minute: int, given: argparse.Namespace, numbers: list[int]) -> dict:
    source = Source(
        f"{process:032x}",
        f"service{process % given.services}",
        str(process // given.services % 2),
        f"host{process // 8}",
    )
    start = START + minute * MINUTE
    row = batch_row(Batch(source, start, start + MINUTE, Profile(duration=MINUTE, runs=1)), {})
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
