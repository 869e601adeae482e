"""Metrics of one recording after another: nothing goes down, and series stay what they are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import PROFILES
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, WAITING, Frame, Times
from tracetools.web.metrics import Metrics
from tracetools.web.recordings import OURS

S = 10**9
A, B, C, TASK = (Frame(name, "app.py", 1) for name in ("a", "b", "c", "task"))


def profile(waiting=0, **busy):
    frames = {"a": A, "b": B, "c": C}
    stacks = {(ROOT, frames[name]): Times(busy=time, entries=1) for name, time in busy.items()}
    stacks[ROOT,] = Times()
    stacks[ROOT, WAITING] = Times(busy=waiting)
    return Profile(stacks, duration=sum(busy.values()) + waiting)


def values(text):
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in lines}


def busy(text):
    found = values(text).items()
    return {
        series.split('"')[1]: value for series, value in found if "task_seconds_total{" in series
    }


def test_a_new_recording_goes_on_where_the_last_one_ended():
    metrics = Metrics(10)
    assert busy(metrics.text(1, profile(a=5 * S, b=S), openmetrics=False)) == {"a": 5.0, "b": 1.0}
    assert busy(metrics.text(2, profile(a=2 * S), openmetrics=False)) == {"a": 7.0, "b": 1.0}
    assert busy(metrics.text(2, profile(a=3 * S, c=S), openmetrics=False)) == {
        "a": 8.0,
        "b": 1.0,
        "c": 1.0,
    }


def test_what_was_estimated_too_high_stays():
    metrics = Metrics(10)
    assert busy(metrics.text(1, profile(a=5 * S), openmetrics=False)) == {"a": 5.0}
    assert busy(metrics.text(1, profile(a=4 * S), openmetrics=False)) == {"a": 5.0}
    assert busy(metrics.text(1, profile(a=6 * S), openmetrics=False)) == {"a": 6.0}


def test_a_span_stays_in_its_series_whatever_becomes_heavier():
    metrics = Metrics(2)
    metrics.text(1, profile(a=2 * S, b=S), openmetrics=False)
    found = busy(metrics.text(1, profile(a=2 * S, b=S, c=100 * S), openmetrics=False))
    assert found == {"a": 2.0, "b": 1.0, "(other)": 100.0}


def test_spans_that_come_later_have_series_while_there_is_room():
    metrics = Metrics(2)
    metrics.text(1, profile(a=S), openmetrics=False)
    assert busy(metrics.text(1, profile(a=S, b=S, c=2 * S), openmetrics=False)) == {
        "a": 1.0,
        "c": 2.0,
        "(other)": 1.0,
    }


def test_the_utilisation_is_of_the_time_since_it_was_last_asked_for():
    metrics = Metrics(2)

    def ratio(**how):
        return values(metrics.text(1, profile(**how), openmetrics=False))[
            "tracetools_loop_utilization_ratio"
        ]

    assert ratio(waiting=9 * S, a=S) == 0.1
    assert ratio(waiting=10 * S, a=4 * S) == 0.75
    assert ratio(waiting=10 * S, a=4 * S + 1) == 0.75  # too short a time to say anything


def test_what_is_done_for_metrics_is_one_series():
    stacks = {
        (ROOT, TASK): Times(busy=S, entries=1),
        (ROOT, TASK, OURS): Times(idle=S, entries=1),
        (ROOT, TASK, OURS, A): Times(thread=2 * S, entries=1),
    }
    text = Metrics(10).text(1, Profile(stacks), openmetrics=False)
    spans = {line.split('"')[1] for line in text.splitlines() if "task_seconds_total{" in line}
    assert spans == {"task", "tracetools.web_app"}


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 2), PROFILES), min_size=2, max_size=4))
def test_no_counter_ever_goes_down_and_no_series_is_lost(seen):
    metrics = Metrics(2)
    before = {}
    for number, found in sorted(seen, key=lambda each: each[0]):
        now = values(metrics.text(number, found, openmetrics=True))
        now.pop("tracetools_loop_utilization_ratio", None)
        for series, value in before.items():
            assert now[series] >= value
        before = now
