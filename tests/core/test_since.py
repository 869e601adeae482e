"""The difference of two snapshots: exact, lawful, and what was recorded in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import AWAITS, EVENTS, PROFILES, RESOURCES, Model, _do, histograms
from tracetools import Profile
from tracetools.core.breakdown import Breakdown
from tracetools.core.buckets import bucket_of
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.edges import Edge, Waited
from tracetools.core.histogram import EMPTY, Histogram, most_in
from tracetools.core.resources import ResourceUse, merged_resources
from tracetools.core.since import (
    blocks_since,
    edges_since,
    histogram_since,
    resources_since,
    slow_since,
    times_since,
)
from tracetools.core.slow_spans import SlowSpans, TraceOfSpan
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.testing import ScriptedLoop

A, B, C = Frame("a"), Frame("b"), Frame("c")
TASK, AWAIT, OTHER_AWAIT = (ROOT, A), (ROOT, A, B), (ROOT, A, C)

PARTS = st.lists(st.lists(EVENTS, max_size=25), min_size=2, max_size=4)


def snapshots(parts, *, awaits=False) -> list[Profile]:
    """Run a program in parts, and return the profile after each of them."""
    loop, model = ScriptedLoop(scheduled=True, threshold=500), Model()
    if awaits:
        begin = loop.begin_step
        loop.begin_step = lambda task: begin(task, awaits=AWAITS)
    found = []
    for part in parts:
        for name, value in part:
            _do(loop, model, name, value)
        found.append(loop.profile)
    while model.current:
        model.end()
    loop.finish()
    return found


def sums(profile: Profile) -> Times:
    total = Times()
    for times in profile.stacks.values():
        total = total.plus(times)
    return total


@given(PARTS)
@settings(max_examples=40)
def test_the_earlier_profile_and_what_was_since_are_the_later_one(parts):
    earlier, *_, later = snapshots(parts)
    since = later.since(earlier)
    since.check()
    both = earlier.merge(since)
    assert replace(both, merged=1, queue_trend=later.queue_trend) == later


@given(PARTS)
@settings(max_examples=40)
def test_the_parts_of_a_recording_add_up_to_it_and_each_is_lawful(parts):
    profiles = snapshots(parts)
    pairs = zip(profiles[1:], profiles, strict=False)
    parts_of_it = [profiles[0], *(later.since(earlier) for later, earlier in pairs)]
    for part in parts_of_it:
        part.check()
    whole = Profile.merge(*parts_of_it)
    assert whole.stacks == profiles[-1].stacks
    assert whole.latencies == profiles[-1].latencies
    assert whole.scheduling_delay == profiles[-1].scheduling_delay


@given(PARTS)
@settings(max_examples=40)
def test_where_waits_have_moved_to_what_was_awaited_the_sums_are_exact(parts):
    earlier, *_, later = snapshots(parts, awaits=True)
    since = later.since(earlier)
    since.check()
    assert sums(since).plus(sums(earlier)) == sums(later)
    assert since.duration == later.duration - earlier.duration
    assert since.task_time == later.task_time - earlier.task_time


def test_a_wait_that_ends_is_shown_where_it_is_known_to_be_for_the_time_meanwhile():
    loop = ScriptedLoop()
    task = loop.spawn("a")
    loop.begin_step(task)
    loop.end_step()
    loop.tick(50)
    earlier = loop.profile
    loop.tick(10)
    loop.begin_step(task, awaits=["b"])
    loop.end_step()
    since = loop.profile.since(earlier)
    assert {path[1:]: times.idle for path, times in since.stacks.items() if times.idle} == {
        (A, B): 10
    }
    since.check()
    loop.finish()


def test_nothing_has_happened_since_the_same_moment():
    loop = ScriptedLoop()
    loop.spawn("a")
    loop.tick(5)
    since = loop.profile.since(loop.profile)
    assert (since.duration, since.task_time, dict(since.stacks)) == (0, 0, {(ROOT,): Times()})
    loop.finish()


@given(PROFILES)
@settings(max_examples=30)
def test_a_profile_since_nothing_was_recorded_has_all_of_it(profile):
    since = profile.since(Profile(start=profile.start))
    assert sums(since) == sums(profile)
    assert since.latencies == {
        path: each for path, each in profile.latencies.items() if each.buckets
    }


@pytest.mark.parametrize("earlier", [Profile(duration=6, start=1), Profile(duration=5, start=2)])
def test_a_profile_that_is_no_earlier_snapshot_is_refused(earlier):
    with pytest.raises(ValueError, match="an earlier snapshot of the same recording"):
        Profile(stacks={(ROOT,): Times(busy=5)}, duration=5, start=1).since(earlier)


def test_less_time_than_before_is_refused():
    with pytest.raises(ValueError, match="idle is less by 2 than in the earlier profile"):
        times_since({TASK: Times(idle=3)}, {TASK: Times(idle=5)})


def test_the_moment_of_the_earlier_snapshot_may_be_said():
    profile = Profile(start=3)
    assert profile.since(profile, start=7).start == 7
    assert profile.since(profile).start == 3


# --------------------------------------------------------------------------------------- debts


def test_those_below_pay_before_those_beside():
    later = {(ROOT,): Times(), TASK: Times(), AWAIT: Times(idle=9), (ROOT, B): Times(idle=50)}
    earlier = {TASK: Times(idle=5), (ROOT, B): Times(idle=1)}
    assert {p: t.idle for p, t in times_since(later, earlier).items() if any(t)} == {
        AWAIT: 4,
        (ROOT, B): 49,
    }


def test_a_stack_that_is_gone_is_paid_by_those_beside_it():
    later = {(ROOT,): Times(), TASK: Times(idle=1), AWAIT: Times(idle=9)}
    earlier = {TASK: Times(idle=1), OTHER_AWAIT: Times(idle=5)}
    assert {p: t.idle for p, t in times_since(later, earlier).items() if any(t)} == {AWAIT: 4}


def test_the_loop_pays_no_debt_of_a_task():
    later = {(ROOT,): Times(busy=9), TASK: Times(busy=1), AWAIT: Times(busy=9)}
    earlier = {(ROOT,): Times(busy=2), TASK: Times(busy=5)}
    assert {p: t.busy for p, t in times_since(later, earlier).items()} == {
        (ROOT,): 7,
        TASK: 0,
        AWAIT: 5,
    }


# ------------------------------------------------------------------------------- the other numbers


@given(histograms(st.integers(0, 10**12)), histograms(st.integers(0, 10**12)))
def test_histograms_lose_what_was_there_before(earlier, added):
    later = earlier.plus(added)
    since = histogram_since(later, earlier)
    assert (since.total, since.buckets) == (added.total, added.buckets)
    assert added.max <= since.max <= later.max
    assert earlier.plus(since) == later


@given(st.integers(0, 1 << 70))
def test_a_value_is_no_larger_than_the_largest_of_its_bucket(value):
    assert value <= most_in(bucket_of(value)) < value * 1.04 + 1
    assert bucket_of(most_in(bucket_of(value))) == bucket_of(value)


def test_the_longest_blocking_step_is_bounded_by_what_all_of_them_took():
    before = Blocks(1, 1000, 1000)
    since = blocks_since({TASK: Blocks(3, 1300, 1000)}, {TASK: before}, least=100)
    assert since == {TASK: Blocks(2, 300, 200)}
    assert blocks_since({TASK: before}, {TASK: before}, least=100) == {}


def test_the_edges_of_a_path_make_up_its_idle_time():
    nobody, by_task = Edge(TASK, None), Edge(TASK, "task", AWAIT)
    earlier = {nobody: Waited(0, 50)}
    later = {by_task: Waited(1, 60, 60)}
    assert edges_since(later, earlier, {TASK: 10}) == {by_task: Waited(1, 10, 60)}
    assert edges_since(later, earlier, {TASK: 70}) == {
        by_task: Waited(1, 60, 60),
        nobody: Waited(0, 10),
    }
    assert edges_since({}, {}, {TASK: 10}) == {}


@given(RESOURCES, RESOURCES)
@settings(max_examples=40)
def test_resources_lose_what_was_done_before(earlier, added):
    later = merged_resources([earlier, added])
    since = resources_since(later, earlier)
    for resource, use in added.items():
        found = since.get(resource, ResourceUse())
        assert (found.lived, found.items, found.lengths.buckets) == (
            use.lived,
            use.items,
            use.lengths.buckets,
        )
        assert {path: waits.total for path, waits in found.waits.items() if waits.total} == {
            path: waits.total for path, waits in use.waits.items() if waits.total
        }
    assert merged_resources([earlier, since]).keys() >= earlier.keys()


def slow(*latencies: int) -> SlowSpans:
    total = sum(latencies)
    return SlowSpans(
        Breakdown(busy=total, duration=total, count=len(latencies)),
        CriticalTimes(len(latencies), total, {TASK: total}),
        tuple(TraceOfSpan(latency, f"{latency:032x}") for latency in sorted(latencies)[::-1]),
    )


def test_slow_spans_that_were_kept_since():
    assert slow_since({TASK: slow(5, 7)}, {TASK: slow(5)}) == {TASK: slow(7)}
    assert slow_since({TASK: slow(5)}, {TASK: slow(5)}) == {}
    assert slow_since({TASK: slow(5)}, {}) == {TASK: slow(5)}


def test_of_slow_spans_that_took_the_place_of_others_the_traces_are_known():
    assert slow_since({TASK: slow(9)}, {TASK: slow(20)}) == {TASK: SlowSpans(traces=slow(9).traces)}


def test_an_empty_histogram_is_since_itself():
    assert histogram_since(EMPTY, Histogram()) == EMPTY
