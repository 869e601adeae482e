"""Files to draw, and what graphs and errors say."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from tracetools.__main__ import main
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.output.formats.profile_json import write_profile

MAIN = (ROOT, Frame("main", "app.py", 3))
PROFILE = Profile(
    stacks={
        (ROOT,): Times(busy=1_000_000),
        MAIN: Times(busy=2_000_000, idle=5_000_000),
    },
    duration=3_000_000,
    task_time=7_000_000,
)
BLOCKED = replace(
    PROFILE,
    blocking_threshold=1_000_000,
    blocking={(*MAIN, Frame("blocks the loop", "app.py", 5)): Blocks(1, 1_500_000, 1_500_000)},
)


def write_files(folder):
    (folder / "a.folded").write_text("all-spans;x 5\nall-spans;y 10\n")
    (folder / "b.folded").write_text("all-spans;x 1\nz 2\n")
    write_profile(folder / "p.profile.json", PROFILE)
    write_profile(folder / "blocked.profile.json", BLOCKED)


def titles(text):
    root = ET.fromstring(text)
    return [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")][1:]


def failing(capsys, *arguments):
    """Return the message of a command that fails and leaves no file."""
    before = sorted(Path().iterdir())
    assert main(["render", *arguments]) == 2
    assert sorted(Path().iterdir()) == before
    said = capsys.readouterr()
    assert said.out == ""
    *usage, error = said.err.splitlines()
    assert error.startswith(("tracetools: ", "tracetools render: error: "))
    assert "".join(usage[:1]).startswith("usage: tracetools render"[: 99 * len(usage)])
    assert "Traceback" not in said.err
    return said.err
