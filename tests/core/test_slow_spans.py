"""What slow spans were adds up."""

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, Frame

A = (ROOT, Frame("a"))
ONE = SlowSpans(
    Breakdown(busy=5, duration=5, count=1), CriticalTimes(1, 5, {A: 5}, {Frame("a"): 5})
)


def test_both_parts_add_up():
    assert ONE.plus(ONE) == SlowSpans(
        Breakdown(busy=10, duration=10, count=2), CriticalTimes(2, 10, {A: 10}, {Frame("a"): 10})
    )
    assert ONE.plus(SlowSpans()) == SlowSpans().plus(ONE) == ONE
