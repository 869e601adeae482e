"""Frames, and the tree of stacks that they form.

A stack is a node of the tree: a frame below the stack of the task or span that opened it. The tree
keeps the numbers of a recording. It is bounded in depth and in the number of stacks. What is beyond
a bound goes to a frame for the rest, so no time is lost.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tracetools.core.buckets import HistogramBuilder
from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ALL_CALLBACKS",
    "ALL_WAITING",
    "BLOCKS_THE_LOOP",
    "CALLBACKS",
    "CANCELS",
    "COLLECTIONS",
    "DEEPER",
    "ESTIMATED_CALLBACKS",
    "ESTIMATED_WAITING",
    "HOLDS_THE_GIL",
    "IMPORTING",
    "KINDS",
    "OF_LOOP",
    "OTHER",
    "ROOT",
    "RUNTIME",
    "WAITING",
    "Blocks",
    "Frame",
    "Stack",
    "StackPath",
    "StackTree",
    "Times",
    "Tokens",
    "frames_between",
    "is_of_loop",
    "stack_path",
]


class Frame(NamedTuple):
    """One level of a stack: a task's function, or a span.

    Attributes:
        name: the qualified name of the function, or the name that was given to the span.
        file: where it is defined; ``None`` if that is not known; ``""`` for a frame that has no
            location in a program, such as the root.
        line: the line of the definition, counted from 1; 0 if it is not known.
    """

    name: str
    file: str | None = None
    line: int = 0

    @property
    def location(self) -> str:
        """``file:line``, or ``unknown`` where there is none."""
        return f"{self.file}:{self.line}" if self.file else "unknown"

    @property
    def label(self) -> str:
        """``name (file:line)``; just the name where a frame has no location in a program."""
        return self.name if self.file == "" else f"{self.name} ({self.location})"


StackPath: TypeAlias = tuple[Frame, ...]
"""A stack as its frames, from the root down."""

ROOT: Final = Frame("all-spans", "")
"""The first frame of every stack. Its self time is the loop's own, as far as not told apart."""

WAITING: Final = Frame("(waiting for events)", "")
"""The frame below the root for the time in which a loop waits for events."""

CALLBACKS: Final = Frame("(callbacks)", "")
"""The frame below the root of the callbacks that a loop calls outside of any task."""

ESTIMATED_WAITING: Final = Frame("(waiting for events, by the CPU clock)", "")
ESTIMATED_CALLBACKS: Final = Frame("(callbacks, by samples)", "")
"""The same where it cannot be measured, but only estimated: on uvloop."""
CANCELS: Final = "cancel "
"""How the name begins of a callback that cancels tasks of a scope, until they end."""

COLLECTIONS: Final = tuple(
    Frame(f"(garbage collection, generation {generation})", "") for generation in range(3)
)
"""The frames of collections of garbage, below what each has struck, by generation."""

IMPORTING: Final = Frame("(importing)", "")
"""The frame before the last of a blocking step that imports. The line is that of the import."""

OTHER: Final = Frame("(other)", "")
"""The frame of all stacks that came after `StackTree.max_stacks` distinct ones."""

DEEPER: Final = Frame("(deeper)", "")
"""The frame of all that is deeper than `StackTree.max_depth`."""

RUNTIME: Final = Frame("(runtime)", "")
"""The frame of all tasks that are the backend's own, or the server's, and not the program's."""

BLOCKS_THE_LOOP: Final = "blocks the loop"
"""The name of the frame that ends the path of a blocking step. Its location is the line."""

HOLDS_THE_GIL: Final = "holds the GIL"
"""The name of the frame that ends the path of a thread in a stall. Its location is the line."""


class Times(NamedTuple):
    """The numbers of one stack itself, without the stacks below it: nanoseconds and counts.

    Attributes:
        busy: the loop's time in steps of tasks with this stack; for the root alone: the loop's
            own work; and for `WAITING`, `COLLECTIONS`, and what is below `CALLBACKS`.
        scheduled: time in which tasks with this stack could step and did not yet; 0 where that was
            not measured (`Profile.scheduled_measured`).
        idle: time in which tasks with this stack waited for something.
        thread: time that worker threads spent in this stack, beside the loop.
        steps: steps that ended in this stack.
        entries: tasks spawned, or spans opened, with this stack.
        self_wakes: steps in which the task woke itself, as a checkpoint does.
        left_open: spans with this stack that were open when their task had finished.
    """

    busy: int = 0
    scheduled: int = 0
    idle: int = 0
    thread: int = 0
    steps: int = 0
    entries: int = 0
    self_wakes: int = 0
    left_open: int = 0

    def plus(self, other: Times) -> Times:
        """Add number by number."""
        return Times(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Blocks(NamedTuple):
    """Blocking steps: those that took longer than the blocking threshold.

    Attributes:
        count: how many.
        total: how long they took together, in nanoseconds.
        max: how long the longest took, in nanoseconds.
        computing: of the total, how long the thread of the loop computed.
        calling: how long it waited in a call that blocks.
        gil: how long another thread held the GIL.
        collecting: how long garbage was collected.
        stopped: how long the process was stopped.
        starved: how long the thread could run, and had no processor.
    """

    count: int = 0  # type: ignore[assignment]  # tuples have a method of that name, of no use here
    total: int = 0
    max: int = 0
    computing: int = 0
    calling: int = 0
    gil: int = 0
    collecting: int = 0
    stopped: int = 0
    starved: int = 0

    def plus(self, other: Blocks) -> Blocks:
        """Return both together."""
        sums = [mine + theirs for mine, theirs in zip(self, other, strict=True)]
        return Blocks(*sums)._replace(max=max(self.max, other.max))

    @property
    def kind(self) -> str:
        """What most of the total was, in words; empty if that is not known."""
        kinds = {name: getattr(self, name) for name in KINDS}
        most = max(kinds, key=lambda name: kinds[name])
        return KINDS[most] if 2 * kinds[most] > self.total else ""

    def is_innocent(self, threshold: int | None) -> bool:
        """Whether most of the total was not the doing of the steps.

        On a machine that is too busy, what a step does itself may be the smaller part, and yet take
        longer than `threshold`, in nanoseconds: it is to blame all the same.
        """
        struck = self.gil + self.collecting + self.stopped
        own = self.total - struck - self.starved
        is_short = threshold is not None and own <= self.count * threshold
        return 2 * struck > self.total or (is_short and 2 * (struck + self.starved) > self.total)


KINDS: Final = {
    "computing": "computing",
    "calling": "a blocking call",
    "gil": "another thread held the GIL",
    "collecting": "garbage collection",
    "stopped": "the process was stopped",
    "starved": "starved of CPU",
}
"""What the time of a long step may have been, in words, by the attributes of `Blocks`."""


class Tokens(NamedTuple):
    """The most that tasks ever wanted of a capacity limiter, of those that waited in one stack.

    Attributes:
        tokens: how many the limiter had.
        wanted: how many tasks had one or waited for one, at one moment.
    """

    tokens: int
    wanted: int

    def plus(self, other: Tokens) -> Tokens:
        """Return the one in which more tasks waited."""
        return max(self, other, key=lambda each: (each.wanted - each.tokens, each))


_numbers: Final = itertools.count(1)


@accelerated
class Stack:
    """One stack and its numbers: those of `Times`, with `rest` for idle and scheduled together.

    While tasks live and spans are open, `busy` and `rest` are incomplete. The time of a span is
    added when it closes, and subtracted from the stack around it.

    Attributes:
        number: tells it from all other stacks.
        slow_after: spans with this stack that last longer, in nanoseconds, may be slow.
        latency: how long spans with this stack lasted, and tasks, from their begin to their end;
            ``None`` before the first of them has ended.
    """

    __slots__ = (
        "busy",
        "children",
        "depth",
        "entries",
        "frame",
        "latency",
        "left_open",
        "number",
        "parent",
        "rest",
        "scheduled",
        "self_wakes",
        "slow_after",
        "steps",
        "thread",
    )

    def __init__(self, frame: Frame, parent: Stack | None) -> None:
        self.frame = frame
        self.parent = parent
        self.depth: int = 1 if parent is None else parent.depth + 1
        self.children: dict[Frame, Stack] = {}
        self.busy = 0
        self.scheduled = 0
        self.rest = 0
        self.thread = 0
        self.steps = 0
        self.entries = 0
        self.self_wakes = 0
        self.left_open = 0
        self.latency: HistogramBuilder | None = None
        self.number = next(_numbers)
        self.slow_after = 0

    def add_latency(self, duration: int) -> None:
        """Count one duration of a span or task."""
        if self.latency is None:
            self.latency = HistogramBuilder()
        self.latency.add(duration)

    def __repr__(self) -> str:
        above = f"{self.parent!r};" if self.parent else ""
        return f"{above}{self.frame.name}"


class StackTree:
    """All stacks of one loop, bounded in depth and number.

    Attributes:
        root: the stack of `ROOT` alone.
        outer: the stack of the spans around the run of the loop, the root if there are none. Tasks
            that no other one spawns stand below it. None until there is one: see `find_outer`.
        stacks: every stack, each after its parent.
        max_stacks: how many distinct stacks there are; each further one becomes ``(other)`` below
            its deepest known parent.
        max_depth: how many frames a stack has; all that is deeper becomes one child ``(deeper)``.
        truncated: whether a bound was met.

    Raises:
        TypeError, ValueError: a bound is not a whole number, or less than 1.
    """

    def __init__(self, *, max_stacks: int = 10_000, max_depth: int = 256) -> None:
        self.max_stacks = _bound("max_stacks", max_stacks)
        self.max_depth = _bound("max_depth", max_depth)
        self.root = Stack(ROOT, None)
        self.outer: Stack | None = self.root
        self._around: StackPath = ()
        self.stacks = [self.root]
        self.truncated = False

    def stand_below(self, spans: StackPath) -> None:
        """Note which spans are open around the run of the loop, from the outermost one on."""
        if spans is not self._around:
            self._around = spans
            self.outer = None if spans else self.root

    def find_outer(self) -> Stack:
        """Return the stack of these spans, which is made for the first task."""
        stack = self.outer
        if stack is None:
            stack = self.root
            for frame in self._around:
                stack = self.child(stack, frame)
            stack.entries += 1
            self.outer = stack
        return stack

    def child(self, parent: Stack, frame: Frame) -> Stack:
        """Return the stack of `frame` below `parent`, which is made if the bounds allow it."""
        found = parent.children.get(frame)
        return self._grow(parent, frame) if found is None else found

    def detail(self, parent: Stack, frames: Iterable[Frame]) -> Stack:
        """Return the stack of some functions or awaits below `parent`, a task or span.

        Such stacks are made until half of `max_stacks` is reached. After that, this returns the
        deepest stack on the way that is there already.
        """
        for frame in frames:
            found = parent.children.get(frame)
            if found is None:
                if len(self.stacks) >= self.max_stacks // 2:
                    self.truncated = True
                    return parent
                found = self._grow(parent, frame)
            parent = found
        return parent

    def _grow(self, parent: Stack, frame: Frame) -> Stack:
        if parent.frame is OTHER or parent.frame is DEEPER:
            return parent
        if parent.depth >= self.max_depth:
            frame = DEEPER
        elif len(self.stacks) >= self.max_stacks:
            frame = OTHER
        self.truncated = self.truncated or frame is DEEPER or frame is OTHER
        # Worker threads add to the tree as well. Of two stacks that are made at once, setdefault
        # keeps one; the other one stays in the list, all zeros. A stack is listed before it can be
        # found, so that no child is listed before its parent.
        stack = Stack(frame, parent)
        if frame not in parent.children:
            self.stacks.append(stack)
        return parent.children.setdefault(frame, stack)


def stack_path(stack: Stack) -> StackPath:
    """Return the frames of a stack, from the root down."""
    frames = [stack.frame]
    while stack.parent is not None:
        stack = stack.parent
        frames.append(stack.frame)
    return tuple(frames[::-1])


def is_of_loop(path: StackPath) -> bool:
    """Whether a stack is of the loop itself: its time is of no task, and it has no lifetime."""
    return path[1:2] == () or path[1] in OF_LOOP


ALL_WAITING: Final = (WAITING, ESTIMATED_WAITING)
ALL_CALLBACKS: Final = (CALLBACKS, ESTIMATED_CALLBACKS)
OF_LOOP: Final = (*ALL_WAITING, *ALL_CALLBACKS, *COLLECTIONS)
"""The frames below the root of what is of no task, but of the loop itself."""


def frames_between(outer: Stack, inner: Stack) -> list[Frame]:
    """Return the frames from one stack down to one below it, both included, outermost first."""
    frames = [inner.frame]
    while inner is not outer and inner.parent is not None:
        inner = inner.parent
        frames.append(inner.frame)
    return frames[::-1]


def _bound(what: str, value: int) -> int:
    """Return a bound if it makes sense."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{what} is at least 1, not {value!r}")
    return value
