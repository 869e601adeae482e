"""Random legal programs for the accounting, and a slow, obvious account of what they do."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import partial

from hypothesis import strategies as st

from tracetools.core.buckets import bucket_of
from tracetools.core.histogram import Histogram
from tracetools.core.origins import ORIGINS
from tracetools.core.profile import Profile
from tracetools.core.resources import Holds, Resource, ResourceUse, Waits
from tracetools.core.stacks import COLLECTIONS, KINDS, ROOT, Blocks, Frame, StackPath, Times, Tokens
from tracetools.testing import ScriptedLoop

NAMES = ["a", "b", "c"]
COLLECTION = COLLECTIONS[2].name

EVENTS = st.one_of(
    st.tuples(st.just("tick"), st.integers(0, 1000)),
    st.tuples(st.just("tick"), st.integers(0, 2**45)),
    st.tuples(st.just("collect"), st.integers(0, 1000)),
    st.tuples(st.just("spawn"), st.sampled_from(NAMES)),
    st.tuples(st.just("begin"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.none()),
    st.tuples(st.just("wake"), st.integers(0, 5)),
    st.tuples(st.just("open"), st.sampled_from(NAMES)),
    st.tuples(st.just("open"), st.sampled_from(NAMES)),
    st.tuples(st.just("close"), st.integers(0, 8)),
    st.tuples(st.just("close"), st.integers(0, 8)),
    st.tuples(st.just("exit"), st.integers(0, 5)),
    st.tuples(st.just("pause"), st.none()),
    st.tuples(st.just("resume"), st.none()),
)

PROGRAMS = st.lists(EVENTS, max_size=60)


@dataclass(eq=False)
class SlowTask:
    """A task as the model sees it: each open span with whether it was closed already."""

    base: tuple[str, ...]
    spans: list[list] = field(default_factory=list)
    alive: bool = True
    ready: bool = False
    woke_itself: bool = False

    @property
    def stack(self) -> tuple[str, ...]:
        return self.spans[-1][0] if self.spans else self.base


class Model:
    """Charges every tick to every task, state by state, and does nothing clever."""

    def __init__(self) -> None:
        self.tasks: list[SlowTask] = []
        self.spans: list[tuple[SlowTask, list]] = []
        self.stepping: list[SlowTask] = []
        self.paused = False
        self.standing_still = 0
        self.root_self = 0
        self.duration = 0
        self.task_time = 0
        self.times: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))

    @property
    def current(self) -> SlowTask | None:
        return self.stepping[-1] if self.stepping else None

    def tick(self, ns: int) -> None:
        """Let time pass; what passes while the loop stands still counts if something follows."""
        if self.paused:
            self.standing_still += ns
        else:
            self.count(ns)

    def touch(self) -> None:
        ns, self.standing_still = self.standing_still, 0
        self.count(ns)

    def count(self, ns: int, collecting: tuple[str, ...] | None = None) -> None:
        self.duration += ns
        if self.current is None:
            self.root_self += 0 if collecting else ns
        if collecting:
            self.times[collecting]["busy"] += ns
        for task in self.tasks:
            if task.alive:
                self.task_time += ns
                waiting = "scheduled" if task.ready or task.woke_itself else "idle"
                state = "busy" if task is self.current else waiting
                if not (collecting and state == "busy"):
                    self.times[task.stack][state] += ns

    def collect(self, ns: int) -> None:
        """Let time pass, in a frame of its own below what is current."""
        if self.paused:
            self.standing_still += ns
        elif ns:
            below = (*(self.current.stack if self.current else ("all-spans",)), COLLECTION)
            self.count(ns, collecting=below)
            self.times[below]["entries"] += 1

    def spawn(self, name: str) -> None:
        self.touch()
        parent = self.current.stack if self.current else ("all-spans",)
        self.tasks.append(SlowTask((*parent, name)))
        self.times[(*parent, name)]["entries"] += 1

    def begin(self, task: SlowTask) -> None:
        self.stepping.append(task)
        task.ready = False

    def end(self) -> None:
        task = self.stepping.pop()
        self.times[task.stack]["steps"] += 1
        self.times[task.stack]["self_wakes"] += task.woke_itself
        task.ready, task.woke_itself = task.woke_itself, False

    def wake(self, task: SlowTask) -> None:
        self.touch()
        if task in self.stepping:
            task.woke_itself = True
        else:
            task.ready = True

    def open(self, name: str) -> None:
        assert self.current is not None
        span = [(*self.current.stack, name), False]
        self.current.spans.append(span)
        self.spans.append((self.current, span))
        self.times[span[0]]["entries"] += 1

    def close(self, index: int) -> None:
        self.touch()
        task, span = self.spans[index]
        span[1] = True
        while task.spans and task.spans[-1][1]:
            task.spans.pop()

    def exit(self, task: SlowTask) -> None:
        self.touch()
        if task is self.current:
            self.times[task.stack]["steps"] += 1
            self.stepping.pop()
        for stack, is_closed in task.spans:
            self.times[stack]["left_open"] += not is_closed
        task.alive = False


AWAITS = ("await one", "await two")


def run(
    program: list, *, snapshots: bool = False, awaits: bool = False, **options
) -> tuple[Profile, Model]:
    """Run what is legal of a program through the accounting and through the model.

    The model knows of no awaits: with them, the profile has more stacks.
    """
    loop, model = ScriptedLoop(scheduled=True, **options), Model()
    if awaits:
        loop.begin_step = partial(loop.begin_step, awaits=AWAITS)
    for name, value in program:
        _do(loop, model, name, value)
        if snapshots:
            loop.profile.check()
    while model.current:
        model.end()
    return loop.finish(), model


def _do(loop: ScriptedLoop, model: Model, name: str, value) -> None:
    task = value if isinstance(value, int) and value < len(model.tasks) else None
    if name == "tick":
        loop.tick(value)
        model.tick(value)
    elif name == "collect":
        loop.collect(value)
        model.collect(value)
    elif name == "spawn":
        loop.spawn(value)
        model.spawn(value)
    elif name == "pause" and not model.current:
        loop.pause()
        model.paused = True
    elif name == "resume" and model.paused:
        loop.resume()
        model.touch()
        model.paused = False
    elif name == "end" and model.current:
        loop.end_step()
        model.end()
    elif name == "open" and model.current:
        loop.open(value)
        model.open(value)
    elif name == "close" and value < len(model.spans):
        loop.close(value)
        model.close(value)
    elif task is not None and model.tasks[task].alive:
        _do_with_task(loop, model, name, task)


def _do_with_task(loop: ScriptedLoop, model: Model, name: str, task: int) -> None:
    if name == "begin" and model.tasks[task] not in model.stepping and not model.paused:
        loop.begin_step(task)
        model.begin(model.tasks[task])
    elif name == "wake":
        loop.wake(task)
        model.wake(model.tasks[task])
    elif name == "exit" and model.tasks[task] not in model.stepping[:-1]:
        loop.exit(task)
        model.exit(model.tasks[task])


def expected(model: Model) -> dict[tuple[str, ...], Times]:
    """Return the model's numbers in the shape of a profile, without what is nothing but zeros."""
    times = {path: Times(**numbers) for path, numbers in model.times.items()}
    times[("all-spans",)] = Times(busy=model.root_self)
    return {path: numbers for path, numbers in times.items() if any(numbers)}


def numbers(profile: Profile) -> dict[tuple[str, ...], Times]:
    """Return a profile's numbers by names, without what is nothing but zeros."""
    named = {tuple(frame.name for frame in path): times for path, times in profile.stacks.items()}
    return {path: times for path, times in named.items() if any(times)}


def histogram_of(values: list[int]) -> Histogram:
    """Return the histogram of some values."""
    return Histogram(sum(values), max(values, default=0), Counter(map(bucket_of, values)))


def histograms(values: st.SearchStrategy[int]) -> st.SearchStrategy[Histogram]:
    """Return the histograms of any such values, also of none."""
    return st.lists(values, max_size=6).map(histogram_of)


DELAYS = st.integers(0, 70) | st.integers(0, 10**12)
BLOCKING_PATHS = st.lists(st.sampled_from([Frame(name) for name in NAMES]), max_size=3).map(
    lambda frames: (ROOT, *frames)
)


@st.composite
def _blocks(draw) -> Blocks:
    """Return what any blocking steps make, at least one."""
    steps = draw(st.lists(st.integers(1, 10**12), min_size=1, max_size=3))
    kind = {[*KINDS][sum(steps) % len(KINDS)]: max(steps)}
    return Blocks(len(steps), sum(steps), max(steps), **kind)


TOKENS = st.builds(Tokens, st.integers(0, 3), st.integers(0, 9))


_NUMBERS = st.integers(0, 1 << 40)
_WAITS = st.dictionaries(BLOCKING_PATHS, st.builds(Waits, *[_NUMBERS] * 4), max_size=3)
RESOURCE_USES = st.builds(
    ResourceUse,
    count=_NUMBERS,
    size=st.none() | _NUMBERS,
    lived=_NUMBERS,
    saturated=_NUMBERS,
    most_waiting=_NUMBERS,
    holds=st.dictionaries(BLOCKING_PATHS, st.builds(Holds, *[_NUMBERS] * 4), max_size=3),
    waits=_WAITS,
    blockers=_WAITS,
    getters=_WAITS,
    lengths=histograms(_NUMBERS),
    length_time=_NUMBERS,
    items=_NUMBERS,
    taken=_NUMBERS,
)
RESOURCES = st.dictionaries(
    st.builds(
        Resource,
        st.sampled_from(["Lock", "Queue"]),
        st.builds(Frame, st.sampled_from(NAMES), st.just("a.py"), st.integers(0, 2)),
        st.booleans(),
    ),
    RESOURCE_USES,
    max_size=2,
)


@st.composite
def _profiles(draw) -> Profile:
    """Return the profile of any program, with anything that may be said of it."""
    profile, _ = run(draw(PROGRAMS))
    return replace(
        profile,
        start=draw(st.integers(0, 3)),
        programs=tuple(sorted(draw(st.sets(st.sampled_from(NAMES))))),
        pythons=tuple(sorted(draw(st.sets(st.sampled_from(NAMES))))),
        origins=draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ORIGINS))),
        backends=tuple(sorted(draw(st.sets(st.sampled_from(NAMES))))),
        merged=draw(st.integers(0, 3)),
        scheduled_measured=draw(st.booleans()),
        truncated=draw(st.booleans()),
        blocking_threshold=draw(st.none() | st.integers(0, 3)),
        blocking=draw(st.dictionaries(BLOCKING_PATHS, _blocks(), max_size=3)),
        scheduling_delay=draw(histograms(DELAYS)),
        queue=draw(histograms(st.integers(0, 9))),
        queue_trend=tuple(draw(st.lists(st.integers(0, 3), max_size=3))),
        samples=draw(st.integers(0, 3)),
        untracked=draw(st.integers(0, 3)),
        forks=draw(st.integers(0, 3)),
        not_kept=draw(st.integers(0, 3)),
        limiters=draw(st.dictionaries(BLOCKING_PATHS, TOKENS, max_size=3)),
        stalls=draw(st.sampled_from(STALLS)),
        latencies=draw(st.dictionaries(BLOCKING_PATHS, histograms(DELAYS), max_size=3)),
        resources=draw(RESOURCES),
    )


STALLS: list[dict[StackPath, Blocks]] = [
    {},
    {(Frame("stopped", ""),): Blocks(1, 5, 5)},
    {(Frame("stopped", ""),): Blocks(2, 9, 7), (Frame("gil", ""), Frame("a")): Blocks(1, 1, 1)},
]

PROFILES = _profiles()


def without_awaits(found: dict[tuple[str, ...], Times]) -> dict[tuple[str, ...], Times]:
    """Give the time of awaits back to the stacks of tasks and spans."""
    given: dict[tuple[str, ...], Times] = {}
    for path, times in found.items():
        entered = tuple(name for name in path if name not in AWAITS)
        given[entered] = given.get(entered, Times()).plus(times)
    return given


def by_names(profile):
    """Return the profile's stacks by the names below the root."""
    return {
        ";".join(frame.name for frame in path[1:]): times for path, times in profile.stacks.items()
    }
