"""Runs a runner of `unittest`, and writes what became of each test, as `outcomes` does for pytest.

``python -m unittest_outcomes MODULE ARGUMENT...`` is ``python -m MODULE ARGUMENT...``. The exit
status of the runner is the outcome of a test of its own: a runner may ask for more than that all
tests pass. ``TRACETOOLS_LEFT_OUT`` has the beginnings of names of tests that are not run.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
import unittest
from typing import TYPE_CHECKING, Any, Final

import outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

_left_out: Final = tuple(json.loads(os.environ.get("TRACETOOLS_LEFT_OUT", "[]")))


def _noting(name: str, outcome: str) -> None:
    """Have a method of `unittest.TestResult` note an outcome."""
    method = getattr(unittest.TestResult, name)

    def noting(self: Any, test: Any, *details: Any) -> Any:
        method(self, test, *details)
        error = details[-1] if details else None
        if name == "addSubTest":
            if error is None:
                return
            test = details[0].test_case if hasattr(details[0], "test_case") else test
        text = "".join(traceback.format_exception(*error)) if isinstance(error, tuple) else ""
        outcomes.note(test.id(), outcome, text)

    setattr(unittest.TestResult, name, noting)


def _surrounding(run: Callable[..., Any], plugin: Any) -> Callable[..., Any]:
    """Return `unittest.TestCase.run` with what the plugin does before and after a test."""

    def surrounded(self: unittest.TestCase, result: Any = None) -> Any:
        name = self.id()
        if name.startswith(_left_out):
            return result
        os.environ["PYTEST_CURRENT_TEST"] = name
        if plugin is not None:
            plugin.pytest_runtest_logstart()
        try:
            return run(self, result)
        finally:
            if plugin is not None:
                plugin.pytest_runtest_teardown()
                plugin.pytest_runtest_logfinish()

    return surrounded


def main() -> None:
    """Run the module that the arguments name."""
    plugin = None
    if "TRACETOOLS_FOREIGN" in os.environ:
        import with_instrument as plugin

        plugin.pytest_configure()
    for name, outcome in {
        "addSuccess": "passed",
        "addSkip": "skipped",
        "addExpectedFailure": "xfailed",
        "addUnexpectedSuccess": "xpassed",
        "addFailure": "failed",
        "addError": "error",
        "addSubTest": "failed",
    }.items():
        _noting(name, outcome)
    unittest.TestCase.run = _surrounding(unittest.TestCase.run, plugin)  # type: ignore[method-assign]
    del sys.argv[0]
    status: object = 0
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as error:
        status = error.code or 0
    outcomes.note(
        outcomes.WHOLE, "failed" if status else "passed", f"the runner ended with {status!r}"
    )
    outcomes.write()


if __name__ == "__main__":
    main()
