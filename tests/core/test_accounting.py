"""The two laws, with `==`, for any legal program."""

from __future__ import annotations

from hypothesis import given, settings

from tests import strategies
from tests.strategies import AWAITS, PROGRAMS, expected, numbers, without_awaits
from tracetools.core.accounting import LoopAccount
from tracetools.core.stacks import Frame, StackTree, Times
from tracetools.recording.recorder import Recorder
from tracetools.testing import FakeClock, ScriptedLoop


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


# ------------------------------------------------------------------------------- turns and queues


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
    assert (profile.lateness.count, profile.lateness.total, profile.lateness.worst) == (2, 23, 15)
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
    assert (profile.lateness.total, profile.lateness.count) == (4, 1)
    [times] = [times for path, times in profile.stacks.items() if path[-1].name == "task"]
    assert (times.self_wakes, times.steps) == (1, 2)


def test_a_task_that_exits_while_it_queues_is_not_in_the_queue_any_more():
    loop = ScriptedLoop(scheduled=True)
    for _ in range(3):
        task = loop.spawn("task")
        loop.wake(task)
        loop.exit(task)
    profile = loop.finish()
    assert dict(profile.queue.buckets) == {1: 3}
    assert profile.lateness.count == 0


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
