"""The frozen result of a recording: a plain value, from which all formats and graphs are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, reduce
from itertools import chain
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from tracetools.core.edges import Edge, Waited, merged_edges, waited_by_path
from tracetools.core.edges import chain as chain_of
from tracetools.core.errors import LawError
from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.made_later import MadeLater
from tracetools.core.notebook import html_of
from tracetools.core.origins import Origin, merged_origins
from tracetools.core.resources import Resource, ResourceUse, merged_resources
from tracetools.core.since import (
    Paced,
    blocks_since,
    edges_since,
    histogram_since,
    histograms_since,
    resources_since,
    slow_since,
    times_since,
)
from tracetools.core.slow_spans import SlowSpans, critical_stacks, merged_slow
from tracetools.core.stack_rows import StackRows
from tracetools.core.stacks import (
    ALL_CALLBACKS,
    ALL_WAITING,
    COLLECTIONS,
    OF_LOOP,
    ROOT,
    Blocks,
    Frame,
    StackPath,
    Times,
    Tokens,
    is_of_loop,
)

__all__ = ["LENSES", "SUMS", "Lens", "Profile"]

Lens: TypeAlias = Literal["busy", "idle", "scheduled", "task", "critical", "chain"]
"""Which time is shown; see `Profile.lens`."""

LENSES: Final[tuple[Lens, ...]] = get_args(Lens)

IDLE: Final = Frame("[idle]", "")
SCHEDULED: Final = Frame("[scheduled]", "")

_COLLECTIONS: Final = tuple((frame,) for frame in COLLECTIONS)

_MAPPINGS: Final = (
    "stacks",
    "blocking",
    "limiters",
    "stalls",
    "origins",
    "latencies",
    "slow",
    "resources",
    "edges",
)


SUMS: Final = (
    "duration",
    "task_time",
    "runs",
    "merged",
    "samples",
    "samples_by_thread",
    "untracked",
    "forks",
    "not_kept",
)
"""The attributes that add up where profiles are merged."""

_GROWING: Final = tuple(name for name in SUMS if name not in {"duration", "task_time", "merged"})
"""Those of them that only grow while a recording goes on, beside times."""


@dataclass(frozen=True)
class Profile:
    """Where the time of one or more recordings went, by stack.

    Attributes:
        stacks: the numbers of every stack. Its parents are keys as well.
        duration: for how long loops were recorded, in nanoseconds, all runs added up. A trio run in
            guest mode is part of its host's time, where that is recorded.
        task_time: the lifetimes of all tasks, added up, in nanoseconds.
        start: when the recording started, in nanoseconds since the Unix epoch; the earliest, if
            several were merged.
        programs: the names of what was run.
        pythons: the Pythons that ran it, such as ``("3.13.5",)``.
        backends: the backends of the loops, such as ``("trio",)``.
        runs: how many loops were recorded.
        merged: how many profiles were added up to this one.
        scheduled_measured: whether scheduled time was measured. If not, it is part of idle time.
        truncated: whether a bound on depth or number of stacks was met, so that some stacks became
            ``(deeper)`` or ``(other)``.
        blocking_threshold: steps that take longer, in nanoseconds, block the loop; the least, if
            several were merged; ``None`` where blocking steps were not counted.
        blocking: the blocking steps, by path: the stack of the task's innermost span, the functions
            below it, and at last ``blocks the loop`` with the line. What was not sampled is
            missing. These paths need not be among `stacks`.
        scheduling_delay: from when a task could step until it did, in nanoseconds, one value for
            each such step; empty where scheduled time was not measured.
        queue: how many tasks could step whenever one more could, that one included.
        queue_trend: the mean of the queue in equal parts of the recording, in thousandths of a
            task; of the run with the longest queues, if several were merged.
        samples: how many samples were taken of functions, within steps and in worker threads.
        samples_by_thread: how many of them a thread of Python took, rather than the native core:
            of loops in other threads than the main one, and of worker threads. They are fewer, and
            see functions that release the GIL too often.
        untracked: how many tasks lived in recorded loops and could not be tracked.
        forks: how many processes were forked meanwhile whose recordings are not in it.
        limiters: how many tokens of a capacity limiter tasks wanted, by the path of their await.
        stalls: times longer than the blocking threshold in which no loop could run, though no step
            was to blame, by what it was: another thread held the GIL, the process was stopped, or
            it had no processor. For the GIL, the path goes on with the thread and where it was.
        origins: whose the files of frames are; a file that is missing is the program's own.
        latencies: how long spans lasted from their entry to their exit, and tasks from their spawn
            to their exit, in nanoseconds, by stack. Those that have not ended are not in it, nor
            are generators.
        slow: what the time of the slow spans was, as many as were kept, by stack; see the option
            `keep`.
        not_kept: how many slow spans were not kept though they may be among the slowest: there were
            too many at once, or they came too soon after another one.
        resources: what was done with locks, semaphores, capacity limiters, queues and memory
            channels; empty where that was not recorded.
        edges: who has ended which waits, how many, and how long those took; empty where that was
            not recorded. Those of one stack add up to its idle time.
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
    blocking_threshold: int | None = None
    blocking: Mapping[StackPath, Blocks] = field(default_factory=dict)
    scheduling_delay: Histogram = EMPTY
    queue: Histogram = EMPTY
    queue_trend: tuple[int, ...] = ()
    samples: int = 0
    samples_by_thread: int = 0
    untracked: int = 0
    forks: int = 0
    limiters: Mapping[StackPath, Tokens] = field(default_factory=dict)
    stalls: Mapping[StackPath, Blocks] = field(default_factory=dict)
    pythons: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    latencies: Mapping[StackPath, Histogram] = field(default_factory=dict)
    slow: Mapping[StackPath, SlowSpans] = field(default_factory=dict)
    resources: Mapping[Resource, ResourceUse] = field(default_factory=dict)
    not_kept: int = 0
    edges: Mapping[Edge, Waited] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _MAPPINGS:
            value = getattr(self, name)
            if not isinstance(value, MadeLater):
                object.__setattr__(self, name, MappingProxyType(dict(value)))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled, or copied deeply; the dictionary behind it can.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        mappings = {name: dict(getattr(self, name)) for name in _MAPPINGS}
        return type(self), tuple((values | mappings).values())

    @cached_property
    def _busy_by_top(self) -> Mapping[Frame | None, int]:
        """The busy time by the frame below the root; that of the root itself has None."""
        if isinstance(self.stacks, StackRows):
            return self.stacks.busy_by_top()
        found: dict[Frame | None, int] = {}
        for path, times in self.stacks.items():
            top = path[1] if len(path) > 1 else None
            found[top] = found.get(top, 0) + times.busy
        return found

    @property
    def busy(self) -> int:
        """The time in which loops stepped tasks, in nanoseconds."""
        return sum(self._busy_by_top.values()) - self.own

    @property
    def own(self) -> int:
        """The loops' own time, in nanoseconds: all of `duration` in which no task stepped.

        It is made up of `waiting`, `callbacks`, collections of garbage between steps, and the
        root's self time. The latter is the loops' own work, and with it what cannot be measured
        apart.
        """
        return sum(self._busy_by_top.get(top, 0) for top in (None, *OF_LOOP))

    @property
    def waiting(self) -> int:
        """The time in which loops waited for events, in nanoseconds; on uvloop an estimate."""
        return sum(self.stacks.get((ROOT, frame), Times()).busy for frame in ALL_WAITING)

    @property
    def callbacks(self) -> int:
        """The time in callbacks outside of tasks, in nanoseconds; on uvloop an estimate."""
        return sum(self._busy_by_top.get(top, 0) for top in ALL_CALLBACKS)

    @cached_property
    def collecting(self) -> int:
        """The time in which loops stood still for collections of garbage, in nanoseconds."""
        if isinstance(self.stacks, StackRows):
            return self.stacks.busy_of(COLLECTIONS)
        struck = (times.busy for path, times in self.stacks.items() if path[-1:] in _COLLECTIONS)
        return sum(struck)

    @cached_property
    def thread_time(self) -> int:
        """The time of spans in worker threads, in nanoseconds. It runs beside the loop's."""
        if isinstance(self.stacks, StackRows):
            return sum(self.stacks.columns[Times._fields.index("thread")])
        return sum(times.thread for times in self.stacks.values())

    def lens(self, lens: Lens) -> dict[StackPath, int]:
        """Return nanoseconds by stack, as one lens shows them; zeros are left out.

        - ``busy``: the loop's time by stack, with its waiting as the root's self time. Without
          worker threads the sum is `duration`; their time comes on top.
        - ``idle``, ``scheduled``: the tasks' time in that state, by stack.
        - ``task``: all time of tasks. Busy (and thread) time is the stack's self time; the other
          two states are its leaf frames ``[idle]`` and ``[scheduled]``. The loop's own time is left
          out, so without worker threads the sum is `task_time`.
        - ``critical``: what explains each moment of the slow spans that were kept, by the name of
          the span; the sum is how long they lasted. Other spans are not in it; see the option
          `keep`.
        - ``chain``: idle time by stack, and by who has ended the wait, whose stack and line stand
          on top of it. Empty where that was not recorded.

        Raises:
            ValueError: there is no such lens.
        """
        if lens not in LENSES:
            raise ValueError(f"no lens is named {lens!r}; choose one of {', '.join(LENSES)}")
        if lens == "critical":
            return critical_stacks(self.slow)
        if lens == "chain":
            return chain_of(self.edges)
        if lens == "idle":
            shown = {path: times.idle for path, times in self.stacks.items()}
        elif lens == "scheduled":
            shown = {path: times.scheduled for path, times in self.stacks.items()}
        else:
            shown = {path: times.busy + times.thread for path, times in self.stacks.items()}
        if lens == "task":
            shown = {path: 0 if is_of_loop(path) else time for path, time in shown.items()}
            for path, times in self.stacks.items():
                shown.update({path + (IDLE,): times.idle, path + (SCHEDULED,): times.scheduled})
        return {path: time for path, time in shown.items() if time}

    def check(self) -> None:
        """Check that both laws of time hold in this profile.

        1. All busy time and the root's self time make up `duration`, and no time is negative.
        2. Busy, scheduled and idle time of all tasks make up `task_time`. Where edges are known,
           those of a stack make up its idle time.

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
        waited = waited_by_path(self.edges)
        for path in [*self.stacks, *waited] if waited else ():
            idle = self.stacks.get(path, Times()).idle
            if waited.get(path, 0) != idle:
                raise LawError(
                    f"the edges of {_joined(path)} make {waited.get(path, 0)} ns, its idle time is"
                    f" {idle} ns"
                )

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
        stalls: dict[StackPath, Blocks] = {}
        for path, stall in chain.from_iterable(each.stalls.items() for each in profiles):
            stalls[path] = stall.plus(stalls.get(path, Blocks()))
        limiters: dict[StackPath, Tokens] = {}
        for path, tokens in chain.from_iterable(each.limiters.items() for each in profiles):
            limiters[path] = tokens.plus(limiters.get(path, tokens))
        latencies: dict[StackPath, Histogram] = {}
        for path, latency in chain.from_iterable(each.latencies.items() for each in profiles):
            latencies[path] = latency.plus(latencies.get(path, EMPTY))
        slow = merged_slow(each.slow for each in profiles)
        thresholds = [profile.blocking_threshold for profile in profiles]
        return replace(
            self,
            stacks=stacks,
            start=min((profile.start for profile in profiles if profile.start), default=0),
            programs=_union(profile.programs for profile in profiles),
            pythons=_union(profile.pythons for profile in profiles),
            backends=_union(profile.backends for profile in profiles),
            scheduled_measured=all(profile.scheduled_measured for profile in profiles),
            truncated=any(profile.truncated for profile in profiles),
            blocking_threshold=min((each for each in thresholds if each is not None), default=None),
            blocking=blocking,
            scheduling_delay=reduce(
                Histogram.plus, (profile.scheduling_delay for profile in profiles)
            ),
            queue=reduce(Histogram.plus, (profile.queue for profile in profiles)),
            queue_trend=max((profile.queue_trend for profile in profiles), key=_weight),
            limiters=limiters,
            stalls=stalls,
            origins=merged_origins(profile.origins for profile in profiles),
            latencies=latencies,
            slow=slow,
            resources=merged_resources(profile.resources for profile in profiles),
            edges=_merged_edges(profiles),
            **{name: sum(getattr(each, name) for each in profiles) for name in SUMS},
        )

    __add__ = merge

    def since(self, earlier: Profile, *, start: int = 0, paced: Paced = iter) -> Profile:
        """Return what was recorded after an earlier snapshot of the same recording.

        The laws of time hold for it, and its sums are exact: its `duration`, `task_time`, counts
        and histograms are those of this profile less those of the earlier one. So are the numbers
        of most stacks. Time that moved meanwhile, as that of a wait does when it ends, from the
        task to what was awaited, is where it is in this profile, as far as it passed meanwhile.
        A maximum that is not a new one is known to be no larger than what is said; the trend of
        the queue is not known. Stacks without a change are left out.

        Args:
            earlier: the earlier snapshot.
            start: when that was taken, in nanoseconds since the Unix epoch. By default, the start
                of the recording.
            paced: goes over items, with rests between them for who must not work for long at once.

        Raises:
            ValueError: it is not an earlier snapshot of the same recording.
        """
        if self.duration < earlier.duration or self.start != earlier.start:
            raise ValueError("a profile is since an earlier snapshot of the same recording alone")
        stacks = times_since(self.stacks, earlier.stacks, paced)
        threshold = self.blocking_threshold or 0
        return replace(
            self,
            stacks=stacks,
            duration=self.duration - earlier.duration,
            task_time=self.task_time - earlier.task_time,
            start=start or self.start,
            blocking=blocks_since(self.blocking, earlier.blocking, threshold),
            stalls=blocks_since(self.stalls, earlier.stalls, threshold),
            scheduling_delay=histogram_since(self.scheduling_delay, earlier.scheduling_delay),
            queue=histogram_since(self.queue, earlier.queue),
            queue_trend=(),
            limiters={
                path: tokens
                for path, tokens in self.limiters.items()
                if tokens != earlier.limiters.get(path) or path in stacks
            },
            latencies=histograms_since(self.latencies, earlier.latencies, paced),
            slow=slow_since(self.slow, earlier.slow),
            resources=resources_since(self.resources, earlier.resources),
            edges=edges_since(
                self.edges, earlier.edges, {path: times.idle for path, times in stacks.items()}
            ),
            **{name: max(getattr(self, name) - getattr(earlier, name), 0) for name in _GROWING},
        )

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the report; ``None``, which stands for `repr`, without."""
        return html_of(self)


def _merged_edges(profiles: Iterable[Profile]) -> dict[Edge, Waited]:
    """Add edges up. If only some profiles have any, nobody has ended the waits of the others."""
    if not any(profile.edges for profile in profiles):
        return {}
    return merged_edges(
        profile.edges
        or {
            Edge(path, None): Waited(0, times.idle)
            for path, times in profile.stacks.items()
            if times.idle
        }
        for profile in profiles
    )


def _weight(trend: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Order trends by the longest queue in them."""
    return max(trend, default=0), trend


def _joined(path: StackPath) -> str:
    return ";".join(frame.label for frame in path)


def _union(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for some in names for name in some}))
