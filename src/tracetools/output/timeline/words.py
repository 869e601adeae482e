"""What tasks did, in words: what they waited for, and who ended that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.timelines.notes import last_frame, task_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetools.core.edges import Waker
    from tracetools.core.stacks import Frame
    from tracetools.timelines.states import Interval, State
    from tracetools.timelines.timeline import Timeline, Wake

__all__ = ["STATES", "ended_by", "label_of", "show_time", "waits_for"]

STATES: Final[Mapping[State, str]] = {"busy": "busy", "scheduled": "ready", "waiting": "waiting"}
"""What a page calls the states. *Ready* is what is *scheduled* elsewhere."""

_WAKERS: Final[Mapping[Waker, str]] = {
    "task": "a task",
    "callback": "a callback",
    "timer": "a timer",
    "thread": "a thread",
    "loop": "the loop (a timer, or data that arrived)",
}

show_time = amount_formatter("ns")


def label_of(frame: Frame) -> str:
    """Return the name of a frame, with its location if that is known."""
    return frame.label if frame.file else frame.name


def waits_for(interval: Interval) -> str:
    """Return what a task that waits awaits, with its line."""
    if not interval.is_named:
        return "waiting, for what is not known"
    return label_of(last_frame(interval.path))


def ended_by(timeline: Timeline, wake: Wake | None) -> str:
    """Return who made a task ready, and where; empty if that is not known."""
    if wake is None:
        return ""
    line = wake.line or (last_frame(wake.path) if wake.path else None)
    where = f" at {label_of(line)}" if line is not None else ""
    if wake.waker is None:
        return f"{_WAKERS[wake.by]}{where}"
    who = "itself" if wake.waker == wake.task else task_name(timeline, wake.waker)
    return f"{who}{where}"
