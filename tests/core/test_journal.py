"""The last events of loops, in memory of a fixed size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.journal import (
    EXIT,
    INTERRUPT,
    RECORD_BYTES,
    SLOW,
    SPAN,
    STEP,
    WAIT,
    WAKE,
    YIELD,
    Journal,
    Record,
    records_of,
    records_of_kind,
)
from tracetools.testing import ScriptedLoop

WORDS = st.integers(0, (1 << 32) - 1)
TIMES = st.integers(-(1 << 62), 1 << 62)
RECORDS = st.builds(
    Record,
    st.integers(1, 9),
    st.integers(0, 4095),
    TIMES,
    TIMES,
    WORDS,
    WORDS,
    WORDS,
    st.integers(0, 65535),
)
ALL = -(1 << 62)
STEPS = {STEP, YIELD}


def journal_of(records, most=1000):
    journal = Journal(most)
    for record in records:
        journal.note(*record)
    return journal


@given(st.lists(RECORDS, max_size=20), st.integers(1, 12))
def test_the_last_events_are_kept_in_their_order(records, most):
    journal = journal_of(records, most)
    assert [*records_of(journal.since(ALL))] == records[-most:]
    assert (journal.noted, journal.lost) == (len(records), max(len(records) - most, 0))
    assert journal.slow == sum(each.kind == SLOW for each in records)
    assert journal.oldest == (records[-most:][0].end if records else 0)


@given(st.lists(RECORDS, max_size=20), st.integers(1, 12), TIMES)
def test_what_is_older_than_the_last_step_before_a_moment_is_left_out(records, most, moment):
    kept = records[-most:]
    old = [index for index, each in enumerate(kept) if each.kind in STEPS and each.end < moment]
    found = [*records_of(journal_of(records, most).since(moment))]
    assert found == kept[old[-1] + 1 if old else 0 :]


@given(
    st.lists(RECORDS, max_size=20),
    st.integers(1, 12),
    TIMES,
    st.integers(0, 4095),
    st.integers(-5, 25),
)
def test_only_steps_of_one_loop_count_and_only_events_from_a_number_on(
    records, most, moment, loop, first
):
    numbered = [*enumerate(records)][-most:]
    old = [
        number
        for number, each in numbered
        if each.kind in STEPS and each.loop == loop and each.end < moment
    ]
    begin = max(old[-1] + 1 if old else 0, first)
    found = [*records_of(journal_of(records, most).since(moment, loop, first))]
    assert found == [each for number, each in numbered if number >= begin]


@given(st.lists(RECORDS, max_size=20), st.integers(1, 9))
def test_events_of_one_kind_are_found_with_their_indexes(records, kind):
    found = [*records_of_kind(journal_of(records).since(ALL), kind)]
    assert found == [(index, each) for index, each in enumerate(records) if each.kind == kind]


def test_an_event_takes_32_bytes():
    assert RECORD_BYTES == 32
    assert len(journal_of([Record(STEP, 0, 1, 2, 3, 0, 0, 0)]).since(0)) == 32


def test_a_journal_has_room_for_one_event_at_least():
    with pytest.raises(ValueError, match="room for one"):
        Journal(0)


def test_numbers_of_loops_and_threads_may_be_larger():
    journal = Journal(1)
    journal.note(STEP, 4096 + 7, 1, 2, 3, 4, (1 << 40) + 5)
    assert [*records_of(journal.since(0))] == [Record(STEP, 7, 1, 2, 3, 4, 5, 0)]


# ------------------------------------------------------------------------- what accounts note


@pytest.fixture
def loop():
    made = ScriptedLoop(scheduled=True)
    made.loop.journal = Journal(100)
    made.loop.number = 3
    yield made
    made.finish()


def noted(loop):
    start = loop.loop.begin
    return [
        (each.kind, each.begin - start, each.end - start, *each[4:7])
        for each in records_of(loop.loop.journal.since(ALL))
        if each.loop == 3
    ]


def test_steps_waits_wakes_spans_and_exits_are_noted(loop):
    one, other = loop.spawn("one"), loop.spawn("other")
    first, second = loop.tasks
    loop.begin_step(one)
    span = loop.open("span")
    loop.tick(5)
    loop.end_step()
    loop.begin_step(other)
    loop.tick(10)
    loop.wake(one)
    loop.tick(1)
    loop.end_step()
    loop.tick(2)
    loop.begin_step(one, awaits=["await"])
    loop.tick(3)
    loop.close(span)
    loop.exit(one)
    stack = loop.spans[span].stack
    [awaited] = stack.children.values()
    assert noted(loop) == [
        (STEP, 0, 5, first.number, 0, 0),
        (WAKE, 15, 15, first.number, second.base.number, second.number),
        (STEP, 5, 16, second.number, 0, 0),
        (WAIT, 5, 15, first.number, awaited.number, 0),
        (SPAN, 0, 21, first.number, stack.number, 0),
        (STEP, 18, 21, first.number, 0, 0),
        (EXIT, 0, 21, first.number, first.base.number, 0),
    ]


def test_a_span_is_slow_if_it_lasts_longer_than_its_loop_and_its_stack_allow(loop):
    loop.loop.slow_after = 10
    loop.begin_step(loop.spawn("task"))
    kinds = []
    for lasts, after in ((10, 0), (11, 0), (15, 15), (16, 15)):
        span = loop.open("span")
        loop.spans[span].stack.slow_after = after
        loop.tick(lasts)
        loop.close(span)
        kinds.append(noted(loop)[-1][0])
    assert kinds == [SPAN, SLOW, SPAN, SLOW]
    assert loop.loop.journal.slow == 2


def test_a_span_that_is_closed_out_of_order_is_noted_with_its_own_end(loop):
    loop.begin_step(loop.spawn("task"))
    outer, inner = loop.open("outer"), loop.open("inner")
    loop.tick(5)
    loop.close(outer)
    loop.tick(2)
    loop.close(inner)
    number = loop.tasks[0].number
    stacks = [opened.stack.number for opened in loop.spans]
    assert noted(loop) == [(SPAN, 0, 7, number, stacks[1], 0), (SPAN, 0, 5, number, stacks[0], 0)]


def test_a_step_that_interrupts_another_is_noted_with_its_begin(loop):
    loop.begin_step(loop.spawn("outer"))
    loop.tick(5)
    loop.begin_step(loop.spawn("inner"))
    loop.tick(2)
    loop.end_step()
    loop.tick(1)
    loop.end_step()
    outer, inner = (task.number for task in loop.tasks)
    assert noted(loop) == [
        (INTERRUPT, 5, 5, inner, 0, 0),
        (STEP, 7, 7, inner, 0, 0),
        (STEP, 0, 8, outer, 0, 0),
    ]


def test_callbacks_have_no_steps_but_may_wake_tasks(loop):
    task = loop.spawn("task")
    callback = loop.loop.callback(loop.tasks[0].base.frame, loop.clock())
    callback.begin_step(loop.clock())
    loop.wake(task)
    loop.loop.end_callback(callback, loop.clock())
    number = loop.tasks[0].number
    assert noted(loop) == [(WAKE, 0, 0, number, callback.base.number, callback.number)]


def test_who_spawned_a_task_is_noted_at_its_exit(loop):
    one, other = loop.spawn("one"), loop.spawn("other")
    loop.tasks[other].spawner = loop.tasks[one]
    loop.exit(other)
    first, second = loop.tasks
    assert noted(loop) == [(EXIT, 0, 0, second.number, second.base.number, first.number)]
