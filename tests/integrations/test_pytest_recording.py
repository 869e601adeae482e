"""What is recorded of tests of every kind: each in a pytest of its own."""

from __future__ import annotations

import json
import textwrap

import pytest

from tests.integrations.projects import (
    KINDS,
    NAMES,
    SHARED,
    SHARED_LOOP,
    make,
    outcomes,
    run_pytest,
    section,
)
from tracetools.integrations.file_names import file_name

PROFILES = """
import json, os, pytest
from tracetools.integrations import pytest_recording

def pytest_configure(config):
    file_of_all = os.path.abspath("profiles.jsonl")
    keep = pytest_recording.TestRecorder._keep

    def check(self, item, profile):
        profile.check()
        stacks = [";".join(frame.name for frame in path) for path in profile.stacks]
        kept = [item.nodeid, profile.backends, profile.runs, profile.duration, stacks]
        with open(file_of_all, "a") as file:
            print(json.dumps(kept), file=file)
        return keep(self, item, profile)

    pytest_recording.TestRecorder._keep = check
"""
"""A conftest.py that checks the profile of each test, and writes it down."""


def reports(folder):
    return {path.name for path in (folder / ".tracetools").glob("*.html")}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("kinds"), test_kinds=KINDS, conftest=PROFILES)
    return folder, run_pytest(folder, "--tracetools")


def profiles(folder):
    lines = (folder / "profiles.jsonl").read_text().splitlines()
    return {test: rest for test, *rest in map(json.loads, lines)}


def test_each_test_with_a_loop_has_a_report(kinds):
    folder, done = kinds
    assert outcomes(done) == {"passed": 9}, done.stdout
    with_loops = [name for name, backend in NAMES.items() if backend]
    assert reports(folder) == {file_name(f"test_kinds.py::{name}") for name in with_loops}
    assert (folder / ".tracetools" / ".gitignore").read_text() == "*\n"


def test_a_report_has_the_id_of_its_test_for_a_title(kinds):
    folder, _ = kinds
    name = file_name("test_kinds.py::test_trio")
    page = (folder / ".tracetools" / name).read_text(encoding="utf-8")
    assert "<title>test_kinds.py::test_trio" in page


def test_each_profile_is_of_the_loop_of_its_test(kinds):
    folder, _ = kinds
    found = {test: backends for test, (backends, *_) in profiles(folder).items()}
    expected = {f"test_kinds.py::{name}": [backend] for name, backend in NAMES.items() if backend}
    assert found == expected


def test_fixtures_of_pytest_trio_run_in_the_loop_of_their_test(kinds):
    folder, _ = kinds
    *_, stacks = profiles(folder)["test_kinds.py::test_fixtures"]
    assert any(stack.endswith("tick") for stack in stacks)


def test_workers_write_the_same_reports_and_the_summary_has_all_tests(kinds, tmp_path):
    folder, _ = kinds
    spread = make(tmp_path, test_kinds=KINDS)
    done = run_pytest(spread, "--tracetools", "-n", "2")
    assert outcomes(done) == {"passed": 9}, done.stdout
    assert reports(spread) == reports(folder)
    assert "8 reports in .tracetools:" in section(done)


def test_tests_that_share_a_loop_have_a_profile_of_their_own_each(tmp_path):
    folder = make(tmp_path, test_shared=SHARED, test_loop=SHARED_LOOP, conftest=PROFILES)
    done = run_pytest(folder, "--tracetools=out/reports")
    assert outcomes(done) == {"passed": 6}, done.stdout
    found = profiles(folder)
    for name, backend in {
        **{f"test_shared.py::test_first[{each}]": each for each in ("asyncio", "trio")},
        **{f"test_shared.py::test_second[{each}]": each for each in ("asyncio", "trio")},
        **{f"test_loop.py::TestLoop::{each}": "asyncio" for each in ("test_one", "test_two")},
    }.items():
        backends, runs, duration, stacks = found[name]
        assert (backends, runs) == ([backend], 1)
        assert any(stack.endswith("tick") for stack in stacks), stacks
        is_long = "first" in name or name.endswith("one")
        assert (duration > 50_000_000) is is_long, name
    assert len(list((folder / "out" / "reports").glob("*.html"))) == 6


BLOCKING = """
from app import *

@pytest.mark.max_blocking(0.03)
def test_short():
    asyncio.run(fetch())

@pytest.mark.max_blocking(0.03)
def test_long():
    asyncio.run(charge())

@pytest.mark.trio
@pytest.mark.max_blocking(seconds=0.03)
async def test_on_trio():
    await charge()

@pytest.mark.max_blocking(0.03)
def test_without_a_loop():
    pass

@pytest.mark.max_blocking(0.03)
def test_that_fails_itself():
    asyncio.run(charge())
    assert 0, "its own fault"

@pytest.mark.xfail(strict=True)
@pytest.mark.max_blocking(0.03)
def test_that_is_known_to_block():
    asyncio.run(charge())

@pytest.mark.max_blocking(0.03)
def test_that_is_skipped():
    pytest.skip("not today")
"""


@pytest.mark.parametrize("arguments", [(), ("--tracetools",), ("-n", "2")], ids=str)
def test_a_test_that_blocks_its_loop_fails_and_names_the_line(tmp_path, arguments):
    done = run_pytest(make(tmp_path, test_blocking=BLOCKING), "--strict-markers", *arguments)
    result = {"passed": 2, "failed": 3, "xfailed": 1, "skipped": 1, "warning": 1}
    assert outcomes(done) == result, done.stdout
    assert "test_long: the loop was blocked for " in done.stdout
    assert "test_on_trio: the loop was blocked for " in done.stdout
    assert done.stdout.count(" ms at app.py:6: time.sleep(0.06)\n") >= 2
    assert "AssertionError: its own fault" in done.stdout
    assert "test_that_fails_itself: the loop" not in done.stdout
    warned = "test_without_a_loop: max_blocking(0.03) has nothing to measure: no event loop ran"
    assert warned in done.stdout
    assert (tmp_path / ".tracetools").exists() is (arguments == ("--tracetools",))


def test_what_is_not_ours_to_say_is_not_said(tmp_path):
    """A recording has its words in the report, not in the log, which tests may look at."""
    text = """
    from app import *

    def test_log(caplog):
        asyncio.run(charge())
        time.sleep(0.1)
        asyncio.run(charge())
        assert caplog.records == []
    """
    folder = make(tmp_path, test_log=textwrap.dedent(text))
    done = run_pytest(folder, "--tracetools", "-W", "error")
    assert outcomes(done) == {"passed": 1}, done.stdout


def test_an_error_of_ours_is_one_warning_and_fails_nothing(tmp_path):
    broken = """
    import tracetools.integrations.pytest_recording as ours

    def fails(*_, **__):
        raise RuntimeError("a bug")

    ours.most_blocked = fails
    """
    folder = make(tmp_path, test_kinds=KINDS, conftest=textwrap.dedent(broken))
    done = run_pytest(folder, "--tracetools", "-W", "error")
    assert outcomes(done) == {"passed": 9, "warning": 1}, done.stdout
    assert done.stdout.count("RuntimeError('a bug')") == 1
    assert section(done) == []


ENDINGS = """
from app import *

def test_first():
    asyncio.run(fetch())

def test_fails():
    asyncio.run(fetch())
    assert 0

def test_is_interrupted():
    async def main():
        await fetch()
        raise KeyboardInterrupt
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        ((), 2, ["test_fails", "test_first", "test_is_interrupted"]),
        (("-x",), 1, ["test_fails", "test_first"]),
    ],
)
def test_a_run_that_ends_early_has_the_reports_of_what_ran(tmp_path, arguments, status, expected):
    folder = make(tmp_path, test_ends=ENDINGS)
    done = run_pytest(folder, "--tracetools", *arguments)
    assert done.returncode == status, done.stdout
    assert reports(folder) == {file_name(f"test_ends.py::{name}") for name in expected}
    assert any(f"{len(expected)} reports in .tracetools" in line for line in section(done))


def test_of_a_test_that_runs_again_the_last_run_counts(tmp_path):
    text = """
    from app import *
    tries = []

    @pytest.mark.max_blocking(0.03)
    def test_flaky():
        tries.append(1)
        asyncio.run(charge() if len(tries) == 1 else fetch())
    """
    folder = make(tmp_path, test_again=textwrap.dedent(text))
    done = run_pytest(folder, "--tracetools", "--reruns", "2")
    assert outcomes(done) == {"passed": 1, "rerun": 1}, done.stdout
    assert "Most blocked" not in section(done)


def test_a_pytest_within_a_test_is_recorded_beside_it(tmp_path):
    text = """
    pytest_plugins = "pytester"
    from app import *

    def test_outer(pytester):
        text = "import asyncio\\ndef test_inner(): asyncio.run(asyncio.sleep(0))"
        pytester.makepyfile(test_inner=text)
        asyncio.run(fetch())
        done = pytester.runpytest_inprocess(
            "--tracetools", "-o", "asyncio_default_fixture_loop_scope=function"
        )
        done.assert_outcomes(passed=1)
        done.stdout.fnmatch_lines(["1 report in .tracetools*"])
        assert len(list((pytester.path / ".tracetools").glob("*.html"))) == 1
        asyncio.run(fetch())
    """
    folder = make(tmp_path, test_outer=textwrap.dedent(text), conftest=PROFILES)
    done = run_pytest(folder, "--tracetools")
    assert outcomes(done) == {"passed": 1}, done.stdout
    runs = {test: runs for test, (_, runs, *_) in profiles(folder).items()}
    assert runs == {"test_inner.py::test_inner": 1, "test_outer.py::test_outer": 3}
    assert len(reports(folder)) == 1


def test_nothing_is_left_where_no_test_had_a_loop(tmp_path):
    folder = make(tmp_path, test_plain="def test_plain(): pass")
    done = run_pytest(folder, "--tracetools")
    assert outcomes(done) == {"passed": 1}
    assert section(done) == []
    assert not (folder / ".tracetools").exists()
