"""A dump as text."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from tests.live.test_values import DUMPS
from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.live.text import render_dump, task_in_words, wait_in_words
from tracetools.live.values import (
    Blocked,
    Deadlock,
    Dump,
    Holder,
    LoopDump,
    TaskDump,
    Wait,
)

WHEN = 1_700_000_000_000_000_000
UNKNOWN = Frame("?")


def at(name: str, line: int) -> Frame:
    return Frame(name, "app.py", line)


def rendered(*tasks: TaskDump, deadlocks=(), **more) -> str:
    dump = Dump(
        7, "app.py", "3.13.0", WHEN, (LoopDump("trio", "MainThread", tasks, **more),), deadlocks
    )
    head, _, rest = render_dump(dump).partition("\n\n")
    assert head == "app.py (process 7, Python 3.13.0) at 2023-11-14 22:13:20 UTC"
    return rest


def holding(other: int, line: int) -> Wait:
    return Wait(
        at("await Lock", line),
        since=3_200_000_000,
        resource=Resource("Lock", at("main", 5)),
        instance=other,
        holders=(Holder(other, 4_000_000_000, at("transfer", 19)),),
        tasks=(other,),
        rule="any",
    )


def transfer(number: int, other: int) -> TaskDump:
    return TaskDump(
        number,
        "transfer",
        at("transfer", 12),
        parent=1,
        spans=(Frame("POST /transfer", "app.py", 11),),
        functions=(at("transfer", 20),),
        wait=holding(other, 20),
    )


MAIN = TaskDump(
    1,
    "__main__.main",
    at("main", 40),
    functions=(at("main", 44), Frame("(httpx)", "")),
    wait=Wait(at("await open_nursery", 44), tasks=(2, 3), rule="all"),
)


def test_a_deadlock_is_told_as_a_cycle():
    tasks = (MAIN, transfer(2, 3), transfer(3, 2))
    assert (
        rendered(*tasks, deadlocks=(Deadlock((2, 3), (1,)),))
        == """\
deadlock: 2 tasks wait for one another, and will for ever
  #2 transfer (app.py:12)
     waits 3.2 s for Lock (app.py:5) at app.py:20
     held for 4 s, acquired at app.py:19, by
  #3 transfer (app.py:12)
     waits 3.2 s for Lock (app.py:5) at app.py:20
     held for 4 s, acquired at app.py:19, by
  #2 transfer (app.py:12)
  because of that, these can never go on either: #1

trio in MainThread: 3 tasks: 3 waiting
#1 main (app.py:40) waits for open_nursery at app.py:44: all of #2, #3  [deadlock]
|    main (app.py:44) > (httpx)
+- #2 transfer (app.py:12) waits 3.2 s for Lock (app.py:5) at app.py:20, held by #3 for 4 s \
(acquired at app.py:19)  [deadlock]
|       in POST /transfer (app.py:11)
+- #3 transfer (app.py:12) waits 3.2 s for Lock (app.py:5) at app.py:20, held by #2 for 4 s \
(acquired at app.py:19)  [deadlock]
        in POST /transfer (app.py:11)
"""
    )


def test_a_task_may_wait_for_itself():
    wait = Wait(at("await Task (main)", 3), tasks=(1,), rule="all")
    task = TaskDump(1, "Task-1", at("main", 1), wait=wait)
    assert (
        rendered(task, deadlocks=(Deadlock((1,)),))
        == """\
deadlock: a task waits for itself, and will for ever
  #1 main (app.py:1)
     waits for Task (main) at app.py:3
     which needs
  #1 main (app.py:1)

trio in MainThread: 1 task: 1 waiting
#1 main (app.py:1) waits for Task (main) at app.py:3: #1  [deadlock]
"""
    )


def test_what_blocks_a_loop_is_told():
    task = TaskDump(1, "Task-1", at("main", 1), state="running", functions=(at("main", 9),))
    functions = (at("main", 9), Frame("(json)", ""))
    assert (
        rendered(task, blocked=Blocked(functions, 1_500_000_000))
        == """\
trio in MainThread: 1 task: 1 running
blocked for at least 1.5 s, by main (app.py:9) > (json)
#1 main (app.py:1) is running at app.py:9
"""
    )
    text = rendered(task, blocked=Blocked((), 1_500_000_000, is_exact=True), problem="it is over")
    assert (
        text
        == """\
trio in MainThread: 1 task: 1 running
blocked for 1.5 s
not all is known: it is over
#1 main (app.py:1) is running at app.py:9
"""
    )


def leaf(number: int, parent: int | None, line: int = 5, name: str = "") -> TaskDump:
    wait = Wait(at("await Queue.get", line), since=number * 1_000_000)
    functions = (at("leaf", line),)
    return TaskDump(number, name, at("leaf", 3), parent, functions=functions, wait=wait)


def test_nested_tasks_are_a_tree():
    inner = TaskDump(2, "", at("inner", 9), 1, state="ready", functions=(at("inner", 9),))
    last = TaskDump(6, "", at("inner", 9), 1, state="ready", functions=(at("inner", 9),))
    tasks = (MAIN, inner, leaf(3, 2), leaf(4, 2, 6), leaf(5, 1), last, leaf(7, 6), leaf(8, None))
    assert (
        rendered(*tasks)
        == """\
trio in MainThread: 8 tasks: 2 ready, 6 waiting
#1 main (app.py:40) waits for open_nursery at app.py:44: all of #2, #3
|    main (app.py:44) > (httpx)
+- #2 inner (app.py:9) is ready at app.py:9
|  +- #3 leaf (app.py:3) waits 3 ms for Queue.get at app.py:5
|  +- #4 leaf (app.py:3) waits 4 ms for Queue.get at app.py:6
+- #5 leaf (app.py:3) waits 5 ms for Queue.get at app.py:5
+- #6 inner (app.py:9) is ready at app.py:9
   +- #7 leaf (app.py:3) waits 7 ms for Queue.get at app.py:5
#8 leaf (app.py:3) waits 8 ms for Queue.get at app.py:5
"""
    )


def test_siblings_that_say_the_same_are_told_as_one():
    tasks = (MAIN, *(leaf(number, 1, 5) for number in range(2, 1202)), leaf(1202, 1, 6))
    assert (
        rendered(*tasks)
        == """\
trio in MainThread: 1,202 tasks: 1,202 waiting
#1 main (app.py:40) waits for open_nursery at app.py:44: all of #2, #3
|    main (app.py:44) > (httpx)
+- #2 leaf (app.py:3) waits 2 ms for Queue.get at app.py:5
|       and 1,199 more like it: #3, #4, #5, #6, #7, #8 and 1,193 more
+- #1202 leaf (app.py:3) waits 1.2 s for Queue.get at app.py:6
"""
    )


def told(wait: Wait, **more) -> str:
    task = TaskDump(1, more.pop("name", ""), at("f", 1), wait=wait, **more)
    return rendered(task).splitlines()[1]


def test_what_is_not_known_is_said():
    lock = Resource("Lock", UNKNOWN)
    wait = Wait(at("await Lock", 3), resource=lock, instance=2)
    assert told(wait) == "#1 f (app.py:1) waits for Lock 2 at app.py:3, held by an unknown task"
    queue = Resource("Queue", at("main", 9))
    wait_for_item = Wait(at("await Queue.get", 3), resource=queue, instance=1, is_queue=True)
    assert told(wait_for_item).endswith("waits for Queue.get (app.py:9) at app.py:3")
    assert " Condition.wait (Lock) 2 " in told(replace(wait, awaits=at("await Condition.wait", 3)))
    some = Resource("Semaphore", UNKNOWN)
    wait = Wait(at("await Semaphore", 3), resource=some, instance=1, holders=(Holder(4),))
    assert told(wait).endswith("waits for Semaphore 1 at app.py:3, held by #4 and perhaps others")
    assert told(Wait()) == "#1 f (app.py:1) waits for something unknown"
    assert told(Wait(at("await ?", 3))).endswith("waits for something unknown at app.py:3")
    assert told(Wait(at("await wait", 3), tasks=(2, 3), rule="any")).endswith(": any of #2, #3")
    assert told(Wait(at("await Task (g)", 3), tasks=(2,), rule="all", has_deadline=True)).endswith(
        ": #2, until a deadline at most"
    )


def test_names_that_say_nothing_new_are_left_out():
    for name in ("f", "app.f", "Task-12", "g.<locals>.f"):
        assert told(Wait(), name=name).startswith("#1 f (app.py:1) ")
    assert told(Wait(), name="poller").startswith('#1 "poller" f (app.py:1) ')


def test_without_loops():
    text = render_dump(Dump(7, "", "3.13.0", WHEN))
    assert text.endswith("UTC\n\nno loop of trio or asyncio runs\n")
    assert text.startswith("a program (process 7")


@given(DUMPS)
def test_no_text_moves_the_cursor(dump):
    tasks = {task.number for loop in dump.loops for task in loop.tasks}
    known = tuple(each for each in dump.deadlocks if each.cycle and tasks >= {*each.cycle})
    text = render_dump(Dump(dump.pid, dump.program, dump.python, WHEN, dump.loops, known))
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_wait_is_told_in_a_few_words():
    task = transfer(2, 3)
    held = "held by #3 for 4 s (acquired at app.py:19)"
    assert wait_in_words(task) == f"Lock (app.py:5) at app.py:20, {held}"
    assert wait_in_words(task, with_holders=False) == "Lock (app.py:5) at app.py:20"
    assert wait_in_words(replace(task, wait=None)) == ""


def test_a_place_is_told_once():
    made_here = replace(holding(3, 20), resource=Resource("Lock", at("main", 20), is_made=False))
    task = replace(transfer(2, 3), wait=replace(made_here, holders=()))
    assert wait_in_words(task, with_holders=False) == "Lock (app.py:20)"


def test_a_task_is_called_by_its_name_and_function():
    task = transfer(2, 3)
    assert task_in_words(task) == "transfer (app.py:12)"
    assert task_in_words(replace(task, name="of alice")) == '"of alice" transfer (app.py:12)'
