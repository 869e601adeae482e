"""What it takes to tell why spans were slow: 100,000 steps of 1,000 tasks that wake each other.

Each task has one span, from its first step to its last. All figures are of CPU time, the least of
some rounds.

    python benchmarks/timelines.py [ROUNDS]
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines import edges
from tracetools.timelines.breakdown import breakdown
from tracetools.timelines.critical_path import critical_path
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS, TASKS = 100_000, 1_000
ALIVE = 50
"""So many tasks live at once."""


def timeline() -> Timeline:
    """Return a timeline of tasks that mostly wake each other, and sometimes wait for a timer."""
    chance = random.Random(1)
    paths = [(ROOT, Frame("main"), Frame(f"handler {n % 20}")) for n in range(TASKS)]
    lives, steps, wakes, waits, spans = {}, [], [], [], []
    left = [STEPS // TASKS] * TASKS
    unborn, parked = deque(range(TASKS)), dict[int, int]()
    ready: deque[int] = deque()
    begun: dict[int, int] = {}
    now = 0
    while unborn or parked or ready:
        now += chance.randrange(50)
        while unborn and len(parked) + len(ready) < ALIVE:
            ready.append(unborn.popleft())
        if not ready:
            woken = chance.choice([*parked])
            _wake(parked.pop(woken), Wake(woken, now, "timer"), paths, wakes, waits)
            ready.append(woken)
        task = ready.popleft()
        begin, now = now, now + chance.randrange(1000)
        begun.setdefault(task, begin)
        if parked and chance.random() < 0.7:
            woken = next(iter(parked))
            wake = Wake(woken, chance.randrange(begin, now + 1), "task", task, paths[task])
            _wake(parked.pop(woken), wake, paths, wakes, waits)
            ready.append(woken)
        steps.append(Step(task, begin, now))
        left[task] -= 1
        if left[task]:
            parked[task] = now
        else:
            spans.append(SpanTime(task, begun[task], now, (*paths[task], Frame("request"))))
            lives[task] = Life(task, paths[task], None, begun[task], now)
    return Timeline(0, now, lives, tuple(steps), tuple(wakes), tuple(waits), tuple(spans))


def _wake(
    parked: int, wake: Wake, paths: list[tuple[Frame, ...]], wakes: list[Wake], waits: list[Wait]
) -> None:
    wakes.append(wake)
    awaits = (*paths[wake.task], Frame("await Lock"))
    waits.append(Wait(wake.task, parked, wake.moment, awaits))


def least(rounds: int, work: Callable[[], object]) -> float:
    """Return the least CPU time of some rounds, in milliseconds."""
    found = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time_ns()
        work()
        found.append(time.process_time_ns() - began)
    return min(found) / 1e6


def main() -> None:
    """Print all figures."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    made = timeline()
    states = States(made)
    longest = max(made.spans, key=lambda span: (span.end or 0) - span.begin)

    def all_paths() -> object:
        paths = (critical_path(states, span) for span in made.spans)
        return CriticalTimes.merged(path.times() for path in paths)

    def breakdowns() -> object:
        return Breakdown.merged(breakdown(states, span) for span in made.spans)

    path = critical_path(states, longest)
    print(f"the longest span: {len(path.pieces):,} pieces, {len(path.waits):,} waits for tasks")
    for what, work in {
        "index": lambda: States(made),
        "index, and the path of one span": lambda: critical_path(States(made), longest),
        "shares and savings of it": lambda: critical_path(states, longest).times(),
        f"paths, shares, savings of {TASKS:,} spans": all_paths,
        f"breakdowns of {TASKS:,} spans": breakdowns,
        "edges of all tasks": lambda: edges.edges(states),
    }.items():
        print(f"{what}: {least(rounds, work):,.0f} ms")


if __name__ == "__main__":
    main()
