"""The sentences on how long spans lasted; more of them in the tests of the terminal's table."""

from tracetools.core.breakdown import Breakdown
from tracetools.core.histogram import EMPTY
from tracetools.core.profile import Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import Frame
from tracetools.output.latencies import Latency, Part
from tracetools.output.latency_words import (
    largest_saving,
    listed_parts,
    sentences_on,
    what_is_not_kept,
)

MS = 1_000_000
SPAN = Frame("x", "app.py", 5)


def slow(**times):
    breakdown = Breakdown(duration=100 * MS, count=1, **times)
    parts = (Part("waiting", 100, 1.0),)
    return Latency(SPAN, EMPTY, (), SlowSpans(breakdown), parts, parts)


def test_children_and_threads_are_told_of_the_slow_ones():
    assert [*sentences_on(slow())] == ["the slowest one (100 ms on average): 100 % waiting"]
    [said] = sentences_on(slow(children=60 * MS, threads=5 * MS))
    assert said.endswith("100 % waiting; of that 60 % for child tasks and 5.0 % for threads")


def test_nothing_is_said_of_spans_without_time():
    assert [*sentences_on(Latency(SPAN, EMPTY))] == []
    assert largest_saving(Latency(SPAN, EMPTY)) is None


def test_small_parts_are_left_out():
    parts = [Part(str(share), 1, share / 100) for share in (40, 20, 15, 10, 9, 0.4)]
    assert listed_parts(parts) == "40 % 40, 20 % 20, 15 % 15, 10 % 10"
    assert listed_parts(parts[-2:]) == "9.0 % 9"


def test_how_many_were_not_kept_is_said():
    assert what_is_not_kept(Profile()) == ""
    assert what_is_not_kept(Profile(not_kept=1)).startswith("1 more slow span was not kept")
    assert what_is_not_kept(Profile(not_kept=1234)).startswith("1,234 more were not kept")
