"""A service as it is in production, simulated: processes on machines of unlike speed, traffic in
waves and bursts, minutes in which a neighbour has the processor, collections of garbage.

What is random comes from a seed, so each simulation is the same each time.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from tracetools.core.buckets import bucket_of
from tracetools.core.histogram import Histogram
from tracetools.core.profile import Profile
from tracetools.core.stacks import COLLECTIONS, ROOT, WAITING, Blocks, Frame, StackPath, Times
from tracetools.fleet.batch import Batch, Source

MINUTE = 60 * 10**9
NOON = 1_800_000_000 * 10**9 // (3600 * 10**9) * (3600 * 10**9)
"""The beginning of an hour."""

REQUEST = Frame("request", "server.py", 10)


@dataclass(frozen=True)
class Node:
    """A span or a function: what a request spends in it, in nanoseconds, and how often."""

    path: StackPath
    busy: float
    idle: float
    is_span: bool
    depth: int


@dataclass
class Shop:
    """A service.

    Args:
        routes: how many.
        seed: of all that is random.
        slower: by which factor a stack is slower, by version and a frame's name.
    """

    routes: int = 12
    below: int = 6
    seed: int = 1
    slower: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.shares = [rng.paretovariate(1.2) for _ in range(self.routes)]
        self.nodes = [self._route(rng, number) for number in range(self.routes)]

    def _route(self, rng: random.Random, number: int) -> list[Node]:
        top = (ROOT, REQUEST, Frame(f"GET /route{number}", "shop.py", 10 + number))
        nodes = [Node(top, rng.uniform(2e5, 1e6), rng.uniform(1e5, 1e6), True, 2)]
        for below in range(self.below):
            around = rng.choice(nodes)
            frame = Frame(f"part{number}_{below}", f"shop/part{below}.py", 100 + below)
            path = (*around.path, frame)
            is_span = rng.random() < 0.4
            busy = rng.lognormvariate(math.log(3e5), 1)
            nodes.append(Node(path, busy, rng.uniform(0, 5e6), is_span, len(path)))
        return nodes

    def source(self, version: str, number: int) -> Source:
        rng = random.Random(f"{self.seed} {version} {number}")
        instance = f"{rng.getrandbits(128):032x}"
        return Source(instance, "shop", version, f"host{number % 4}", 1000 + number)

    def minute(self, version: str, number: int, minute: int) -> Batch:
        """Return what one process recorded in one minute."""
        source = self.source(version, number)
        rng = random.Random(f"{self.seed} {version} {number} {minute}")
        machine = random.Random(f"{self.seed} {source.host} {version} {number}")
        speed = machine.gauss(1, 0.03)  # of this process: memory layout, the machine's age
        speed *= 1 + 0.25 * (rng.random() < 0.04)  # a neighbour has the processor
        wave = 1 + 0.5 * math.sin(minute / 1440 * 2 * math.pi)
        stacks: dict[StackPath, Times] = {(ROOT,): Times(), (ROOT, WAITING): Times()}
        latencies: dict[StackPath, Histogram] = {}
        requests = 0
        for share, nodes in zip(self.shares, self.nodes, strict=True):
            calls = max(0, round(rng.gauss(1, 0.2) * 40 * share * wave))
            requests += calls
            for node in nodes if calls else ():
                noise = 0.10 + 0.5 / math.sqrt(calls)
                factor = speed * rng.lognormvariate(-(noise**2) / 2, noise)
                for frame in node.path:
                    factor *= self.slower.get((version, frame.name), 1)
                busy = max(0, int(calls * node.busy * factor))
                idle = int(calls * node.idle * abs(rng.gauss(1, 0.3)))
                is_span = node.is_span
                stacks[node.path] = Times(busy, 0, idle, 0, calls, calls if is_span else 0, 0, 0)
                if is_span:
                    latencies[node.path] = _spread(rng, calls, (node.busy + node.idle) * factor)
        stacks[ROOT, REQUEST] = Times(requests * 40_000, 0, 0, 0, requests, requests)
        garbage = rng.randrange(10**7)
        stacks[ROOT, COLLECTIONS[2]] = Times(garbage)
        busy = sum(times.busy for times in stacks.values())
        stacks[ROOT, WAITING] = Times(max(0, MINUTE - busy))
        duration = sum(times.busy for times in stacks.values())
        blocking = {
            (ROOT, REQUEST, Frame("blocks the loop", "shop.py", 7)): Blocks(1, 2 * 10**7, 2 * 10**7)
        }
        profile = Profile(
            stacks,
            duration=duration,
            task_time=0,
            start=NOON + minute * MINUTE,
            programs=("shop.py",),
            backends=("asyncio",),
            runs=1,
            latencies=latencies,
            blocking=blocking if rng.random() < 0.2 else {},
            blocking_threshold=10**7,
        )
        lived = profile.busy + sum(t.idle + t.scheduled for t in stacks.values())
        object.__setattr__(profile, "task_time", lived)
        start = NOON + minute * MINUTE
        return Batch(source, start, start + MINUTE, profile)


def _spread(rng: random.Random, calls: int, mean: float) -> Histogram:
    values = [int(mean * rng.lognormvariate(0, 0.4)) for _ in range(min(calls, 20))]
    buckets: dict[int, int] = {}
    for value in values:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    return Histogram(sum(values), max(values, default=0), buckets)
