"""What is said of a timeline that is not in it, and what its tasks are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetools.core.stacks import StackPath
    from tracetools.timelines.timeline import Timeline

__all__ = ["NO_NOTES", "Notes", "function_of", "last_frame", "task_name"]

_UNKNOWN: Final = "unknown"
_LONGEST_NAME: Final = 200


class Notes(NamedTuple):
    """What is said of a timeline beside it.

    Attributes:
        program: whose timeline it is.
        trace_id: the trace of OpenTelemetry that the subject belongs to; empty if there is none.
        blocking_threshold: steps that last longer, in nanoseconds, are marked; ``None`` for none.
        critical: the critical path of the subject: the number of a task, when a piece begins, and
            when it ends. The pieces do not overlap.
        reason: for what it is kept, unless it was slow.
    """

    program: str = ""
    trace_id: str = ""
    blocking_threshold: int | None = None
    critical: Sequence[tuple[int, int, int]] = ()
    reason: str = ""


NO_NOTES: Final = Notes()


def last_frame(path: StackPath) -> Frame:
    """Return the innermost frame of a stack; of an empty one, a frame that is not known."""
    return path[-1] if path else Frame(_UNKNOWN, "")


def function_of(timeline: Timeline, number: int) -> str:
    """Return the name of a task's function."""
    life = timeline.lives.get(number)
    return _UNKNOWN if life is None else last_frame(life.path).name


def task_name(timeline: Timeline, number: int | None) -> str:
    """Return the name of a task's function and the task's number, such as ``serve #12``.

    A name that is too long is cut, so that the number is seen.
    """
    if number is None:
        return _UNKNOWN
    return f"{function_of(timeline, number)[:_LONGEST_NAME]} #{number}"
