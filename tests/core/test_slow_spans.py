"""What slow spans were adds up."""

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.slow_spans import (
    CRITICAL,
    Saving,
    SlowSpans,
    critical_savings,
    critical_stacks,
    merged_slow,
)
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


SPAN, OTHER, WAKER = Frame("GET /x"), Frame("other"), Frame("waker")


def slow(span, shares, savings=None):
    return {span: SlowSpans(critical=CriticalTimes(1, sum(shares.values()), shares, savings or {}))}


def test_critical_paths_stand_below_the_frames_of_their_spans():
    span = (*A, SPAN)
    stacks = critical_stacks(slow(span, {span: 1, (*span, WAKER): 2, (ROOT, OTHER): 4, A: 0}))
    assert stacks == {
        (ROOT, CRITICAL, SPAN): 1,
        (ROOT, CRITICAL, SPAN, WAKER): 2,
        (ROOT, CRITICAL, SPAN, OTHER): 4,
    }


def test_spans_of_one_name_add_up_wherever_they_stand():
    one, other = (*A, SPAN), (ROOT, SPAN)
    both = slow(one, {one: 1}, {SPAN: 1}) | slow(other, {(*other, WAKER): 2}, {WAKER: 2, SPAN: 2})
    assert critical_stacks(both) == {(ROOT, CRITICAL, SPAN): 1, (ROOT, CRITICAL, SPAN, WAKER): 2}
    assert critical_savings(both) == {
        (ROOT, CRITICAL, SPAN): Saving(2, 3, 3),
        (ROOT, CRITICAL, SPAN, WAKER): Saving(2, 3, 2),
    }


def test_a_span_within_another_one_that_was_kept_is_beside_it():
    inner = (*A, OTHER)
    both = slow(A, {inner: 3}) | slow(inner, {inner: 3})
    assert critical_stacks(both) == {
        (ROOT, CRITICAL, Frame("a"), OTHER): 3,
        (ROOT, CRITICAL, OTHER): 3,
    }


def test_slow_spans_of_profiles_add_up_by_stack():
    assert merged_slow([{A: ONE}, {}, {A: ONE}]) == {A: ONE.plus(ONE)}
