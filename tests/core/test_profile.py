"""The frozen result: its lenses, its sum, its check of itself."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
from hypothesis import given, settings

from tests import strategies
from tests.strategies import PROFILES, PROGRAMS
from tracetools import LawError, Profile
from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.edges import Edge, Waited
from tracetools.core.histogram import Histogram
from tracetools.core.made_later import MadeLater
from tracetools.core.profile import IDLE, LENSES, SCHEDULED
from tracetools.core.resources import Resource, ResourceUse
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, Blocks, Frame, Times, Tokens

A, B = Frame("a", "a.py", 1), Frame("b")
LINE = Frame("blocks the loop", "a.py", 3)
KEYS = [(ROOT,), (ROOT, A), (ROOT, A, B)]

SLOW = SlowSpans(Breakdown(busy=5, duration=5, count=1), CriticalTimes(1, 5, {(ROOT, A): 5}))
LOCK = Resource("Lock", Frame("main", "a.py", 2))

GOOD = Profile(
    stacks=dict(
        zip(
            KEYS,
            [
                Times(busy=100),
                Times(busy=10, scheduled=20, idle=30, steps=1, entries=1),
                Times(busy=1, scheduled=2, idle=3, thread=4000, steps=1, entries=2),
            ],
            strict=True,
        )
    ),
    duration=111,
    task_time=66,
    start=5,
    programs=("p",),
    backends=("trio",),
    runs=1,
    scheduled_measured=True,
    blocking_threshold=100,
    blocking={(ROOT, A, LINE): Blocks(1, 200, 200)},
    scheduling_delay=Histogram(7, 4, {3: 1, 4: 1}),
    queue=Histogram(2, 1, {1: 2}),
    queue_trend=(0, 1500),
    samples=3,
    samples_by_thread=1,
    untracked=1,
    forks=4,
    not_kept=2,
    limiters={KEYS[2]: Tokens(2, 6)},
    latencies={KEYS[2]: Histogram(7, 4, {3: 1, 4: 1})},
    slow={KEYS[2]: SLOW},
    resources={LOCK: ResourceUse(count=1, lived=9)},
)

NOTHING = Profile(merged=0, scheduled_measured=True)


# ---------------------------------------------------------------------------------------- lenses


def test_the_busy_lens_has_the_time_of_loops_and_threads():
    assert GOOD.lens("busy") == {KEYS[0]: 100, KEYS[1]: 10, KEYS[2]: 4001}
    assert sum(GOOD.lens("busy").values()) == GOOD.duration + GOOD.thread_time


def test_the_idle_and_scheduled_lenses_have_one_state_alone():
    assert GOOD.lens("idle") == {KEYS[1]: 30, KEYS[2]: 3}
    assert GOOD.lens("scheduled") == {KEYS[1]: 20, KEYS[2]: 2}


def test_the_task_lens_has_busy_time_as_self_time_and_the_rest_as_leaves():
    assert GOOD.lens("task") == {
        KEYS[1]: 10,
        (*KEYS[1], IDLE): 30,
        (*KEYS[1], SCHEDULED): 20,
        KEYS[2]: 4001,
        (*KEYS[2], IDLE): 3,
        (*KEYS[2], SCHEDULED): 2,
    }
    assert sum(GOOD.lens("task").values()) == GOOD.task_time + GOOD.thread_time


def test_the_critical_lens_has_the_time_of_the_slow_spans_that_were_kept():
    assert sum(GOOD.lens("critical").values()) == SLOW.critical.duration > 0
    assert Profile().lens("critical") == {}


def test_an_unknown_lens_is_refused_with_a_list_of_the_known_ones():
    with pytest.raises(ValueError, match="'hot'; choose one of busy, idle, scheduled, task"):
        GOOD.lens("hot")


def test_the_sums_by_state():
    assert (GOOD.busy, GOOD.own, GOOD.thread_time) == (11, 100, 4000)
    assert (Profile().busy, Profile().own, Profile().thread_time) == (0, 0, 0)


@given(PROGRAMS)
@settings(max_examples=200, deadline=None)
def test_the_lenses_of_any_program_have_the_sums_that_are_documented(program):
    profile, _ = strategies.run(program)
    sums = {lens: sum(profile.lens(lens).values()) for lens in LENSES}
    assert sums["busy"] == profile.duration
    assert sums["task"] == profile.task_time
    assert sums["idle"] + sums["scheduled"] == profile.task_time - profile.busy
    assert all(0 not in profile.lens(lens).values() for lens in LENSES)


# ----------------------------------------------------------------------------------------- merge


@given(PROFILES, PROFILES, PROFILES)
def test_merging_is_associative_and_commutative(a, b, c):
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == a.merge(b, c)
    assert a + b == b + a


@given(PROFILES)
def test_merging_with_an_empty_profile_changes_nothing(profile):
    assert profile.merge() == profile
    assert profile + NOTHING == NOTHING + profile == profile


@given(PROFILES, PROFILES)
def test_a_merged_profile_keeps_both_laws_and_the_sum_of_each_lens(a, b):
    both = a + b
    both.check()
    for lens in LENSES:
        assert sum(both.lens(lens).values()) == sum(
            sum(profile.lens(lens).values()) for profile in (a, b)
        )


def test_merging_adds_numbers_and_unites_names():
    other = Profile(
        stacks={KEYS[0]: Times(busy=1000), (ROOT, B): Times(idle=7)},
        duration=1000,
        task_time=7,
        start=3,
        programs=("o",),
        backends=("asyncio",),
        runs=2,
        merged=4,
        truncated=True,
        blocking_threshold=50,
        blocking={(ROOT, A, LINE): Blocks(2, 150, 90), (ROOT, B): Blocks(1, 60, 60)},
        scheduling_delay=Histogram(9, 5, {4: 1, 5: 1}),
        queue=Histogram(3, 3, {3: 1}),
        queue_trend=(1600, 0, 0),
        samples=4,
        samples_by_thread=1,
        untracked=2,
        forks=3,
        limiters={KEYS[2]: Tokens(2, 5), KEYS[1]: Tokens(1, 3)},
        latencies={KEYS[2]: Histogram(4, 4, {4: 1}), KEYS[1]: Histogram(1, 1, {1: 1})},
        slow={KEYS[2]: SLOW, KEYS[1]: SLOW},
        resources={LOCK: ResourceUse(count=2, lived=5)},
    )
    both = GOOD + other
    assert dict(both.stacks) == {
        KEYS[0]: Times(busy=1100),
        KEYS[1]: GOOD.stacks[KEYS[1]],
        KEYS[2]: GOOD.stacks[KEYS[2]],
        (ROOT, B): Times(idle=7),
    }
    assert dict(both.blocking) == {
        (ROOT, A, LINE): Blocks(3, 350, 200),
        (ROOT, B): Blocks(1, 60, 60),
    }
    assert dict(both.limiters) == {KEYS[2]: Tokens(2, 6), KEYS[1]: Tokens(1, 3)}
    assert dict(both.latencies) == {
        KEYS[2]: Histogram(11, 4, {3: 1, 4: 2}),
        KEYS[1]: Histogram(1, 1, {1: 1}),
    }
    assert dict(both.slow) == {KEYS[2]: SLOW.plus(SLOW), KEYS[1]: SLOW}
    assert dict(both.resources) == {LOCK: ResourceUse(count=3, lived=14)}
    empty = {
        name: {} for name in ("stacks", "blocking", "limiters", "latencies", "slow", "resources")
    }
    assert dataclasses.replace(both, **empty) == Profile(
        duration=1111,
        task_time=73,
        start=3,
        programs=("o", "p"),
        backends=("asyncio", "trio"),
        runs=3,
        merged=5,
        scheduled_measured=False,
        truncated=True,
        blocking_threshold=50,
        scheduling_delay=Histogram(16, 5, {3: 1, 4: 2, 5: 1}),
        queue=Histogram(5, 3, {1: 2, 3: 1}),
        queue_trend=(1600, 0, 0),
        samples=7,
        samples_by_thread=2,
        untracked=3,
        forks=7,
        not_kept=2,
    )


def test_merging_ignores_an_unknown_blocking_threshold():
    assert (GOOD + NOTHING).blocking_threshold == 100 == (NOTHING + GOOD).blocking_threshold
    assert (NOTHING + NOTHING).blocking_threshold is None


def test_merging_ignores_an_unknown_start():
    assert (GOOD + NOTHING).start == GOOD.start == (NOTHING + GOOD).start


# ------------------------------------------------------------------------------------ plain value


def test_a_profile_cannot_be_changed_not_even_by_what_it_was_made_of():
    stacks = {(ROOT,): Times(busy=1)}
    profile = Profile(stacks=stacks, duration=1)
    stacks.clear()
    assert dict(profile.stacks) == {(ROOT,): Times(busy=1)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.duration = 2
    with pytest.raises(TypeError):
        profile.stacks[(ROOT,)] = Times()
    with pytest.raises(TypeError):
        profile.blocking[(ROOT,)] = Blocks()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, dataclasses.replace])
def test_copies_of_a_profile_are_equal(again):
    assert again(GOOD) == GOOD


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_profile_can_be_pickled(protocol):
    found = pickle.loads(pickle.dumps(GOOD, protocol))
    assert found == GOOD
    found.check()


# ----------------------------------------------------------------------------------------- check


def test_a_good_profile_and_an_empty_one_pass_the_check():
    GOOD.check()
    Profile().check()


def doctored(**more: int) -> Profile:
    """Return the good profile with more in one stack, and totals to match where they are given."""
    totals = {name: more.pop(name) for name in ("duration", "task_time") if name in more}
    times = Times(*(n + more.get(f, 0) for f, n in GOOD.stacks[KEYS[1]]._asdict().items()))
    return dataclasses.replace(GOOD, stacks=dict(GOOD.stacks) | {KEYS[1]: times}, **totals)


@pytest.mark.parametrize("field", Times._fields)
def test_a_negative_number_fails_the_check_with_its_stack(field):
    times = GOOD.stacks[KEYS[2]]._replace(**{field: -1})
    profile = dataclasses.replace(GOOD, stacks=dict(GOOD.stacks) | {KEYS[2]: times})
    with pytest.raises(LawError, match=r"all-spans;a \(a.py:1\);b \(unknown\) is negative"):
        profile.check()


def test_more_busy_time_than_loops_ran_breaks_the_first_law():
    with pytest.raises(LawError, match="busy and waiting make 112 ns, the loops ran 111 ns"):
        doctored(busy=1, task_time=67).check()
    with pytest.raises(LawError, match="busy and waiting make 111 ns, the loops ran 110 ns"):
        doctored(duration=110).check()


@pytest.mark.parametrize("state", ["scheduled", "idle"])
def test_more_time_of_a_state_than_tasks_lived_breaks_the_second_law(state):
    with pytest.raises(LawError, match="states make 67 ns, they lived 66 ns"):
        doctored(**{state: 1}).check()


def test_a_lifetime_that_is_in_no_state_breaks_the_second_law():
    with pytest.raises(LawError, match="states make 66 ns, they lived 67 ns"):
        doctored(task_time=67).check()


def test_thread_time_steps_and_entries_are_under_neither_law():
    doctored(thread=1, steps=1, entries=1).check()


def test_stacks_may_be_made_later():
    later = Profile(MadeLater(lambda: {(ROOT,): Times(busy=3)}), duration=3)
    now = Profile({(ROOT,): Times(busy=3)}, duration=3)
    assert later == now == later
    assert pickle.loads(pickle.dumps(later)) == now
    assert later.merge(now).duration == 6
    later.check()


def test_files_of_merged_profiles_keep_whose_they_are():
    one = Profile(origins={"a.py": "library", "b.py": "runtime"}, pythons=("3.10.1",))
    other = Profile(origins={"b.py": "library", "c.py": "runtime"}, pythons=("3.13.5",))
    both = one.merge(other)
    assert both.origins == {"a.py": "library", "b.py": "library", "c.py": "runtime"}
    assert both.pythons == ("3.10.1", "3.13.5")


WAITS = Profile(
    stacks={(ROOT,): Times(), (ROOT, Frame("a")): Times(idle=5)},
    task_time=5,
    edges={Edge((ROOT, Frame("a")), "task", (ROOT, Frame("b"))): Waited(1, 5, 5)},
)


def test_edges_make_up_the_idle_time_of_each_stack():
    WAITS.check()
    for wrong in (
        {Edge((ROOT, Frame("a")), None): Waited(1, 4, 4)},
        {Edge((ROOT,), None): Waited(1, 5, 5)},
    ):
        with pytest.raises(LawError, match="edges"):
            dataclasses.replace(WAITS, edges=wrong).check()


def test_edges_of_a_profile_without_any_are_of_nobody():
    others = dataclasses.replace(WAITS, edges={})
    merged = WAITS.merge(others)
    merged.check()
    assert merged == others.merge(WAITS)
    assert merged.edges[Edge((ROOT, Frame("a")), None)] == Waited(0, 5, 0)
    assert others.merge(others).edges == {}


def test_the_lens_chain_is_empty_without_edges():
    assert WAITS.lens("chain") == {(ROOT, Frame("a"), Frame("b")): 5}
    assert dataclasses.replace(WAITS, edges={}).lens("chain") == {}
