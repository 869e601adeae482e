"""What a recording knows just now, for those who look often: numbers by stack, without paths.

It takes a fraction of what a profile takes. Functions are left out: their time is that of the task
or span around them.
"""

from __future__ import annotations

from collections import Counter
from itertools import compress
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.accounting import outwards

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetools.core.stacks import Blocks, Stack, StackPath
    from tracetools.recording.loops import Location, RecordedLoop
    from tracetools.recording.resources import Used
    from tracetools.recording.snapshot import Sums

__all__ = ["Glance", "LoopGlance", "glance_at"]


class LoopGlance(NamedTuple):
    """One loop at one moment.

    Attributes:
        loop: the loop. It goes on meanwhile.
        duration: for how long it was recorded, in nanoseconds.
        alive: how many tasks live, and how many spans are open, by stack.
        tasks: how many tasks live.
        ready: how many of them could step.
        stepping: the stack of the task that steps; None if none does.
        lasts: for how long it steps, in nanoseconds.
    """

    loop: RecordedLoop
    duration: int
    alive: Mapping[Stack, int]
    tasks: int
    ready: int
    stepping: Stack | None
    lasts: int


class Glance(NamedTuple):
    """A recording at one moment.

    Attributes:
        now: the moment, by the clock of the recording.
        loops: the loops that are recorded.
        stacks: all stacks, each after its parent.
        sums: their numbers.
        blocking: the blocking steps, by location, the one that goes on included.
        stalls: times in which no loop could run.
        resources: locks, queues and the like; None if they are not recorded.
    """

    now: int
    loops: Sequence[LoopGlance]
    stacks: Sequence[Stack]
    sums: Sums
    blocking: Mapping[Location, Blocks]
    stalls: Mapping[StackPath, Blocks]
    resources: Sequence[Used] | None


_SLICE: Final = 5_000
"""So many tasks are counted by one call in C, in which no other thread can run."""

_base, _ready, _innermost = attrgetter("base"), attrgetter("ready"), attrgetter("innermost")


def glance_at(loop: RecordedLoop, now: int) -> LoopGlance:
    """Return what is said of a loop, which may go on in another thread."""
    current, began = loop.current, loop.began
    tasks = tuple(loop.tasks)
    alive: Counter[Stack] = Counter()
    ready = 0
    for start in range(0, len(tasks), _SLICE):
        some = tasks[start : start + _SLICE]
        alive.update(map(_base, some))
        ready += len(some) - [*map(_ready, some)].count(None)
        innermost = [*map(_innermost, some)]
        alive.update(
            each.stack for first in compress(innermost, innermost) for each in outwards(first)
        )
    return LoopGlance(
        loop=loop,
        duration=loop.own_duration(now),
        alive=alive,
        tasks=len(tasks),
        ready=ready,
        stepping=None if current is None else current.stack,
        lasts=0 if current is None or loop.began != began else max(now - began, 0),
    )
