"""How much shorter a wait can become, before the task would wait for another of its children.

A task that waits for its children waits until the last one has exited. Had that one taken no time,
the task would have waited for the next one all the same. Other waits have no such bound.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetools.core.stacks import Frame, StackPath
    from tracetools.timelines.states import Interval, States
    from tracetools.timelines.timeline import Life, Wake

__all__ = ["bounds_of"]


def bounds_of(
    states: States, each: Interval, wake: Wake
) -> tuple[int, tuple[tuple[Frame, int], ...]]:
    """Return how much shorter a wait can become: for most frames, and for those that differ.

    These are frames of the other children as well. What is below them there would take no time
    either; what those children wait for in other tasks counts in full.
    """
    whole = each.end - each.begin
    if not _is_exit(states, wake):
        return whole, ()
    ended = states.ended_children(wake.task, each.begin, each.end)
    others = [life for life in ended if life.number != wake.waker]
    if not others:
        return whole, ()
    latest = _end(others[-1])
    ends = {frame: end for frame, end in _ends_without(states, others, each.path) if end < latest}
    bounds = {frame: each.end - max(each.begin, end) for frame, end in ends.items()}
    return each.end - latest, tuple(sorted(bounds.items(), key=repr))


def _is_exit(states: States, wake: Wake) -> bool:
    """Whether a task was woken by one that exits, which it has waited for as its child."""
    life = states.timeline.lives[wake.waker] if wake.waker is not None else None
    if life is None or life.end is None:
        return False
    is_child = life.spawner == wake.task and not states.steps_after(life.number, wake.moment)
    return is_child or life.end == wake.moment


def _ends_without(
    states: States, others: list[Life], known: StackPath
) -> Iterable[tuple[Frame, int]]:
    """Return for frames of the last task the latest end of all if these had taken no time."""
    *earlier, last = others
    ends = {
        frame: _end(last) - time
        for frame, time in _times_of(states, last).items()
        if frame not in known
    }
    for other in reversed(earlier):
        if all(end >= _end(other) for end in ends.values()):
            break
        times = _times_of(states, other)
        for frame, end in ends.items():
            ends[frame] = max(end, _end(other) - times.get(frame, 0))
    return ends.items()


def _times_of(states: States, life: Life) -> dict[Frame, int]:
    """Return for how long each frame was in the stack of a task, in all of its life."""
    paths: dict[StackPath, int] = {}
    for each in states.intervals(life.number, life.born, _end(life)):
        paths[each.path] = paths.get(each.path, 0) + each.end - each.begin
    found: Counter[Frame] = Counter()
    for path, time in paths.items():
        found.update(dict.fromkeys(path, time))
    return found


def _end(life: Life) -> int:
    return life.born if life.end is None else life.end
