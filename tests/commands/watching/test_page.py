"""The lines of the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.commands.watching.test_rows import DUMP, UPDATE
from tracetools.commands.watching import page
from tracetools.commands.watching.cells import columns_of
from tracetools.commands.watching.rows import TABLES
from tracetools.commands.watching.watch import Watch
from tracetools.core.stacks import Frame
from tracetools.live.updates import Finding, Latency, LoopUpdate, StackUpdate
from tracetools.live.values import Blocked, LoopDump

SECOND = 10**9
LOOP = LoopUpdate(
    0,
    "asyncio",
    "MainThread",
    tasks=7,
    ready=2,
    elapsed=SECOND,
    busy=SECOND // 4,
    callbacks=SECOND // 4,
    waiting=SECOND // 2,
    delays=Latency(3, 1, 1, 12_000_000, 5),
)
BLOCKS = LOOP._replace(
    stepping=Frame("report", "app.py", 3),
    lasts=1_400_000_000,
    functions=(Frame("sum_up", "app.py", 33),),
)
ABOUT = {"program": "app.py", "pid": 4711, "python": "3.14.3"}
WIDTHS = (20, 40, 79, 80, 100, 160, 250)


@pytest.fixture
def watch():
    watch = Watch(ABOUT)
    watch.take_update(UPDATE._replace(loops=(LOOP,)), 10.0)
    watch.take_update(UPDATE._replace(loops=(LOOP,)), 10.5)
    watch.take_dump(replace(DUMP, deadlocks=()), 10.5)
    return watch


def texts(lines):
    return ["".join(piece.text for piece in line) for line in lines]


def table(watch, width=100, height=10):
    return texts(page.table_lines(watch, watch.rows(11.0), width, height))


def test_the_head_says_which_program_and_how_often_it_is_asked(watch):
    first, _ = texts(page.head(watch, 100, 11.0))
    assert first.startswith(" app.py  process 4711  Python 3.14.3  recorded 10 s  ")
    assert first.endswith("  2.0 updates/s ")


def test_before_there_is_a_rate_it_says_over_what_time_numbers_are():
    first = Watch(ABOUT)
    assert texts(page.head(first, 100, 11.0))[0].endswith(" waits for an update ")
    first.take_update(UPDATE, 11.0)
    assert texts(page.head(first, 100, 11.0))[0].endswith(" over 2.0 s ")


def test_a_slow_rate_is_told_by_its_seconds(watch):
    watch.take_update(UPDATE, 90.5)
    assert texts(page.head(watch, 100, 11.0))[0].endswith(" an update each 40.2 s ")


def test_a_loop_has_a_bar_of_its_time(watch):
    bar = texts(page.head(watch, 80, 11.0))[1]
    assert bar.startswith(" asyncio MainT~[")
    inside = bar.partition("[")[2].partition("]")[0]
    assert inside.endswith(" 50.0%")
    assert inside.count("|") == inside.count("+") > 5
    assert "tasks 7  ready 2  late p99 12 ms" in bar


def test_what_blocks_is_told_first_of_all(watch):
    watch.take_update(UPDATE._replace(loops=(LOOP, BLOCKS)), 11.0)
    lines = page.head(watch, 80, 11.0)
    assert texts(lines)[-1].strip() == (
        "BLOCKED for 1.4 s by report (app.py:3) at sum_up (app.py:33)"
    )
    assert lines[-1][0].style == "alarm"
    assert "100.0%" not in texts(lines)[2]


def test_a_loop_that_has_not_joined_and_blocks_is_known_from_the_dump(watch):
    blocked = Blocked((Frame("sum_up", "app.py", 33),), 2 * SECOND)
    watch.take_update(UPDATE._replace(loops=(), missing=1), 11.0)
    watch.take_dump(
        replace(DUMP, loops=(LoopDump("asyncio", blocked=blocked),), deadlocks=()), 11.0
    )
    assert (
        texts(page.head(watch, 80, 12.0))[-1].strip() == "BLOCKED for 3.0 s at sum_up (app.py:33)"
    )
    assert "1 loop has not joined yet" in texts([page.title_line(watch, 100, 12.0)])[0]


def test_without_a_recording_loops_are_known_from_the_dump(watch):
    watch.take_update(UPDATE._replace(loops=(), lasts=0), 11.0)
    first, loop = texts(page.head(watch, 100, 11.0))
    assert first.rstrip() == " app.py  process 4711  Python 3.14.3"
    assert loop.rstrip() == " trio   tasks 4: 1 running, 1 ready, 2 waiting"


def test_a_deadlock_is_told_as_a_cycle(watch):
    watch.take_dump(DUMP, 11.0)
    assert (
        texts(page.head(watch, 80, 11.0))[-1].strip() == "DEADLOCK: a task waits for itself: #3 job"
    )


def test_many_loops_are_told_in_few_lines(watch):
    loops = tuple(LOOP._replace(number=number) for number in range(9))
    watch.take_update(UPDATE._replace(loops=loops), 11.0)
    assert texts(page.head(watch, 80, 11.0))[-1].strip() == "and 5 more loops"


def test_errors_and_notes_are_told(watch):
    watch.take_update(UPDATE._replace(errors=("it failed",)), 11.0)
    assert texts(page.head(watch, 80, 11.0))[-1].strip() == "it failed"
    watch.note = "the numbers are of another recording"
    assert texts(page.head(watch, 80, 11.0))[-1].strip() == watch.note


def test_that_it_is_paused_is_told(watch):
    watch.view = replace(watch.view, is_paused=True)
    assert texts(page.head(watch, 80, 11.0))[0].endswith("PAUSED ")


def test_the_table_has_a_head_and_rows(watch):
    head, first, *_ = table(watch)
    assert head.split() == [
        *("BUSY%v", "SCHED", "IDLE", "ALIVE", "POLL/s", "NEW/s", "P50", "P99"),
        *("TASK", "OR", "SPAN", "WAITS", "FOR"),
    ]
    assert first.split() == [
        *("50.0", "0.25", "2", "2", "50", "0.50", "job", "(app.py:3)", "sleep", "(app.py:5)"),
    ]


def test_a_narrow_terminal_has_fewer_columns(watch):
    assert table(watch, 80)[0].split()[:5] == ["BUSY%v", "SCHED", "IDLE", "ALIVE", "P99"]


def test_the_sorted_column_says_so(watch):
    watch.view = watch.view.sorted_by("p99").inverted_sort()
    assert "P99^" in table(watch)[0]
    assert "BUSY% " in table(watch)[0]


def test_the_row_at_the_cursor_stands_out(watch):
    rows = watch.rows(11.0)
    watch.move(rows, 1)
    _, first, second, *_ = page.table_lines(watch, rows, 80, 10)
    assert {piece.style for piece in second} == {"cursor"}
    assert "cursor" not in {piece.style for piece in first}


@pytest.mark.parametrize("number", range(len(TABLES)))
def test_every_table_says_why_it_is_empty(number):
    empty = Watch(ABOUT)
    empty.show(number)
    assert len(table(empty)[1].split()) > 3
    empty.view = replace(empty.view, matching="x")
    assert table(empty)[1].strip() == "nothing has that in it"


def test_findings_stand_at_the_foot(watch):
    found = Finding(False, Frame("report"), None, 2, 2 * SECOND, SECOND)
    watch.take_update(UPDATE._replace(findings=(found,)), 11.0)
    [line] = texts(page.tail(watch, 80, 13.0))
    assert line.strip() == "2.0 s ago: blocks the loop: report (unknown), 2 times, 1.0 s at most"
    watch.show(3)
    assert page.tail(watch, 80, 13.0) == []


def test_how_old_a_dump_is_is_told(watch):
    watch.show(1)
    assert texts([page.title_line(watch, 100, 11.0)])[0].split()[-1] == "now"
    assert "20 s ago; u asks now" in texts([page.title_line(watch, 100, 30.5)])[0]


NASTY = (
    "[bold]x[/bold]",
    "\x1b[2J\x1b]0;title\x07",
    "a\nb\tc\rd",
    "日本語の長い名前" * 8,
    "e\u0301" * 100,
    "\u202egnp.exe",
    "\ud800",
)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NASTY)
def test_whatever_names_are_no_line_is_wider_than_the_terminal(watch, name, width):
    frame = Frame(name, f"{name}.py", 3)
    stacks = (StackUpdate(1, 0, frame, busy=9), StackUpdate(2, 1, frame, busy=8))
    found = Finding(False, frame, frame, 1, 1, 1)
    loop = BLOCKS._replace(thread=name, stepping=frame, functions=(frame,))
    watch.about = {"program": name, "pid": 1, "python": "3"}
    watch.note = name
    for is_tree in (False, True):
        watch.view = replace(watch.view, is_tree=is_tree)
        watch.take_update(UPDATE._replace(loops=(loop,), stacks=stacks, findings=(found,)), 11.0)
        lines = [
            *page.head(watch, width, 11.0),
            page.title_line(watch, width, 11.0),
            *page.table_lines(watch, watch.rows(11.0), width, 9),
            *page.tail(watch, width, 11.0),
            page.footer(width),
        ]
        for line in texts(lines):
            assert columns_of(line) <= width
            assert line.isprintable()
