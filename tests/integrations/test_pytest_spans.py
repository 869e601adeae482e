"""Spans of tests in a recording of a whole run: `tracetools run -m pytest`."""

from __future__ import annotations

import pytest

from tests.integrations.projects import (
    KINDS,
    NAMES,
    SHARED,
    SHARED_LOOP,
    make,
    outcomes,
    run_pytest,
)
from tracetools.output.formats.profile_json import read_profile


def record(folder, *arguments):
    command = ("-m", "tracetools", "run", "-o", "all", *arguments, "-m", "pytest")
    done = run_pytest(folder, command=command)
    profile = read_profile(folder / "all.profile.json")
    profile.check()
    return done, profile


def tasks_below(profile, test):
    """Return the names of the frames below the span of a test, and its location."""
    below = [path[place:] for path in profile.stacks for place in places(path, test)]
    return {path[1].name for path in below if path[1:]}, {path[0].location for path in below}


def steps_below(profile, test):
    return sum(times.steps for path, times in profile.stacks.items() if places(path, test))


def places(path, test):
    return [place for place, frame in enumerate(path) if frame.name == test]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("spans"), test_kinds=KINDS)
    return record(folder)


def line_of(text, name):
    lines = text.splitlines()
    begin = next(n for n, line in enumerate(lines) if f"def {name}(" in line)
    while lines[begin - 1].startswith(("@", "    [", ")", "    ids", '    "anyio')):
        begin -= 1
    return begin + 1


def test_each_test_with_a_loop_has_a_span_with_its_location(kinds):
    _, profile = kinds
    for name in (name for name, backend in NAMES.items() if backend):
        below, locations = tasks_below(profile, f"test_kinds.py::{name}")
        function = name.partition("[")[0].rpartition("::")[2]
        assert below, name
        assert locations == {f"test_kinds.py:{line_of(KINDS, function)}"}


def test_all_tasks_of_a_loop_of_a_test_stand_below_its_span(kinds):
    _, profile = kinds
    outside = {path[1].name for path in profile.stacks if path[1:] and "::" not in path[1].name}
    assert not {name for name in outside if not name.startswith("(")}


def test_tests_that_share_a_loop_have_spans_of_their_own(tmp_path):
    folder = make(tmp_path, test_shared=SHARED, test_loop=SHARED_LOOP)
    done, profile = record(folder)
    assert " 6 passed in " in done.stdout + done.stderr
    for backend in ("asyncio", "trio"):
        for name in ("test_first", "test_second"):
            assert steps_below(profile, f"test_shared.py::{name}[{backend}]") > 0
    for name in ("test_one", "test_two"):
        below, _ = tasks_below(profile, f"test_loop.py::TestLoop::{name}")
        assert below == {f"TestLoop.{name}"}
    first = "test_shared.py::test_first[trio]"
    busy = sum(times.busy for path, times in profile.stacks.items() if places(path, first))
    assert busy > 50_000_000
    ticking = [path for path in profile.stacks if path[-1].name == "tick"]
    assert ticking
    assert not any(places(path, first) for path in ticking)


def test_a_run_that_nobody_records_has_no_spans(tmp_path):
    text = """
def test_hooks(pytestconfig):
    assert not pytestconfig.pluginmanager.has_plugin("tracetools-spans")
"""
    done = run_pytest(make(tmp_path, test_hooks=text), "--tracetools")
    assert outcomes(done) == {"passed": 1}, done.stdout


def test_a_test_within_a_recorded_test_has_a_span_below_it(tmp_path):
    text = """
pytest_plugins = "pytester"

def test_outer(pytester):
    pytester.makepyfile(
        test_inner="import asyncio\\ndef test_inner(): asyncio.run(asyncio.sleep(0))"
    )
    done = pytester.runpytest_inprocess("-o", "asyncio_default_fixture_loop_scope=function")
    done.assert_outcomes(passed=1)
"""
    done, profile = record(make(tmp_path, test_outer=text))
    assert " 1 passed in " in done.stdout + done.stderr
    names = {";".join(frame.name for frame in path) for path in profile.stacks}
    nested = "all-spans;test_outer.py::test_outer;test_inner.py::test_inner;"
    assert any(name.startswith(nested) for name in names), names
