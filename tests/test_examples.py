"""The example programs do what their first lines say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tracetools.output.formats.folded import read_folded
from tracetools.output.formats.profile_json import read_profile
from tracetools.output.lints import line_at_fault

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = {
    "fan_out.py": ["main", "backup", "check_mail"],
    "anyio_backend.py": ["main", "export", "encode"],
}
FAN_OUTS = {"slow_fan_out.py", "fast_fan_out.py"}


def test_every_example_is_tested():
    tested = {*PROGRAMS, *FAN_OUTS, "shop.py", "load.py", "pytest_fixture.py"}
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


def test_the_two_lines_that_make_a_program_slow_are_named(shop, tmp_path):
    said, profile = recorded("slow_fan_out.py", shop, tmp_path)
    lock, call = place("slow_fan_out.py", "self.lock:"), place("slow_fan_out.py", "httpx.get(")
    assert longest_wait(profile) == f"await Lock ({lock})"
    heaviest = max(profile.blocking, key=lambda path: profile.blocking[path].total)
    assert line_at_fault(heaviest) == call
    assert re.search(rf"(?m)^tracetools: the loop is blocked .* at {call}: return httpx.get", said)
    assert re.search(rf"(?s)\nWhat blocks the loop \(.* get \({call}\): return\s+httpx.get", said)


def test_where_both_are_mended_none_is_named(shop, tmp_path):
    said, profile = recorded("fast_fan_out.py", shop, tmp_path)
    of_slow = place("slow_fan_out.py", "httpx.get(")
    assert of_slow not in map(line_at_fault, profile.blocking)
    idle = sum(profile.lens("idle").values())
    assert idle > 10 * profile.duration  # each waits for its own answer, all at once
    assert "48 readers" in said


@pytest.fixture(scope="module")
def shop():
    """The shop that the fan-outs ask, in a process of its own: its address."""
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0", "--no-access-log"]
    with subprocess.Popen(command, cwd=EXAMPLES, stderr=subprocess.PIPE, text=True) as server:
        lines = iter(server.stderr.readline, "")
        yield next(found[0] for line in lines if (found := re.search("http://[0-9.:]+", line)))
        server.terminate()
        server.communicate(timeout=60)


def recorded(name, shop, folder):
    """Run a program as its first lines say; return what was printed, and the profile."""
    shutil.copy(EXAMPLES / name, folder)
    command = ["-m", "tracetools", "run", name, shop]
    said = run(command, folder, stderr=subprocess.STDOUT).stdout
    return said, read_profile(folder / "stack.profile.json")


def place(name, text):
    """Return where the only line is that has a text."""
    (number,) = (
        number
        for number, line in enumerate((EXAMPLES / name).read_text().splitlines(), start=1)
        if text in line
    )
    return f"{name}:{number}"


def longest_wait(profile):
    idle = profile.lens("idle")
    return max(idle, key=idle.get)[-1].label


def run(arguments, folder, stderr=subprocess.PIPE):
    ran = subprocess.run(
        [sys.executable, *map(os.fspath, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr or "") == (0, "")
    return ran
