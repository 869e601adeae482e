"""Checks that nothing outlives a test, marks tests for CI, and has a browser for pages."""

from __future__ import annotations

import contextlib
import gc
import inspect
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from tracetools.guest import threads as hidden_threads
from tracetools.instruments import resource_patches
from tracetools.libraries import registry
from tracetools.output import stack_file
from tracetools.recording import current, spans
from tracetools.recording.collector import on_collection

if "CI" not in os.environ:  # there, hypothesis has a profile of its own, without a deadline either
    settings.register_profile("busy machines", deadline=None)
    settings.load_profile("busy machines")

MARKS = {
    "commands/": "edges",
    "core/": "edges",
    "door/": "edges",
    "fleet/": "edges",
    "commands/files/test_querying.py": "once",
    "fleet/test_chdb_engine.py": "once",
    "fleet/test_clickhouse_servers.py": "once",
    "fleet/test_cluster.py": "once",
    "fleet/test_duckdb_engine.py": "once",
    "fleet/test_kills.py": "once",
    "fleet/test_regressions.py": "once",
    "fleet/test_store.py": "once",
    "integrations/": "once",
    "output/": "edges",
    "test_public.py": "edges",
    "test_testing.py": "edges",
    "commands/running/test_child_processes.py": "once",
    "commands/test_bad_processes.py": "once",
    "commands/test_completion.py": "once",
    "commands/test_kills.py": "once",
    "door/test_fuzzed.py": "once",
    "commands/test_top.py": "once",
    "commands/watching/test_app.py": "once",
    "libraries/test_mcp.py": "once",
    "live/test_assembly.py": "edges",
    "live/test_deadlocks.py": "edges",
    "live/test_text.py": "edges",
    "live/test_values.py": "edges",
    "libraries/test_quart.py": "once",
    "commands/test_demo.py": "once",
    "commands/test_real_programs.py": "once",
    "docs/": "once",
    "output/flamegraph/test_browser.py": "once",
    "output/formats/test_consumers.py": "once",
    "output/report/test_browser.py": "once",
    "output/timeline/test_browser.py": "once",
    "session/test_late_recording.py": "edges",
    "session/test_record_in_a_kernel.py": "once",
    "test_examples.py": "once",
    "test_files_in_source.py": "once",
    "test_house.py": "once",
    "test_no_values.py": "once",
    "test_private_files.py": "edges",
    "test_layers.py": "once",
    "test_typing.py": "once",
    "timelines/": "edges",
    "web/": "edges",
    "web/test_browser.py": "once",
    "web/test_servers.py": "once",
}
"""Tests that CI does not run on every Python, by their paths; the last that fits counts."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as pyproject.toml describes it."""
    here = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(here).as_posix()
        marks = [mark for start, mark in MARKS.items() if path.startswith(start)]
        if marks:
            item.add_marker(marks[-1])


@settings(database=None, max_examples=1)
@given(strategies.none())
def _run_hypothesis(_: None) -> None:
    pass


def pytest_collection_finish() -> None:
    """Have collections pass over what is there before the first test: many tests call for one.

    Hypothesis asks the collector who refers to its generator when it first runs anything, and
    would be told that nobody does. So it runs something now.
    """
    _run_hypothesis()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_survives():
    """Fail the test that leaves anything of ours behind, and clean up for the next one."""
    handlers = _signal_handlers()
    yield
    for thread in hidden_threads.running():
        thread.join(10)  # one that logs a line is not waited for, and ends after that
    left = {
        "recorded loops": dict(current.recorded_loops),
        "recorders": set(current.recorders),
        "threads": list(hidden_threads.running()),
        "unfinished files": set(stack_file._unfinished),
        "signal handlers": _signal_handlers().items() - handlers.items(),
        "callbacks of the collector": [each for each in gc.callbacks if each is on_collection],
        "awake spans": [
            method
            for method in (spans._DormantSpan.__enter__, spans._DormantSpan.__exit__)
            if inspect.isfunction(method)
        ],
        "spans in libraries": registry.is_in(),
        "methods of locks and queues": resource_patches.is_in(),
        "open spans": [known for known in spans._dormant.values() if known._opened],
    }
    _clean_up()
    assert {what: found for what, found in left.items() if found} == {}


@pytest.fixture
def no_collections():
    """Collect no garbage, where a test plays the collector: it never runs within itself."""
    enabled = gc.isenabled()
    gc.disable()
    yield
    if enabled:
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def programs_hear_signals():
    """Let SIGINT and SIGHUP end the programs that tests start, as they do by default.

    Under nohup and in a background job they are ignored, and a program inherits that. It does not
    inherit a handler. So this process still outlives the terminal.
    """
    wanted = {"SIGINT": signal.default_int_handler, "SIGHUP": lambda *_: None}
    numbers = {name: getattr(signal, name) for name in wanted if hasattr(signal, name)}
    ignored = [name for name, number in numbers.items() if _is_ignored(number)]
    for name in ignored:
        signal.signal(numbers[name], wanted[name])
    yield
    for name in ignored:
        signal.signal(numbers[name], signal.SIG_IGN)


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) == signal.SIG_IGN


def _signal_handlers() -> dict[int, object]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _clean_up() -> None:
    for recorder in tuple(current.recorders):
        recorder.stopped = True
    current.recorders.clear()
    for thread in tuple(current.recorded_loops):
        current._set_loops(thread, ())
    gc.callbacks[:] = [each for each in gc.callbacks if each is not on_collection]
    stack_file._unfinished.clear()
    spans._DormantSpan.switch(recording=False)


CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    """A real chromium. Its driver runs a loop in this thread, so it ends with each module."""
    try:
        from playwright.sync_api import sync_playwright

        Path(CHROMIUM).stat()
    except (ImportError, FileNotFoundError) as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs playwright and Debian's chromium: {missing}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        with contextlib.closing(browser):
            yield browser
