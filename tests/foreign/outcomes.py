"""A pytest plugin that writes what became of each test, so that two runs can be compared.

Loaded in both runs of `run.py`, with the name of the file to write in ``TRACETOOLS_OUTCOMES``.
`unittest_outcomes` notes its tests here too.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_RANK = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")
"""What a test is called whose phases differ: the last of these that one of them is called."""

_FAILED = ("failed", "error")

WHOLE = "(exit status)"
"""The name of what stands for the exit status of a runner."""

_outcomes: dict[str, str] = {}
_reasons: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report, _outcome(report))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        _note(report, "error" if report.failed else "skipped")


def pytest_sessionfinish() -> None:
    write()


def write() -> None:
    """Write all that was noted."""
    found = {"outcomes": _outcomes, "reasons": _reasons, "tasks_alive": _tasks_alive()}
    Path(os.environ["TRACETOOLS_OUTCOMES"]).write_text(json.dumps(found), encoding="utf-8")


def _note(report: pytest.TestReport | pytest.CollectReport, outcome: str) -> None:
    note(report.nodeid, outcome, report.longreprtext if report.failed else "")


def note(name: str, outcome: str, reason: str = "") -> None:
    """Note the outcome of a phase of a test, and why it failed."""
    known = _outcomes.get(name, "passed")
    _outcomes[name] = max(known, outcome, key=_RANK.index)
    if reason and outcome in _FAILED:
        _reasons[name] = reason


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


def _tasks_alive() -> int:
    """Count the tasks of all trio runs and asyncio loops that nothing has let go of."""
    kinds = [("trio.lowlevel", "Task"), ("asyncio", "Task")]
    types = {getattr(sys.modules[name], kind) for name, kind in kinds if name in sys.modules}
    for _ in range(4):
        gc.collect()
    return sum(type(thing) in types for thing in gc.get_objects())
