"""What the time of the slow spans of one name was: a value that adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.stacks import ROOT, Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tracetools.core.stacks import StackPath

__all__ = [
    "CRITICAL",
    "SPAN",
    "Saving",
    "SlowSpans",
    "critical_savings",
    "critical_stacks",
    "merged_slow",
]

CRITICAL: Final = Frame("(critical paths of kept spans)", "")
"""The frame below which all stacks of the lens ``critical`` are."""


class SlowSpans(NamedTuple):
    """The slow spans with one stack, as many as are kept.

    Attributes:
        breakdown: what the time of their own tasks was.
        critical: what explains each moment of it.
    """

    breakdown: Breakdown = Breakdown()
    critical: CriticalTimes = CriticalTimes()

    def plus(self, other: SlowSpans) -> SlowSpans:
        """Return both together. Associative and commutative."""
        return SlowSpans(
            Breakdown.merged([self.breakdown, other.breakdown]),
            CriticalTimes.merged([self.critical, other.critical]),
        )


def merged_slow(
    some: Iterable[Mapping[StackPath, SlowSpans]],
) -> dict[StackPath, SlowSpans]:
    """Return the slow spans of several profiles by stack."""
    found: dict[StackPath, SlowSpans] = {}
    for slow in some:
        for path, spans in slow.items():
            found[path] = spans.plus(found.get(path, SlowSpans()))
    return found


def critical_stacks(slow: Mapping[StackPath, SlowSpans]) -> dict[StackPath, int]:
    """Return the nanoseconds of the critical paths of slow spans by stack, as a graph shows them.

    What is above a span is left out, so that all spans of a name are one frame, as wide as they
    lasted. A span that was kept within another one that was kept is beside it as well.
    """
    found: dict[StackPath, int] = {}
    for path, spans in slow.items():
        for stack, time in spans.critical.shares.items():
            if time:
                placed = _placed(path, stack)
                found[placed] = found.get(placed, 0) + time
    return found


class Saving(NamedTuple):
    """What slow spans would save at most without one frame.

    Attributes:
        count: how many spans of that name were kept.
        duration: how long they took, in nanoseconds.
        saved: how much less they would take at most without the frame, wherever it is in them.
    """

    count: int = 0  # type: ignore[assignment]  # tuples have a method of that name, of no use here
    duration: int = 0
    saved: int = 0


def critical_savings(slow: Mapping[StackPath, SlowSpans]) -> dict[StackPath, Saving]:
    """Return what each frame of `critical_stacks` would save at most, by the stack up to it."""
    critical: dict[Frame, CriticalTimes] = {}
    for path, spans in slow.items():
        known = critical.get(path[-1], CriticalTimes())
        critical[path[-1]] = CriticalTimes.merged([known, spans.critical])
    found: dict[StackPath, Saving] = {}
    for stack in _with_parents(critical_stacks(slow)):
        times = critical[stack[SPAN]]
        found[stack] = Saving(times.count, times.duration, times.savings.get(stack[-1], 0))
    return found


SPAN: Final = 2
"""Where the frame of the slow spans is in a stack of their critical paths."""


def _placed(span: StackPath, stack: StackPath) -> StackPath:
    is_below = stack[: len(span)] == span
    below = stack[len(span) :] if is_below else stack[stack[:1] == (ROOT,) :]
    return (ROOT, CRITICAL, span[-1], *below)


def _with_parents(stacks: Mapping[StackPath, int]) -> Iterator[StackPath]:
    """Yield the stacks and all above them, each once, up to the frames of the spans."""
    seen: set[StackPath] = set()
    for stack in stacks:
        for depth in range(len(stack), SPAN, -1):
            if stack[:depth] in seen:
                break
            seen.add(stack[:depth])
            yield stack[:depth]
