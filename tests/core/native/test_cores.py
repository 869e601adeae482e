"""Both cores are compared in a process of their own: one process has the state of one core only."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]


def test_both_cores_have_the_same_face_and_make_equal_profiles():
    command = [sys.executable, "-m", "pytest", "-q", "tests/core/native/both_cores.py"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
