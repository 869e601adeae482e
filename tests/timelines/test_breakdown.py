"""What the time of a span was adds up to its duration, exactly."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given

from tests.timelines.scripts import SCRIPTS, SPANS, TIMELINES, Script, path
from tests.timelines.test_critical_path import WITH_SPANS
from tracetools.core.breakdown import Breakdown
from tracetools.timelines.breakdown import breakdown
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake, Work

MAIN = Life(1, path("main"), None, 0, None)
SPAN = SpanTime(1, 10, 100, path("main/load"))
AWAIT = path("main/load/await token")


def broken_down(timeline, span=SPAN):
    return breakdown(States(timeline), span)


def test_steps_turns_and_waits_are_told_apart():
    timeline = Timeline(
        0,
        100,
        {1: MAIN},
        steps=(Step(1, 0, 20), Step(1, 50, 60), Step(1, 95, 100)),
        wakes=(Wake(1, 45, "timer"), Wake(1, 90, "callback")),
        waits=(Wait(1, 20, 45, AWAIT),),
    )
    assert broken_down(timeline) == Breakdown(
        busy=25,
        scheduled=10,
        waits={"await token (unknown)": 25},
        unnamed=30,
        duration=90,
        count=1,
    )
    assert broken_down(timeline).waiting == 55


def test_an_open_span_is_told_up_to_the_end_of_the_timeline():
    timeline = Timeline(0, 80, {1: MAIN}, steps=(Step(1, 0, 80),))
    assert broken_down(timeline, SPAN._replace(end=None)) == Breakdown(
        busy=70, duration=70, count=1
    )


def test_what_is_not_in_the_timeline_is_unknown():
    timeline = Timeline(60, 90, {1: MAIN}, steps=(Step(1, 60, 90),), is_cut=True)
    assert broken_down(timeline) == Breakdown(busy=30, unknown=60, duration=90, count=1)


def waiting_for(*tasks: Life) -> Timeline:
    """Return a wait from 20 to 100 that the first of some tasks has ended."""
    return Timeline(
        0,
        100,
        {life.number: life for life in (MAIN, *tasks)},
        steps=(Step(1, 0, 20),),
        wakes=(Wake(1, 100, "task", tasks[0].number),),
        waits=(Wait(1, 20, 100, AWAIT),),
    )


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([Life(2, path("child"), 1, 15, None)], 80),
        ([Life(2, path("child"), 1, 15, 100)], 80),
        ([Life(2, path("grandchild"), 3, 30, 100), Life(3, path("child"), 1, 15, 50)], 80),
        ([Life(2, path("older child"), 1, 5, 100)], 0),
        ([Life(2, path("grandchild"), 3, 30, 100), Life(3, path("older child"), 1, 5, 50)], 0),
        ([Life(2, path("other"), None, 15, 100)], 0),
        ([Life(2, path("one"), 3, 15, None), Life(3, path("other"), 2, 15, None)], 0),
    ],
)
def test_waits_for_tasks_that_were_spawned_in_the_span_are_for_children(tasks, expected):
    found = broken_down(waiting_for(*tasks))
    assert found.children == expected
    assert found.waits == {"await token (unknown)": 80}


def test_the_work_of_threads_is_counted_once_and_within_waits():
    timeline = Timeline(
        0,
        100,
        {1: MAIN},
        steps=(Step(1, 0, 20), Step(1, 90, 100)),
        wakes=(Wake(1, 90, "thread"),),
        works=(
            Work(1, 15, 60, path("main/load/compress")),
            Work(1, 30, 50, path("main/load/compress/inner")),
            Work(2, 60, 70, path("other")),
        ),
    )
    assert broken_down(timeline) == Breakdown(busy=20, unnamed=70, threads=40, duration=90, count=1)


# --------------------------------------------------------------------------------------- properties


@given(SCRIPTS)
def test_parts_are_what_the_loop_has_seen(script):
    states = States(script.timeline())
    for span in script.spans:
        seen = script.tasks[span.task].seen[span.begin : span.end]
        found = breakdown(states, span)
        waits = [each for each in seen if each.waiting]
        named = Counter(each.path[-1].label for each in waits if each.waiting.is_named)
        assert found.waits == named
        assert found.busy == sum(each.state == "busy" for each in seen)
        assert found.scheduled == sum(each.state == "scheduled" for each in seen)
        assert found.waiting == len(waits)


@given(WITH_SPANS)
def test_parts_add_up_to_the_duration(made):
    timeline, span = made
    found = breakdown(States(timeline), span)
    assert found.busy + found.scheduled + found.waiting + found.unknown == found.duration
    assert 0 <= found.children <= found.waiting
    assert 0 <= found.threads <= found.waiting


@given(TIMELINES, SPANS, SCRIPTS.map(Script.timeline), SPANS)
def test_merging_is_associative_and_commutative(timeline, span, other, other_span):
    one = breakdown(States(timeline), span)
    two = breakdown(States(other), other_span)
    three = breakdown(States(timeline), other_span)
    at_once = Breakdown.merged([one, two, three])
    assert Breakdown.merged([Breakdown.merged([one, two]), three]) == at_once
    assert Breakdown.merged([one, Breakdown.merged([two, three])]) == at_once
    assert Breakdown.merged([three, one, two]) == at_once
