"""The rows of the tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracetools.commands.watching.rows import (
    FINDINGS,
    RESOURCES,
    SPANS,
    TABLES,
    TASKS,
    Dumped,
    View,
    finding_in_words,
    finding_rows,
    rows_of,
)
from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.live.updates import (
    Await,
    Finding,
    Latency,
    ResourceUpdate,
    StackUpdate,
    Update,
    User,
)
from tracetools.live.values import Deadlock, Dump, Holder, LoopDump, TaskDump, Wait

SECOND = 10**9
JOB, PART = Frame("job", "app.py", 3), Frame("part", "app.py", 7)
UPDATE = Update(
    elapsed=2 * SECOND,
    is_first=False,
    lasts=10 * SECOND,
    stacks=(
        StackUpdate(
            1,
            0,
            JOB,
            busy=SECOND,
            scheduled=SECOND // 2,
            idle=4 * SECOND,
            polls=100,
            entries=1,
            alive=2,
            awaits=(Await(Frame("await sleep", "app.py", 5), 9), Await(Frame("await Lock"), 1)),
        ),
        StackUpdate(2, 1, PART, busy=SECOND // 2, alive=1, latency=Latency(3, 20, 10, 30, 31)),
        StackUpdate(3, 0, Frame("other"), busy=7, alive=5),
        StackUpdate(4, 0, Frame("(callbacks)", ""), busy=SECOND // 4, is_of_loop=True),
    ),
    resources=(
        ResourceUpdate(
            Resource("Lock", Frame("main", "app.py", 1)),
            count=2,
            size=2,
            held=1,
            waiting=3,
            waits=4,
            wait_time=40,
            holders=(User(JOB, None, 50),),
            waiters=(User(PART, None, 60),),
        ),
        ResourceUpdate(
            Resource("Queue", Frame("main", "app.py", 2)), count=1, is_queue=True, length=9
        ),
    ),
)
LOCK = Wait(Frame("await Lock", "app.py", 5), since=7, tasks=(3,), rule="any")
DUMP = Dump(
    1,
    "app.py",
    "3.14",
    0,
    (
        LoopDump(
            "trio",
            tasks=(
                TaskDump(1, "main", Frame("main", "app.py", 1), state="running"),
                TaskDump(2, "job", JOB, 1, wait=LOCK),
                TaskDump(3, "job", JOB, 1, wait=LOCK, spans=(PART,)),
                TaskDump(4, "late", Frame("late", "app.py", 9), 1, state="ready"),
            ),
        ),
    ),
    (Deadlock((3,)),),
)


def view(table=SPANS, **changes):
    return replace(View(table=TABLES.index(table)), **changes)


def rows(wanted, *, update=UPDATE, dump=DUMP, findings=()):
    return rows_of(wanted, update, None if dump is None else Dumped(dump), findings)


def names(found):
    return [row.values["name"] for row in found]


def test_numbers_are_by_second():
    [job] = [row for row in rows(view()) if row.key == 1]
    assert job.values == {
        "busy": 0.5,
        "scheduled": 0.25,
        "idle": 2.0,
        "alive": 2,
        "polls": 50.0,
        "entries": 0.5,
        "p50": None,
        "p99": None,
        "name": "job (app.py:3)",
        "awaits": "sleep (app.py:5)",
    }


def test_a_span_says_where_it_is_and_how_long_it_lasts():
    [part] = [row for row in rows(view()) if row.key == 2]
    assert (part.above, part.values["p50"], part.values["p99"]) == ("job", 10, 30)


def test_what_tasks_wait_for_is_known_from_a_dump_where_no_wait_has_ended():
    [part] = [row for row in rows(view()) if row.key == 2]
    assert part.values["awaits"] == "Lock at app.py:5"
    [part] = [row for row in rows(view(), dump=None) if row.key == 2]
    assert part.values["awaits"] == ""


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("busy", [1, 2, 4, 3]),
        ("alive", [3, 1, 2, 4]),
        ("p99", [2, 1, 3, 4]),
        ("name", [4, 1, 3, 2]),
    ],
)
def test_rows_are_sorted_by_a_column(sort, order):
    found = rows(view().sorted_by(sort))
    assert [row.key for row in found] == order
    first = found[0].values[sort]
    last = rows(view().sorted_by(sort).inverted_sort())[-1].values[sort]
    assert first == last


def test_rows_are_filtered_by_name_place_and_what_they_wait_for():
    assert [row.key for row in rows(view(matching="OTHER"))] == [3]
    assert [row.key for row in rows(view(matching="app.py:7"))] == [2]
    assert [row.key for row in rows(view(matching="sleep"))] == [1]
    assert rows(view(matching="nothing")) == []


def test_a_tree_has_siblings_in_order_of_the_most_below_them():
    found = rows(view(is_tree=True))
    assert [(row.key, row.depth) for row in found] == [(1, 0), (2, 1), (4, 0), (3, 0)]


def test_in_a_tree_a_parent_stands_where_the_best_below_it_does():
    stacks = (
        StackUpdate(1, 0, Frame("idle parent")),
        StackUpdate(2, 1, Frame("busy child"), busy=9),
        StackUpdate(3, 0, Frame("middle"), busy=5),
    )
    found = rows(view(is_tree=True), update=UPDATE._replace(stacks=stacks))
    assert [row.key for row in found] == [1, 2, 3]


def test_a_filtered_tree_keeps_those_above():
    found = rows(view(is_tree=True, matching="part"))
    assert [(row.key, row.depth) for row in found] == [(1, 0), (2, 1)]


def test_tasks_that_run_come_first_then_dead_ones():
    found = rows(view(TASKS))
    assert [row.values["state"] for row in found] == ["running", "dead", "ready", "waiting"]
    dead = found[1]
    assert dead.values["awaits"] == "DEADLOCK: Lock at app.py:5: #3"
    assert (dead.style, dead.above, dead.values["since"]) == ("alarm", "part", 7)


def test_a_task_keeps_its_key_when_numbers_change():
    moved = replace(DUMP.loops[0].tasks[3], number=77)
    other = replace(DUMP, loops=(replace(DUMP.loops[0], tasks=(moved,)),), deadlocks=())
    [row] = rows(view(TASKS), dump=other)
    assert row.key in {each.key for each in rows(view(TASKS))}


def test_tasks_that_are_alike_have_keys_of_their_own():
    assert len({row.key for row in rows(view(TASKS))}) == 4


def test_resources_say_who_has_them_and_who_waits():
    lock, queue = rows(view(RESOURCES))
    assert lock.values == {
        "waiting": 3,
        "held": 1,
        "size": 2,
        "length": None,
        "waits": 2.0,
        "wait_time": 10,
        "since": 60,
        "name": "Lock (app.py:1) x2",
        "awaits": "job (app.py:3)",
    }
    assert (queue.values["length"], queue.values["held"]) == (9, None)
    assert (lock.style, queue.style) == ("warn", "")


def test_resources_that_were_used_before_the_recording_are_known_from_the_dump():
    lock = Resource("Lock", Frame("?"))
    wait = replace(LOCK, resource=lock, instance=2, holders=(Holder(1, None),))
    tasks = (
        TaskDump(1, "", JOB),
        TaskDump(2, "", PART, wait=wait),
        TaskDump(3, "", PART, wait=replace(wait, since=9)),
        TaskDump(4, "", PART, wait=replace(wait, resource=UPDATE.resources[0].resource)),
    )
    dump = replace(DUMP, loops=(LoopDump("trio", tasks=tasks),), deadlocks=())
    found = rows(view(RESOURCES), dump=dump)
    assert names(found) == ["Lock (app.py:1) x2", "Lock 2", "Queue (app.py:2)"]
    values = found[1].values
    assert (values["waiting"], values["held"], values["since"]) == (2, 1, 9)
    assert values["awaits"] == "job (app.py:3)"


def test_findings_are_in_order_of_when_they_were_seen():
    first = Finding(False, JOB, Frame("sum_up", "app.py", 33), 2, 500, 300, "computing")
    known = {"a": (first, 10.0), "b": (first._replace(is_stall=True, place=None), 12.0)}
    found = rows(view(FINDINGS), findings=finding_rows(known, 15.0))
    assert [row.values["ago"] for row in found] == [3e9, 5e9]
    assert names(found) == [
        "stall: job (app.py:3): computing",
        "blocks the loop: job (app.py:3) at sum_up (app.py:33): computing",
    ]


def test_what_is_not_known_is_left_out_of_a_finding():
    found = Finding(False, JOB, None, 1, 1, 1)
    assert finding_in_words(found) == "blocks the loop: job (app.py:3)"


def test_without_updates_there_are_no_rows():
    for table in TABLES:
        assert rows(view(table), update=None, dump=None) == []


def test_the_sort_goes_through_the_columns_and_round():
    seen, at = [], view()
    for _ in SPANS.columns:
        seen.append(at.sort)
        at = at.sorted_by_next(1)
    assert seen == [column.key for column in SPANS.columns]
    assert at == view()
    assert at.sorted_by_next(-1).sort == SPANS.columns[-1].key


def test_each_table_has_a_sort_of_its_own():
    at = view().sorted_by("p99").inverted_sort()
    other = replace(at, table=1)
    assert (other.sort, other.is_inverted) == (TASKS.sort, False)
    assert (at.sort, at.is_inverted) == ("p99", True)
