"""Finds who has ended waits, where the recording has seen nobody, or only a go-between.

- A task that waits for its children becomes ready when the last of them has exited: after its last
  step, or in a callback of the loop. No task steps then. But what was awaited tells that it was
  children, and the one that has exited just before has ended the wait.
- A thread that has worked for a task has the loop, or a task of the runtime, wake it. If a thread
  has finished work for a task while that one waited, the thread has ended the wait.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import RUNTIME
from tracetools.guest.pace import paced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracetools.core.stacks import StackPath
    from tracetools.timelines.timeline import Life, Timeline, Wait, Wake, Work

__all__ = ["Children", "is_for_children", "with_wakers"]

_FOR_CHILDREN: Final = frozenset(
    {"Nursery", "Task", "TaskGroup", "as_completed", "gather", "open_nursery", "shield", "wait"}
    | {"wait_for"}
)
"""The names of awaits of children, without what may stand in parentheses."""

_SOON: Final = 5_000_000
"""So many nanoseconds after an exit a wait ends for it, not counting steps in between. The loop
does little more, but for the first time it may be slow."""


class Children:
    """Which children of each task have exited, in the order of their ends."""

    def __init__(self, lives: Iterable[Life]) -> None:
        self._lives: defaultdict[int, list[Life]] = defaultdict(list)
        self._ends: defaultdict[int, list[int]] = defaultdict(list)
        ended = (life for life in lives if life.end is not None)
        for life in sorted(ended, key=attrgetter("end", "number")):
            if life.spawner is not None and life.end is not None:
                self._lives[life.spawner].append(life)
                self._ends[life.spawner].append(life.end)

    def ended(self, task: int, begin: int, end: int) -> Sequence[Life]:
        """Return the children of a task that have exited after one moment, up to another."""
        if task not in self._lives:
            return ()
        ends = self._ends[task]
        return self._lives[task][bisect_right(ends, begin) : bisect_right(ends, end)]


def with_wakers(timeline: Timeline) -> Timeline:
    """Return a timeline in which children and threads are wakers where they have ended a wait."""
    finder = _Finder(timeline)
    if not finder.waits:
        return timeline
    return replace(timeline, wakes=tuple(map(finder.see, paced(timeline.wakes))))


class _Finder:
    """Finds wakers.

    Attributes:
        waits: those that a child or a thread may have ended, by task and end.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._children = Children(timeline.lives.values())
        self._step_ends = [step.end for step in timeline.steps]
        self._works: defaultdict[int | None, list[Work]] = defaultdict(list)
        for work in timeline.works:
            self._works[work.task].append(work)
        self.waits = {
            (wait.task, wait.end): wait
            for wait in paced(timeline.waits)
            if wait.task in self._works or is_for_children(wait.path)
        }

    def see(self, wake: Wake) -> Wake:
        """Return a wake with who has acted."""
        wait = self.waits.get((wake.task, wake.moment))
        if wait is None or not _may_be_another(wake):
            return wake
        work = self._work(wait)
        if work is not None:
            return wake._replace(by="thread", waker=None, path=work.path, line=None)
        child = self._child(wait)
        if wake.by != "task" and child is not None:
            return wake._replace(by="task", waker=child.number, path=child.path, line=None)
        return wake

    def _work(self, wait: Wait) -> Work | None:
        """Return the last work that a thread has finished while a task waited."""
        works = (
            work
            for work in reversed(self._works.get(wait.task, ()))
            if work.end is not None and wait.begin < work.end <= wait.end
        )
        return next(works, None)

    def _child(self, wait: Wait) -> Life | None:
        """Return the child that has exited just before a wait for children has ended."""
        if not is_for_children(wait.path):
            return None
        for child in reversed(self._children.ended(wait.task, wait.begin, wait.end)):
            since = child.born if child.end is None else child.end
            passed = wait.end - since - self._stepped(since, wait.end)
            return child if passed <= _SOON else None
        return None

    def _stepped(self, begin: int, end: int) -> int:
        """Return for how long tasks stepped from one moment to another."""
        first, last = bisect_right(self._step_ends, begin), bisect_right(self._step_ends, end)
        return sum(step.end - max(step.begin, begin) for step in self._timeline.steps[first:last])


def is_for_children(path: StackPath) -> bool:
    """Whether the path of an await tells that children are awaited."""
    words = path[-1].name.split() if path else []
    return words[:1] == ["await"] and words[1:2] != [] and words[1] in _FOR_CHILDREN


def _may_be_another(wake: Wake) -> bool:
    """Whether what was seen may be no more than a go-between."""
    if wake.by == "task":
        return wake.path[1:2] == (RUNTIME,)
    return wake.by in {"loop", "callback"}
