"""Who woke whom in a timeline; see `core/edges`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.core.edges import Edge, Waited

if TYPE_CHECKING:
    from tracetools.timelines.states import Interval, States
    from tracetools.timelines.timeline import SpanTime

__all__ = ["edges"]


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
