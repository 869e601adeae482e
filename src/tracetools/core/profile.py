"""The frozen result of a recording: a plain value, without handle, path or clock.

Everything that shows a recording (formats, graphs, tables) starts from here; nothing here knows
how it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping  # noqa: TC003  # for readers of the annotations
from dataclasses import dataclass, field, replace
from functools import reduce
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from tracetools.core.errors import LawError
from tracetools.core.histogram import NOTHING, Spread
from tracetools.core.notebook import html_of
from tracetools.core.stacks import ROOT, Blocks, Frame, StackPath, Times

__all__ = ["LENSES", "Lens", "Profile"]

Lens: TypeAlias = Literal["busy", "idle", "scheduled", "task"]
"""Which time is looked at; see `Profile.lens`."""

LENSES: Final[tuple[Lens, ...]] = get_args(Lens)

IDLE: Final = Frame("[idle]", "")
SCHEDULED: Final = Frame("[scheduled]", "")

_MAPPINGS: Final = ("stacks", "blocking")


@dataclass(frozen=True)
class Profile:
    """Where the time of one or more recordings went, by stack.

    Attributes:
        stacks: the numbers of every stack. Its parents are keys as well.
        duration: for how long loops were recorded, in nanoseconds, all runs added up.
        task_time: the lifetimes of all tasks, added up, in nanoseconds.
        start: when the recording began, in nanoseconds since the Unix epoch; the earliest, if
            several were merged.
        programs: what was run, for the reader's eyes.
        backends: the backends of the loops, such as ``("trio",)``.
        runs: how many loops were recorded.
        merged: how many profiles were added up to this one.
        scheduled_measured: whether scheduled time was told apart. Where it was not, it is part of
            the idle time.
        truncated: whether a bound on depth or number of stacks was met, so that ``(deeper)`` or
            ``(other)`` stand for real stacks.
        blocking_limit: how long a step may take, in nanoseconds, before it is said to block the
            loop; the least, if several were merged; ``None`` where nobody looked.
        blocking: the steps that took longer, by what held the loop: the stack of the task's
            innermost span, the functions below it, and at last ``holds the loop`` with the line.
            What could not be seen is missing. These paths need not be among `stacks`.
        lateness: for how long tasks that could step had to wait for their turn, in nanoseconds;
            empty where scheduled time was not measured.
        queue: how many tasks waited for their turn whenever one more did, that one included.
        queue_trend: the same over time: its mean in equal parts of the recording, in thousandths
            of a task; of the run with the longest queues, if several were merged.
        samples: how often a look at the functions within a step was taken.
        unseen: tasks that lived in recorded loops and could not be followed.
    """

    stacks: Mapping[StackPath, Times] = field(default_factory=dict)
    duration: int = 0
    task_time: int = 0
    start: int = 0
    programs: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    runs: int = 0
    merged: int = 1
    scheduled_measured: bool = False
    truncated: bool = False
    blocking_limit: int | None = None
    blocking: Mapping[StackPath, Blocks] = field(default_factory=dict)
    lateness: Spread = NOTHING
    queue: Spread = NOTHING
    queue_trend: tuple[int, ...] = ()
    samples: int = 0
    unseen: int = 0

    def __post_init__(self) -> None:
        for name in _MAPPINGS:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled, or copied deeply; the dictionary behind it can.
        mappings = {name: dict(getattr(self, name)) for name in _MAPPINGS}
        return type(self), tuple((vars(self) | mappings).values())

    @property
    def busy(self) -> int:
        """The time in which loops stepped tasks, in nanoseconds, without the root's self time."""
        return sum(times.busy for path, times in self.stacks.items() if path != (ROOT,))

    @property
    def waiting(self) -> int:
        """The root's self time: the loops' own waiting and overhead, in nanoseconds."""
        return self.stacks.get((ROOT,), Times()).busy

    @property
    def thread_time(self) -> int:
        """The time of spans in worker threads, in nanoseconds. It runs beside the loop's."""
        return sum(times.thread for times in self.stacks.values())

    def lens(self, lens: Lens) -> dict[StackPath, int]:
        """Return nanoseconds by stack, seen through one lens; zeros are left out.

        - ``busy``: the loop's time by stack, its waiting as the root's self time, so that without
          worker threads the sum is `duration`; the time of worker threads comes on top.
        - ``idle``, ``scheduled``: that state's task time by stack.
        - ``task``: hot and cold in one: busy (and thread) time as the stack's self time, the two
          other states as its leaf frames ``[idle]`` and ``[scheduled]``. The loop's own time is
          not a task's and is left out, so that without worker threads the sum is `task_time`.

        Raises:
            ValueError: there is no such lens.
        """
        if lens not in LENSES:
            raise ValueError(f"no lens is named {lens!r}; choose one of {', '.join(LENSES)}")
        if lens == "idle":
            seen = {path: times.idle for path, times in self.stacks.items()}
        elif lens == "scheduled":
            seen = {path: times.scheduled for path, times in self.stacks.items()}
        else:
            seen = {path: times.busy + times.thread for path, times in self.stacks.items()}
        if lens == "task":
            seen[(ROOT,)] = 0
            for path, times in self.stacks.items():
                seen.update({path + (IDLE,): times.idle, path + (SCHEDULED,): times.scheduled})
        return {path: time for path, time in seen.items() if time}

    def check(self) -> None:
        """Check both laws of time, on this very profile.

        1. All busy time and the root's self time make up `duration`, and no time is negative.
        2. Busy, scheduled and idle time of all tasks make up `task_time`.

        Raises:
            LawError: one of them does not hold: a bug in tracetools, please report it.
        """
        for path, times in self.stacks.items():
            if min(times) < 0:
                raise LawError(f"a number of {_joined(path)} is negative: {times}")
        total = sum(times.busy for times in self.stacks.values())
        if total != self.duration:
            raise LawError(f"busy and waiting make {total} ns, the loops ran {self.duration} ns")
        lived = self.busy + sum(times.idle + times.scheduled for times in self.stacks.values())
        if lived != self.task_time:
            raise LawError(f"the tasks' states make {lived} ns, they lived {self.task_time} ns")

    def merge(self, *others: Profile) -> Profile:
        """Add profiles up: stacks are the key. Associative and commutative."""
        profiles = (self, *others)
        stacks: dict[StackPath, Times] = {}
        blocking: dict[StackPath, Blocks] = {}
        for profile in profiles:
            for path, times in profile.stacks.items():
                known = stacks.get(path)
                stacks[path] = times if known is None else known.plus(times)
            for path, blocks in profile.blocking.items():
                blocking[path] = blocking.get(path, Blocks()).plus(blocks)
        limits = [profile.blocking_limit for profile in profiles]
        return replace(
            self,
            stacks=stacks,
            duration=sum(profile.duration for profile in profiles),
            task_time=sum(profile.task_time for profile in profiles),
            start=min((profile.start for profile in profiles if profile.start), default=0),
            programs=_union(profile.programs for profile in profiles),
            backends=_union(profile.backends for profile in profiles),
            runs=sum(profile.runs for profile in profiles),
            merged=sum(profile.merged for profile in profiles),
            scheduled_measured=all(profile.scheduled_measured for profile in profiles),
            truncated=any(profile.truncated for profile in profiles),
            blocking_limit=min((limit for limit in limits if limit is not None), default=None),
            blocking=blocking,
            lateness=reduce(Spread.plus, (profile.lateness for profile in profiles)),
            queue=reduce(Spread.plus, (profile.queue for profile in profiles)),
            queue_trend=max((profile.queue_trend for profile in profiles), key=_weight),
            samples=sum(profile.samples for profile in profiles),
            unseen=sum(profile.unseen for profile in profiles),
        )

    __add__ = merge

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the report; ``None``, which stands for `repr`, without."""
        return html_of(self)


def _weight(trend: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Order trends by how long the queue was at its longest."""
    return max(trend, default=0), trend


def _joined(path: StackPath) -> str:
    return ";".join(frame.label for frame in path)


def _union(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for some in names for name in some}))
