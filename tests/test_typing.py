"""Types are a product: both checkers find in `tests/typing` what is right, and what is wrong."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

COMMANDS = {
    "mypy": ["mypy", "--strict", "--warn-unused-ignores", "tests/typing"],
    "pyright": ["pyright", "--pythonpath", sys.executable, "--project", "tests/typing"],
}


@pytest.mark.parametrize("checker", COMMANDS)
def test_decorated_functions_keep_their_types(checker):
    if importlib.util.find_spec(checker) is None and "CI" not in os.environ:
        pytest.skip(f"{checker} is not installed; the extra 'lint' has it")
    done = subprocess.run(
        [sys.executable, "-m", *COMMANDS[checker]],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("no issues found in 1 source file" in done.stdout) or ("0 errors, " in done.stdout)
