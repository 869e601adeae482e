"""The recorder: loops, threads, snapshots from any thread, and the end of a recording."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import itertools
import logging
import sys
import threading
import time
import weakref

import pytest

from tests.processes import run
from tests.strategies import numbers
from tracetools import observe, span
from tracetools.core.garbage import begin_collection, end_collection
from tracetools.core.stacks import Blocks, Frame, Times
from tracetools.guest.messages import logger
from tracetools.recording import current
from tracetools.recording.recorder import Recorder, _GuardedClock
from tracetools.recording.unseen import UnseenTime
from tracetools.testing import FakeClock, ScriptedLoop


@pytest.fixture
def quick_switches():
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@contextlib.contextmanager
def threads(*works):
    """Run functions in threads of their own until the end of the block, where they must end."""
    errors = []

    def guarded(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    started = [
        threading.Thread(target=guarded, args=(work,), name=f"worker {number}")
        for number, work in enumerate(works)
    ]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        for thread in started:
            thread.join()
    assert errors == []


def in_thread(work, context=None):
    """Do a piece of work in another thread, perhaps in a context, and wait for it."""
    with threads(work if context is None else lambda: context.run(work)):
        pass


class RealLoop:
    """A loop in the thread that makes it, under a real clock, that goes on until it is told."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.clock = recorder.clock
        self.loop = recorder.begin_loop()
        self.tasks: list = []

    def spawn(self, name):
        current = self.loop.current
        parent = self.loop.tree.root if current is None else current.stack
        self.tasks.append(self.loop.spawn(parent, Frame(name), self.loop.clock()))
        return self.tasks[-1]

    def step(self, task, work):
        task.begin_step(self.clock())
        work()
        task.end_step(self.clock())

    def end(self):
        self.recorder.end_loop(self.loop, self.clock())


def busy_loop(recorder, over, ready=None):
    """Step, open and close, spawn and exit as fast as it goes, in every order that is legal."""
    loop = RealLoop(recorder)
    tasks = [loop.spawn("task") for _ in range(3)]
    numbers_ = itertools.count()

    @observe
    def generate():
        yield 1
        with span("in generator"):
            yield 2

    crossed = [span("a"), span("b")]

    def work():
        with span("outer"), span("inner"):
            pass
        for one in crossed:
            one.__enter__()
        for one in crossed:
            one.__exit__(None, None, None)
        for _ in generate():
            with span(f"name {next(numbers_) % 50}"):
                pass

    def start():
        lasting.__enter__()

    def leave():
        lasting.__exit__(None, None, None)

    def spawn():
        tasks.append(loop.spawn(f"child {next(numbers_) % 20}"))

    if ready is not None:
        ready.set()
    while not over.is_set():
        lasting = span("lasting")
        for todo in (start, work, spawn, work, leave):
            for task in tasks[:3]:
                loop.loop.wake(task, loop.clock())
                loop.step(task, todo)
        while len(tasks) > 3:
            loop.loop.exit(tasks.pop(), loop.clock())
    loop.end()


def hammer(recorder, snapshots):
    """Take snapshots while the loop runs; each must keep both laws, and none may go back."""
    last, profile = 0, recorder.profile()
    for _ in range(snapshots):
        profile = recorder.profile()
        profile.check()
        assert profile.duration >= last
        last = profile.duration
    return profile


@pytest.mark.parametrize(
    "clock", [time.perf_counter_ns, time.thread_time_ns], ids=["wall", "thread"]
)
@pytest.mark.parametrize("switches", ["usual", "quick"])
def test_both_laws_hold_in_every_snapshot_from_another_thread(clock, switches, request):
    if switches == "quick":
        request.getfixturevalue("quick_switches")
    recorder = Recorder(clock=clock, scheduled=True)
    over, ready = threading.Event(), threading.Event()
    with threads(lambda: busy_loop(recorder, over, ready)):
        ready.wait()
        try:
            profile = hammer(recorder, 200)
        finally:
            over.set()
    assert profile.busy > 0
    recorder.profile().check()


def test_both_laws_hold_in_snapshots_of_several_loops_in_several_threads(quick_switches):
    recorder, over = Recorder(scheduled=True), threading.Event()
    with threads(*[lambda: busy_loop(recorder, over)] * 3):
        try:
            hammer(recorder, 60)
        finally:
            over.set()
    profile = recorder.profile()
    profile.check()
    assert profile.runs == 3


def test_both_laws_hold_when_the_collector_runs_the_programs_own_code_meanwhile(quick_switches):
    """The copy is made in C, but before 3.12 the collector may run finalisers right within it."""
    recorder, over, ready = Recorder(), threading.Event(), threading.Event()
    main = threading.get_ident()

    def let_others_run(*_):
        if threading.get_ident() == main:
            time.sleep(0)

    threshold = gc.get_threshold()
    with threads(lambda: busy_loop(recorder, over, ready)):
        ready.wait()
        gc.callbacks.append(let_others_run)
        gc.set_threshold(100, 1000, 1000)
        try:
            hammer(recorder, 100)
        finally:
            gc.set_threshold(*threshold)
            gc.callbacks.remove(let_others_run)
            over.set()


# ------------------------------------------------------------------------------------------ loops


def test_loops_one_after_another_add_up_in_the_same_stacks():
    clock = FakeClock()
    recorder = Recorder(clock=clock)
    for busy in (5, 7):
        loop = recorder.begin_loop()
        task = loop.spawn(loop.tree.root, Frame("task"), clock())
        clock.tick(1)
        task.begin_step(clock())
        clock.tick(busy)
        loop.exit(task, clock())
        recorder.end_loop(loop, clock())
        recorder.end_loop(loop, clock())
        clock.tick(1000)
    profile = recorder.profile()
    profile.check()
    assert numbers(profile) == {
        ("all-spans",): Times(busy=2),
        ("all-spans", "task"): Times(busy=12, idle=2, steps=2, entries=2),
    }
    assert (profile.duration, profile.runs) == (14, 2)


def test_only_the_thread_of_a_loop_has_its_tasks():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))

    def elsewhere():
        with span("elsewhere"):
            loop.tick(5)

    in_thread(elsewhere)
    assert numbers(loop.finish()) == {
        ("all-spans", "task"): Times(busy=5, steps=1, entries=1),
        ("all-spans", "worker 0", "elsewhere"): Times(thread=5, entries=1),
    }


def test_an_ended_recording_keeps_nothing_that_was_recorded():
    recorder = Recorder(clock=FakeClock())
    loop = recorder.begin_loop()
    task = loop.spawn(loop.tree.root, Frame("task"), loop.begin)
    refs = [weakref.ref(task)]
    recorder.end_loop(loop, loop.begin + 5)
    del loop, task
    gc.collect()
    assert [ref() for ref in refs] == [None]
    ref = weakref.ref(recorder)
    del recorder
    gc.collect()
    assert ref() is None


class Watch:
    """Notes what a recorder tells it."""

    def __init__(self):
        self.told = []

    def loops_changed(self):
        self.told.append("loops")

    def threads_changed(self):
        self.told.append("threads")

    def collect(self):
        self.told.append("collect")


def test_a_loop_of_another_thread_that_stands_still_is_not_ended_with_the_recording():
    """Its thread may make tasks just now. Those that began after its last moment never lived."""
    clock = FakeClock()
    recorder = Recorder(clock=clock)

    def run():
        loop = recorder.begin_loop()
        loop.spawn(loop.tree.root, Frame("task"), clock())
        clock.tick(5)
        recorder.pause_loop(loop, clock())
        clock.tick(2)
        in_thread(recorder.close)
        assert (loop.running, loop.end) == (False, None)
        loop.spawn(loop.tree.root, Frame("later"), clock())

    in_thread(run)
    profile = recorder.profile()
    profile.check()
    assert (profile.runs, profile.duration, profile.task_time) == (1, 5, 5)


def test_the_last_samples_of_callbacks_are_taken_before_their_loop_ends():
    class Last(Watch):
        def collect(self):
            other.unseen.blocks(location, 1, 5)

    loop = ScriptedLoop()
    other = loop.recorder.begin_loop()
    other.unseen = UnseenTime(other.tree)
    location = (other.unseen.callback(Frame("callback")), ())
    loop.recorder.watch = Last()
    loop.recorder.end_loop(other, loop.clock())
    loop.recorder.watch = None
    [blocks] = loop.finish().blocking.values()
    assert blocks == Blocks(1, 5, 5)


def test_what_takes_samples_is_told_of_loops_and_worker_threads():
    loop = ScriptedLoop()
    watch = loop.recorder.watch = Watch()
    other = loop.recorder.begin_loop()
    loop.recorder.pause_loop(other, loop.clock())
    loop.recorder.resume_loop(other)
    loop.recorder.end_loop(other, loop.clock())
    assert watch.told == ["loops"] * 4
    opened = loop.recorder.open_in_thread(Frame("span"), 1)
    assert loop.recorder.has_open_threads
    loop.recorder.close_in_thread(opened.account, opened)
    assert not loop.recorder.has_open_threads
    loop.recorder.profile()
    assert watch.told[4:] == ["threads", "collect"]
    loop.recorder.watch = None
    loop.finish()


def test_metadata_say_how_it_was_recorded(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/some/where/app.py", "x"])
    before = time.time_ns()
    recorder = Recorder(scheduled=True)
    after = time.time_ns()
    for backend in ("trio", "asyncio", "trio"):
        loop = recorder.begin_loop(backend=backend)
        recorder.end_loop(loop, loop.begin + 2)
    profile = recorder.profile()
    assert before <= profile.start <= after
    assert (profile.programs, profile.backends) == (("app.py",), ("asyncio", "trio"))
    assert (profile.scheduled_measured, profile.truncated, profile.runs) == (True, False, 3)
    for arguments, program in ([], "python"), (["/lib/uvicorn/__main__.py", "x"], "uvicorn"):
        monkeypatch.setattr(sys, "argv", arguments)
        assert Recorder().profile().programs == (program,)
    assert Recorder().profile().backends == ()


def test_files_are_shown_as_they_are_seen_from_where_it_began(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder = Recorder(clock=FakeClock())
    loop = recorder.begin_loop()
    loop.spawn(loop.tree.root, Frame("f", str(tmp_path / "app.py"), 3), loop.begin)
    loop.spawn(loop.tree.root, Frame("f", "app.py", 3), loop.begin)
    recorder.end_loop(loop, loop.begin + 5)
    profile = recorder.profile()
    profile.check()
    assert profile.stacks[next(path for path in profile.stacks if len(path) == 2)].entries == 2
    assert [path[1].label for path in profile.stacks if len(path) == 2] == ["f (app.py:3)"]


# ---------------------------------------------------------------------------------------- threads


@pytest.fixture
def loop():
    """Return a loop in which one task steps."""
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    yield loop
    if loop.recorder.loops:
        loop.finish().check()


def context_of(loop, task=0):
    """Return a context as a worker thread has that was started from a task."""
    context = contextvars.copy_context()
    context.run(loop.recorder.context_task.set, loop.tasks[task])
    return context


def threaded(loop):
    found = numbers(loop.profile).items()
    return {path[1:]: (times.thread, times.entries) for path, times in found if times.thread}


def test_a_thread_with_the_context_of_a_task_stands_under_the_tasks_stack(loop):
    def work():
        with span("work"):
            loop.tick(1)
            with span("more"):
                loop.tick(10)
            loop.tick(1)
        loop.tick(100)

    with span("asking"):
        in_thread(work, context_of(loop))
    assert threaded(loop) == {
        ("task", "asking", "work"): (2, 1),
        ("task", "asking", "work", "more"): (10, 1),
    }
    assert loop.profile.thread_time == 12


def test_a_thread_without_a_context_stands_under_its_own_name(loop):
    def work():
        with span("work"):
            loop.tick(5)

    in_thread(work)
    assert threaded(loop) == {("worker 0", "work"): (5, 1)}


def test_what_is_open_in_a_thread_shows_in_a_snapshot(loop):
    opened, go_on = threading.Event(), threading.Event()

    def work():
        with span("work"), span("more"):
            opened.set()
            go_on.wait()

    with threads(work):
        opened.wait()
        loop.tick(5)
        seen = threaded(loop)
        go_on.set()
    assert seen == {("worker 0", "work", "more"): (5, 1)}
    assert threaded(loop) == seen


def test_in_a_thread_spans_are_closed_in_any_order(loop):
    def work():
        a, b = span("a"), span("b")
        a.__enter__()
        loop.tick(1)
        b.__enter__()
        loop.tick(10)
        a.__exit__(None, None, None)
        loop.tick(100)
        b.__exit__(None, None, None)
        b.__exit__(None, None, None)
        loop.tick(1000)
        with span("c"):
            loop.tick(10000)

    in_thread(work)
    assert threaded(loop) == {
        ("worker 0", "a"): (1, 1),
        ("worker 0", "a", "b"): (110, 1),
        ("worker 0", "c"): (10000, 1),
    }


def test_a_thread_that_works_for_another_task_leaves_behind_what_the_first_left_open(loop):
    loop.spawn("other")
    first, second = context_of(loop), context_of(loop, 1)

    def work():
        first.run(span("left open").__enter__)
        with second.run(span, "never entered"):
            pass
        second.run(observe(lambda: loop.tick(5), name="work"))

    in_thread(work)
    assert ("task", "other", "work") in threaded(loop)
    assert threaded(loop)["task", "other", "work"] == (5, 1)


def test_a_span_closes_also_when_the_thread_worked_for_another_task_meanwhile(loop):
    loop.spawn("other")
    first, second = context_of(loop), context_of(loop, 1)

    def work():
        mine = span("mine")
        first.run(mine.__enter__)
        loop.tick(1)
        second.run(observe(lambda: loop.tick(10), name="its"))
        loop.tick(100)
        first.run(mine.__exit__, None, None, None)
        loop.tick(1000)

    in_thread(work)
    gc.collect()
    assert threaded(loop)["task", "mine"] == (111, 1)
    assert threaded(loop)["task", "other", "its"] == (10, 1)


def test_a_span_that_one_worker_thread_opens_and_another_closes_is_charged_once(loop):
    """As the sync context managers are that web frameworks run in a pool of threads."""
    lent = span("lent")
    context = context_of(loop)
    in_thread(lent.__enter__, context)
    loop.tick(5)
    in_thread(lambda: lent.__exit__(None, None, None), context)
    loop.tick(100)
    gc.collect()
    assert threaded(loop) == {("task", "lent"): (5, 1)}


def test_a_task_closes_what_a_thread_left_open(loop):
    lent = span("lent")
    in_thread(lent.__enter__)
    loop.tick(5)
    lent.__exit__(None, None, None)
    loop.tick(100)
    gc.collect()
    assert threaded(loop) == {("worker 0", "lent"): (5, 1)}


def test_a_thread_that_outlives_the_recording_disturbs_nothing(loop):
    opened, go_on = threading.Event(), threading.Event()

    def work():
        with span("work"):
            opened.set()
            go_on.wait()
            with span("late"):
                pass

    with threads(work):
        opened.wait()
        loop.tick(5)
        profile = loop.finish()
        go_on.set()
    assert numbers(profile)["all-spans", "worker 0", "work"].thread == 5
    assert "late" not in {path[-1].name for path in loop.profile.stacks}


def test_thread_time_as_a_clock_says_what_each_thread_did():
    recorder = Recorder(clock=time.thread_time_ns)
    loop = RealLoop(recorder)
    task = loop.spawn("task")

    def elsewhere():
        with span("elsewhere"):
            sum(range(200_000))

    def work():
        with span("here"), threads(elsewhere):
            pass

    loop.step(task, work)
    recorder.profile().check()
    loop.end()
    profile = recorder.profile()
    profile.check()
    found = numbers(profile)
    assert found["all-spans", "worker 0", "elsewhere"].thread > 0
    assert found["all-spans", "task", "here"].busy > 0
    assert profile.thread_time == found["all-spans", "worker 0", "elsewhere"].thread


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="no clocks of threads")
def test_thread_time_of_another_thread_is_read_while_it_goes_on():
    recorder = Recorder(clock=time.thread_time_ns)
    before, here = recorder.clock(), threading.get_ident()
    sum(range(100_000))  # what the recorder does not see
    after = time.thread_time_ns()
    assert read_elsewhere(recorder, here) >= after > before


def read_elsewhere(recorder, thread):
    """Return the time of a thread as another one reads it."""
    found = []
    in_thread(lambda: found.append(recorder.clock_of(thread)()))
    return found[0]


def test_thread_time_of_a_thread_that_is_over_is_the_last_that_was_read(monkeypatch):
    def gone(_):
        raise OSError

    monkeypatch.setattr(time, "clock_gettime_ns", gone)  # a thread is gone some time after its end
    recorder, last = Recorder(clock=time.thread_time_ns), {}

    def work():
        last[threading.get_ident()] = recorder.clock()

    with threads(work):
        pass
    [(thread, time_)] = last.items()
    assert recorder.clock_of(thread)() == time_


def test_thread_time_where_threads_have_no_clocks_is_the_last_that_was_read(monkeypatch):
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)
    recorder = Recorder(clock=time.thread_time_ns)
    last = recorder.clock()
    sum(range(100_000))
    assert read_elsewhere(recorder, threading.get_ident()) == last


def test_thread_time_keeps_the_laws_when_another_thread_closes_a_span():
    recorder = Recorder(clock=time.thread_time_ns)
    loop = RealLoop(recorder)
    task = loop.spawn("task")
    lent = span("lent")

    def work():
        sum(range(200_000))
        lent.__enter__()
        sum(range(200_000))
        in_thread(lambda: lent.__exit__(None, None, None))
        with span("next"):
            pass

    loop.step(task, work)
    loop.end()
    recorder.profile().check()


def test_threads_that_come_and_go_leave_nothing_behind(loop):
    def work():
        with span("work"):
            pass

    def spin():
        for _ in range(50):
            in_thread(work)
        gc.collect()
        return sum(
            str(type(thing).__module__).startswith("tracetools") for thing in gc.get_objects()
        )

    before = spin()
    assert spin() == before
    assert len(loop.recorder._threads) == 0


# ----------------------------------------------------------------------------------------- errors


def test_stopping_keeps_what_there_is_and_is_logged_once(loop, caplog):
    loop.tick(5)
    kept = numbers(loop.profile)
    loop.recorder.stop("for a test")
    loop.recorder.stop("for a test")
    assert not current.recorded_loops
    assert not current.recorders
    with span("after"):
        loop.tick(100)
    profile = loop.profile
    profile.check()
    assert numbers(profile).keys() == kept.keys()
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("tracetools", logging.ERROR)
    assert record.getMessage() == "tracetools stopped recording: for a test; the program goes on"


def test_a_clock_that_fails_stops_the_recording_and_not_the_program(loop, caplog):
    def fail():
        raise ZeroDivisionError("theirs")

    loop.loop.clock = fail

    @observe
    def observed():
        with span("inner"):
            return 5

    assert observed() == 5
    assert len(caplog.records) == 1
    assert not current.recorded_loops


class Settable:
    """A clock that can be set, back as well."""

    def __init__(self):
        self.now = 10**9

    def __call__(self):
        return self.now


def test_a_clock_that_steps_back_stands_still_and_is_named_once(caplog):
    clock = Settable()
    recorder = Recorder(clock=clock, scheduled=True, threshold=10**12)
    loop = RealLoop(recorder)
    task = loop.spawn("task")

    def set_clock(*moments):
        for moment in moments:
            with span("inner"):
                clock.now = moment
            recorder.profile().check()

    loop.step(task, lambda: set_clock(10**9 + 50))
    loop.step(task, lambda: set_clock(10**9 - 700, 10**9 + 20, 10**9 + 80))
    clock.now = 0
    loop.step(task, lambda: set_clock(5))
    loop.end()
    profile = recorder.profile()
    profile.check()
    assert profile.duration == 80
    assert numbers(profile)["all-spans", "task", "inner"].busy == 80
    [message] = caplog.messages
    assert message.startswith("the clock of the recording stepped back by 0.000001 s: it stands")


def test_a_clock_that_another_thread_reads_meanwhile_has_not_stepped_back(caplog):
    moments = iter([10**9, 10**9 + 3, 10**9 + 5])

    def clock():
        moment = next(moments)
        if moment == 10**9 + 3:
            assert guarded() == 10**9 + 5  # in place of the other thread
        return moment

    guarded = _GuardedClock(clock, pytest.fail, logger)
    assert guarded() == 10**9 + 5
    assert caplog.messages == []


def test_moments_at_which_a_clock_stands_still_are_told_apart():
    clock = Settable()
    guarded = _GuardedClock(clock, pytest.fail, logger)
    clock.now -= 1
    first, second = guarded(), guarded()
    assert first == second
    assert first is not second


def test_thread_time_keeps_the_laws_when_a_loop_goes_on_in_another_thread():
    recorder = Recorder(clock=time.thread_time_ns, scheduled=True)
    loop = RealLoop(recorder)
    task = loop.spawn("task")
    loop.step(task, lambda: sum(range(200_000)))
    recorder.pause_loop(loop.loop, loop.loop.clock())

    def go_on():
        recorder.resume_loop(loop.loop)
        task.begin_step(loop.loop.clock())
        sum(range(200_000))
        recorder.profile().check()
        task.end_step(loop.loop.clock())
        recorder.pause_loop(loop.loop, loop.loop.clock())

    before = recorder.profile()
    in_thread(go_on)
    profile = recorder.profile()
    profile.check()
    assert profile.busy > before.busy > 0
    recorder.end_loop(loop.loop, loop.loop.clock())
    recorder.profile().check()


def test_a_logger_that_fails_does_not_stop_the_program(loop, monkeypatch):
    def fail(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("tracetools.guest.messages.logger.error", fail)
    loop.recorder.stop("for a test")
    assert loop.recorder.stopped


@pytest.mark.parametrize("use", ["span", "function", "generator"])
def test_the_programs_own_recursion_does_not_end_the_recording(loop, use, caplog):
    @observe
    def function():
        function()

    def spans():
        with span("deep"):
            spans()

    @observe
    def generator():
        yield from generator()

    act = {"span": spans, "function": function, "generator": lambda: list(generator())}[use]
    with pytest.raises(RecursionError):
        act()
    assert caplog.records == []
    with span("after"):
        loop.tick(7)
    profile = loop.finish()
    profile.check()
    assert [times.busy for path, times in profile.stacks.items() if path[-1].name == "after"] == [7]


@pytest.mark.parametrize("clock", [None, 5, "x"])
def test_a_clock_that_cannot_be_called_is_refused(clock):
    with pytest.raises(TypeError, match="clock is a function that returns nanoseconds, not "):
        Recorder(clock=clock)


# ------------------------------------------------------------------------------------------- fork


FORKED = """
import gc, logging, time, warnings
warnings.simplefilter("ignore")  # of the fork, that threads do not survive it: they need not
from tracetools.recording.current import recorded_loops, recorders
from tracetools.recording.recorder import Recorder
from tracetools.core.stacks import Frame

recorder = Recorder()
clock = time.perf_counter_ns
loop = recorder.begin_loop()
task = loop.spawn(loop.tree.root, Frame("task"), clock())
task.begin_step(clock())
early = span("early")
held, release = threading.Event(), threading.Event()

def hold():
    with span("in thread"), recorder._lock:
        held.set()
        release.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
early.__enter__()
with span("around"):
    child = os.fork()
    if child == 0:
        with span("in child"):
            pass
if child == 0:
    early.__exit__(None, None, None)
    assert not recorded_loops and not recorders and not recorder.at_home and recorder.stopped
    names = {path[-1].name for path in recorder.profile().stacks}
    assert "around" in names and "in child" not in names, names
    os._exit(7)
release.set()
thread.join()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
early.__exit__(None, None, None)
recorder.end_loop(loop, clock())
profile = recorder.profile()
profile.check()
names = {path[-1].name for path in profile.stacks}
assert names >= {"around", "early", "in thread"} and "in child" not in names, names
print("well")
"""


def test_a_forked_child_records_nothing_and_hangs_nowhere():
    done = run(FORKED)
    assert (done.stdout, done.stderr) == ("well\n", "")


def test_forked_children_are_counted_unless_they_are_recorded_otherwise():
    code = """
from tracetools.recording.recorder import Recorder
recorders = [Recorder(), Recorder(), Recorder()]
recorders[1].counts_forks = False
recorders[2].close()
for _ in range(2):
    child = os.fork()
    if not child:
        os._exit(any(recorder.profile().forks > 1 for recorder in recorders))
    print(os.waitpid(child, 0)[1])
os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-S", "-c", "0"])
print([recorder.profile().forks for recorder in recorders])
"""
    assert run(code).stdout == "0\n0\n[2, 0, 0]\n"


def test_a_forked_thread_records_nothing_and_hangs_nowhere():
    done = run(
        FORKED.replace(
            "thread = threading.Thread(target=hold)",
            """
def fork():
    with span("in forking thread"):
        child = os.fork()
        if child == 0:
            with span("in child"):
                pass
    if child == 0:
        os._exit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 8
forking = threading.Thread(target=fork)
forking.start()
forking.join()
thread = threading.Thread(target=hold)
""",
        )
    )
    assert (done.stdout, done.stderr) == ("well\n", "")


def test_a_collection_that_strikes_the_end_of_a_loop_is_within_its_duration():
    clock = FakeClock()
    recorder = Recorder(clock=clock)
    loop = recorder.begin_loop()
    clock.tick(10)
    now = clock()
    begin_collection(loop, clock())
    clock.tick(100)
    end_collection(loop, 2, clock())
    recorder.end_loop(loop, now)
    profile = recorder.profile()
    profile.check()
    assert profile.duration == 110


@pytest.mark.parametrize("act", ["end_loop", "pause_loop"])
@pytest.mark.usefixtures("no_collections")
def test_a_collection_may_strike_anywhere_as_a_loop_ends(act):
    for call in itertools.count():
        clock = FakeClock()
        recorder = Recorder(clock=clock)
        loop = recorder.begin_loop()
        task = loop.spawn(loop.tree.root, Frame("task"), clock())
        task.begin_step(clock())
        clock.tick(10)
        struck = strike_at_call(call, loop, clock, getattr(recorder, act), loop, clock())
        clock.tick(1000)
        recorder.end_loop(loop, clock())
        recorder.profile().check()
        if not struck:
            break
    assert call > 20


def _spawns(recorder, loop, clock):
    loop.spawn(loop.current.stack, Frame("child"), clock())


def _exits(recorder, loop, clock):
    task, now = loop.current, clock()
    task.end_step(now)
    loop.exit(task, now)


def _opens_and_closes(recorder, loop, clock):
    task = loop.current
    outer = task.open(Frame("outer"), clock())
    inner = task.open(Frame("inner"), clock())
    task.close(outer, clock())
    task.close(inner, clock())


def _works_elsewhere(recorder, loop, clock):
    opened = recorder.open_in_thread(Frame("work"), 1)
    opened.account.close(opened, clock())


def _steps(recorder, loop, clock):
    task = loop.current
    task.end_step(clock())
    clock.tick(10)
    loop.wake(task, clock())
    clock.tick(10)
    task.begin_step(clock())


def _waits(recorder, loop, clock):
    loop.current.end_step(clock())
    began = clock()
    clock.tick(1000)
    loop.waited(began, clock())


def _calls_back(recorder, loop, clock):
    loop.current.end_step(clock())
    callback = loop.callback(Frame("callback"), clock())
    callback.begin_step(clock())
    callback.open(Frame("left open"), clock())
    clock.tick(10)
    loop.end_callback(callback, clock())


def _pauses_and_resumes(recorder, loop, clock):
    recorder.pause_loop(loop, clock())
    clock.tick(10)
    recorder.resume_loop(loop)


def _begins_another(recorder, loop, clock):
    recorder.end_loop(loop, clock())
    another = recorder.begin_loop()
    recorder.end_loop(another, clock())


def _profiles(recorder, loop, clock):
    recorder.profile().check()


def _closes(recorder, loop, clock):
    recorder.close()


ACTS = [
    _spawns,
    _exits,
    _opens_and_closes,
    _works_elsewhere,
    _steps,
    _waits,
    _calls_back,
    _pauses_and_resumes,
    _begins_another,
    _profiles,
    _closes,
]


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("later", [0, 10], ids=["at once", "later"])
@pytest.mark.parametrize("act", ACTS)
def test_a_collection_may_strike_anywhere_in_an_act(act, later):
    for call in itertools.count():
        clock, recorder, loop = loop_in_a_step()
        struck = strike_at_call(call, loop, clock, act, recorder, loop, clock)
        clock.tick(later)
        check_all_time(recorder, loop, clock, act)
        if not struck:
            break
    assert call > 5


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("act", ACTS)
def test_a_collection_may_strike_when_an_act_makes_objects(act):
    for count in itertools.count(1):
        clock, recorder, loop = loop_in_a_step()
        struck = strike_after_objects(count, clock, act, recorder, loop, clock)
        check_all_time(recorder, loop, clock, act)
        if not struck:
            break


def loop_in_a_step():
    """Return a clock, a recorder and its loop, which is in a step of a task."""
    clock = FakeClock()
    recorder = Recorder(clock=clock)
    loop = recorder.begin_loop()
    task = loop.spawn(loop.tree.root, Frame("task"), clock())
    task.begin_step(clock())
    clock.tick(10)
    return clock, recorder, loop


def check_all_time(recorder, loop, clock, act):
    """Check that a recording which began at 0 and ends now has all time up to now."""
    recorder.profile().check()
    recorder.end_loop(loop, clock())
    profile = recorder.profile()
    profile.check()
    if act not in (_begins_another, _closes):
        assert profile.duration == clock() - FakeClock()()
    recorder.close()


def strike_after_objects(count, clock, act, *arguments):
    """Call a function; let real collections, of 100 each, strike after each so many new objects.

    Return whether any did.
    """
    struck = []

    def take_time(phase, _):
        if phase == "start":
            clock.tick(100)
            struck.append(phase)

    thresholds = gc.get_threshold()
    gc.collect(0)  # from now on objects are counted
    gc.callbacks.append(take_time)  # after the recorder's own
    gc.set_threshold(count, 1000, 1000)
    gc.enable()
    try:
        act(*arguments)
    finally:
        gc.disable()
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(take_time)
    return bool(struck)


def strike_at_call(number, loop, clock, act, *arguments):
    """Call a function; let a collection strike its call or return of that number, if any."""
    remaining = number

    def profile(*_):
        nonlocal remaining
        remaining -= 1
        if remaining == -1:
            begin_collection(loop, clock())
            clock.tick(100)
            end_collection(loop, 2, clock())

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        act(*arguments)
    finally:
        sys.setprofile(before)
    return remaining < 0
