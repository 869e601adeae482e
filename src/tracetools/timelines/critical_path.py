"""The critical path of a span: what explains each moment from its entry to its exit.

While the task of the span steps, that is the explanation. While it waits for its turn, the
explanation is what steps meanwhile. While it waits and another task ends the wait, the explanation
is what that task did meanwhile; and so on while that one waits. The pieces add up to the duration
of the span, exactly.

Perfetto computes the critical path of a thread in this way from the states of threads and who woke
them. To follow a waker only for as long as it was waited for, and not back into work of its own
before, is from the discussion of golang/go issue 57175. So a path of one request does not run away
into others.

What the path and the savings do not know:

- What a waker did while it was waited for is taken for what was waited for. A task that does other
  things first and then releases a lock has all of that on the path.
- What a task did before it waited is its own. It may not have mattered, if it would have waited for
  that much longer. And what its waker did before is not on the path, and saves nothing, though
  without it the waker would have come earlier.
- Savings are the most that what is on the path can save. They are of work that takes no time, not
  of work that takes a little less, as Coz (Curtsinger, Berger) tries it out. Of what else would
  then be waited for, only other children are known. A lock, a limiter or a connection may be next.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from tracetools.core.critical_times import CriticalTimes
from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.core.stacks import DEEPER, ROOT
from tracetools.guest.pace import paced
from tracetools.timelines.bounds import bounds_of
from tracetools.timelines.states import UNKNOWN
from tracetools.timelines.timeline import SpanTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetools.core.stacks import Frame, StackPath
    from tracetools.timelines.states import Interval, States
    from tracetools.timelines.timeline import Wake

__all__ = ["CriticalPath", "Piece", "PieceState", "ReplacedWait", "critical_path"]

PieceState: TypeAlias = Literal["busy", "scheduled", "waiting", "thread", "unknown"]
"""What a piece of a critical path is: a task steps; it waits for its turn, and no task steps; it
waits, and no task ended that; a thread works for it; or nothing is known."""

MAX_DEPTH: Final = 256
"""How many frames a path has in a graph; a chain of tasks may be thousands long."""

_SPAN: Final = -1
"""What is not within a wait is of the span itself."""


class Piece(NamedTuple):
    """A piece of a critical path.

    Attributes:
        state: what it is.
        begin: from when.
        end: until when; later than `begin`.
        path: of the innermost open span, of the await, or of the thread's work. If nothing is
            known: what waits for it.
        task: the number of the task.
        within: the index of the wait, in `CriticalPath.waits`, that it explains; -1 for none.
        wake: what ended it, if it is a wait and that is known.
        is_named: whether it is a wait and `path` is what is awaited.
    """

    state: PieceState
    begin: int
    end: int
    path: StackPath
    task: int
    within: int = _SPAN
    wake: Wake | None = None
    is_named: bool = False


class ReplacedWait(NamedTuple):
    """A wait that others explain. What they did meanwhile stands for it.

    Another task has ended it; or the task waits for its turn, while others step.

    Attributes:
        begin: from when.
        end: until when.
        path: of the await. It ends in `SCHEDULED` if the task waits for its turn.
        task: the number of the task that waits.
        wake: what ended it, or made the task ready, if that is known.
        within: the index of the wait that this one is part of; -1 for none.
        bound: how much shorter the wait can become at most, in nanoseconds, before the task would
            wait for another of its children.
        bounds: the same for frames that the other children have as well, where it is more: what of
            theirs is below the frame would take no time either.
        is_named: whether `path` is what is awaited.
    """

    begin: int
    end: int
    path: StackPath
    task: int
    wake: Wake | None
    within: int
    bound: int
    bounds: tuple[tuple[Frame, int], ...] = ()
    is_named: bool = False


@dataclass(frozen=True)
class CriticalPath:
    """What explains each moment of a span.

    Attributes:
        span: the span.
        pieces: in order of time, without gaps or overlaps.
        waits: all that were replaced by what their wakers did. Each comes after the one that it is
            part of.
        inner: the tasks whose stacks are below that of the span, and its own.
    """

    span: SpanTime
    pieces: tuple[Piece, ...]
    waits: tuple[ReplacedWait, ...]
    inner: frozenset[int]

    @property
    def duration(self) -> int:
        """From the entry of the span to its exit, or to the end of the timeline: nanoseconds."""
        return self.pieces[-1].end - self.pieces[0].begin if self.pieces else 0

    def shown(self, piece: Piece) -> StackPath:
        """Return the path of a piece in a graph.

        That of the span's own task, or of a task below the span, is its own. That of another task
        stands on what awaits it, as in Gregg's chain graphs. What is no work ends in a frame that
        says so, unless it is an await that has a name.
        """
        within = piece.within
        if within != _SPAN and piece.task == self.waits[within].task:
            path = self._awaits[within]  # what waits still does so
        else:
            path = self._placed(piece.task, piece.path, within, self._awaits)
        if piece.state == "unknown":
            return (*path, UNKNOWN)
        if piece.state == "scheduled":
            return (*path, SCHEDULED)
        return (*path, IDLE) if piece.state == "waiting" and not piece.is_named else path

    def times(self) -> CriticalTimes:
        """Return what adds up with those of other spans."""
        return CriticalTimes(1, self.duration, self.shares(), self.savings())

    def shares(self) -> dict[StackPath, int]:
        """Return nanoseconds by path, for a graph. They add up to the duration."""
        found: dict[StackPath, int] = {}
        for (_, path), time in self._times.items():
            found[path] = found.get(path, 0) + time
        return found

    def savings(self) -> dict[Frame, int]:
        """Return for each frame how much shorter the span would be at most without it.

        All that is below the frame would take no time. A wait becomes shorter by what is saved in
        it, but by no more than its bound, unless it is below the frame itself.
        """
        within: list[dict[Frame, int]] = [{} for _ in (*self.waits, _SPAN)]
        for (index, path), time in self._times.items():
            _add(within[index], dict.fromkeys(path, time))
        for index in range(len(self.waits) - 1, -1, -1):
            wait, saved = self.waits[index], within[index]
            if wait.bound < wait.end - wait.begin:
                _limit(saved, wait, self._awaits[index])
            within[wait.within] = _sum(within[wait.within], saved)
            within[index] = {}
        return within[_SPAN]

    @cached_property
    def _times(self) -> Mapping[tuple[int, StackPath], int]:
        """Nanoseconds by the index of the wait and the path in a graph."""
        found: dict[tuple[int, StackPath], int] = {}
        for piece in self.pieces:
            key = piece.within, self.shown(piece)
            found[key] = found.get(key, 0) + piece.end - piece.begin
        return found

    @cached_property
    def _awaits(self) -> list[StackPath]:
        """The path of each wait in a graph."""
        found: list[StackPath] = []
        for wait in self.waits:
            found += [self._placed(wait.task, wait.path, wait.within, found)]
        return found

    def _placed(
        self, task: int, path: StackPath, within: int, awaits: Sequence[StackPath]
    ) -> StackPath:
        if within == _SPAN or task in self.inner:
            return path
        placed = awaits[within] + path[path[:1] == (ROOT,) :]
        return placed if len(placed) <= MAX_DEPTH else (*placed[: MAX_DEPTH - 1], DEEPER)


def _limit(saved: dict[Frame, int], wait: ReplacedWait, awaits: StackPath) -> None:
    bounds = dict(wait.bounds)
    for frame in saved.keys() - set(awaits):
        saved[frame] = min(saved[frame], bounds.get(frame, wait.bound))


def _sum(one: dict[Frame, int], other: dict[Frame, int]) -> dict[Frame, int]:
    """Return the sums of both, of which the larger one is changed."""
    small, large = sorted((one, other), key=len)
    _add(large, small)
    return large


def _add(sums: dict[Frame, int], more: Mapping[Frame, int]) -> None:
    for frame, time in more.items():
        sums[frame] = sums.get(frame, 0) + time


# ---------------------------------------------------------------------------------- how it is found


def critical_path(states: States, span: SpanTime) -> CriticalPath:
    """Return the critical path of a span, up to the end of the timeline if it is open then."""
    walk = _Walk(states, span)
    end = states.timeline.end if span.end is None else span.end
    walk.todo.append(_Stretch(span.task, span.begin, end, _SPAN, {span.task}))
    while walk.todo:
        walk.go(walk.todo.pop())
    lives = states.timeline.lives
    tasks = {piece.task for piece in walk.pieces} | {wait.task for wait in walk.waits}
    below = (life for life in map(lives.get, tasks) if life and _is_below(life.path, span.path))
    inner = frozenset((span.task, *(life.number for life in below)))
    return CriticalPath(span, tuple(sorted(walk.pieces, key=_begin)), tuple(walk.waits), inner)


def _is_below(path: StackPath, above: StackPath) -> bool:
    return path[: len(above)] == above


def _begin(piece: Piece) -> int:
    return piece.begin


class _Stretch(NamedTuple):
    """A stretch of time that is explained by what one task did in it.

    Attributes:
        task: the task.
        begin: from when.
        end: until when.
        within: the index of the wait that it explains.
        seen: the tasks that explain what ends when this ends. None does so twice. So the walk ends:
            what explains a wait lies within it, and all that is shorter is fewer.
    """

    task: int
    begin: int
    end: int
    within: int
    seen: set[int]


class _Walk:
    """Explains one stretch after the other, until none is left; without recursion."""

    def __init__(self, states: States, span: SpanTime) -> None:
        self.states = states
        self.span = span
        self.pieces: list[Piece] = []
        self.waits: list[ReplacedWait] = []
        self.todo: list[_Stretch] = []

    def go(self, stretch: _Stretch) -> None:
        task, within = stretch.task, stretch.within
        for each in paced(self.states.intervals(task, stretch.begin, stretch.end)):
            if each.state == "busy":
                self.pieces.append(Piece("busy", *each[1:4], task, within))
            elif each.state == "scheduled":
                self._turn(stretch, each)
            elif each.state == "waiting":
                self._wait(stretch, each)
            elif not (each.state == "unborn" and self._spawner(stretch, each)):
                self._rest(stretch, each)

    def _turn(self, stretch: _Stretch, each: Interval) -> None:
        """Let what steps meanwhile explain why a task waits for its turn."""
        rest = Piece("scheduled", *each[1:4], stretch.task, stretch.within)
        others = [
            Piece("busy", part.begin, part.end, part.path, step.task, len(self.waits))
            for step in self.states.steps_between(each.begin, each.end)
            for part in self.states.intervals(step.task, step.begin, step.end)
            if part.state == "busy" and step.task != stretch.task
        ]
        if others:
            path = (*each.path, SCHEDULED)
            whole = each.end - each.begin
            self.waits.append(
                ReplacedWait(*each[1:3], path, stretch.task, each.wake, stretch.within, whole)
            )
        at = each.begin
        for other in others:
            if at < other.begin:
                self.pieces.append(rest._replace(begin=at, end=other.begin))
            self.pieces.append(other)
            at = other.end
        if at < each.end:
            self.pieces.append(rest._replace(begin=at))

    def _wait(self, stretch: _Stretch, each: Interval) -> None:
        wake = each.wake
        if wake and self._waker(stretch, each, wake):
            return
        rest = Piece("waiting", *each[1:4], stretch.task, stretch.within, wake, each.is_named)
        if wake and wake.by == "thread":
            for begin, end, path in self.states.thread_work(stretch.task, each.begin, each.end):
                part = rest._replace(begin=begin, end=end)
                if path:
                    part = part._replace(state="thread", path=path, wake=None, is_named=False)
                self.pieces.append(part)
        else:
            self.pieces.append(rest)

    def _waker(self, stretch: _Stretch, each: Interval, wake: Wake) -> bool:
        """Let a task that ended a wait explain it; return whether it can."""
        if wake.by != "task" or not self._push(stretch, each, wake.waker, len(self.waits)):
            return False
        bound, bounds = bounds_of(self.states, each, wake)
        self.waits.append(
            ReplacedWait(
                *each[1:4], stretch.task, wake, stretch.within, bound, bounds, each.is_named
            )
        )
        return True

    def _spawner(self, stretch: _Stretch, each: Interval) -> bool:
        """Let the spawner of a task explain what was before; return whether it can."""
        life = self.states.timeline.lives.get(stretch.task)
        return self._push(stretch, each, life.spawner if life else None, stretch.within)

    def _push(self, stretch: _Stretch, each: Interval, task: int | None, within: int) -> bool:
        seen = stretch.seen if each.end == stretch.end else {stretch.task}
        if task is None or task in seen or task not in self.states.timeline.lives:
            return False
        seen.add(task)
        self.todo.append(_Stretch(task, each.begin, each.end, within, seen))
        return True

    def _rest(self, stretch: _Stretch, each: Interval) -> None:
        """Leave what the task does not explain to what waits for it, if that still waits."""
        within = stretch.within
        known = self.span if within == _SPAN else self.waits[within]
        rest = Piece("unknown", each.begin, each.end, known.path, known.task, within)
        if each.state == "over" and within != _SPAN:
            rest = rest._replace(state="waiting", is_named=self.waits[within].is_named)
        self.pieces.append(rest)
