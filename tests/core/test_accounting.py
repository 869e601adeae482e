"""The two laws, with `==`, for any legal program; steps, queues, and spans in any order."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from tests import strategies
from tests.strategies import AWAITS, PROGRAMS, expected, numbers, without_awaits
from tracetools.core import accounting
from tracetools.core.accounting import LoopAccount, Opened, ThreadAccount, outwards, sweep
from tracetools.core.garbage import begin_collection, end_collection
from tracetools.core.stacks import Frame, StackTree, Times
from tracetools.recording.recorder import Recorder
from tracetools.testing import FakeClock, ScriptedLoop

if TYPE_CHECKING:
    from tracetools.core.accounting import TaskAccount
    from tracetools.core.stacks import Stack


@given(PROGRAMS)
@settings(max_examples=1000, deadline=None)
def test_every_stack_has_exactly_what_a_slow_account_gives_it(program):
    profile, model = strategies.run(program)
    assert numbers(profile) == expected(model)
    assert profile.duration == model.duration
    assert profile.task_time == model.task_time
    profile.check()


@given(PROGRAMS)
@settings(max_examples=200, deadline=None)
def test_both_laws_hold_at_every_moment(program):
    strategies.run(program, snapshots=True)


@given(PROGRAMS)
@settings(max_examples=200, deadline=None)
def test_bounds_lose_no_time(program):
    profile, model = strategies.run(program, max_stacks=3, max_depth=3)
    assert profile.duration == model.duration
    assert profile.task_time == model.task_time
    profile.check()


@given(PROGRAMS)
@settings(max_examples=500, deadline=None)
def test_awaits_take_from_their_own_stack_alone(program):
    profile, model = strategies.run(program, awaits=True, snapshots=True)
    assert without_awaits(numbers(profile)) == expected(model)
    assert all(times == Times(idle=times.idle) for times in awaits_of(profile))


def test_what_was_awaited_has_the_idle_time_and_not_the_queueing():
    loop = ScriptedLoop(scheduled=True)
    task = loop.spawn("task")
    loop.begin_step(task, ["not yet"])
    loop.end_step()
    loop.tick(10)
    loop.wake(task)
    loop.tick(5)
    loop.begin_step(task, ["call", "await reply"])
    profile = loop.finish()
    assert [times.idle for times in awaits_of(profile, "await reply")] == [10]
    assert [times.scheduled for times in awaits_of(profile, "task")] == [5]
    assert awaits_of(profile, "not yet") == []


def test_a_task_whose_last_step_stops_the_recording_exits_once():
    class Stopping(LoopAccount):
        def step_ended(self, task, began, now):
            self.finish(now)
            return now

    loop = Stopping(StackTree(), 0)
    loop.due = 0
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(4)
    loop.exit(task, 10)
    assert (task.base.busy, task.base.rest, loop.lifetimes) == (6, 4, 10)
    assert not loop.tasks
    assert not loop.changing


class ClosesSpan:
    """Opens a span, and closes it when it is finalised: as garbage, for it is a cycle."""

    def __init__(self, task, closed):
        self.itself, self.task, self.closed = self, task, closed
        self.span = task.open(Frame("garbage"), 10)

    def __del__(self):
        self.task.close(self.span, 20)
        self.closed.append(self.span)


@pytest.fixture
def collect_after():
    """Return what lets garbage be collected once so many more objects were made."""
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    gc.disable()

    def collect(count):
        gc.set_threshold(gc.get_count()[0] + count, *thresholds[1:])
        gc.enable()

    yield collect
    gc.set_threshold(*thresholds)
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("count", range(-1, 3))
def test_a_span_that_a_finaliser_closes_while_another_one_opens_stays_closed(collect_after, count):
    loop = LoopAccount(StackTree(), 0)
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(0)
    around = task.open(Frame("around"), 5)
    new = loop.tree.child(around.stack, Frame("new"))
    closed = []
    ClosesSpan(task, closed)
    loop.tree.child(task.stack, new.frame)
    no_spares = [Opened(task, None, around.stack, 0, 0) for _ in range(100)]
    collect_after(count)
    opened = task.open(new.frame, 15)
    gc.disable()
    task.close(opened, 30)
    del no_spares
    assert (task.innermost is around) is bool(closed)
    gc.collect()
    assert len(closed) == 1
    assert task.innermost is around
    assert task.stack is around.stack


class GarbageNotes:
    """Has collections noted in a loop, as recordings do."""

    def __init__(self, loop, clock):
        self.loop, self.clock = loop, clock

    def __enter__(self):
        gc.callbacks.append(self.note)

    def __exit__(self, *_):
        gc.callbacks.remove(self.note)

    def note(self, phase, info):
        if phase == "start":
            begin_collection(self.loop, self.clock())
        else:
            end_collection(self.loop, info["generation"], self.clock())


class OpensSpan:
    """Opens and closes a span when it is finalised: as garbage, for it is a cycle."""

    def __init__(self, task, clock):
        self.itself, self.task, self.clock = self, task, clock

    def __del__(self):
        span = self.task.open(Frame("finaliser"), self.clock())
        self.clock.tick(100)
        self.task.close(span, self.clock())


@pytest.mark.parametrize("count", range(12))
def test_a_finaliser_that_has_spans_while_others_close_takes_no_more_than_its_time(
    collect_after, count
):
    clock = FakeClock()
    loop = LoopAccount(StackTree(), clock())
    task = loop.spawn(loop.tree.root, Frame("task"), clock())
    task.begin_step(clock())
    outer = task.open(Frame("outer"), clock())
    inner = task.open(Frame("inner"), clock())
    task.close(outer, clock())
    OpensSpan(task, clock)
    with GarbageNotes(loop, clock):
        collect_after(count)
        task.close(inner, clock())
        gc.disable()
    loop.finish(clock())
    assert all(stack.busy >= 0 for stack in loop.tree.stacks), loop.tree.stacks
    assert sum(stack.busy for stack in loop.tree.stacks) == clock() - loop.begin


def test_a_span_that_is_closed_meanwhile_begins_another_wait():
    loop = ScriptedLoop()
    task, other = loop.spawn("task"), loop.spawn("other")
    loop.begin_step(task)
    span = loop.open("span")
    loop.end_step()
    loop.tick(10)
    loop.begin_step(other)
    loop.close(span)
    loop.end_step()
    loop.tick(3)
    loop.begin_step(task, ["await reply"])
    idle = {path[-1]: times.idle for path, times in numbers(loop.finish()).items()}
    assert (idle["span"], idle["await reply"]) == (10, 3)


def test_a_wait_is_given_away_once_whoever_asks_again():
    loop = ScriptedLoop()
    task = loop.spawn("task")
    loop.begin_step(task)
    loop.end_step()
    loop.tick(10)
    account = loop.tasks[task]
    parked = account.parked
    stack = loop.loop.tree.child(account.stack, Frame("await one"))
    # Ctrl-C makes the begin of a step be taken up once more
    assert [loop.loop.move_wait(account, stack, parked, 10) for _ in range(2)] == [True, False]
    loop.begin_step(task, ["await one"])
    assert [times.idle for times in awaits_of(loop.finish())] == [10]


def test_a_span_that_a_finaliser_closes_meanwhile_keeps_its_time():
    loop = ScriptedLoop()
    task = loop.spawn("task")
    loop.begin_step(task)
    span = loop.open("span")
    loop.end_step()
    loop.tick(10)
    account = loop.tasks[task]
    parked = account.parked
    stack = loop.loop.tree.child(account.stack, Frame("await one"))
    loop.tick(1)
    loop.close(span)
    assert not loop.loop.move_wait(account, stack, parked, 10)
    profile = loop.finish()
    profile.check()
    assert [times.idle for times in awaits_of(profile, "span")] == [11]


def awaits_of(profile, *names):
    return [times for path, times in numbers(profile).items() if path[-1] in (names or AWAITS)]


def test_on_enter_the_time_so_far_goes_to_the_outer_stack_and_on_exit_to_the_inner():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    loop.tick(1)
    span = loop.open("span")
    loop.tick(10)
    loop.close(span)
    loop.tick(100)
    loop.end_step()
    busy = {path[-1]: times.busy for path, times in numbers(loop.finish()).items()}
    assert busy == {"task": 101, "span": 10}


def test_closing_twice_or_after_the_exit_changes_nothing():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    first, second = loop.open("a"), loop.open("b")
    loop.tick(5)
    loop.close(second)
    loop.close(second)
    loop.exit(0)
    loop.tick(7)
    before = numbers(loop.profile)
    loop.close(first)
    assert numbers(loop.finish()) == before


def test_scheduled_time_counts_from_the_end_of_the_step_in_which_a_task_woke_itself():
    loop = ScriptedLoop(scheduled=True)
    loop.begin_step(loop.spawn("task"))
    loop.wake(0)
    loop.tick(1)
    loop.end_step()
    loop.tick(10)
    loop.begin_step(0)
    loop.tick(100)
    loop.exit(0)
    times = numbers(loop.finish())["all-spans", "task"]
    assert (times.busy, times.scheduled, times.idle) == (101, 10, 0)


def test_a_task_that_woke_itself_is_busy_until_its_step_ends_whatever_closes_meanwhile():
    loop = ScriptedLoop(scheduled=True)
    loop.begin_step(loop.spawn("task"))
    outer, inner = loop.open("outer"), loop.open("inner")
    loop.wake(0)
    loop.tick(1)
    loop.close(outer)
    loop.tick(10)
    loop.close(inner)
    loop.tick(100)
    loop.exit(0)
    found = numbers(loop.finish())
    assert {path[-1]: (times.busy, times.scheduled) for path, times in found.items()} == {
        "task": (100, 0),
        "outer": (0, 0),
        "inner": (11, 0),
    }


def test_a_clock_that_starts_at_zero_keeps_the_laws():
    clock = FakeClock(0)
    recorder = Recorder(clock=clock)
    loop = recorder.begin_loop()
    now = recorder.clock
    a, b = (loop.spawn(loop.tree.root, Frame(name), now()) for name in "ab")
    a.begin_step(now())
    opened = a.open(Frame("s"), now())
    a.end_step(now())
    clock.tick(10)
    b.begin_step(now())
    a.close(opened, now())
    b.end_step(now())
    recorder.end_loop(loop, now())
    recorder.profile().check()
    assert recorder.profile().duration == 10


def test_many_spans_that_close_in_the_order_in_which_they_were_opened():
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    spans = [loop.open("s") for _ in range(2000)]
    loop.tick(1)
    for opened in spans:
        loop.close(opened)
    loop.exit(0)
    loop.finish().check()


# --------------------------------------------------------------------------------- turns and queues


def test_how_late_tasks_ran_and_how_long_the_queue_was():
    loop = ScriptedLoop(scheduled=True)
    one, other = loop.spawn("one"), loop.spawn("other")
    loop.wake(one)
    loop.tick(3)
    loop.wake(other)
    loop.wake(other)  # it is awake already
    loop.tick(5)
    loop.begin_step(one)
    loop.tick(10)
    loop.end_step()
    loop.begin_step(other)
    loop.end_step()
    profile = loop.finish()
    assert (
        profile.scheduling_delay.count,
        profile.scheduling_delay.total,
        profile.scheduling_delay.max,
    ) == (2, 23, 15)
    assert dict(profile.queue.buckets) == {1: 1, 2: 1}


def test_a_task_that_wakes_itself_queues_from_the_end_of_its_step():
    loop = ScriptedLoop(scheduled=True)
    task = loop.spawn("task")
    loop.begin_step(task)
    loop.wake(task)
    loop.tick(10)
    loop.end_step()
    loop.tick(4)
    loop.begin_step(task)
    loop.end_step()
    profile = loop.finish()
    assert (profile.scheduling_delay.total, profile.scheduling_delay.count) == (4, 1)
    [times] = [times for path, times in profile.stacks.items() if path[-1].name == "task"]
    assert (times.self_wakes, times.steps) == (1, 2)


def test_who_made_a_task_runnable_is_known_until_it_steps():
    loop = ScriptedLoop(scheduled=True)
    waker, by_task, by_loop = (loop.spawn(name) for name in ("waker", "by task", "by loop"))
    accounts = [loop.tasks[task] for task in (waker, by_task, by_loop)]
    for task in (waker, by_task, by_loop):
        loop.begin_step(task)
        loop.end_step()
    loop.wake(by_loop)
    loop.begin_step(waker)
    loop.wake(by_task)
    loop.wake(by_loop)
    assert [account.waker for account in accounts] == [None, accounts[0], None]
    loop.end_step()
    loop.begin_step(by_task)
    assert accounts[1].waker is None
    loop.end_step()
    loop.finish()


def test_who_woke_a_task_is_not_kept_once_that_is_over():
    loop = ScriptedLoop(scheduled=True)
    waker, woken = loop.spawn("waker"), loop.spawn("woken")
    for task in (woken, waker):
        loop.begin_step(task)
        loop.end_step()
    account = loop.tasks[woken]
    loop.begin_step(waker)
    loop.wake(woken)
    loop.end_step()
    loop.exit(woken)
    assert account.waker is None
    loop.finish()


def test_a_task_that_exits_while_it_queues_is_not_in_the_queue_any_more():
    loop = ScriptedLoop(scheduled=True)
    for _ in range(3):
        task = loop.spawn("task")
        loop.wake(task)
        loop.exit(task)
    profile = loop.finish()
    assert dict(profile.queue.buckets) == {1: 3}
    assert profile.scheduling_delay.count == 0


def test_spans_that_are_open_when_their_task_is_over_are_counted_and_those_at_the_end_are_not():
    loop = ScriptedLoop()
    for _ in range(2):
        task = loop.spawn("task")
        loop.begin_step(task)
        loop.open("left")
        closed = loop.open("closed")
        loop.close(closed)
        loop.exit(task)
    goes_on = loop.spawn("task")
    loop.begin_step(goes_on)
    loop.open("left")
    profile = loop.finish()
    left = {path[-1].name: times.left_open for path, times in profile.stacks.items()}
    assert left == {"all-spans": 0, "task": 0, "left": 2, "closed": 0}


def test_the_latest_that_is_known_of_a_loop_is_when_a_step_began_or_ended():
    loop = LoopAccount(StackTree(), 10)
    assert loop.latest == 10
    one, other = (loop.spawn(loop.tree.root, Frame(name), 11) for name in ("one", "other"))
    one.begin_step(20)
    assert loop.latest == 20
    one.end_step(30)
    assert loop.latest == 30
    other.begin_step(40)
    loop.exit(other, 50)  # which nothing but this remembers
    assert loop.latest == 50
    loop.exit(one, 60)
    assert loop.latest == 60


# -------------------------------------------------------------------------------------------- steps


class Hooked(LoopAccount):
    """A loop that notes when its hooks are called; what they do takes 100 nanoseconds."""

    def __init__(self) -> None:
        super().__init__(StackTree(), 0)
        self.waits: list[tuple[TaskAccount, int]] = []
        self.ended: list[tuple[Stack, int, int]] = []

    def new_task(self, name: str) -> TaskAccount:
        return self.spawn(self.tree.root, Frame(name), 0)

    def wait_ends(self, task: TaskAccount, now: int) -> int:
        self.waits.append((task, now))
        return now + 100

    def step_ended(self, task: TaskAccount, began: int, now: int) -> int:
        self.ended.append((task.stack, began, now))
        return super().step_ended(task, began, now)


def test_a_step_begins_after_what_was_done_about_a_wait_longer_than_the_least():
    loop = Hooked()
    loop.take_note_of_waits(10)
    task = loop.new_task("task")
    for begin, end in [(50, 60), (70, 80), (91, 200)]:  # the first one follows no wait
        task.begin_step(begin)
        task.end_step(end)
    assert loop.waits == [(task, 91)]
    assert (loop.began, task.busy) == (191, 10 + 10 + 9)


def test_a_step_that_begins_twice_follows_one_wait():
    loop = Hooked()
    loop.take_note_of_waits(10)
    task = loop.new_task("task")
    task.begin_step(10)
    task.end_step(20)
    task.begin_step(50)
    task.begin_step(200)
    assert loop.waits == [(task, 50)]
    assert loop.began == 150


def test_steps_that_end_after_the_due_moment_are_reported():
    loop = Hooked()
    loop.due = 10
    task = loop.new_task("task")
    for begin, end in [(1, 10), (11, 12)]:
        task.begin_step(begin)
        task.end_step(end)
    assert loop.ended == [(task.stack, 11, 12)]


def test_a_step_within_a_step_is_not_reported_and_the_outer_one_is():
    loop = Hooked()
    loop.due = 0
    outer, inner = loop.new_task("outer"), loop.new_task("inner")
    outer.begin_step(1)
    inner.begin_step(2)
    inner.end_step(5)
    assert loop.ended == []
    outer.end_step(9)
    assert loop.ended == [(outer.stack, 1, 9)]
    assert (outer.busy, inner.busy) == (5, 3)


def test_nothing_is_reported_of_a_loop_that_is_finished():
    loop = Hooked()
    loop.take_note_of_waits(0)
    loop.due = 0
    task = loop.new_task("task")
    task.begin_step(1)
    loop.finish(5)
    reported = len(loop.waits), len(loop.ended)
    task.begin_step(20)
    task.end_step(30)
    assert (len(loop.waits), len(loop.ended)) == reported
    assert (task.busy, loop.current) == (4, None)


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_step_of_a_loop_that_does_not_run_is_not_recorded(scheduled):
    loop = LoopAccount(StackTree(), 0)
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    if scheduled:
        loop.wake(task, 1)
    loop.pause(5)
    task.begin_step(6)
    assert loop.current is None
    task.end_step(9)
    assert (task.busy, task.stack.steps) == (0, 0)


def test_the_end_of_a_step_that_is_not_the_current_one_changes_nothing():
    loop = LoopAccount(StackTree(), 0)
    task, other = (loop.spawn(loop.tree.root, Frame(name), 0) for name in ("task", "other"))
    task.begin_step(1)
    other.end_step(5)
    assert (loop.current, other.stack.steps) == (task, 0)
    task.end_step(9)
    task.end_step(20)
    assert (task.busy, task.stack.steps) == (8, 1)


@pytest.mark.parametrize("is_within", [False, True])
@pytest.mark.parametrize(("wakes_itself", "self_wakes"), [(False, 0), (True, 1)])
def test_a_step_can_say_that_it_wakes_its_own_task(is_within, wakes_itself, self_wakes):
    loop = LoopAccount(StackTree(), 0)
    task, other = (loop.spawn(loop.tree.root, Frame(name), 0) for name in ("task", "other"))
    if is_within:
        other.begin_step(1)
    task.begin_step(2)
    task.end_step(5, wakes_itself=wakes_itself)
    assert task.stack.self_wakes == self_wakes


def test_a_task_that_was_woken_and_wakes_itself_is_counted_once():
    loop = LoopAccount(StackTree(), 0)
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(2)
    loop.wake(task, 3)
    task.end_step(5, wakes_itself=True)
    assert (task.stack.self_wakes, task.ready) == (1, 5)


# ------------------------------------------------------------------ closing in the order of opening

MANY = 10_000


@pytest.fixture
def walked(monkeypatch):
    """How many open spans were walked over, in a list of one number."""
    count = [0]

    def counted(opened):
        for each in outwards(opened):
            count[0] += 1
            yield each

    monkeypatch.setattr(accounting, "outwards", counted)
    return count


def task_account(tree):
    loop = LoopAccount(tree, 0)
    task = loop.spawn(tree.root, Frame("task"), 0)
    task.begin_step(0)
    return task


def thread_account(tree):
    return ThreadAccount(tree, tree.root)


in_tasks_and_threads = pytest.mark.parametrize("make", [task_account, thread_account])


@in_tasks_and_threads
def test_closing_in_the_order_of_opening_walks_a_few_spans_for_each(make, walked):
    account = make(StackTree())
    spans = [account.open(Frame("s"), number) for number in range(MANY)]
    for number, opened in enumerate(spans):
        before = walked[0]
        account.close(opened, MANY + number)
        assert walked[0] - before <= MANY  # as many as are open
    assert walked[0] < 10 * MANY
    assert (account.innermost, account.closed) == (None, {})


@in_tasks_and_threads
def test_how_much_is_walked_grows_as_the_number_of_spans_does(make, walked):
    counts = []
    for number in (MANY // 10, MANY):
        account = make(StackTree())
        walked[0] = 0
        for opened in [account.open(Frame("s"), 0) for _ in range(number)]:
            account.close(opened, 1)
        counts.append(walked[0])
    assert counts[1] <= 11 * counts[0]


@in_tasks_and_threads
def test_spans_that_are_closed_a_second_time_are_forgotten(make):
    account = make(StackTree())
    outer, inner = (account.open(Frame(name), 0) for name in ("outer", "inner"))
    for _ in range(3):
        account.close(inner, 5)
    assert account.closed == {}
    assert account.innermost is outer


@in_tasks_and_threads
def test_second_closes_below_much_that_is_open_are_forgotten_in_time(make, walked):
    account = make(StackTree())
    for _ in range(MANY):
        account.open(Frame("s"), 0)
    most = 0
    for number in range(MANY):
        opened = account.open(Frame("again"), number)
        for _ in range(2):
            account.close(opened, number)
        most = max(most, len(account.closed))
    assert most <= MANY // 8 + 1
    assert walked[0] < 40 * MANY
    assert account.innermost is not None


@in_tasks_and_threads
def test_spans_that_cross_below_much_that_is_open_walk_a_few_spans_for_each(make, walked):
    account = make(StackTree())
    for _ in range(MANY):
        account.open(Frame("s"), 0)
    walked[0] = 0
    for number in range(MANY):
        crossed = [account.open(Frame(name), number) for name in "ab"]
        for opened in crossed:
            account.close(opened, number)
        assert not account.closed
    assert walked[0] < 40 * MANY


@in_tasks_and_threads
def test_spans_that_are_closed_are_kept_while_one_within_them_is_open(make):
    account = make(StackTree())
    spans = [account.open(Frame(name), 0) for name in "abc"]
    for opened in spans[:2]:
        account.close(opened, 5)
        account.close(opened, 6)
    kept = [(id(opened), at) for opened, at in account.closed.values()]
    assert kept == [(id(opened), 5) for opened in spans[:2]]
    account.close(spans[2], 7)
    assert (account.innermost, account.closed) == (None, {})
    assert [opened.stack.latency.sums() for opened in spans] == [
        (5, 5, {5: 1}),
        (5, 5, {5: 1}),
        (7, 7, {7: 1}),
    ]


@in_tasks_and_threads
def test_what_is_merely_current_for_a_while_has_no_latency(make):
    account = make(StackTree())
    opened = account.open(Frame("generator"), 0, lasts=False)
    account.close(opened, 5)
    assert opened.stack.latency is None


def test_a_task_lasts_from_its_spawn_to_its_exit_and_what_it_leaves_open_has_no_end():
    tree = StackTree()
    loop = LoopAccount(tree, 0)
    task = loop.spawn(tree.root, Frame("task"), 10)
    task.begin_step(12)
    left, crossed, ended = (task.open(Frame(name), 13) for name in ("left", "crossed", "ended"))
    task.close(ended, 20)
    inner = task.open(Frame("inner"), 20)
    task.close(crossed, 30)
    loop.exit(task, 50)
    assert task.base.latency.sums() == (40, 40, {40: 1})
    assert crossed.stack.latency.sums() == (17, 17, {17: 1})
    assert ended.stack.latency.sums() == (7, 7, {7: 1})
    assert (left.stack.latency, inner.stack.latency) == (None, None)


def test_a_task_that_is_recorded_no_more_has_no_latency():
    tree = StackTree()
    loop = LoopAccount(tree, 0)
    task = loop.spawn(tree.root, Frame("task"), 10)
    loop.finish(20)
    assert task.base.latency is None


def test_what_another_thread_closes_meanwhile_may_be_gone():
    """The sweep walks over a copy, and takes out what is still there."""

    class Closed(dict):
        def pop(self, key, *default):
            super().pop(key, None)
            return super().pop(key, *default)

    tree = StackTree()
    gone = thread_account(tree).open(Frame("gone"), 0)
    assert sweep(closed := Closed({id(gone): gone}), None, 0) == 0
    assert closed == {}


def test_nothing_is_swept_before_its_time_or_where_nothing_is_closed(walked):
    opened = thread_account(StackTree()).open(Frame("s"), 0)
    closed = {1: opened}
    assert sweep(closed, opened, 5) == 4
    assert sweep({}, opened, 5) == 4  # so few crossed spans do not bring the next walk nearer
    assert sweep({}, opened, 0) == 0
    assert (closed, walked) == ({1: opened}, [0])


def test_a_step_that_has_begun_does_not_begin_again():
    loop = LoopAccount(StackTree(), 0)
    task = loop.spawn(loop.tree.root, Frame("task"), 0)
    task.begin_step(10)
    task.begin_step(12)
    task.end_step(15)
    assert (task.busy, task.stack.steps, loop.current) == (5, 1, None)


@pytest.mark.parametrize(("late", "expected"), [(3, 3), (10, 10), (50, 10), (0, 0), (-5, 0)])
def test_what_a_late_timer_wakes_is_scheduled_since_it_was_due(late, expected):
    loop = ScriptedLoop(scheduled=True)
    task = loop.spawn("task")
    loop.begin_step(task)
    loop.end_step()
    loop.tick(10)
    loop.wake(task, late)
    loop.begin_step(task)
    loop.exit(task)
    profile = loop.finish()
    profile.check()
    times = numbers(profile)["all-spans", "task"]
    assert (times.scheduled, times.idle) == (expected, 10 - expected)


def test_a_task_that_has_not_stepped_yet_is_late_since_it_was_spawned_at_most():
    loop = ScriptedLoop(scheduled=True)
    task = loop.spawn("task")
    loop.tick(10)
    loop.wake(task, 50)
    loop.begin_step(task)
    loop.exit(task)
    assert numbers(loop.finish())["all-spans", "task"].scheduled == 10
