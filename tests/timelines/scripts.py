"""Timelines that are made step by step, and what their tasks did as it was seen meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tracetools.core.stacks import ROOT, Frame, StackPath
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake, Work


def path(names: str) -> StackPath:
    """Return the path of some frames below the root, such as ``main/load``."""
    return (ROOT, *map(Frame, names.split("/")))


def names(path: StackPath) -> str:
    """Return the frames below the root, such as ``main/load``."""
    return "/".join(frame.name for frame in path[path[:1] == (ROOT,) :])


@dataclass(eq=False)
class Waiting:
    """A wait as the model sees it; `wake` comes when it ends.

    The path is that at its first moment that is not over at once, if what is awaited has no name.
    """

    path: StackPath | None = None
    is_named: bool = False
    wake: Wake | None = None


class Seen(NamedTuple):
    """What a task does in one nanosecond, and what has led to it if it does not wait."""

    state: str
    path: StackPath
    waiting: Waiting | None = None
    wake: Wake | None = None


@dataclass(eq=False)
class Task:
    number: int
    path: StackPath
    spawner: int | None
    born: int
    end: int | None = None
    spans: list[list] = field(default_factory=list)  # each: path, begin, whether it is open
    began: int | None = None
    ready: bool = False
    woken: Wake | None = None  # by what, for the next step
    led: Wake | None = None  # to this step
    scheduled_in: StackPath | None = None
    waiting: Waiting | None = None
    parked: int = 0
    interrupted: Waiting | None = None
    seen: list[Seen] = field(default_factory=list)

    @property
    def current(self) -> StackPath:
        return self.spans[-1][0] if self.spans else self.path


class Script:
    """A loop of tasks that do what they are told."""

    def __init__(self) -> None:
        self.now = 0
        self.tasks: list[Task] = []
        self.stepping: list[Task] = []
        self.steps: list[Step] = []
        self.wakes: list[Wake] = []
        self.waits: list[Wait] = []
        self.opened: list[tuple[Task, list]] = []
        self.spans: list[SpanTime] = []
        self.works: list[Work] = []

    # ------------------------------------------------------------------------------ what can happen

    def tick(self, nanoseconds: int) -> None:
        for task in self.tasks:
            task.seen += [self._see(task)] * nanoseconds if nanoseconds else []
        self.now += nanoseconds

    def spawn(self, name: str, *, wake: bool = True) -> int:
        """Spawn a task from the one that steps, or from outside; it is ready at once.

        Args:
            name: of its function.
            wake: whether the timeline has a wake for that.
        """
        spawner = self.stepping[-1] if self.stepping else None
        above = spawner.current if spawner else (ROOT,)
        number = len(self.tasks)
        task = Task(
            number, (*above, Frame(name)), spawner and spawner.number, self.now, parked=self.now
        )
        task.seen = [Seen("unborn", task.path)] * self.now
        task.ready = True
        self.tasks.append(task)
        if wake:
            self.wake(number, "loop")
        return number

    def wake(self, number: int, by: str | None = None) -> None:
        """Let the task that steps wake another one, or itself; or let something else, as told."""
        task, waker = self.tasks[number], self.stepping[-1] if self.stepping else None
        if by is None:
            by = "task" if waker else "timer"
        if by == "task":
            wake = Wake(number, self.now, "task", waker.number, waker.current)
        else:
            wake = Wake(number, self.now, by)
        self.wakes.append(wake)
        task.ready, task.scheduled_in, task.woken = True, None, wake
        if task.waiting:
            task.waiting.wake = wake
            if task.waiting.is_named:
                self.waits.append(Wait(number, task.parked, self.now, task.waiting.path))
            task.waiting = None

    def begin(self, number: int) -> None:
        """Begin a step, within the one that goes on if there is one."""
        task = self.tasks[number]
        if self.stepping:
            outer = self.stepping[-1]
            outer.interrupted = Waiting()
        if task.waiting and task.waiting.is_named:
            self.waits.append(Wait(number, task.parked, self.now, task.waiting.path))
        task.began, task.waiting, task.ready = self.now, None, False
        task.led, task.woken = task.woken, None
        self.stepping.append(task)

    def end(self, awaits: str = "") -> None:
        """End the step; the task awaits something then, which has a name or not."""
        task = self.stepping.pop()
        began = task.began
        self.steps.append(Step(task.number, began, self.now))
        task.began, task.parked = None, self.now
        if task.ready:
            task.scheduled_in = None
        elif awaits:
            task.waiting = Waiting((*task.current, Frame(awaits)), is_named=True)
        else:
            task.waiting = Waiting()
        if self.stepping:
            outer = self.stepping[-1]
            wake = Wake(outer.number, self.now, "task", task.number)
            if began < self.now:
                outer.led = wake
            outer.interrupted.wake = wake
            outer.interrupted = None

    def step(self, number: int, nanoseconds: int, awaits: str = "") -> None:
        """Let a task step for a while."""
        self.begin(number)
        self.tick(nanoseconds)
        self.end(awaits)

    def exit(self) -> None:
        """Let the task that steps exit; its spans are left."""
        task = self.stepping[-1]
        for index, (owner, _) in enumerate(self.opened):
            if owner is task:
                self.close(index)
        self.end()
        task.end, task.waiting, task.ready = self.now, None, False

    def open(self, name: str) -> int:
        """Open a span in the task that steps; return its number."""
        task = self.stepping[-1]
        span = [(*task.current, Frame(name)), self.now, True]
        task.spans.append(span)
        self.opened.append((task, span))
        return len(self.opened) - 1

    def close(self, number: int) -> None:
        """Close a span, from wherever."""
        task, span = self.opened[number]
        if span[2]:
            span[2] = False
            self.spans.append(SpanTime(task.number, span[1], self.now, span[0]))
            while task.spans and not task.spans[-1][2]:
                task.spans.pop()

    def work(self, number: int, name: str, begin: int) -> None:
        """A thread has worked for a task up to now."""
        found = (*self.tasks[number].current, Frame(name))
        self.works.append(Work(number, begin, self.now, found))

    def finish_work(self, number: int, name: str, begin: int) -> None:
        """Let a thread work for a task a little longer, and wake it.

        If something else woke it at that very moment, nobody could tell which of them it was.
        """
        self.tick(1)
        self.work(number, name, begin)
        self.wake(number, "thread")
        self.tick(1)

    # --------------------------------------------------------------------------- what is made of it

    def _see(self, task: Task) -> Seen:
        if task.end is not None:
            return Seen("over", task.path)
        if task.began is not None and not task.interrupted:
            return Seen("busy", task.current, wake=task.led)
        waiting = task.interrupted or task.waiting
        if waiting:
            waiting.path = waiting.path or task.current
            return Seen("waiting", waiting.path, waiting)
        task.scheduled_in = task.scheduled_in or task.current
        return Seen("scheduled", task.scheduled_in, wake=task.woken)

    def timeline(self) -> Timeline:
        """Return the timeline up to now; what goes on is cut."""
        going = [Step(task.number, task.began, self.now) for task in self.stepping[::-1]]
        still = [
            Wait(task.number, task.parked, self.now, task.waiting.path)
            for task in self.tasks
            if task.waiting and task.waiting.is_named
        ]
        spans = [
            SpanTime(task.number, begin, None, path)
            for task, (path, begin, is_open) in self.opened
            if is_open
        ]
        return Timeline(
            0,
            self.now,
            {t.number: Life(t.number, t.path, t.spawner, t.born, t.end) for t in self.tasks},
            steps=(*self.steps, *going),
            wakes=tuple(self.wakes),
            waits=(*self.waits, *still),
            spans=(*self.spans, *spans),
            works=tuple(self.works),
        )


# ------------------------------------------------------------------------------- random well-formed

NAMES = st.sampled_from(["a", "b", "c"])


def run(program: list[tuple[int, int]]) -> Script:
    """Do what is legal, by numbers. Each step has its wake, but for first ones."""
    script = Script()
    script.spawn("main")
    for choice, value in program:
        legal = _legal(script, value)
        legal[choice % len(legal)]()
    while script.stepping:
        script.end()
    return script


def _begin(script: Script, number: int) -> None:
    """Begin a step. If nothing has led to it, the next wake is later: else it would seem to."""
    script.begin(number)
    if script.tasks[number].led is None:
        script.tick(1)


def _legal(script: Script, value: int) -> list[Callable[[], object]]:
    """Return what can happen; what should happen more often stands there more than once."""

    def one_of(things: list) -> Any:
        return things[value % len(things)]

    tick = partial(script.tick, value % 7)
    name = "abc"[value % 3]
    legal = [tick, tick]
    ready = [task.number for task in script.tasks if task.ready and task.began is None]
    waiting = [task.number for task in script.tasks if task.waiting]
    if waiting:
        by = one_of(["timer", "callback", "thread", "loop"])
        legal += [partial(script.wake, one_of(waiting), by)]
        legal += [partial(script.finish_work, one_of(waiting), "thread", script.now - value)]
    if script.opened:
        legal += [partial(script.close, one_of([*range(len(script.opened))]))]
    if len(script.tasks) < 7:
        legal += [partial(script.spawn, name, wake=value % 2 == 0)]
    if script.stepping:
        current = script.stepping[-1]
        end = partial(script.end, one_of(["", "await x", "await y"]))
        legal += [tick, end, end, end, partial(script.open, name), script.exit]
        legal += [partial(script.wake, one_of(waiting))] * 3 if waiting else []
        legal += [] if current.ready else [partial(script.wake, current.number)]
    if ready:
        legal += [partial(_begin, script, one_of(ready))] * (1 if script.stepping else 4)
    return legal


SCRIPTS = st.lists(
    st.tuples(st.integers(0, 19), st.integers(0, 20)), min_size=40, max_size=160
).map(run)
"""Loops of which everything is known."""

# --------------------------------------------------------------------------------- random malformed

PATHS = [path(names) for names in ("a", "b", "a/b", "a/b/c", "b/a", "c/c")] + [(ROOT,), ()]
MOMENTS = st.integers(-5, 45)
EVENTS = st.tuples(st.integers(0, 11), st.integers(0, 4), MOMENTS, MOMENTS, st.integers(0, 99))
SPANS = EVENTS.map(lambda event: _span(*event[1:]))


def _span(task: int, begin: int, end: int, value: int) -> SpanTime:
    return SpanTime(task, begin, end if value % 5 else None, PATHS[value % len(PATHS)])


def _malformed(events: list[tuple[int, int, int, int, int]], begin: int, end: int) -> Timeline:
    """Return a timeline in which nothing needs to make sense."""
    lives: dict[int, Life] = {}
    made: dict[type, list] = {kind: [] for kind in (Step, Wake, Wait, SpanTime, Work)}
    for kind, task, one, other, value in events:
        path, other_task, last = PATHS[value % len(PATHS)], value % 6, other if value % 5 else None
        if kind < 2:
            lives[task] = Life(task, path, other_task if value % 4 else None, one, last)
        elif kind < 5:
            made[Step] += [Step(task, one, other)]
        elif kind < 8:
            by = ["task", "task", "task", "timer", "thread"][value % 5]
            made[Wake] += [Wake(task, one, by, other_task if other > 0 else None, path)]
        elif kind < 9:
            made[Wait] += [Wait(task, one, other, path)]
        elif kind < 11:
            made[SpanTime] += [_span(task, one, other, value)]
        else:
            made[Work] += [Work(task if value % 3 else None, one, last, path)]
    return Timeline(begin, end, lives, *map(tuple, made.values()), subject=_span(0, begin, end, 2))


TIMELINES = st.builds(
    _malformed, st.lists(EVENTS, min_size=15, max_size=60), st.integers(-3, 10), st.integers(8, 42)
)
