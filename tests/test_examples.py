"""The example programs do what their first lines say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracetools.formats.folded import read_folded

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = {
    "fan_out.py": ["main", "backup", "check_mail"],
    "anyio_backend.py": ["main", "export", "encode"],
}


def test_every_example_is_tested():
    tested = {*PROGRAMS, "pytest_fixture.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_writes_both_files(name, tmp_path):
    ran = run([EXAMPLES / name], tmp_path)
    assert ran.stdout.endswith(f"{os.sep}stack.svg\n")
    assert (tmp_path / "stack.svg").exists()
    stacks = read_folded(tmp_path / "stack.folded").stacks
    names = [[frame.split(" (")[0] for frame in path] for path in stacks]
    assert ["all-spans", *PROGRAMS[name]] in names


def test_program_takes_the_name_of_its_file(tmp_path):
    run([EXAMPLES / "fan_out.py", "other"], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"other.folded", "other.svg"}


def test_fixture(tmp_path):
    ran = run(["-m", "pytest", "-p", "no:cacheprovider", EXAMPLES / "pytest_fixture.py"], tmp_path)
    assert "1 passed" in ran.stdout


def run(arguments, folder):
    ran = subprocess.run(
        [sys.executable, *map(os.fspath, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran
