"""What is told of one row."""

from __future__ import annotations

import pytest

from tests.commands.watching.test_page import NASTY, WIDTHS
from tests.commands.watching.test_rows import DUMP, UPDATE
from tracetools.commands.watching.cells import columns_of
from tracetools.commands.watching.details import bars, details
from tracetools.commands.watching.rows import Dumped
from tracetools.core.buckets import bucket_of
from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.stacks import Frame
from tracetools.live.updates import Await, Finding, StackUpdate
from tracetools.live.values import Dump, LoopDump, TaskDump, Wait

DUMPED = Dumped(DUMP)


def told(of, histogram=None, update=UPDATE, dumped=DUMPED, width=100):
    lines = details(of, update, dumped, histogram, width)
    return ["".join(piece.text for piece in line).strip() for line in lines]


def histogram_of(*values):
    buckets = {}
    for value in values:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    return Histogram(sum(values), max(values), buckets)


def test_a_stack_has_its_times_and_waits():
    found = told(UPDATE.stacks[0])
    assert found[0] == "job (app.py:3)"
    assert found[2].split() == ["busy", "18.2%", "0.50", "tasks", "|||||||"]
    assert found[4].split()[:3] == ["idle", "72.7%", "2"]
    assert "50 polls a second, 10 ms each; 0.50 began a second, 2 are alive" in found
    assert "0.00  sleep (app.py:5)" in found


def test_a_stack_says_in_what_it_is_and_where_its_tasks_are():
    found = told(UPDATE.stacks[1])
    assert found[:2] == ["part (app.py:7)", "in job (app.py:3)"]
    assert "#3 job (app.py:3): waiting" in found
    assert "waits 7 ns for Lock at app.py:5: #3" in found


def test_a_stack_has_a_histogram_once_it_was_asked():
    assert "3 ended: mean 20 ns, p50 10 ns, p99 30 ns, max 31 ns" in told(UPDATE.stacks[1])
    found = told(UPDATE.stacks[1], histogram_of(10, 10, 30))
    assert [line.split() for line in found if "#####" in line] == [
        ["8", "ns", "2", "#" * 40],
        ["16", "ns", "1", "#" * 20],
    ]


def test_bars_double_their_time_and_are_few():
    assert bars(EMPTY) == []
    assert bars(histogram_of(5)) == [(4, 1, 1.0)]
    assert bars(histogram_of(1, 2, 2, 9)) == [(1, 1, 0.5), (2, 2, 1.0), (4, 0, 0.0), (8, 1, 0.5)]
    wide = bars(histogram_of(1, 10**15))
    assert len(wide) <= 16
    assert sum(number for _, number, _ in wide) == 2


def test_a_task_has_its_await_stack_and_who_it_waits_for():
    found = told(DUMP.loops[0].tasks[2])
    assert found[:2] == ["#3 job (app.py:3)", "waiting"]
    assert "below #1 main (app.py:1)" in found
    assert "part (app.py:7)" in found
    assert found[-2:] == [
        "#3 job (app.py:3): waiting Lock at app.py:5: #3",
        "and so on for ever: a deadlock",
    ]


def test_a_chain_of_tasks_is_followed_to_its_end():
    def task(number, *needs):
        wait = (
            Wait(Frame("await Lock", "app.py", number), tasks=needs, rule="any") if needs else None
        )
        state = "waiting" if needs else "running"
        return TaskDump(number, "", Frame(f"job{number}", "app.py", 1), state=state, wait=wait)

    tasks = (task(1, 2), task(2, 3), task(3), task(4, 9))
    dumped = Dumped(Dump(1, "", "", 0, (LoopDump("trio", tasks=tasks),)))
    found = told(tasks[0], dumped=dumped)
    assert [line.split(":")[0] for line in found[-2:]] == ["#2 job2 (app.py", "#3 job3 (app.py"]
    assert told(tasks[3], dumped=dumped)[-1] == "who it waits for"  # one that is not in the dump


def test_parents_that_go_in_a_circle_have_an_end():
    tasks = tuple(TaskDump(n, "", Frame("job", "app.py", 1), parent=3 - n) for n in (1, 2))
    dumped = Dumped(Dump(1, "", "", 0, (LoopDump("trio", tasks=tasks),)))
    assert "below #2 job (app.py:1)" in told(tasks[0], dumped=dumped)


def test_a_resource_says_who_has_it_and_who_waits():
    found = told(UPDATE.resources[0])
    assert found[:3] == ["Lock (app.py:1)", "2 of them, tokens: 2", "1 held, 3 wait"]
    assert "50 ns  job (app.py:3)" in found
    assert "60 ns  part (app.py:7)" in found
    queue = told(UPDATE.resources[1])
    assert queue[1:3] == ["1 of them, room for: no limit", "9 items; 0 wait to put, 0 to take"]


def test_a_finding_is_told():
    finding = Finding(False, Frame("job"), None, 2, 3_000_000, 2_000_000, "computing")
    assert told(finding) == [
        "blocks the loop: job (unknown): computing",
        "2 times, 3.0 ms in all, 2.0 ms at most",
    ]


def test_what_is_nothing_is_gone():
    assert told(None) == ["it is gone"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NASTY)
def test_whatever_names_are_no_line_is_wider_than_the_terminal(name, width):
    frame = Frame(name, f"{name}.py", 3)
    stack = StackUpdate(1, 0, frame, busy=1, awaits=(Await(frame, 1),))
    task = TaskDump(1, name, frame, spans=(frame,), functions=(frame, frame), wait=Wait(frame))
    dumped = Dumped(Dump(1, name, name, 0, (LoopDump("trio", tasks=(task,)),)))
    for of in (stack, task, Finding(True, frame, frame, 1, 1, 1, name)):
        for line in details(of, UPDATE._replace(stacks=(stack,)), dumped, None, width):
            text = "".join(piece.text for piece in line)
            assert columns_of(text) == width
            assert text.isprintable()
