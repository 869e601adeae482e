"""What `tracetools top` costs a program of very many tasks: CPU time for each step of them.

The program runs in a process of its own, with a door. Its tasks sleep, and compute for a moment.
For some seconds each, again and again, nobody looks; a recording goes on as top makes it; top
itself runs, in a terminal. What is told is the ratio of CPU time by step to that without, and of
top to the recording: what looking costs. The CPU time of the program's other threads is told as
well, those of tracetools: it is exact, where the ratios are as noisy as the machine.

    python benchmarks/watching.py [TASKS [ROUNDS [SECONDS]]]
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import random
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import tracetools
from tracetools.door import client

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = {"resources": True, "scheduled": True, "functions": False}
SETTLES = 3.0
"""Seconds until a phase is measured: what begins with it is not part of it."""


class Phase(NamedTuple):
    """What was measured of the program in one phase.

    Attributes:
        cpu: CPU time by step, in seconds.
        steps: steps in a second.
        beside: CPU time of threads beside that of the loop, by second.
    """

    cpu: float
    steps: float
    beside: float


# -- the program -----------------------------------------------------------------------------------


def program(count: int, kind: str) -> None:
    """Run so many tasks, and say on standard output how many steps they made, and the CPU time."""
    steps = 0

    async def sleeper() -> None:
        nonlocal steps
        while True:
            await asyncio.sleep(random.uniform(0, 4))
            sum(range(500))
            steps += 1

    async def stepper() -> None:
        nonlocal steps
        while True:
            await asyncio.sleep(0)
            sum(range(500))
            steps += 1

    async def main() -> None:
        work = sleeper if kind == "sleeps" else stepper
        tasks = [asyncio.create_task(work()) for _ in range(count)]
        await asyncio.wait(tasks)

    def tell() -> None:
        for _ in sys.stdin:
            print(time.process_time(), steps, flush=True)
        os._exit(0)

    tracetools.serve()
    threading.Thread(target=tell).start()
    asyncio.run(main())


# -- who looks -------------------------------------------------------------------------------------


@contextlib.contextmanager
def nobody(_: int) -> Iterator[None]:
    """Let nobody look."""
    yield


@contextlib.contextmanager
def recording(pid: int) -> Iterator[None]:
    """Record as top does, and do not look."""
    uid = client.user_of(pid)
    path = client.find(pid, uid)
    connection = None if path is None else client.connect(path, pid, uid)
    if connection is None:
        raise RuntimeError("the program has no door")
    with connection:
        connection.ask("start", options=OPTIONS)
        yield


@contextlib.contextmanager
def top(pid: int) -> Iterator[None]:
    """Run `tracetools top` in a terminal."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    command = [sys.executable, "-m", "tracetools", "top", str(pid)]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        reader = threading.Thread(target=_drain, args=(ours,))
        reader.start()
        yield
        os.write(ours, b"q")
        process.wait(20)
        reader.join(5)
    os.close(ours)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass


LOOKS = {"nobody": nobody, "recording": recording, "top": top}

# -- what is measured ------------------------------------------------------------------------------


def measure(count: int, rounds: int, seconds: float, kind: str) -> dict[str, list[Phase]]:
    """Return what was measured of each phase, in each round."""
    found: dict[str, list[Phase]] = {name: [] for name in LOOKS}
    command = [sys.executable, __file__, "program", str(count), kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def told() -> tuple[float, int]:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("there are no pipes")
            process.stdin.write("\n")
            process.stdin.flush()
            cpu, steps = process.stdout.readline().split()
            return float(cpu), int(steps)

        def beside() -> float:
            """Return the CPU time of all threads that there are, but for the main one."""
            times = [
                int((thread / "schedstat").read_text().split()[0])
                for thread in Path(f"/proc/{process.pid}/task").iterdir()
                if thread.name != str(process.pid)
            ]
            return sum(times) / 1e9

        time.sleep(5)
        for number in range(rounds):
            names = list(LOOKS) if number % 2 == 0 else list(LOOKS)[::-1]
            for name in names:
                with LOOKS[name](process.pid):
                    time.sleep(SETTLES)
                    (cpu, steps), others, began = told(), beside(), time.monotonic()
                    time.sleep(seconds)
                    (cpu_then, steps_then), others_then = told(), beside()
                    lasted = time.monotonic() - began
                made = max(steps_then - steps, 1)
                shares = ((cpu_then - cpu) / made, made / lasted, (others_then - others) / lasted)
                found[name].append(Phase(*shares))
        process.kill()
    return found


def main() -> None:
    """Print the medians."""
    if sys.argv[1:2] == ["program"]:
        program(int(sys.argv[2]), sys.argv[3])
        return
    numbers = [*map(float, sys.argv[1:]), *(10_000, 5, 8)[len(sys.argv) - 1 :]]
    count, rounds, seconds = int(numbers[0]), int(numbers[1]), numbers[2]
    for kind in ("sleeps", "steps"):
        found = measure(count, rounds, seconds, kind)
        print(f"{count:,} tasks, each of which {kind}:")
        for name, phases in found.items():
            cpu = statistics.median(phase.cpu for phase in phases)
            rate = statistics.median(phase.steps for phase in phases)
            other = statistics.median(phase.beside for phase in phases)
            print(
                f"  {name:<10} {1e6 * cpu:8.2f} us of CPU a step, {rate:10,.0f} steps a second,"
                f" threads beside {other:.2%} of a processor"
            )
        for one, other in (("recording", "nobody"), ("top", "nobody"), ("top", "recording")):
            pairs = [*zip(found[one], found[other], strict=True)]
            cpus = statistics.median(mine.cpu / its.cpu for mine, its in pairs)
            rates = statistics.median(mine.steps / its.steps for mine, its in pairs)
            print(f"  {one} / {other}: CPU {cpus:.3f}, steps a second {rates:.3f}")


if __name__ == "__main__":
    main()
