"""Who woke whom: each wait ends because somebody acts, and is counted for who that was.

The lens ``chain`` shows what waits, and on top of it the stack of who ended the wait, as Gregg's
chain graphs do; here the stack of the waker is not upside down, so that tasks stay together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.states import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracetools.core.stacks import StackPath
    from tracetools.timelines.states import Interval, States
    from tracetools.timelines.timeline import SpanTime, Waker

__all__ = ["Edge", "Waited", "chain", "edges", "merged"]


class Edge(NamedTuple):
    """Who waited, and who ended that.

    Attributes:
        waiter: the path of the await; if it has no name, that of the task or its innermost span.
        by: who has acted; ``None`` if that is not known, or if the wait had not ended.
        waker: the path of what the waker did; empty if that is not known.
        line: the line of the program's own code at which it was; ``None`` if that is not known.
    """

    waiter: StackPath
    by: Waker | None
    waker: StackPath = ()
    line: Frame | None = None


class Waited(NamedTuple):
    """Waits that were ended alike.

    Attributes:
        count: how many.
        total: how long they took together, in nanoseconds.
        max: how long the longest took.
    """

    count: int = 0  # type: ignore[assignment]  # tuples have a method of that name, of no use here
    total: int = 0
    max: int = 0

    def plus(self, other: Waited) -> Waited:
        """Return both together."""
        return Waited(self.count + other.count, self.total + other.total, max(self.max, other.max))


def edges(states: States, span: SpanTime | None = None) -> dict[Edge, Waited]:
    """Return how long tasks waited for whom: all tasks of the timeline, or one in its span."""
    timeline = states.timeline
    begin, end, tasks = timeline.begin, timeline.end, states.tasks
    if span is not None:
        begin, end, tasks = span.begin, end if span.end is None else span.end, [span.task]
    waits = (
        each
        for task in tasks
        for each in states.intervals(task, begin, end)
        if each.state == "waiting"
    )
    found: dict[Edge, Waited] = {}
    for wait in waits:
        time = wait.end - wait.begin
        edge = _edge(states, wait)
        found[edge] = found.get(edge, Waited()).plus(Waited(1, time, time))
    return found


def _edge(states: States, wait: Interval) -> Edge:
    wake = wait.wake
    if wake is None:
        return Edge(wait.path, None)
    path = wake.path
    if not path and wake.waker is not None:
        path = states.path_at(wake.waker, wake.moment)
    return Edge(wait.path, wake.by, path, wake.line)


def merged(some: Iterable[Mapping[Edge, Waited]]) -> dict[Edge, Waited]:
    """Add up. Associative and commutative."""
    found: dict[Edge, Waited] = {}
    for each in some:
        for edge, waited in each.items():
            found[edge] = found.get(edge, Waited()).plus(waited)
    return found


def chain(some: Mapping[Edge, Waited]) -> dict[StackPath, int]:
    """Return nanoseconds by path, for a graph: the waker's stack stands on the waiter's.

    What is no task, and has no stack, is a frame such as ``[timer]``.
    """
    found: dict[StackPath, int] = {}
    for edge, waited in some.items():
        path = edge.waiter + _shown(edge)
        found[path] = found.get(path, 0) + waited.total
    return found


def _shown(edge: Edge) -> StackPath:
    path = edge.waker[edge.waker[:1] == (ROOT,) :]
    if path:
        return path
    return (UNKNOWN if edge.by is None else Frame(f"[{edge.by}]", ""),)
