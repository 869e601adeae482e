"""The comparison with other profilers: its page has what was measured, and its readers read."""

from __future__ import annotations

import importlib
import json
import sys
from datetime import date

import pytest

from tests.docs.blocks import CHECKOUT

PEERS = CHECKOUT / "benchmarks" / "peers"
MODULES = ("questions", "reading", "table")


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
