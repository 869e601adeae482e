"""What is sent to an engine is found again, to the nanosecond, and counts once: on all engines."""

from __future__ import annotations

import uuid
from dataclasses import fields, replace
from functools import cache, reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fleet.simulated import MINUTE, NOON, Shop
from tests.strategies import PROFILES
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.engine import EngineRefusesError
from tracetools.fleet.engines import open_engine
from tracetools.fleet.selection import Selection

HOUR = 60 * MINUTE
SHOP = Selection("shop")


@cache
def some_batches() -> tuple[Batch, ...]:
    shop = Shop(routes=3, below=2)
    minutes = [(v, n, m) for v in "12" for n in range(2) for m in (57, 58, 59, 60, 61, 62)]
    return tuple(shop.minute(*each) for each in minutes)


def summed(batches) -> Profile:
    return reduce(Profile.merge, [batch.profile for batch in batches])


@pytest.fixture(scope="module", params=["duckdb", "chdb"])
def engine(request, tmp_path_factory):
    opened = open_engine(f"{request.param}:{tmp_path_factory.mktemp('fleet') / 'store'}")
    opened.send(some_batches()[:10])
    opened.send(some_batches()[5:])  # some of them again
    yield opened
    opened.close()


def check_same(found, expected):
    found.check()
    differing = [
        f.name for f in fields(Profile) if getattr(found, f.name) != getattr(expected, f.name)
    ]
    assert differing == []


def test_all_is_found_again_and_counts_once(engine):
    found = engine.profile(SHOP)
    check_same(found.profile, summed(some_batches()))
    assert (found.batches, found.processes, found.missing) == (24, 4, ())


@pytest.mark.parametrize(
    "chosen",
    [
        {"version": "2"},
        {"host": "host1"},
        {"version": "1", "host": "host0"},
        {"start": NOON + HOUR},
        {"end": NOON + 59 * MINUTE},
        {"start": NOON + 58 * MINUTE, "end": NOON + 61 * MINUTE, "version": "1"},
    ],
    ids=str,
)
def test_a_selection_has_its_batches_and_no_others(engine, chosen):
    selection = replace(SHOP, **chosen)
    expected = [
        batch
        for batch in some_batches()
        if all(
            getattr(batch.source, name) == value
            for name, value in selection.texts()
            if name != "service"
        )
        and selection.start <= batch.start < selection.end
    ]
    check_same(engine.profile(selection).profile, summed(expected))


def test_versions_and_hosts_are_listed(engine):
    known, missing = engine.known()
    assert [each[:5] for each in known] == [
        ("shop", "1", "host0", 1, 6),
        ("shop", "1", "host1", 1, 6),
        ("shop", "2", "host0", 1, 6),
        ("shop", "2", "host1", 1, 6),
    ]
    assert {each[5:] for each in known} == {(NOON + 57 * MINUTE, NOON + 63 * MINUTE)}
    assert missing == ()


def test_latencies_are_by_version(engine):
    found, _ = engine.latencies(SHOP, lambda path: path[-1].name == "GET /route1")
    for version in "12":
        expected = summed(b for b in some_batches() if b.source.version == version).latencies
        [(path, histogram)] = found[version].items()
        assert histogram == expected[path]


def test_slices_add_up_to_the_whole(engine):
    slices, kind, _ = engine.slices(SHOP)
    assert len(slices) == 6
    assert "parts of the time" in kind
    whole = summed(some_batches())
    assert sum(each.duration for each in slices) == whole.duration
    for path, times in whole.stacks.items():
        assert reduce(Times.plus, [s.stacks.get(path, Times()) for s in slices]) == times


def test_hours_without_data_are_said(engine):
    found = engine.profile(replace(SHOP, start=NOON - HOUR, end=NOON + 3 * HOUR))
    [missing] = found.missing
    assert missing.startswith("2 of 4 hours have no data: ")


def test_what_is_not_there_is_empty(engine):
    for service in ("nothing", "' OR 1=1 --", "\\", "x\0y", "\ud800", "'; DROP TABLE x; --"):
        found = engine.profile(Selection(service, version="'", host='"'))
        assert (found.profile.stacks, found.batches, found.processes) == ({}, 0, 0)


def test_hours_that_were_added_up_answer_the_same_also_when_a_batch_comes_late(tmp_path):
    engine = open_engine(f"duckdb:{tmp_path / 'file'}")
    *batches, late = some_batches()
    engine.send(batches)
    assert engine.roll_up(NOON + HOUR) == 2
    assert engine.roll_up(NOON + 2 * HOUR) == 2
    assert engine.roll_up(NOON + 2 * HOUR) == 0
    check_same(engine.profile(SHOP).profile, summed(batches))
    engine.send([late])
    check_same(engine.profile(SHOP).profile, summed(some_batches()))
    part = replace(SHOP, start=NOON + 58 * MINUTE)
    expected = [batch for batch in some_batches() if batch.start >= part.start]
    check_same(engine.profile(part).profile, summed(expected))
    assert engine.roll_up(NOON + 2 * HOUR) == 1
    check_same(engine.profile(SHOP).profile, summed(some_batches()))


def test_hours_outlive_their_batches(tmp_path):
    engine = open_engine(f"duckdb:{tmp_path / 'file'}")
    engine.send(some_batches())
    engine.roll_up(NOON + 2 * HOUR)
    engine.forget(NOON + 48 * HOUR, NOON - 48 * HOUR)
    found = engine.profile(SHOP)
    assert found.batches == 24
    assert found.profile.stacks == summed(some_batches()).stacks
    engine.forget(NOON + 48 * HOUR)
    assert engine.profile(SHOP).batches == 0


def test_details_are_those_of_the_slowest_and_what_is_left_out_is_said(tmp_path):
    engine = open_engine(f"duckdb:{tmp_path / 'file'}")
    engine._most_details = 3
    engine.send(some_batches())
    found = engine.profile(SHOP)
    assert found.profile.stacks == summed(some_batches()).stacks
    assert found.missing == ()
    assert found.notes == (
        (
            "slow spans, resources and the loop's queue are of 3 of 24 batches, those with the"
            " slowest spans"
        ),
    )


@pytest.fixture(scope="module")
def one_file(tmp_path_factory):
    return open_engine(f"duckdb:{tmp_path_factory.mktemp('any') / 'file'}")


@settings(max_examples=20)
@given(st.lists(PROFILES, min_size=1, max_size=3))
def test_any_profile_is_found_again(one_file, some):
    service = uuid.uuid4()  # each attempt has its own rows
    source = Source("a" * 32, str(service), attributes={"k8s.pod": "p\0"})
    batches = [Batch(source, NOON + at * MINUTE, NOON, each) for at, each in enumerate(some)]
    try:
        one_file.send(batches)
    except EngineRefusesError:
        assert any(not 0 <= n < 2**64 for p in some for t in p.stacks.values() for n in t)
        return
    found = one_file.profile(Selection(str(service))).profile
    expected = summed(batches)
    for name in {f.name for f in fields(Profile)} - {"stacks"}:
        assert getattr(found, name) == getattr(expected, name), name
    assert nonzero(found) == nonzero(expected)


def nonzero(profile: Profile):
    return {path: times for path, times in profile.stacks.items() if any(times)}


@pytest.mark.parametrize("number", [-1, 2**64])
def test_a_number_that_no_engine_can_keep_is_refused(tmp_path, number):
    engine = open_engine(f"duckdb:{tmp_path / 'file'}")
    profile = Profile({(ROOT, Frame("x")): Times(number)})
    with pytest.raises(EngineRefusesError, match="t_busy has a number that is negative or takes"):
        engine.send([Batch(Source("a" * 32, "any"), NOON, NOON, profile)])


def test_sums_of_more_than_64_bits_are_right_and_their_hours_stay_in_batches(engine):
    start, stack = 500_000 * HOUR, (ROOT, Frame("wait", "app.py", 1))
    each = 2**64 // 3
    engine.send(
        Batch(
            Source(f"{number:032x}", "large", "1"),
            start,
            start + MINUTE,
            Profile({stack: Times(idle=each, entries=1)}, task_time=each),
        )
        for number in range(7)
    )
    for _ in range(2):
        found = engine.profile(Selection("large")).profile
        assert (found.task_time, found.stacks[stack].idle) == (7 * each, 7 * each)
        engine.roll_up(start + 2 * HOUR)
