"""How the tasks that were read become a dump: numbers, parents, holders, deadlines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.live.assembly import Assembled, ReadLoop, Shower, assemble
from tracetools.live.reading import Found, FoundHolder, Group, Recorded, Wanted
from tracetools.live.values import Blocked, Deadlock, Holder, TaskDump
from tracetools.output.frame_kinds import kind_of_frame

OWN, LIBRARY = "app.py", "lib.py"
SHOWER = Shower(lambda frame: frame, lambda frame: kind_of_frame(frame, {LIBRARY: "library"}))
FUNCTION = Frame("main", OWN, 1)
LOCK = Wanted(90, "Lock", None, None, 1)


def task(identity: int, **more) -> Found:
    known = {each: more.pop(each) for each in ("recording", "account", "spawner") if each in more}
    recorded = Recorded(FUNCTION, **known)
    return Found(identity, more.pop("name", f"Task-{identity}"), recorded, **more)


def put_together(*tasks: Found, **more) -> Assembled:
    return assemble([ReadLoop("asyncio", "MainThread", list(tasks), **more)], SHOWER)


def dumped(*tasks: Found) -> list[TaskDump]:
    return list(put_together(*tasks).loops[0].tasks)


def parents(*tasks: Found) -> dict[str, str | None]:
    found = dumped(*tasks)
    names = {each.number: each.name for each in found}
    return {each.name: names.get(each.parent) for each in found}


def test_who_spawned_a_task_is_its_parent_if_that_is_known():
    tasks = [
        task(10, account=1),
        task(20, account=2, spawner=1, parent=30),
        task(30, account=3, spawner=7, future=55),
        task(40, parent=30),
        task(50, waited_by=(55,)),
        task(60, waited_by=(10,)),
        task(55, parent=1000),
    ]
    assert parents(*tasks) == {
        "Task-10": None,
        "Task-20": "Task-10",
        "Task-60": "Task-10",
        "Task-30": None,
        "Task-40": "Task-30",
        "Task-50": "Task-30",
        "Task-55": "Task-30",
    }


def test_tasks_that_wait_for_one_another_are_no_circle_of_parents():
    found = parents(task(1, waited_by=(2,)), task(2, waited_by=(1,)), task(3, waited_by=(2,)))
    assert found == {"Task-1": None, "Task-2": "Task-1", "Task-3": "Task-2"}


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8)), max_size=10))
def test_each_task_comes_once_and_after_its_parent(drawn):
    found = dumped(*(task(identity, parent=parent) for identity, parent in drawn))
    assert [each.number for each in found] == [*range(1, len({i for i, _ in drawn}) + 1)]
    assert all(each.parent is None or each.parent < each.number for each in found)


def test_siblings_are_in_the_order_in_which_they_were_spawned():
    assert [*parents(task(1, name="Task-10"), task(2, name="Task-9"))] == ["Task-9", "Task-10"]
    assert [*parents(task(1, account=9), task(2, account=10), task(3))] == [
        "Task-1", "Task-2", "Task-3",
    ]  # fmt: skip


def test_who_has_entered_a_lock_holds_it():
    found = put_together(task(1, holds=frozenset({90})), task(2, wanted=LOCK))
    wait = found.loops[0].tasks[1].wait
    assert (wait.holders, wait.tasks, wait.rule) == ((Holder(1),), (1,), "any")
    assert wait.resource == Resource("Lock", Frame("?"))


def test_a_lock_that_two_have_entered_is_held_by_nobody_knows_whom():
    holds = frozenset({90})
    found = dumped(task(1, holds=holds), task(2, holds=holds), task(3, wanted=LOCK))
    assert (found[2].wait.holders, found[2].wait.rule) == ((), "unknown")


def test_of_several_tokens_all_holders_must_be_known():
    one, other = task(1, holds=frozenset({90})), task(2, holds=frozenset({90}))
    wanted = Wanted(90, "Semaphore", None, None, 2)
    found = dumped(one, other, task(3, wanted=wanted))
    assert (found[2].wait.tasks, found[2].wait.rule) == ((1, 2), "any")
    found = dumped(one, task(3, wanted=wanted))
    assert (found[1].wait.tasks, found[1].wait.rule) == ((1,), "unknown")
    found = dumped(one, task(3, wanted=wanted._replace(taken=None)))
    assert found[1].wait.rule == "unknown"


def test_holders_that_are_no_tasks_may_let_go_at_any_time():
    holders = (FoundHolder(1), FoundHolder(), FoundHolder(1000), FoundHolder(account=5))
    found = dumped(task(1), task(2, wanted=Wanted(90, "CapacityLimiter", None, holders, 4)))
    assert (found[1].wait.tasks, found[1].wait.rule) == ((1,), "unknown")


def test_a_recording_knows_holders_by_their_accounts():
    place = Frame("f", OWN, 7)
    resource = Resource("Lock", Frame("make", OWN, 3))
    wanted = Wanted(90, "Lock", resource, (FoundHolder(account=5, since=8, place=place),), 1)
    found = dumped(task(1, account=5), task(2, account=6, wanted=wanted))
    assert found[1].wait.holders == (Holder(1, 8, place),)
    assert (found[1].wait.resource, found[1].wait.rule) == (resource, "any")


def test_who_was_just_given_something_can_go_on():
    holders = (FoundHolder(account=5, is_sure=False),)
    wanted = Wanted(90, "Lock", None, holders, 1)
    made = put_together(task(1, account=5, wanted=wanted))
    assert made.loops[0].tasks[0].wait.rule == "unknown"
    assert not made.deadlocks


def test_each_recording_numbers_accounts_for_itself():
    """Else tasks wait for themselves, and are each other's children."""
    wanted = Wanted(90, "Lock", None, (FoundHolder(recording=1, account=5),), 1)
    waits = task(2, recording=2, account=5, wanted=wanted)
    found = dumped(waits, task(3, recording=1, account=5))
    assert found[0].wait.holders == (Holder(2),)
    assert not put_together(waits).deadlocks
    assert parents(task(1, recording=1, account=5), task(2, recording=2, account=6, spawner=5)) == {
        "Task-1": None,
        "Task-2": None,
    }


def test_the_same_lock_has_the_same_number():
    other = Wanted(91, "Lock", None, None, 1)
    found = dumped(task(1, wanted=LOCK), task(2, wanted=other), task(3, wanted=LOCK))
    assert [each.wait.instance for each in found] == [1, 2, 1]


def test_what_is_no_task_does_not_keep_a_group_from_being_dead():
    found = put_together(task(1, group=Group((1, 1000), "all")), task(2, group=Group((1000,))))
    assert found.deadlocks == (Deadlock((1,)),)
    found = put_together(task(1, group=Group((1, 1000), "any")))
    assert found.deadlocks == ()
    assert found.loops[0].tasks[0].wait.rule == "unknown"


def test_a_deadline_ends_the_waits_below_it():
    inner = task(2, group=Group((3,), "all"), parent=1)
    lock = task(3, wanted=LOCK, holds=frozenset({90}))
    assert put_together(task(1), inner, lock).deadlocks == (Deadlock((3,), (2,)),)
    waiting = task(1, group=Group((2,), "all"), has_deadline=True)
    found = put_together(waiting, inner, lock)
    assert found.deadlocks == ()
    assert all(each.wait.has_deadline for each in found.loops[0].tasks)


def test_a_deadline_of_a_holder_ends_its_own_wait():
    tasks = [
        task(1, wanted=LOCK, holds=frozenset({91}), has_deadline=True),
        task(2, wanted=Wanted(91, "Lock", None, None, 1), holds=frozenset({90})),
    ]
    assert put_together(*tasks).deadlocks == ()


def test_only_tasks_that_wait_have_a_wait():
    found = dumped(task(1, state="running"), task(2, state="ready"), task(3))
    assert [each.wait is None for each in found] == [True, True, False]


def test_libraries_are_folded():
    frames = (FUNCTION, Frame("get", LIBRARY, 3), Frame("send", LIBRARY, 5), Frame("f", OWN, 9))
    [found] = dumped(task(1, functions=frames))
    assert found.functions == (FUNCTION, Frame("(lib)", ""), Frame("f", OWN, 9))
    blocked = Blocked(frames, 7)
    made = put_together(task(1), blocked=blocked)
    assert made.loops[0].blocked == Blocked(found.functions, 7)


def test_a_task_that_runs_is_in_the_functions_of_its_thread():
    frames = (Frame("main", OWN, 4), Frame("f", OWN, 9))
    made = put_together(
        Found(1, "Task-1", Recorded(Frame("run", LIBRARY, 2)), "running"),
        functions=frames,
        function=FUNCTION,
    )
    [found] = made.loops[0].tasks
    assert (found.functions, found.function) == (frames, FUNCTION)


def test_numbers_go_on_from_loop_to_loop():
    loops = [ReadLoop("trio", "a", [task(1)]), ReadLoop("asyncio", "b", [task(1), task(2)])]
    made = assemble(loops, SHOWER)
    assert [[each.number for each in loop.tasks] for loop in made.loops] == [[1], [2, 3]]


def test_the_dead_are_known_by_their_identities():
    alone = ReadLoop("trio", "a", [task(1)])
    stuck = ReadLoop("asyncio", "b", [task(5), task(7, group=Group((7,), "all"))])
    made = assemble([alone, stuck], SHOWER)
    assert made.dead_in(alone) == frozenset()
    assert made.dead_in(stuck) == {7}
