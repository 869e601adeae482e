"""What is known, and where the cursor is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from tests.live.test_values import DUMPS
from tracetools.commands.watching import page
from tracetools.commands.watching.details import details
from tracetools.commands.watching.rows import Row
from tracetools.commands.watching.watch import Watch
from tracetools.core.stacks import Frame
from tracetools.live.updates import Finding, StackUpdate, Update
from tracetools.live.values import Dump

JOB = Frame("job", "app.py", 3)
UPDATE = Update(10, False, 10, stacks=(StackUpdate(1, 0, JOB),))
FINDING = Finding(False, JOB, None, 1, 500, 500)


@pytest.fixture
def watch():
    return Watch({})


def rows(*keys):
    return [Row(key, {}) for key in keys]


def test_the_rate_is_that_of_the_last_updates(watch):
    assert watch.rate is None
    watch.take_update(UPDATE, 10.0)
    assert watch.rate is None
    for moment in (20.0, 20.5, 21.0, 21.5, 22.0, 22.5):
        watch.take_update(UPDATE, moment)
    assert watch.rate == 2.0


def test_findings_at_one_place_add_up_and_the_last_comes_first(watch):
    other = FINDING._replace(task=Frame("other"))
    for moment, found in enumerate((FINDING, other, FINDING._replace(count=0, time=70, max=570))):
        watch.take_update(UPDATE._replace(findings=(found,)), float(moment))
    first, second = watch.findings(3.0)
    assert (first.of.task, first.of.count, first.of.time, first.of.max) == (JOB, 1, 570, 570)
    assert (first.values["ago"], second.values["ago"]) == (1e9, 2e9)


def test_findings_are_bounded(watch):
    for number in range(300):
        found = FINDING._replace(task=Frame(f"job {number}"))
        watch.take_update(UPDATE._replace(findings=(found,)), 0.0)
    assert len(watch.findings(0.0)) == 200
    assert watch.findings(0.0)[0].of.task == Frame("job 299")


def test_while_it_is_paused_what_is_shown_stays_and_findings_are_kept(watch):
    watch.take_update(UPDATE, 0.0)
    watch.view = replace(watch.view, is_paused=True)
    watch.take_update(Update(9, False, 9, findings=(FINDING,)), 1.0)
    watch.take_dump(Dump(1, "app.py", "3.14", 0), 1.0)
    assert (watch.update, watch.dumped) == (UPDATE, None)
    assert len(watch.findings(1.0)) == 1
    watch.view = replace(watch.view, is_paused=False)
    watch.take_dump(Dump(1, "app.py", "3.14", 0), 2.0)
    assert (watch.dumped.rows, watch.dumped_at) == ([], 2.0)


def test_the_cursor_moves_within_the_rows(watch):
    three = rows("a", "b", "c")
    assert watch.place(three) == 0
    watch.move(three, 1)
    assert watch.place(three) == 1
    watch.move(three, 10)
    assert watch.place(three) == 2
    watch.move(three, -10)
    assert watch.place(three) == 0
    watch.move([], 1)
    assert watch.place([]) == 0


def test_the_cursor_goes_with_its_row(watch):
    watch.move(rows("a", "b", "c"), 1)
    assert watch.place(rows("c", "a", "b")) == 2
    assert watch.place(rows("c", "a")) == 1  # it is gone: where it was, or nearest to that


def test_the_cursor_is_always_in_sight(watch):
    many = rows(*range(100))
    assert watch.scroll(many, 10) == 0
    watch.move(many, 10)
    assert watch.scroll(many, 10) == 1
    watch.move(many, 89)
    assert watch.scroll(many, 10) == 90
    watch.move(many, -95)
    assert watch.scroll(many, 10) == 4
    assert watch.scroll(many[:5], 10) == 0


def test_another_table_begins_at_its_top(watch):
    watch.move(rows(*range(100)), 50)
    watch.show(5)
    assert (watch.view.table, watch.cursor, watch.top) == (1, None, 0)


def test_the_rows_are_those_of_the_table(watch):
    watch.take_update(UPDATE, 0.0)
    assert [row.key for row in watch.rows(0.0)] == [1]
    watch.show(3)
    assert watch.rows(0.0) == []


@given(DUMPS)
def test_a_dump_of_any_shape_is_shown(dump):
    watch = Watch({})
    watch.take_dump(dump, 0.0)
    for table in range(4):
        watch.show(table)
        rows = watch.rows(1.0)
        page.head(watch, 80, 1.0)
        page.table_lines(watch, rows, 80, 9)
        for row in rows:
            details(row.of, None, watch.dumped, None, 80)
