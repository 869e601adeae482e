"""Lints, word by word, and on both sides of each threshold."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings

from tests.strategies import PROFILES
from tracetools.core.buckets import bucket_of
from tracetools.core.histogram import Histogram
from tracetools.core.profile import Profile
from tracetools.core.stacks import (
    BLOCKS_THE_LOOP,
    CALLBACKS,
    DEEPER,
    HOLDS_THE_GIL,
    IMPORTING,
    KINDS,
    OTHER,
    ROOT,
    RUNTIME,
    Blocks,
    Frame,
    Times,
    Tokens,
)
from tracetools.output.lints import (
    MOST_OF_A_KIND,
    Lints,
    amount,
    find_lints,
    line_at_fault,
)

MAIN = Frame("main", "app.py", 3)
WORK = Frame("work", "app.py", 9)
DUMPS = Frame("dumps", "json.py", 1)
LINE = Frame("blocks the loop", "app.py", 12)
MS = 10**6
S = 10**9


def of_stack(times: Times, frame: Frame = MAIN, **others: object) -> Profile:
    return Profile(stacks={(ROOT,): Times(), (ROOT, frame): times}, **others)


def found(profile: Profile) -> list[tuple[str, str, str]]:
    """Return kind, last frame and finding."""
    return [
        (lint.kind, lint.path[-1].name if lint.path else "", lint.finding)
        for lint in find_lints(profile).shown
    ]


def kinds(profile: Profile) -> list[str]:
    return [lint.kind for lint in find_lints(profile).shown]


def histogram_of(*sizes: int) -> Histogram:
    histogram = Histogram()
    for size in sizes:
        histogram = histogram.plus(Histogram(size, size, {bucket_of(size): 1}))
    return histogram


# ------------------------------------------------------------------------------------- self-wakes

BUSY_WAIT = Times(busy=50 * MS, steps=1000, self_wakes=990, entries=1)


def test_a_stack_that_is_always_ready_and_does_next_to_nothing_wakes_itself():
    profile = of_stack(BUSY_WAIT, duration=S)
    [lint] = find_lints(profile).shown
    assert lint.kind == "self-wakes"
    assert lint.path == (ROOT, MAIN)
    assert lint.finding == ("woke itself in 99 % of 1,000 steps, 0.05 ms busy each")
    assert lint.weight == 50 * MS


@pytest.mark.parametrize(
    ("changes", "duration", "found"),
    [
        ({}, 5 * S, True),  # one part in a hundred
        ({}, 5 * S + 1, False),
        ({"self_wakes": 501}, S, True),  # more than half
        ({"self_wakes": 500}, S, False),
        ({"busy": 100 * MS - 1}, S, True),  # less than 0.1 ms a step
        ({"busy": 100 * MS}, S, False),
        ({"steps": 100, "self_wakes": 100, "busy": 9 * MS}, S // 10, True),
        ({"steps": 99, "self_wakes": 99, "busy": 9 * MS}, S // 10, False),
    ],
)
def test_self_wakes_at_each_threshold(changes, duration, found):
    profile = of_stack(BUSY_WAIT._replace(**changes), duration=duration)
    assert kinds(profile) == ["self-wakes"] * found


@pytest.mark.parametrize("frame", [OTHER, DEEPER, ROOT])
def test_a_frame_that_stands_for_many_does_not_wake_itself(frame):
    assert kinds(of_stack(BUSY_WAIT, frame, duration=S)) == []


def of_callback(times: Times, own: int, **others: object) -> Profile:
    root, callbacks = Times(busy=own), (ROOT, CALLBACKS)
    return Profile(stacks={(ROOT,): root, callbacks: Times(), (*callbacks, MAIN): times}, **others)


def test_a_callback_that_rearms_itself_is_told_with_the_work_of_the_loop():
    profile = of_callback(BUSY_WAIT._replace(entries=0), 200 * MS, duration=S)
    [lint] = find_lints(profile).shown
    assert lint.kind == "rearms"
    assert lint.path == (ROOT, CALLBACKS, MAIN)
    assert lint.finding == "re-arms itself in 99 % of 1,000 calls: 50 ms, and 200 ms of the loop"
    assert lint.weight == 250 * MS


@pytest.mark.parametrize(
    ("changes", "duration", "found"),
    [
        ({}, 25 * S, True),  # one part in a hundred, with the work of the loop
        ({}, 25 * S + 1, False),
        ({"self_wakes": 501}, S, True),  # more than half
        ({"self_wakes": 500}, S, False),
        ({"busy": 100 * MS - 1}, S, True),  # less than 0.1 ms a call
        ({"busy": 100 * MS}, S, False),
        ({"steps": 100, "self_wakes": 100, "busy": 9 * MS}, S, True),
        ({"steps": 99, "self_wakes": 99, "busy": 9 * MS}, S, False),
    ],
)
def test_rearms_at_each_threshold(changes, duration, found):
    profile = of_callback(BUSY_WAIT._replace(**changes), 200 * MS, duration=duration)
    assert kinds(profile) == ["rearms"] * found


def with_child(above: Times, below: Times, **others: object) -> Profile:
    stacks = {(ROOT,): Times(), (ROOT, MAIN): above, (ROOT, MAIN, WORK): below}
    return Profile(stacks=stacks, **others)


def test_work_in_a_span_within_the_step_is_work_of_the_step():
    work = Times(busy=51 * MS, entries=1000)
    assert kinds(with_child(BUSY_WAIT, work, duration=S)) == []
    assert kinds(with_child(BUSY_WAIT, work._replace(busy=49 * MS), duration=S)) == ["self-wakes"]


def test_work_below_in_which_steps_end_is_not_work_of_the_step():
    work = Times(busy=51 * MS, entries=1, steps=1)
    assert kinds(with_child(BUSY_WAIT, work, duration=S)) == ["self-wakes"]


# ---------------------------------------------------------------------------------- never-yielded


def test_a_long_task_of_one_step_never_yields():
    [lint] = find_lints(of_stack(Times(busy=2 * S, steps=1, entries=1))).shown
    assert lint.kind == "never-yielded"
    assert lint.path == (ROOT, MAIN)
    assert lint.finding == "ran for 2 s, with at most one pause"
    assert lint.weight == 2 * S


@pytest.mark.parametrize(
    ("times", "texts"),
    [
        (Times(busy=S, steps=1, entries=1), ["ran for 1 s, with at most one pause"]),
        (Times(busy=S - 1, steps=1, entries=1), []),
        (Times(busy=S, entries=1), ["ran for 1 s, without a pause"]),  # still in its first step
        (Times(busy=S, steps=2, entries=1), []),
        (
            Times(busy=3 * S, steps=3, entries=3),
            ["ran for 1 s each time, 3 times, with at most one pause"],
        ),
        (Times(busy=3 * S - 1, steps=3, entries=3), []),
        (Times(busy=3 * S, steps=4, entries=3), []),
        (Times(busy=3 * S), []),  # neither task nor span
        (Times(idle=3 * S, thread=3 * S, steps=1, entries=1), []),
    ],
)
def test_never_yielded_at_each_threshold(times, texts):
    assert found(of_stack(times)) == [("never-yielded", "main", text) for text in texts]


def test_a_pause_in_a_span_is_a_pause_of_what_is_around_it():
    long = Times(busy=2 * S, steps=1, entries=1)
    assert kinds(with_child(long, Times(entries=1))) == ["never-yielded"]
    assert kinds(with_child(long, Times(entries=1, steps=1))) == []


def test_the_functions_below_a_task_are_its_own_time():
    functions = Times(busy=2 * S)
    assert found(with_child(Times(steps=1, entries=1), functions)) == [
        ("never-yielded", "main", "ran for 2 s, with at most one pause")
    ]


def test_a_child_in_its_first_step_is_not_the_time_of_its_parent():
    child = Times(busy=2 * S, entries=1)
    assert found(with_child(Times(busy=MS, steps=1, entries=1), child)) == [
        ("never-yielded", "work", "ran for 2 s, without a pause")
    ]


@pytest.mark.parametrize("frame", [OTHER, DEEPER, ROOT])
def test_a_frame_that_stands_for_many_may_have_yielded(frame):
    assert kinds(of_stack(Times(busy=2 * S, steps=1, entries=1), frame)) == []


def test_a_task_that_is_not_the_programs_is_not_told_to_yield():
    times = Times(busy=2 * S, steps=1, entries=1)
    path = (ROOT, RUNTIME, Frame("shell_main", "ipykernel/kernelbase.py", 1))
    assert kinds(Profile(stacks={path: times}, duration=2 * S)) == []


# ---------------------------------------------------------------------------------- growing-queue


def of_trend(*parts: int) -> Profile:
    return Profile(queue_trend=parts, duration=7)


def test_a_queue_that_grows_concerns_the_whole_recording():
    [lint] = find_lints(
        of_trend(1000, 3000, 6000, 8000, 12_000, 14_000, 1_200_000, 1_300_000)
    ).shown
    assert lint.kind == "growing-queue"
    assert lint.path is None
    assert lint.finding == ("2.0 tasks waited to step in the first quarter, 1,250.0 in the last")
    assert lint.weight == 7


@pytest.mark.parametrize(
    ("quarters", "found"),
    [
        ((4000, 5000, 8000, 12_000), True),  # three times as long
        ((4001, 5000, 8000, 12_000), False),
        ((1000, 2000, 3000, 10_000), True),  # ten tasks
        ((1000, 2000, 3000, 9_999), False),
        ((1000, 2000, 8000, 10_000), True),  # more by a quarter at last
        ((1000, 2000, 8001, 10_000), False),
        ((0, 1, 2, 10_000), True),
        ((0, 0, 2, 10_000), False),  # once, at the end
        ((1000, 9000, 8000, 12_000), False),
        ((12_000, 8000, 5000, 1000), False),
    ],
)
def test_growing_queue_at_each_threshold(quarters, found):
    trend = [part for quarter in quarters for part in (quarter, quarter)]
    assert kinds(of_trend(*trend)) == ["growing-queue"] * found


def test_a_trend_of_few_parts_is_not_reported():
    parts = (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)
    assert kinds(of_trend(*parts)) == ["growing-queue"]
    assert kinds(of_trend(*parts[:-1])) == []


def test_a_trend_may_have_unequal_quarters():
    assert kinds(of_trend(*range(1000, 20_000, 2000), 30_000)) == ["growing-queue"]


# ------------------------------------------------------------------------------------------ others


AWAIT = Frame("await CapacityLimiter", "app.py", 5)


@pytest.mark.parametrize(
    ("idle", "tokens", "texts"),
    [
        (600 * MS, Tokens(2, 6), ["6 wanted 2 tokens, waited 600 ms in all"]),
        (600 * MS, Tokens(1, 2), ["2 wanted 1 token, waited 600 ms in all"]),
        (10 * MS, Tokens(1, 2), ["2 wanted 1 token, waited 10 ms in all"]),
        (10 * MS - 1, Tokens(1, 2), []),
        (0, Tokens(1, 2), []),
    ],
)
def test_a_limiter_is_saturated_if_tasks_wait_long_for_it(idle, tokens, texts):
    path = (ROOT, MAIN, AWAIT)
    profile = Profile(stacks={path: Times(idle=idle)}, duration=S, limiters={path: tokens})
    assert found(profile) == [("limiter-saturated", AWAIT.name, text) for text in texts]


def test_a_saturated_limiter_weighs_no_more_than_the_whole_time():
    path = (ROOT, AWAIT)
    profile = Profile({path: Times(idle=5 * S)}, duration=S, limiters={path: Tokens(1, 9)})
    assert [lint.weight for lint in find_lints(profile).shown] == [S]


def test_spans_left_open():
    profile = Profile(
        stacks={
            (ROOT, MAIN): Times(left_open=1),
            (ROOT, WORK): Times(left_open=1200),
            (ROOT, DUMPS): Times(),
        }
    )
    assert found(profile) == [
        ("left-open", "work", "1,200 spans were open when the task had finished"),
        ("left-open", "main", "1 span was open when the task had finished"),
    ]


def test_stacks_with_blocking_steps():
    profile = Profile(
        blocking_threshold=100 * MS,
        blocking={
            (ROOT, MAIN, LINE): Blocks(1, 250 * MS, 250 * MS),
            (ROOT, WORK): Blocks(1200, 180 * S, 1_250 * MS),
            (ROOT, DUMPS): Blocks(),
        },
    )
    assert found(profile) == [
        ("blocks", "work", "1,200 steps over 100 ms, 180 s in all, at most 1.25 s"),
        ("blocks", "blocks the loop", "1 step over 100 ms, which took 250 ms"),
    ]
    assert [lint.weight for lint in find_lints(profile).shown] == [180 * S, 250 * MS]


def test_an_unknown_threshold_is_not_shown():
    assert found(Profile(blocking={(ROOT, MAIN): Blocks(2, 3 * S, 2 * S)})) == [
        ("blocks", "main", "2 steps, 3 s in all, at most 2 s")
    ]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((ROOT, MAIN, LINE), "app.py:12"),
        ((ROOT, MAIN, Frame("blocks the loop")), None),
        ((ROOT, MAIN), None),
        ((), None),
    ],
)
def test_line_at_fault(path, line):
    assert line_at_fault(path) == line


def test_tasks_that_could_not_be_found():
    assert found(Profile(untracked=1)) == [("untracked", "", "1 task could not be tracked")]
    assert found(Profile(untracked=1234)) == [("untracked", "", "1,234 tasks could not be tracked")]


def test_forked_processes_that_are_not_recorded_are_counted():
    assert found(Profile()) == []
    assert found(Profile(forks=1)) == [("forks", "", "1 process was forked and not recorded")]
    said = "1,234 processes were forked and not recorded"
    assert found(Profile(forks=1234)) == [("forks", "", said)]


DELAYS = histogram_of(*[0] * 98, 63 * MS, 80 * MS)
P99 = DELAYS.quantile(0.99)


def test_the_scheduling_delay_of_one_step_in_a_hundred():
    [lint] = find_lints(
        Profile(scheduling_delay=DELAYS, blocking_threshold=P99 - 1, duration=1000)
    ).shown
    assert lint.kind == "scheduling-delay"
    assert lint.path is None
    assert lint.finding == (
        "of 100 steps, one in a hundred was delayed by 63.4 ms or more, at most 80 ms"
    )
    assert lint.weight == 10


@pytest.mark.parametrize(
    ("delays", "threshold", "found"),
    [
        (DELAYS, P99 - 1, True),
        (DELAYS, P99, False),
        (DELAYS, None, False),
        (histogram_of(*[0] * 99, 80 * MS), MS, False),  # the longest alone
        (histogram_of(*[0] * 97, 63 * MS, 80 * MS), MS, False),  # of 99
        (Histogram(), 0, False),
    ],
)
def test_scheduling_delay_at_each_threshold(delays, threshold, found):
    assert (
        kinds(Profile(scheduling_delay=delays, blocking_threshold=threshold))
        == ["scheduling-delay"] * found
    )


# ------------------------------------------------------------------------------------ all together

EVERYTHING = Profile(
    stacks={
        (ROOT, MAIN): BUSY_WAIT,
        (ROOT, WORK): Times(busy=2 * S, steps=1, entries=1, left_open=1),
    },
    duration=3 * S,
    blocking_threshold=MS,
    blocking={(ROOT, WORK): Blocks(1, S, S)},
    scheduling_delay=DELAYS,
    queue_trend=(0, 0, 1, 1, 2, 2, 10_000, 10_000),
    untracked=2,
    forks=2,
    backends=("trio",),
)


def test_the_heaviest_lint_comes_first():
    assert kinds(EVERYTHING) == [
        "growing-queue",
        "never-yielded",
        "blocks",
        "self-wakes",
        "scheduling-delay",
        "left-open",
        "untracked",
        "forks",
    ]


@pytest.mark.parametrize(
    ("backends", "calls"),
    [
        (("trio",), {"trio.to_thread.run_sync", "await trio.lowlevel.checkpoint()"}),
        (("asyncio",), {"asyncio.to_thread", "await asyncio.sleep(0)"}),
        (("uvloop",), {"asyncio.to_thread", "await asyncio.sleep(0)"}),
    ],
)
def test_the_remedy_names_the_calls_of_the_backend(backends, calls):
    def named(*ran: str) -> set[str]:
        profile = dataclasses.replace(EVERYTHING, backends=ran)
        [remedy] = [one.remedy for one in find_lints(profile).shown if one.kind == "blocks"]
        return set(remedy.split("`")[1::2])

    assert named(*backends) == calls
    assert named() == named("asyncio", "trio") > calls


def test_texts_are_whole_sentences_and_findings_ascii():
    for lint in find_lints(EVERYTHING).shown:
        assert lint.finding.isascii()
        for text in (lint.why, lint.remedy):
            assert text.endswith(".")
            assert text.count("`") % 2 == 0
            assert not {"{", "}"} & set(text)


def test_lints_of_a_kind_are_bounded():
    paths = [(ROOT, Frame(f"f{number}")) for number in range(MOST_OF_A_KIND + 2)]
    blocking = {path: Blocks(1, weight, weight) for weight, path in enumerate(paths, start=1)}
    shown, left_out = find_lints(Profile(blocking=blocking, untracked=1))
    assert left_out == 2
    assert [lint.weight for lint in shown] == [7, 6, 5, 4, 3, 0]


def test_lints_of_the_same_weight_have_one_order():
    paths = [(ROOT, Frame("f", file, line)) for file in (None, "a.py", "") for line in (2, 1)]
    stacks = {path: Times(left_open=1) for path in paths}
    turned = dict(reversed(stacks.items()))
    assert find_lints(Profile(stacks=stacks)) == find_lints(Profile(stacks=turned))


@pytest.mark.parametrize("profile", [Profile(), Profile().merge(Profile()), Profile(merged=0)])
def test_an_empty_profile_has_no_lints(profile):
    assert find_lints(profile) == Lints((), 0)


def test_a_merged_profile_has_the_lints_of_its_parts():
    assert kinds(EVERYTHING.merge(Profile())) == kinds(EVERYTHING)
    twice = find_lints(EVERYTHING + EVERYTHING).shown
    assert "2 times" in next(lint.finding for lint in twice if lint.path == (ROOT, WORK))


def test_stacks_whose_parents_are_missing_do_no_harm():
    stacks = {(ROOT, MAIN, WORK): Times(busy=5, entries=1), (): Times(left_open=1)}
    assert kinds(Profile(stacks=stacks)) == ["left-open"]


@given(PROFILES, PROFILES)
@settings(deadline=None)
def test_any_profile_has_its_lints(one, other):
    profile = one + other
    shown, _ = find_lints(profile)
    known = profile.stacks.keys() | profile.blocking.keys() | {None}
    assert {lint.path for lint in shown} <= known
    assert {lint.kind for lint in shown} >= ({"untracked"} if profile.untracked else set())


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "0 ms"),
        (499, "0 ms"),
        (501, "0.001 ms"),
        (12_345, "0.012 ms"),
        (999_999, "1 ms"),
        (1_234_567, "1.23 ms"),
        (100 * MS, "100 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1 s"),
        (1_249 * MS, "1.25 s"),
        (12_345 * S, "12,345 s"),
    ],
)
def test_amount(time, text):
    assert amount(time) == text


# ------------------------------------------------------------------------------------- the kinds


def blocked(path, **kinds):
    """Return a profile with one long step, of some kinds."""
    total = sum(kinds.values()) or 10**9
    task = path[:2]
    return Profile(
        stacks={path[:1]: Times(), task: Times(busy=total, entries=1, steps=1)},
        duration=total,
        blocking_threshold=10**8,
        blocking={path: Blocks(1, total, total, **kinds)},
    )


WHERE = (ROOT, Frame("task", "a.py", 1), Frame(BLOCKS_THE_LOOP, "a.py", 2))


@pytest.mark.parametrize(
    ("kinds", "kind", "text"),
    [
        ({"computing": 3 * 10**9}, "blocks", "1 step over 100 ms, which took 3 s: computing"),
        ({"calling": 10**9}, "blocks", "1 step over 100 ms, which took 1 s: a blocking call"),
        (
            {"computing": 8 * 10**8, "collecting": 2 * 10**8},
            "blocks",
            "1 step over 100 ms, which took 1 s: computing, 200 ms of it garbage collection",
        ),
        (
            {"collecting": 9 * 10**8, "computing": 10**8},
            "garbage-collection",
            "1 step over 100 ms, which took 1 s, 900 ms of it for a collection",
        ),
        (
            {"gil": 10**9},
            "gil-held",
            "1 step over 100 ms, which took 1 s: another thread held the GIL for 1 s of it",
        ),
        (
            {"stopped": 10**9},
            "stopped",
            "1 step over 100 ms, which took 1 s: the process was stopped for 1 s of it",
        ),
        (
            {"starved": 10**9},
            "starved",
            "1 step over 100 ms, which took 1 s: starved of CPU for 1 s of it",
        ),
    ],
)
def test_a_long_step_says_what_it_was(kinds, kind, text):
    found = [(lint.kind, lint.finding) for lint in find_lints(blocked(WHERE, **kinds)).shown]
    assert (kind, text) in found
    innocent = kind != "blocks"
    assert not (innocent and any(other == "blocks" for other, _ in found))


@pytest.mark.parametrize("kind", ["gil", "stopped", "starved"])
def test_a_task_that_could_not_run_is_not_said_to_have_run_on(kind):
    found = find_lints(blocked(WHERE, **{kind: 3 * 10**9})).shown
    assert "never-yielded" not in [lint.kind for lint in found]


def test_a_stall_names_the_thread_the_line_and_the_delay():
    path = (
        Frame(KINDS["gil"], ""),
        Frame("worker", ""),
        Frame("compute", "a.py", 1),
        Frame(HOLDS_THE_GIL, "a.py", 2),
    )
    profile = Profile(
        duration=10**9,
        stalls={
            path: Blocks(2, 6 * 10**8, 5 * 10**8),
            (Frame(KINDS["stopped"], ""),): Blocks(1, 9, 9),
        },
        scheduling_delay=histogram_of(5 * 10**8),
    )
    gil, stopped = find_lints(profile).shown
    assert (gil.kind, gil.path, line_at_fault(path)) == ("gil-held", path, "a.py:2")
    assert gil.finding == (
        "another thread held the GIL 2 times, for 600 ms, at most 500 ms;"
        " tasks were delayed by 500 ms at most"
    )
    assert (stopped.kind, stopped.path) == ("stopped", None)


def test_a_program_that_is_starved_for_a_small_part_is_not_reported():
    stalls = {(Frame(KINDS["starved"], ""),): Blocks(1, 4 * 10**7, 4 * 10**7)}
    assert find_lints(Profile(duration=10**9, stalls=stalls)).shown == ()


def test_imports_come_last_and_hide_nothing():
    imports = blocked((*WHERE[:2], IMPORTING, WHERE[2]), computing=5 * 10**9)
    handler = blocked((ROOT, Frame("handler", "b.py", 1)), calling=2 * 10**8)
    found = find_lints(imports + handler).shown
    assert [lint.kind for lint in found] == ["blocks", "importing"]
    assert found[0].path[-1].name == "handler"


def test_a_cancellation_that_is_delivered_again_and_again_is_reported():
    path = (ROOT, CALLBACKS, Frame("cancel stubborn in a scope of main", "a.py", 1))
    times = Times(busy=10**9, steps=200, self_wakes=199)
    [lint] = find_lints(Profile(stacks={path: times}, duration=10**9)).shown
    assert (lint.kind, lint.path) == ("cancel-spins", path)
    assert lint.finding == "delivered 200 times, 1 s busy"
