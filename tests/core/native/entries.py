"""Every entry point of the native core, each called through the faces that Python code sees.

`test_leaks.py` calls each of them 10,000 times. `test_memory_errors.py` lets each allocation fail.
A new entry point needs one line here; `test_leaks.py` says if it has none.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
import types
from collections.abc import Callable, Iterator

from tests.core.native.loop_entries import LOOP_ENTRIES
from tests.core.native.span_entries import SPAN_ENTRIES, SPANS_NEVER_RAISE
from tests.core.native.spawn_entries import SPAWN_ENTRIES
from tests.core.native.stack_entries import STACK_ENTRIES
from tracetools import observe, span
from tracetools.core.buckets import HistogramBuilder
from tracetools.core.edge_table import EdgeTable, rows_of
from tracetools.core.journal import SLOW, STEP, Journal, records_of
from tracetools.core.native import native
from tracetools.core.profile import Profile
from tracetools.core.stacks import Frame, Stack
from tracetools.core.steps import LoopSteps, Opened, TaskSteps
from tracetools.core.wake_sites import find_wake_site, know_runtime, set_runtime_folders, wake_site
from tracetools.instruments.stepped import SteppedCoroutine
from tracetools.recording.guard import handle
from tracetools.recording.recorder import Recorder
from tracetools.testing import ScriptedLoop


class Owner:
    """Ends accounts; what fails stops the recording, as it does in a real one."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def exited(self, account) -> None:
        pass

    def dropped(self, account) -> None:
        pass

    def failed(self, error) -> None:
        handle(error, self.recorder, "a step could not be recorded")


@types.coroutine
def forever():
    try:
        while True:
            yield
    except KeyError:  # it bears one
        while True:
            yield


class World:
    """A loop with a task in it that rests, and all that entry points take."""

    def __init__(self) -> None:
        self.script = ScriptedLoop()
        self.loop = self.script.loop
        self.tree = self.loop.tree
        self.root = self.tree.root
        self.task = self.script.tasks[self.script.spawn("task")]
        self.frame, self.observed = Frame("span"), Frame("observed")
        self.owner = Owner(self.script.recorder)
        self.coroutine = forever()
        self.stepped = self.step(self.coroutine)
        self.send = self.stepped.send
        self.histogram = HistogramBuilder()
        self.asked: dict[Callable, None] = {}
        self.premade: list = []
        self.now = self.script.clock()
        with self.step_of_task():
            self.opened = self.task.open(self.frame, self.now)
            self.task.close_current(self.opened, self.now)

    def step(self, coroutine) -> SteppedCoroutine:
        return SteppedCoroutine(coroutine, self.task, self.owner)

    def make(self, function) -> object:
        """Return what a function makes: a coroutine, say.

        Python 3.13 may crash where it makes one and memory is short. See `premake`.
        """
        self.asked[function] = None
        return self.premade.pop(0) if self.premade else function()

    def premake(self) -> None:
        """Have ready for the next call whatever calls up to now have made."""
        self.premade = [function() for function in self.asked]

    def end(self) -> Profile:
        """End the recording; both laws of time hold."""
        profile = self.script.finish()
        self.script.recorder.close()
        profile.check()
        return profile

    @contextlib.contextmanager
    def step_of_task(self) -> Iterator[None]:
        self.task.begin_step(self.now)
        yield
        self.task.end_step(self.now)


def step(world: World) -> None:
    world.task.begin_step(world.now)
    world.task.end_step(world.now, True)


def open_and_close(world: World) -> None:
    task, now = world.task, world.now
    task.begin_step(now)
    opened = task.open(world.frame, now, 1)
    task.close_current(opened, now)
    task.end_step(now)


def with_edges(*acts: Callable[[World], object]) -> Callable[[World], None]:
    """Return what does something while edges of the loop are added up."""

    def call(world: World) -> None:
        world.loop.edges = EdgeTable(3)
        try:
            for act in acts:
                act(world)
        finally:
            world.loop.edges = None

    return call


def add_many_edges(_: World) -> None:
    table = EdgeTable(1000)
    for waiter in range(200):
        table.add(waiter, 1, 2, 3, 4)
    assert len(list(rows_of(table.packed()))) <= 200  # without memory, some are left out


def find_and_name_a_site(_: World) -> None:
    wake_site(find_wake_site())
    wake_site(1 << 20)


def know_the_runtime(_: World) -> None:
    set_runtime_folders(("/a", "/b"), ("run",))
    know_runtime()


def with_a_journal(*acts: Callable[[World], object]) -> Callable[[World], None]:
    """Return what does something while the loop has a journal, a small one."""

    def call(world: World) -> None:
        world.loop.journal = Journal(3)
        try:
            for act in acts:
                act(world)
        finally:
            world.loop.journal = None

    return call


def no_room(_: World) -> None:
    with contextlib.suppress(ValueError):
        Journal(0)


def read_journal(world: World) -> None:
    journal = Journal(2)
    for kind in (STEP, SLOW, STEP):
        journal.note(kind, 1, world.now, world.now + 1, 5, 6, 7, 8)
        journal.note(STEP, 1, world.now, world.now, 5)
        assert list(records_of(journal.since(0)))
        assert list(records_of(journal.since(0, loop=1, first=1)))
    assert (journal.noted, journal.lost, journal.slow) == (6, 4, 1)
    assert journal.oldest == world.now + 1


def open_what_is_the_task_itself(world: World) -> None:
    world.task.function = world.observed
    world.task.open(world.observed, world.now)


def close_out_of_order(world: World) -> None:
    task, now = world.task, world.now
    task.begin_step(now)
    outer, inner = task.open(world.frame, now), task.open(world.observed, now)
    assert not task.close_current(outer, now)
    task.close(outer, now)
    task.close(inner, now)
    task.end_step(now)


def steps_within_a_step(world: World) -> None:
    world.task.begin_step(world.now)
    other = world.loop.spawn(world.root, world.frame, world.now)
    other.begin_step(world.now)
    other.end_step(world.now)
    world.task.end_step(world.now)
    world.loop.exit(other, world.now)


def spawn_and_exit(world: World) -> None:
    task = world.loop.spawn(world.root, world.frame, world.now, world)
    world.loop.exit(task, world.now)


def exit_with_open_spans(world: World) -> None:
    task = world.loop.spawn(world.root, world.frame, world.now)
    task.begin_step(world.now)
    task.open(world.observed, world.now)
    world.loop.exit(task, world.now)


def wake(world: World) -> None:
    world.loop.wake(world.task, world.now)
    world.loop.settle_wait(world.task, world.now)
    world.task.begin_step(world.now)
    world.loop.wake(world.task, world.now, late=5)
    world.task.end_step(world.now)
    world.loop.take_from_queue(world.task, world.now)


def finish(world: World) -> None:
    task = world.loop.account_type(world.loop, world.root, world.now)
    task.finish(world.now)


async def ends() -> int:
    return 1000


def steps_to_its_end(world: World) -> None:
    with contextlib.suppress(StopIteration):
        world.step(world.make(ends)).send(None)


async def fails() -> None:
    raise KeyError


def step_fails(world: World) -> None:
    with contextlib.suppress(KeyError):
        world.step(world.make(fails)).send(None)


def throw(world: World) -> None:
    stepped = world.step(world.make(forever))
    stepped.send(None)
    stepped.throw(KeyError())
    stepped.over()


def dropped(world: World) -> None:
    world.step(world.make(forever)).send(None)


def reduce(world: World) -> None:
    with contextlib.suppress(TypeError):
        world.stepped.__reduce_ex__(2)


def refused(*calls: Callable[[World], object]) -> Callable[[World], None]:
    """Make calls of which each is refused."""

    def call(world: World) -> None:
        for each in calls:
            try:
                each(world)
            except (TypeError, OverflowError, AttributeError):
                continue
            raise AssertionError("it was not refused")

    return call


ENTRIES: dict[str, Callable[[World], object]] = {
    "Stack": lambda w: Stack(w.frame, w.root),
    "Stack, its repr": lambda w: repr(w.task.stack),
    "Stack.add_latency": lambda w: Stack(w.frame, w.root).add_latency(5),
    "Stack.add_latency, refused": refused(lambda w: w.root.add_latency("")),
    "Stack, refused": refused(lambda w: Stack(w.frame, 5), lambda _: Stack()),
    "Opened": lambda w: Opened(w.task, w.opened, w.root, 1 << 40, 2),
    "Opened, refused": refused(
        lambda w: Opened(w.task, 5, w.root, 1, 2), lambda w: Opened(w.task, None, w.root, 1, "")
    ),
    "TaskSteps": lambda w: TaskSteps(w.loop, w.root, 1 << 40),
    "TaskSteps, refused": refused(lambda w: TaskSteps(w.loop, w.root, 1 << 80)),
    "TaskSteps.begin_step": step,
    "TaskSteps.begin_step, refused": refused(lambda w: w.task.begin_step("")),
    "TaskSteps.end_step": step,
    "TaskSteps.end_step, refused": refused(lambda w: w.task.end_step()),
    "TaskSteps, a step within a step": steps_within_a_step,
    "TaskSteps.finish": finish,
    "TaskSteps.finish, refused": refused(lambda w: w.task.finish("")),
    "TaskSteps.open": open_and_close,
    "TaskSteps.open, of what is the task": open_what_is_the_task_itself,
    "TaskSteps.open, refused": refused(lambda w: w.task.open(w.frame, 1.5)),
    "TaskSteps.close_current": open_and_close,
    "TaskSteps.close_current, out of order": close_out_of_order,
    "TaskSteps.close_current, refused": refused(lambda w: w.task.close_current(5, 5)),
    "LoopSteps": lambda w: LoopSteps(w.tree, 1 << 40),
    "LoopSteps.runs_again": lambda w: LoopSteps.runs_again(w.loop),
    "LoopSteps.wait_ends": lambda w: LoopSteps.wait_ends(w.loop, w.task, w.now),
    "LoopSteps.step_ended": lambda w: LoopSteps.step_ended(w.loop, w.task, w.now, w.now),
    "LoopSteps.touch": lambda w: w.loop.touch(w.now),
    "LoopSteps.touch, refused": refused(lambda w: w.loop.touch("")),
    "LoopSteps.spawn": spawn_and_exit,
    "LoopSteps.spawn, refused": refused(lambda w: w.loop.spawn(5, w.frame, w.now)),
    "LoopSteps.exit": exit_with_open_spans,
    "LoopSteps.exit, refused": refused(lambda w: w.loop.exit(5, w.now)),
    "LoopSteps.wake": wake,
    "LoopSteps.wake, refused": refused(lambda w: w.loop.wake(w.task, 5, late="")),
    "LoopSteps.settle_wait": wake,
    "LoopSteps.settle_wait, refused": refused(lambda w: w.loop.settle_wait(w.task)),
    "LoopSteps.take_from_queue": wake,
    "LoopSteps.take_from_queue, refused": refused(lambda w: w.loop.take_from_queue(5, 5)),
    "LoopSteps, refused": refused(lambda w: LoopSteps(w.tree)),
    "EdgeTable": lambda _: EdgeTable(5),
    "EdgeTable, refused": refused(lambda _: EdgeTable("")),
    "EdgeTable.add": add_many_edges,
    "EdgeTable.add, refused": refused(lambda _: EdgeTable(5).add("", 1, 2, 3, 4)),
    "EdgeTable.packed": lambda _: EdgeTable(5).packed(),
    "EdgeTable of a loop": with_edges(step, wake, open_and_close, spawn_and_exit),
    "EdgeTable of a loop, steps within a step": with_edges(steps_within_a_step),
    "LoopSteps.is_interrupted": lambda w: w.loop.is_interrupted(w.task),
    "find_wake_site": find_and_name_a_site,
    "wake_site": find_and_name_a_site,
    "wake_site, refused": refused(lambda _: wake_site("")),
    "set_runtime_folders": know_the_runtime,
    "set_runtime_folders, refused": refused(lambda _: set_runtime_folders((), (1,))),
    "Journal": lambda _: Journal(5),
    "Journal, refused": refused(lambda _: Journal("")),
    "Journal, without room": no_room,
    "Journal, noted and read": read_journal,
    "Journal.note, refused": refused(lambda _: Journal(1).note("", 1, 2, 3, 4)),
    "Journal.since, refused": refused(lambda _: Journal(1).since("")),
    "Journal of a loop": with_a_journal(step, open_and_close, close_out_of_order),
    "Journal of a loop, steps within a step": with_a_journal(steps_within_a_step),
    "Journal of a loop, wakes and exits": with_a_journal(wake, spawn_and_exit),
    "TaskSteps.note_span": lambda w: w.task.note_span(w.opened, w.now + 5),
    "TaskSteps.note_span, refused": refused(lambda w: w.task.note_span(5, w.now)),
    "HistogramBuilder": lambda _: HistogramBuilder(),
    "HistogramBuilder.add": lambda w: w.histogram.add(1 << 40),
    "HistogramBuilder.add, refused": refused(lambda w: w.histogram.add("")),
    "HistogramBuilder.add, far apart": lambda w: [w.histogram.add(1 << each) for each in (60, 0)],
    "HistogramBuilder.copy": lambda w: w.histogram.copy(),
    "HistogramBuilder.sums": lambda w: w.histogram.sums(),
    "SteppedCoroutine": lambda w: w.step(w.coroutine).over(),
    "SteppedCoroutine, dropped": dropped,
    "SteppedCoroutine, refused": refused(lambda w: SteppedCoroutine(w.coroutine, 5, w.owner)),
    "SteppedCoroutine.send": lambda w: w.send(None),
    "SteppedCoroutine.send, to the end": steps_to_its_end,
    "SteppedCoroutine.send, which fails": step_fails,
    "SteppedCoroutine.throw": throw,
    "SteppedCoroutine.throw, refused": refused(lambda w: w.stepped.throw()),
    "SteppedCoroutine.close": lambda w: w.step(w.make(forever)).close(),
    "SteppedCoroutine.over": lambda w: w.step(w.coroutine).over(),
    "SteppedCoroutine.give_way": lambda w: w.step(w.coroutine).give_way(),
    "SteppedCoroutine.__reduce_ex__": reduce,
    "SteppedCoroutine, its attributes": lambda w: (w.stepped.gi_frame, w.stepped.__class__),
    "SteppedCoroutine, an attribute that it lacks": refused(lambda w: w.stepped.nothing),
    "SteppedCoroutine, as an object": lambda w: (hash(w.stepped), repr(w.stepped), w.stepped == 5),
}
"""What is called, by the name of what this is about: `Type`, `Type.method` or `function`."""

IN_THE_SAME_CALL = {
    "TaskSteps.stepped": "SteppedCoroutine",
    "Moment": "Rows",
    "Rows.add_moment": "Rows",
    "Rows.add_stacks": "Rows",
    "Rows.busy": "Rows",
    "Rows.keep_laws": "Rows",
    "Rows.number": "Rows",
    "Rows.paths": "Rows",
    "Method": "spawning_init",
    "MainSampler.start": "MainSampler",
    "MainSampler.stop": "MainSampler",
    "MainSampler.watch": "MainSampler",
    "MainSampler.wait": "MainSampler",
}
"""Entry points that the call of another one calls as well."""

ONCE = {"end_samplers", "forget_samplers", "register_step_code"}
"""Those that are called once in a process, or when a recording begins."""


@observe
def observed() -> None:
    pass


@observe
def observed_generator():
    with contextlib.suppress(KeyError):
        yield
    yield


@observe
async def observed_coroutine() -> None:
    await awaited()


@types.coroutine
def awaited():
    with contextlib.suppress(KeyError):
        yield
    yield


def in_a_step(do: Callable[[World], object]) -> Callable[[World], None]:
    """Make a call that does something in a step of the task."""

    def call(world: World) -> None:
        world.task.begin_step(world.now)
        try:
            do(world)
        finally:
            world.task.end_step(world.now)

    return call


def enter_a_span(_: World) -> None:
    with span("part"):
        pass


def run_a_generator(world: World) -> None:
    generator = world.make(observed_generator)
    generator.send(None)
    generator.throw(KeyError())
    generator.close()


def run_a_coroutine(world: World) -> None:
    coroutine = world.make(observed_coroutine)
    coroutine.send(None)
    coroutine.throw(KeyError())
    coroutine.close()


def run_what_is_awaited(world: World) -> None:
    steps = world.make(observed_coroutine).__await__()
    steps.send(None)
    steps.throw(KeyError())
    steps.close()


def sampler(*names: str) -> Callable[[World], None]:
    """Make a sampler, and call methods of it that take nothing."""

    def call(_: World) -> None:
        made = native.MainSampler(1_000_000, 1 << 60, 1_000_000, True)
        for name in names:
            getattr(made, name)()

    return call


def start_and_stop_a_sampler(_: World) -> None:
    made = native.MainSampler(1_000_000, 1 << 60, 1_000_000, True)
    made.start(threading.get_ident(), threading.get_native_id())
    made.watch((), ())
    made.wait(0)
    made.stop()


NEVER_RAISE = {"SteppedCoroutine.send", *SPANS_NEVER_RAISE}
"""Those that must not raise where memory is short, for they stand where the program's code does."""

COLD = {"TaskSteps, a step within a step", "TaskSteps.close_current, out of order"}
"""Those of which a half is Python code that an error may strike midway: then recordings stop."""


MAKES_FUNCTIONS = {"Rows"}
"""Those that run much Python code: they make functions, and iterate over the items of dicts. Where
memory is short, Python itself crashes there: from 3.13 on it does so in ours."""

SETS_CONTEXTS = {"TrioSpawns.task_spawned"}
"""Those that set a context variable. Python itself crashes there if two allocations fail, that of
the token and the next one."""


def attributes(name: str, where: str) -> Callable[[World], None]:
    """Read every attribute that objects of a type have in C, and set those that can be set."""
    kinds = (types.MemberDescriptorType, types.GetSetDescriptorType)
    names = [each for each, had in vars(getattr(native, name)).items() if isinstance(had, kinds)]

    def call(world: World) -> None:
        found = getattr(world, where)
        for each in names:
            value = getattr(found, each)
            with contextlib.suppress(AttributeError):
                setattr(found, each, value)

    return call


if native is not None:
    ENTRIES |= SPAN_ENTRIES | SPAWN_ENTRIES | LOOP_ENTRIES | STACK_ENTRIES
    ENTRIES |= {
        "Span": in_a_step(enter_a_span),
        "ObservedFunction": in_a_step(lambda _: observed()),
        "ObservedGenerator": in_a_step(run_a_generator),
        "ObservedCoroutine": in_a_step(run_a_coroutine),
        "ObservedAwait": in_a_step(run_what_is_awaited),
        "is_observed": lambda _: native.is_observed(observed),
        "observed_frame": lambda _: native.observed_frame(observed),
        "observed_function_frame": lambda _: native.observed_function_frame(observed),
        "unobserved": lambda _: native.unobserved(observed),
        "Rows": lambda w: w.script.profile,
        "Rows.add": lambda w: native.Rows().add(w.root, 0, 1),
        "MainSampler": start_and_stop_a_sampler,
        "MainSampler.take": sampler("take"),
        "MainSampler.take_long": sampler("take_long"),
        "MainSampler.take_blocked": sampler("take_blocked"),
        "MainSampler.take_stall": sampler("take_stall"),
        "MainSampler.wake": sampler("wake"),
        "MainSampler.pulse": sampler("pulse"),
        "Stack, its attributes": attributes("Stack", "root"),
        "Opened, its attributes": attributes("Opened", "opened"),
        "TaskSteps, its attributes": attributes("TaskSteps", "task"),
        "LoopSteps, its attributes": attributes("LoopSteps", "loop"),
    }


def entry_points() -> set[str]:
    """Return the names of all that the extension lets Python code call."""
    found = set()
    for name, value in vars(native).items():
        if isinstance(value, type):
            methods = (types.MethodDescriptorType, types.ClassMethodDescriptorType)
            found |= {name} | {
                f"{name}.{each}" for each, had in vars(value).items() if isinstance(had, methods)
            }
        elif inspect.isbuiltin(value):
            found.add(name)
    return found
