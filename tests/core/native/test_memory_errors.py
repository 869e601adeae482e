"""Where memory is short, the program goes on, and recording stops or goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import tracetools
from tests.core.native.entries import ENTRIES
from tracetools.core.native import native

pytestmark = [
    pytest.mark.skipif(native is None, reason="the native core is not in use"),
    pytest.mark.skipif(find_spec("_testcapi") is None, reason="this Python lacks _testcapi"),
]

ROOT = Path(__file__).parents[3]
SOURCE = Path(tracetools.__file__).parent.parent


def run(*arguments: str) -> list[str]:
    """Run the script in a process of its own; return what was tried and what went wrong."""
    unmeasured = {n: v for n, v in os.environ.items() if not n.startswith("COVERAGE")}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.core.native.memory_errors", *arguments],
        env={**unmeasured, "PYTHONPATH": f"{SOURCE}{os.pathsep}{ROOT}"},
        capture_output=True,  # Python prints errors of finalisers
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, f"it crashed after {ran.stdout[-200:]}:\n{ran.stderr[-4000:]}"
    return ran.stdout.splitlines()


@pytest.mark.parametrize("kind", sorted({name.split(",")[0].split(".")[0] for name in ENTRIES}))
def test_each_allocation_of_each_entry_point_may_fail(kind):
    names = [name for name in ENTRIES if name.split(",")[0].split(".")[0] == kind]
    assert run(*names) == [f"# {name}" for name in names]


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_no_span_raises_anything_into_the_program(backend):
    assert run("--spans", backend) == [f"# {backend}"]
