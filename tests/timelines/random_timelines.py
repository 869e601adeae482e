"""Timelines of random programs that could have run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import strategies as st

from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake, Work

NAMES = ["serve", "query", "hold"]
AWAIT = Frame("await Lock.acquire", "app.py", 5)
BEGIN = 1_000


@dataclass(eq=False)
class _Task:
    """A task as the program makes it: since when it waits, and its open spans."""

    life: Life
    is_ready: bool = True
    stopped: int = 0
    spans: list[SpanTime] = field(default_factory=list)


class _Program:
    """Does what is legal of a list of actions."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.tasks: dict[int, _Task] = {}
        self.current: int | None = None
        self.begun = 0
        self.steps: list[Step] = []
        self.wakes: list[Wake] = []
        self.waits: list[Wait] = []
        self.spans: list[SpanTime] = []
        self.works: list[Work] = []
        self.spawn("serve")

    def alive(self, number: int) -> bool:
        return number in self.tasks and self.tasks[number].life.end is None

    def tick(self, nanoseconds: int) -> None:
        self.now += nanoseconds

    def spawn(self, name: str) -> None:
        number = len(self.tasks) + 1
        path = (ROOT, Frame(name, "app.py", 3))
        self.tasks[number] = _Task(Life(number, path, self.current, self.now, None))

    def step(self, number: int) -> None:
        if self.current is None and self.alive(number) and self.tasks[number].is_ready:
            self.tasks[number].is_ready = False
            self.current, self.begun = number, self.now

    def stop(self, exits: bool = False) -> None:
        if self.current is None:
            return
        task = self.tasks[self.current]
        if exits:
            while task.spans:
                self.close(len(task.spans) - 1)
            task.life = task.life._replace(end=self.now)
        task.stopped = self.now
        self.steps.append(Step(self.current, self.begun, self.now))
        self.current = None

    def wake(self, number: int, is_measured: bool) -> None:
        if not self.alive(number) or self.tasks[number].is_ready:
            return
        task = self.tasks[number]
        task.is_ready = True
        line = Frame("release", "app.py", 9)
        by_task = ("task", self.current, task.life.path, line)
        self.wakes.append(Wake(number, self.now, *(by_task if self.current else ("timer",))))
        if number != self.current and is_measured and task.stopped < self.now:
            path = (*(task.spans[-1].path if task.spans else task.life.path), AWAIT)
            self.waits.append(Wait(number, task.stopped, self.now, path))

    def open(self, name: str) -> None:
        if self.current is not None:
            task = self.tasks[self.current]
            path = (*(task.spans[-1].path if task.spans else task.life.path), Frame(name))
            task.spans.append(SpanTime(self.current, self.now, None, path))

    def close(self, index: int) -> None:
        spans = self.tasks[self.current].spans if self.current is not None else []
        if index < len(spans):
            self.spans.append(spans.pop(index)._replace(end=self.now))

    def work(self, number: int, length: int) -> None:
        path = (ROOT, Frame("compress", "zip.py", 4))
        self.works.append(Work(number, self.now, self.now + length, path, thread=number % 2))

    def timeline(self) -> Timeline:
        self.stop()
        lives = {number: task.life for number, task in self.tasks.items()}
        still = [span for task in self.tasks.values() for span in task.spans]
        works = [w._replace(end=None) if w.end > self.now else w for w in self.works]
        return Timeline(
            BEGIN,
            self.now,
            lives,
            tuple(self.steps),
            tuple(self.wakes),
            tuple(self.waits),
            (*self.spans, *still),
            tuple(sorted(works, key=lambda w: self.now + 1 if w.end is None else w.end)),
        )


_TASKS = st.integers(1, 4)
_ACTIONS = st.one_of(
    st.tuples(st.just("tick"), st.integers(0, 3)),
    st.tuples(st.just("tick"), st.integers(0, 10_000)),
    st.tuples(st.just("spawn"), st.sampled_from(NAMES)),
    st.tuples(st.just("step"), _TASKS),
    st.tuples(st.just("step"), _TASKS),
    st.tuples(st.just("stop"), st.booleans()),
    st.tuples(st.just("wake"), _TASKS, st.booleans()),
    st.tuples(st.just("wake"), _TASKS, st.booleans()),
    st.tuples(st.just("open"), st.sampled_from(NAMES)),
    st.tuples(st.just("close"), st.integers(0, 2)),
    st.tuples(st.just("work"), _TASKS, st.integers(0, 10_000)),
)


def _run(actions: list[tuple]) -> Timeline:
    program = _Program()
    for name, *values in actions:
        if name != "work" or values[0] in program.tasks:
            getattr(program, name)(*values)
    return program.timeline()


@st.composite
def _timelines(draw) -> Timeline:
    timeline = _run(draw(st.lists(_ACTIONS, max_size=60)))
    subject = draw(st.sampled_from([None, *timeline.spans]))
    return replace(timeline, subject=subject)


TIMELINES = _timelines()


@st.composite
def _cut(draw) -> Timeline:
    timeline = draw(_timelines())
    begin = draw(st.integers(timeline.begin, timeline.end))
    return replace(timeline, begin=begin, is_cut=True)


CUT_TIMELINES = _cut()
"""The same, of which the first part is not kept; what reaches into the rest is."""


def long_timeline(actions: int) -> Timeline:
    """Return a timeline of many actions, the same each time."""
    dice = Random(actions)
    names = ["tick", "tick", "step", "step", "stop", "wake", "wake", "open", "close", "work"]
    made: list[tuple] = [("spawn", name) for name in NAMES]
    for name in dice.choices(names, k=actions):
        values = {
            "tick": (dice.randrange(5_000),),
            "stop": (False,),
            "wake": (dice.randrange(1, 5), dice.random() < 0.8),
            "open": (dice.choice(NAMES),),
            "close": (dice.randrange(3),),
            "work": (dice.randrange(1, 5), dice.randrange(10_000)),
            "step": (dice.randrange(1, 5),),
        }
        made.append((name, *values[name]))
    return _run(made)
