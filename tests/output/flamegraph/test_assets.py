"""The computations of the script, in node: `assets/*.test.mjs`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("assets")


@pytest.fixture
def node():
    found = shutil.which("node")
    if found is None and not os.environ.get("CI"):
        pytest.skip("needs node")
    assert found is not None
    return found


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.test.mjs")), ids=lambda path: path.name)
def test_the_model_passes_its_tests(node, path):
    run = subprocess.run(
        [node, "--test", str(path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stdout + run.stderr
