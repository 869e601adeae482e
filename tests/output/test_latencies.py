"""How long spans lasted and what the time was, by frame."""

from tests.strategies import histogram_of
from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.histogram import Histogram
from tracetools.core.profile import SCHEDULED, Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, RUNTIME, Frame, Times
from tracetools.output.latencies import Latency, Part, latencies_of

MAIN, SPAN = Frame("main", "app.py", 1), Frame("GET /x", "app.py", 5)
LOCK, SLEEP = Frame("await Lock", "app.py", 7), Frame("await sleep", "app.py", 8)
CHILD = Frame("child", "app.py", 9)


def test_spans_of_one_frame_add_up_wherever_they_stand():
    profile = Profile(
        latencies={
            (ROOT, MAIN): histogram_of([100]),
            (ROOT, MAIN, SPAN): histogram_of([10, 20]),
            (ROOT, SPAN): histogram_of([30]),
            (ROOT, RUNTIME, CHILD): histogram_of([1000]),
        }
    )
    assert latencies_of(profile) == [
        Latency(MAIN, histogram_of([100])),
        Latency(SPAN, histogram_of([10, 20, 30])),
    ]
    assert latencies_of(Profile()) == []


def test_what_is_below_a_frame_counts_once():
    path = (ROOT, MAIN, SPAN)
    profile = Profile(
        stacks={
            (ROOT,): Times(busy=1000),
            (ROOT, MAIN): Times(busy=1),
            path: Times(busy=10, scheduled=20, idle=30),
            (*path, LOCK): Times(idle=500),
            (*path, CHILD, SPAN): Times(busy=90, thread=150),
            (*path, CHILD, LOCK): Times(idle=200),
        },
        latencies={path: Histogram(800, 800, {1: 1})},
    )
    [found] = latencies_of(profile)
    assert found.parts == (
        Part("await Lock (app.py:7)", 700, 0.7),
        Part("in worker threads", 150, 0.15),
        Part("busy", 100, 0.1),
        Part("waiting", 30, 0.03),
        Part("waiting for its turn", 20, 0.02),
    )


def test_slow_spans_are_told_apart():
    path = (ROOT, MAIN, SPAN)
    slow = SlowSpans(
        Breakdown(10, 20, {LOCK.label: 60}, 6, 4, 5, 6, 100, 1),
        CriticalTimes(1, 100, {(*path, SLEEP): 60, path: 10, (*path, SCHEDULED): 30}),
    )
    profile = Profile(latencies={path: histogram_of([100])}, slow={path: slow})
    [found] = latencies_of(profile)
    assert found.slow == slow
    assert found.slow_parts == (
        Part("await Lock (app.py:7)", 60, 0.6),
        Part("waiting for its turn", 20, 0.2),
        Part("busy", 10, 0.1),
        Part("waiting", 6, 0.06),
        Part("unknown", 4, 0.04),
    )
    assert found.critical_parts == (
        Part("await sleep (app.py:8)", 60, 0.6),
        Part("waiting for its turn", 30, 0.3),
        Part("GET /x (app.py:5)", 10, 0.1),
    )


def test_who_steps_while_a_slow_span_waits_for_its_turn_is_said():
    path = (ROOT, MAIN, SPAN)
    shares = {(*path, SCHEDULED): 10, (*path, SCHEDULED, CHILD): 90}
    slow = SlowSpans(Breakdown(scheduled=100, duration=100, count=1), CriticalTimes(1, 100, shares))
    [found] = latencies_of(Profile(latencies={path: histogram_of([100])}, slow={path: slow}))
    assert found.critical_parts == (
        Part("its turn, behind child (app.py:9)", 90, 0.9),
        Part("waiting for its turn", 10, 0.1),
    )
