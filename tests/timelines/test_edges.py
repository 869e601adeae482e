"""Each wait is counted once, for who has ended it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from tests.timelines.scripts import SCRIPTS, TIMELINES, Script, names, path
from tests.timelines.test_critical_path import WITH_SPANS
from tracetools.core.edges import Edge, Waited, chain, merged_edges
from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.edges import edges
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake

MAIN = Life(1, path("main"), None, 0, None)
OTHER = Life(2, path("other"), None, 0, 90)
LINE = Frame("release", "app.py", 12)
LOCK = path("main/await lock")
TIMELINE = Timeline(
    0,
    100,
    {1: MAIN, 2: OTHER},
    steps=(
        *(Step(1, 0, 10), Step(2, 10, 50), Step(1, 50, 60), Step(2, 60, 90)),
        *(Step(1, 90, 91), Step(1, 95, 96)),
    ),
    wakes=(
        Wake(2, 2, "loop"),
        Wake(1, 40, "task", 2, path("other/use"), LINE),
        Wake(2, 55, "task", 1),
        Wake(1, 85, "task", 2, path("other/use"), LINE),
        Wake(1, 94, "timer"),
    ),
    waits=(Wait(1, 10, 40, LOCK), Wait(1, 60, 85, LOCK)),
)


def test_each_wait_has_an_edge_to_who_has_ended_it():
    assert edges(States(TIMELINE)) == {
        Edge(LOCK, "task", path("other/use"), LINE): Waited(2, 55, 30),
        Edge(path("main"), "timer"): Waited(1, 3, 3),
        Edge(path("main"), None): Waited(1, 4, 4),
        Edge(path("other"), "loop"): Waited(1, 2, 2),
        Edge(path("other"), "task", path("main")): Waited(1, 5, 5),
    }


def test_those_of_a_span_are_what_its_task_has_waited_for_in_it():
    assert edges(States(TIMELINE), SpanTime(1, 20, 60, path("main"))) == {
        Edge(LOCK, "task", path("other/use"), LINE): Waited(1, 20, 20)
    }
    assert edges(States(TIMELINE), SpanTime(1, 20, 39, path("main"))) == {
        Edge(LOCK, None): Waited(1, 19, 19)
    }


def test_a_waker_whose_stack_is_not_told_has_that_of_its_innermost_span_then():
    span = SpanTime(1, 52, 58, path("main/notify"))
    timeline = Timeline(
        0, 60, TIMELINE.lives, TIMELINE.steps[:3], TIMELINE.wakes[:3], spans=(span,)
    )
    assert Edge(path("other"), "task", path("main/notify")) in edges(States(timeline))


def test_a_chain_has_the_stack_of_the_waker_on_that_of_the_await():
    shown = {names(path): time for path, time in chain(edges(States(TIMELINE))).items()}
    assert shown == {
        "main/await lock/other/use/release": 55,
        "main/[timer]": 3,
        "main/[unknown]": 4,
        "other/[loop]": 2,
        "other/main": 5,
    }


def test_the_line_of_a_waker_is_on_top_of_its_stack():
    line, other = Frame("f", "app.py", 1), Frame("f", "app.py", 2)
    edges_of_lines = {
        Edge(LOCK, "task", path("a"), line): Waited(1, 2, 2),
        Edge(LOCK, "task", path("a"), other): Waited(1, 3, 3),
        Edge(LOCK, "thread", path("a")): Waited(1, 4, 4),
        Edge(LOCK, "task", path("a")): Waited(1, 5, 5),
    }
    above = (*LOCK, Frame("a"))
    assert chain(edges_of_lines) == {(*above, line): 2, (*above, other): 3, above: 9}


def test_a_waker_of_which_only_the_root_is_known_is_named_by_what_it_is():
    assert chain({Edge(LOCK, "callback", (ROOT,)): Waited(1, 2, 2)}) == {
        (*LOCK, Frame("[callback]", "")): 2
    }


# --------------------------------------------------------------------------------------- properties


def waits(timeline, begin, end, tasks):
    states = States(timeline)
    found = [each for task in tasks for each in states.intervals(task, begin, end)]
    return [each.end - each.begin for each in found if each.state == "waiting"]


@given(SCRIPTS)
def test_every_wait_has_exactly_one_end(script):
    ends = Counter()
    for task in script.tasks:
        for wait in {seen.waiting for seen in task.seen if seen.waiting}:
            wake = wait.wake
            path = wake.path if wake else ()
            if wake and not path and wake.by == "task":
                path = States(script.timeline()).path_at(wake.waker, wake.moment)
            ends[Edge(wait.path, wake and wake.by, path)] += 1
    found = edges(States(script.timeline()))
    assert {edge: waited.count for edge, waited in found.items()} == ends


@given(TIMELINES | SCRIPTS.map(Script.timeline))
def test_edges_add_up_to_all_waits(timeline):
    states = States(timeline)
    found = edges(states)
    all_waits = waits(timeline, timeline.begin, timeline.end, states.tasks)
    assert sum(each.count for each in found.values()) == len(all_waits)
    assert sum(each.total for each in found.values()) == sum(all_waits)
    assert max((each.max for each in found.values()), default=0) == max(all_waits, default=0)
    assert sum(chain(found).values()) == sum(all_waits)


@given(WITH_SPANS)
def test_edges_of_a_span_add_up_to_its_waits(made):
    timeline, span = made
    end = timeline.end if span.end is None else span.end
    found = edges(States(timeline), span)
    all_waits = waits(timeline, span.begin, end, [span.task])
    assert sum(each.count for each in found.values()) == len(all_waits)
    assert sum(each.total for each in found.values()) == sum(all_waits)


EDGES = (TIMELINES | SCRIPTS.map(Script.timeline)).map(States).map(edges)


@given(EDGES, EDGES, EDGES)
def test_merging_is_associative_and_commutative(one, two, three):
    at_once = merged_edges([one, two, three])
    assert (
        merged_edges([merged_edges([one, two]), three])
        == merged_edges([one, merged_edges([two, three])])
        == at_once
    )
    assert merged_edges([three, one, two]) == at_once
    assert merged_edges([]) == {}
