"""What it costs a program that `tracetools attach` comes and goes.

    python benchmarks/attaching.py [door | none] [attaches]

The program has 50 tasks that sleep and compute, and one that wants to wake every millisecond. How
late that one wakes is shown before, while it is attached to (entered, recorded for a second, left),
and after, with the CPU time of the program per second. `none` needs Python 3.14.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time

TICK = 0.001
SECOND = "1"


def program(*, has_door: bool) -> None:
    """Run until standard input ends, and print every wake-up and the CPU time at it."""
    if has_door:
        import tracetools  # noqa: PLC0415  # the other program has none

        tracetools.serve()
    ticks: list[tuple[float, float, float]] = []

    async def work() -> None:
        while True:
            await asyncio.sleep(0.01)
            sum(range(500))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(work()) for _ in range(50)]
        ends = loop.run_in_executor(None, sys.stdin.read)
        print(os.getpid(), flush=True)  # for who has started it
        while not ends.done():
            wanted = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            now = time.monotonic()
            ticks.append((now, now - wanted, time.process_time()))
        for task in tasks:
            task.cancel()

    asyncio.run(main())
    json.dump(ticks, sys.stdout)


def main(way: str = "door", attaches: str = "5") -> None:
    """Start the program, attach to it some times, and show how late it was."""
    command = [sys.executable, __file__, "--program", way]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    spans = []
    with subprocess.Popen(command, **pipes) as running:
        pid = running.stdout.readline().strip()
        time.sleep(5)
        for _ in range(int(attaches)):
            began = time.monotonic()
            attach = ["attach", pid, "--duration", SECOND, "-qo", os.devnull]
            subprocess.run([sys.executable, "-m", "tracetools", *attach], check=True)
            spans.append((began, time.monotonic()))
            time.sleep(2)
        output, _ = running.communicate("")
    ticks = json.loads(output)
    first, last = spans[0][0], spans[-1][1]
    show("before", [tick for tick in ticks if tick[0] < first])
    for index, (began, ended) in enumerate(spans, 1):
        show(f"attach {index}", [tick for tick in ticks if began <= tick[0] < ended])
    show("after", [tick for tick in ticks if tick[0] >= last])


def show(what: str, ticks: list[tuple[float, float, float]]) -> None:
    late = sorted(1e3 * tick[1] for tick in ticks)
    cpu = (ticks[-1][2] - ticks[0][2]) / (ticks[-1][0] - ticks[0][0])
    p50, p99 = (late[len(late) * part // 100] for part in (50, 99))
    print(  # what it is for
        f"{what:10} {len(late):6} wake-ups, late: p50 {p50:6.2f} ms, p99 {p99:6.2f} ms,"
        f" max {late[-1]:7.2f} ms; CPU {100 * cpu:5.1f} %"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--program"]:
        program(has_door=sys.argv[2] == "door")
    else:
        main(*sys.argv[1:])
