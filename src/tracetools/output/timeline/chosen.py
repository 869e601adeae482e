"""Which tasks matter for a span: those that get tracks of their own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.guest.pace import paced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetools.timelines.notes import Notes
    from tracetools.timelines.states import States
    from tracetools.timelines.timeline import Step, Timeline

__all__ = ["MOST_TRACKS", "Chosen", "Window", "choose"]

MOST_TRACKS: Final = 40
"""How many tasks have tracks of their own; a page with more takes long to open and to read."""


class Window(NamedTuple):
    """The stretch of time that is shown."""

    begin: int
    end: int


class Chosen(NamedTuple):
    """The tasks of a page.

    Attributes:
        window: the time of the span within the timeline; without a span, all of the timeline.
        subject: the number of the span's task; ``None`` without a span.
        roles: why a task has a track, by its number, in the order of the tracks.
        left_out: how many tasks would have one, were there not so many.
    """

    window: Window
    subject: int | None
    roles: Mapping[int, str]
    left_out: int


def choose(states: States, notes: Notes) -> Chosen:
    """Return the tasks that matter for the subject of a timeline.

    They are the task of the span, the tasks that it and its children have spawned meanwhile, those
    that have woken any of them, and those of the critical path. If they are too many, those that
    the critical path needs most come first, then those that were busy for longest.

    Without a subject, they are those that were busy for longest.
    """
    timeline, tasks = states.timeline, states.tasks
    window = _window(timeline)
    critical: Counter[int] = Counter()
    for task, begin, end in notes.critical:
        critical[task] += end - begin
    if timeline.subject is None:
        subject, roles = None, dict.fromkeys(tasks, "")
    else:
        subject = timeline.subject.task
        roles = _roles(subject, timeline, tasks, window)
        roles |= {task: "on the critical path" for task in critical if task not in roles}
        known = {*tasks}
        roles = {task: role for task, role in roles.items() if task in known}
    busy = {number: _busy(states.steps_of(number), window) for number in roles}
    by_weight = sorted(
        roles, key=lambda task: (task != subject, -critical[task], -busy[task], task)
    )
    kept = {*by_weight[:MOST_TRACKS]}
    shown = {number: role for number, role in roles.items() if number in kept}
    return Chosen(window, subject, shown, len(roles) - len(shown))


def _window(timeline: Timeline) -> Window:
    span = timeline.subject
    if span is None:
        return Window(timeline.begin, timeline.end)
    begin = min(max(span.begin, timeline.begin), timeline.end)
    end = timeline.end if span.end is None else min(max(span.end, begin), timeline.end)
    return Window(begin, end)


def _roles(
    subject: int, timeline: Timeline, tasks: Sequence[int], window: Window
) -> dict[int, str]:
    """Return the task of the span, those spawned in it, and those that have woken any of them."""
    family = {subject: "the span's task"}
    for number in paced(tasks):  # as they were spawned
        life = timeline.lives.get(number)
        if life and life.spawner in family and window.begin <= life.born <= window.end:
            family.setdefault(number, "spawned in the span")
    wakers = {
        wake.waker: "woke one of them"
        for wake in paced(timeline.wakes)
        if wake.task in family
        and wake.waker is not None
        and window.begin <= wake.moment <= window.end
    }
    return {**family, **{task: role for task, role in wakers.items() if task not in family}}


def _busy(steps: Sequence[Step], window: Window) -> int:
    return sum(
        max(0, min(step.end, window.end) - max(step.begin, window.begin)) for step in paced(steps)
    )
