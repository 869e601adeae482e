"""The comparison with other profilers: its page has what was measured, and its readers read."""

from __future__ import annotations

import importlib
import json
import sys
from datetime import date

import pytest

from tests.docs.blocks import CHECKOUT

PEERS = CHECKOUT / "benchmarks" / "peers"
MODULES = ("questions", "reading", "slow_reading", "table")


@pytest.fixture(scope="module")
def peers():
    """The modules of the benchmark, which are scripts beside one another."""
    sys.path.insert(0, str(PEERS))
    try:
        yield type("peers", (), {name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(PEERS))
        for name in MODULES:
            del sys.modules[name]


def test_the_page_has_the_tables_of_what_was_measured(peers):
    found = json.loads(peers.table.FOUND.read_text())
    [shown] = peers.table.PLACE.findall(peers.table.PAGE.read_text())
    assert shown == peers.table.tables(found)


def test_what_was_measured_says_when_and_with_what(peers):
    found = json.loads(peers.table.FOUND.read_text())
    assert date.fromisoformat(found["date"])
    assert found["rounds"] >= 1
    names = {"trio-tracetools", "pyinstrument", "py-spy", "viztracer", "memray"}
    assert names <= set(found["versions"])
    for tool in found["tools"]:
        assert set(tool["answers"]) == set(peers.questions.QUESTIONS)


def test_names_of_a_stack_are_found_in_their_order(peers):
    stacks = {("GET /report/{year}", "seal (a.py:3)"): 2.0, ("seal (a.py:3)", "report"): 1.0}
    assert peers.reading.seconds(stacks, "report", "seal") == 2.0
    assert peers.reading.seconds(stacks, "seal") == 3.0
    assert peers.reading.seconds(stacks, "sea") == 0


def test_samples_of_a_stack_are_seconds(peers, tmp_path):
    (tmp_path / "out").write_text("a b;c 30\na b;c 20\n")
    reading = peers.reading.of_folded(0.01)(tmp_path / "out")
    assert reading.busy == {("a b", "c"): pytest.approx(0.5)}


def test_calls_of_a_time_line_have_what_is_not_in_others(peers, tmp_path):
    def call(name, at, length):
        return {"ph": "X", "tid": 1, "ts": at * 1e6, "dur": length * 1e6, "name": name}

    events = [call("inner", 1, 2), call("outer", 0, 4), call("later", 5, 1)]
    (tmp_path / "out").write_text(json.dumps({"traceEvents": events}))
    reading = peers.reading.of_viztracer(tmp_path / "out")
    assert reading.busy == {("outer",): 2.0, ("outer", "inner"): 2.0, ("later",): 1.0}
    assert peers.reading.longest(reading, "inner") == 2.0
    assert peers.reading.longest(reading, "nothing") == 0


def test_a_frame_of_pyinstrument_has_what_its_children_have_not(peers, tmp_path):
    def frame(name, time, *children):
        place = {"file_path_short": "a.py", "line_no": 1}
        return {"function": name, "time": time, "children": children, **place}

    root = {"root_frame": frame("outer", 3.0, frame("inner", 1.0))}
    (tmp_path / "out").write_text(json.dumps(root))
    reading = peers.reading.of_pyinstrument(tmp_path / "out")
    outer = "outer (a.py:1)"
    assert reading.busy == {(outer,): 2.0, (outer, "inner (a.py:1)"): 1.0}


def test_a_task_tree_is_right_if_each_branch_is(peers):
    truth = {" > ".join(branch): 1.0 for branch in peers.questions.BRANCHES}
    stacks = {(*branch, "checksum"): 1.0 for branch in peers.questions.BRANCHES}
    reading = peers.reading.Reading(stacks, stacks)
    assert peers.questions.ask_of_tasks(reading, truth)
    mixed = peers.reading.Reading({("thumbnail", "checksum"): 4.0}, {})
    assert not peers.questions.ask_of_tasks(mixed, truth)


@pytest.mark.parametrize(
    ("names", "causes"),
    [
        (["Shop.request", "Shop.query (shop.py:39)", "Semaphore.acquire"], ["pool"]),
        (["Shop.reserve", "Shop.query", "Semaphore.acquire"], ["pool"]),
        (["Shop.reserve", "Lock.acquire:110"], ["lock"]),
        (["Shop.reserve", "RLock.acquire"], []),
        (["Shop.quote", "Semaphore.acquire"], ["limiter"]),
        (["Shop.quote", "sleep"], []),
        (["Shop.review", "sleep"], ["child"]),
    ],
)
def test_a_stack_says_for_what_a_task_waits(peers, names, causes):
    assert peers.slow_reading.causes_of(names) == causes


def test_a_gap_in_a_track_is_a_wait_for_what_is_resumed(peers, tmp_path):
    def call(name, at, length, task=1):
        return {"ph": "X", "tid": task, "ts": at * 1e6, "dur": length * 1e6, "name": name}

    events = [
        *(call("Shop.quote", 0, 1), call("Semaphore.acquire", 0.5, 0.5)),
        *(call("Shop.quote", 4, 2), call("Semaphore.acquire", 4, 1), call("sleep", 5, 1)),
        *(call("Shop.quote", 9, 1), call("sleep", 9, 0.5), call("Semaphore.acquire", 9.5, 0.5)),
        call("Shop.review", 20, 1, task=2),
    ]
    (tmp_path / "out").write_text(json.dumps({"traceEvents": events}))
    assert peers.slow_reading.of_viztracer(tmp_path / "out") == {"limiter": pytest.approx(3.0)}


def test_samples_of_waits_are_seconds(peers, tmp_path):
    (tmp_path / "out").write_text("a;Shop.reserve:3;Lock.acquire:1 30\na;Shop.review:2 5\n")
    said = peers.slow_reading.of_samples(tmp_path / "out")
    assert said == {"lock": pytest.approx(0.03), "child": pytest.approx(0.005)}


def test_a_lock_profile_has_waits_by_the_name_of_the_lock(peers):
    words = ["", "lock-acquire-wait", "nanoseconds", "lock name", "shop.py:3:pool", "Shop.query"]
    profile = b"".join(
        [
            message(1, number(1, 1), number(2, 2)),
            *(message(6, word.encode()) for word in words),
            message(5, number(1, 7), number(2, 5)),
            message(4, number(1, 9), message(4, number(1, 7), number(2, 300))),
            message(
                2,
                message(1, varint(9)),
                message(2, varint(2_000_000)),
                message(3, number(1, 3), number(2, 4)),
            ),
        ]
    )
    [sample] = peers.slow_reading.samples_of(profile)
    assert sample == (
        ["Shop.query"],
        {"lock-acquire-wait": 2_000_000},
        {"lock name": "shop.py:3:pool"},
    )
    assert peers.slow_reading.of_locks(profile) == {"pool": pytest.approx(0.002)}


def varint(value):
    low, high = value & 127, value >> 7
    return bytes([low | 128]) + varint(high) if high else bytes([low])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, *parts):
    data = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(data)) + data
