"""One update as text."""

from __future__ import annotations

import pytest

from tests.commands.watching.test_feed import Program, feed_of
from tests.commands.watching.test_page import ABOUT, LOOP
from tests.commands.watching.test_rows import DUMP, UPDATE
from tracetools.commands.watching.text import page_as_text, watch_once
from tracetools.commands.watching.watch import Watch


def test_all_tables_stand_below_each_other():
    watch = Watch(ABOUT)
    watch.take_update(UPDATE._replace(loops=(LOOP,)), 0.0)
    watch.take_dump(DUMP, 0.0)
    text = page_as_text(watch, 100)
    lines = text.splitlines()
    assert lines[0].startswith(" app.py  process 4711")
    order = [
        "asyncio MainThread",
        "DEADLOCK",
        "TASK OR SPAN",
        "job (app.py:3)",
        "STATE",
        "RESOURCE",
    ]
    places = [next(n for n, line in enumerate(lines) if each in line) for each in order]
    assert places == sorted(places)
    assert not any(line.endswith(" ") for line in lines)


def test_tables_without_rows_are_left_out():
    watch = Watch(ABOUT)
    watch.take_update(UPDATE._replace(resources=None), 0.0)
    text = page_as_text(watch, 100)
    assert "RESOURCE" not in text
    assert "STATE" not in text


def test_the_numbers_are_of_a_while():
    program, slept = Program(), []
    watch = watch_once(feed_of(program), 1.5, slept.append)
    assert slept == [1.5]
    assert program.words()[-3:] == ["update", "update", "tasks"]
    assert watch.dumped is not None


@pytest.mark.parametrize(("tasks", "asks"), [(1000, True), (1001, False)])
def test_very_many_tasks_are_not_asked(tasks, asks):
    program = Program()
    program.tasks = tasks
    watch_once(feed_of(program), 1, bool)
    assert ("tasks" in program.words()) is asks
