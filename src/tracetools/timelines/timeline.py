"""What the tasks of a loop did in a stretch of time, moment by moment.

A profile adds up; a timeline does not. It is a frozen value, as a profile is: a recording makes it
of its last events, and all that is said of one slow span is computed from it.

All moments are nanoseconds of the recording's clock. Tasks are known by numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tracetools.core.edges import Waker
    from tracetools.core.stacks import Frame, StackPath

__all__ = ["Life", "SpanTime", "Step", "Timeline", "Wait", "Wake", "Work"]


class Life(NamedTuple):
    """One task.

    Attributes:
        number: the task's.
        path: its stack, without its spans.
        spawner: the number of the task that has spawned it; ``None`` if none is known.
        born: when it was spawned.
        end: when it exited; ``None`` if it was alive at the end of the timeline.
    """

    number: int
    path: StackPath
    spawner: int | None
    born: int
    end: int | None


class Step(NamedTuple):
    """One step of a task. The steps of a loop do not overlap, unless one interrupts another."""

    task: int
    begin: int
    end: int


class Wake(NamedTuple):
    """A task becomes ready: its wait ends, and it waits for its turn.

    Attributes:
        task: the task.
        moment: when.
        by: who has acted.
        waker: the number of the task that has; ``None`` if none has.
        path: what the waker did just then; empty if that is not known.
        line: the line of the program's own code at which it was; ``None`` if that is not known.
    """

    task: int
    moment: int
    by: Waker
    waker: int | None = None
    path: StackPath = ()
    line: Frame | None = None


class Wait(NamedTuple):
    """What a task awaited, from the end of a step until it became ready.

    Waits that are shorter than what is measured (`Options.await_after`) have none.
    """

    task: int
    begin: int
    end: int
    path: StackPath


class SpanTime(NamedTuple):
    """A span in a task, from its entry to its exit.

    Attributes:
        task: the number of the task.
        begin: when it was entered.
        end: when it was left; ``None`` if it was open at the end of the timeline.
        path: the stack that is current in it.
    """

    task: int
    begin: int
    end: int | None
    path: StackPath


class Work(NamedTuple):
    """A span in a worker thread, for a task that waits for it.

    Attributes:
        task: the number of the task; ``None`` if it is for none.
        begin: when it was entered.
        end: when it was left; ``None`` if it was open at the end of the timeline.
        path: its stack.
        thread: the identity of the thread.
    """

    task: int | None
    begin: int
    end: int | None
    path: StackPath
    thread: int = 0


@dataclass(frozen=True)
class Timeline:
    """What the tasks of one loop did from one moment to another.

    Attributes:
        begin: its first moment.
        end: its last one.
        lives: the tasks, by number: all that are named anywhere below, and their spawners.
        steps: in the order of their ends.
        wakes: in the order of their moments.
        waits: in the order of their ends.
        spans: in the order of their ends; those that are still open come last.
        works: in the order of their ends; those that go on come last.
        subject: the span that is asked about; ``None`` for all of it.
        starts: the moment of the epoch, in nanoseconds, at `begin`; 0 if that is not known.
        is_cut: whether it began before what is kept of it.
    """

    begin: int
    end: int
    lives: Mapping[int, Life] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    wakes: tuple[Wake, ...] = ()
    waits: tuple[Wait, ...] = ()
    spans: tuple[SpanTime, ...] = ()
    works: tuple[Work, ...] = ()
    subject: SpanTime | None = None
    starts: int = 0
    is_cut: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lives", MappingProxyType(dict(self.lives)))

    def __reduce__(self) -> tuple[object, ...]:
        values = [getattr(self, each.name) for each in fields(self)]
        return type(self), (*values[:2], dict(self.lives), *values[3:])
