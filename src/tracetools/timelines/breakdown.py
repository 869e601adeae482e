"""What the time of a span was: steps, turns and waits of its own task, which make its duration.

Of the waits it is told as well how much was for tasks below the span, and how much threads worked.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tracetools.core.breakdown import Breakdown

if TYPE_CHECKING:
    from tracetools.timelines.states import Interval, States
    from tracetools.timelines.timeline import SpanTime

__all__ = ["breakdown"]


def breakdown(states: States, span: SpanTime) -> Breakdown:
    """Return what the time of a span was, up to the end of the timeline if it is open then."""
    end = states.timeline.end if span.end is None else span.end
    times: Counter[str] = Counter()
    waits: Counter[str] = Counter()
    children = _Children(states, span)
    for each in states.intervals(span.task, span.begin, end):
        time = each.end - each.begin
        if each.is_named:
            waits[each.path[-1].label if each.path else ""] += time
        else:
            times[each.state] += time
        if each.state == "waiting":
            times["threads"] += _thread_time(states, span.task, each)
            if each.wake and each.wake.by == "task" and children.has(each.wake.waker):
                times["children"] += time
    return Breakdown(
        times["busy"],
        times["scheduled"],
        waits,
        times["waiting"],
        times["unborn"] + times["over"] + times["unknown"],
        times["children"],
        times["threads"],
        max(end - span.begin, 0),
        1,
    )


def _thread_time(states: States, task: int, wait: Interval) -> int:
    parts = states.thread_work(task, wait.begin, wait.end)
    return sum(end - begin for begin, end, path in parts if path)


class _Children:
    """Which tasks were spawned in a span, by its task or by another such one."""

    def __init__(self, states: States, span: SpanTime) -> None:
        self._lives = states.timeline.lives
        self._begin = span.begin
        self._known = {span.task: True}

    def has(self, task: int | None) -> bool:
        chain: list[int] = []
        while task is not None and task not in self._known:
            self._known[task] = False  # until more is known: spawners may lead back to here
            chain.append(task)
            life = self._lives.get(task)
            task = life.spawner if life and life.born >= self._begin else None
        found = task is not None and self._known[task]
        self._known.update(dict.fromkeys(chain, found))
        return found
