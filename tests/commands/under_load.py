"""Programs under load by `tracetools run`: what blocks them is named, all else is as without us.

    pytest tests/commands/under_load.py -m 'not by_hand'        (make servers)
    pytest tests/commands/under_load.py -k redis

pytest does not find this file by itself: the extra `servers` has what it needs, and what is done by
hand needs more. Each program runs three times, side by side: by Python, by us, and by us with
everything on.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.commands.loads import ASKED, BLOCKING, BY_HAND, NAMES, PROGRAMS, Program
from tests.commands.programs import RECORDED, Ended, started
from tests.commands.test_real_programs import (
    PATIENCE,
    asked_to_end_if_this_fails,
    wait_until_it_listens,
)
from tests.ports import free_port
from tracetools.core.stacks import RUNTIME, Blocks
from tracetools.output.formats.profile_json import read_profile
from tracetools.output.lints import find_lints, line_at_fault

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tracetools.core.profile import Profile

ALL = PROGRAMS | BY_HAND
FILES = Path(__file__).parent / "real_programs" / "under_load"
THEIRS = {file.name for file in FILES.iterdir()}
EVERYTHING = ("--functions", "--scheduled")

# ------------------------------------------------------------------------------------- each run


class Run(NamedTuple):
    """What came of one run of a server."""

    folder: Path
    answers: Counter[str]
    ended: Ended

    @property
    def own_errors(self) -> str:
        """What we wrote to stderr at the end: the report."""
        return self.ended.errors.partition(_REPORT)[2]

    @property
    def profile(self) -> Profile:
        return read_profile(self.folder / "stack.profile.json")

    @property
    def lines(self) -> Counter[str]:
        """What the program wrote, in lines; they may come in any order, and numbers differ."""
        theirs = _STALLED.sub("", self.ended.errors.partition(_REPORT)[0])
        text = f"{self.ended.output}\n{theirs}".replace(str(self.folder), "HERE")
        return Counter(_NUMBER.sub("N", text).splitlines())


_REPORT = "\ntracetools: recorded "
NOTHING: Counter[str] = Counter()
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?")
_STALLED = re.compile(
    r"^(tracetools: |no loop could run for |.*the loop (is|was) blocked for ).*\n", re.MULTILINE
)


def run(program: Program, folder: Path, recorded: tuple[str, ...] | None) -> Run:
    """Run a program: by us with some options, or by Python."""
    shutil.copytree(FILES, folder)
    port = free_port()
    with contextlib.ExitStack() as stack:
        service = program.service and stack.enter_context(program.service(folder))
        words = program.command.format(port=port, names=NAMES, service=service).split()
        options = None if recorded is None else (*recorded, *program.options)
        process = stack.enter_context(start(words, folder, options))
        ended = stack.enter_context(read_in_the_background(process))
        stack.callback(kill_group, process)
        stack.enter_context(asked_to_end_if_this_fails(process))
        answers = NOTHING
        if program.ask is not None:
            if "{port}" in program.command:
                wait_until_it_listens(port, process)
            answers = program.ask(port, folder)
        if program.number is not None:
            send(program.number, process)
        return Run(folder, answers, ended())


def start(words, folder: Path, recorded: tuple[str, ...] | None):
    scripts = os.path.dirname(sys.executable)
    if recorded is not None:
        words = [*RECORDED, *recorded, *words]
    elif not words[0].endswith(".py") and words[0] != "-m":
        words[0] = os.path.join(scripts, words[0])  # we find it in the path, as the shell does
    return started(*words, folder=folder, PATH=f"{scripts}{os.pathsep}{os.environ['PATH']}")


def kill_group(process: subprocess.Popen) -> None:
    """Kill what is left of a program: its workers hold the pipes that are read."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def send(number: int, process: subprocess.Popen) -> None:
    """Send a signal: Ctrl-C to all that the terminal runs, others to the process."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # it has a group of its own
    else:
        process.send_signal(number)


@contextlib.contextmanager
def read_in_the_background(process):
    """Read what a process writes, so that it never waits for us; yield what waits for its end."""
    with ThreadPoolExecutor(1) as thread:
        texts = thread.submit(process.communicate)
        yield lambda: Ended(process.wait(2 * PATIENCE), *texts.result(PATIENCE))


def cases() -> Iterator[object]:
    """All programs, by name; those that CI does not run have a mark."""
    for name in ALL:
        yield pytest.param(name, marks=[pytest.mark.by_hand] if name in BY_HAND else [])


@pytest.fixture(params=cases(), scope="module")
def program(request) -> Program:
    return ALL[request.param]


@pytest.fixture(scope="module")
def runs(program, tmp_path_factory) -> list[Run]:
    """The three runs of a program: plain, recorded, with everything on."""
    folder = tmp_path_factory.mktemp("program")
    ways = {"plain": None, "recorded": (), "everything": EVERYTHING}
    with ThreadPoolExecutor(len(ways)) as threads:
        begun = [
            threads.submit(run, program, folder / name, options) for name, options in ways.items()
        ]
        return [each.result() for each in begun]


# ------------------------------------------------------------------------------ what must be true


def handler_of(path) -> str | None:
    """Return the handler in a stack; the innermost, if there are several.

    It is there as a function, or as a span of a route or a tool, such as ``GET /sleeps``.
    """
    names = [frame.name for frame in path if Path(frame.file or "").name in THEIRS]
    ends = [re.split(r"\W+", name)[-1] for name in names]
    return next((name for name in reversed(ends) if name in ASKED), None)


def blocking_steps(profile: Profile) -> Counter[str | None]:
    """Return how many steps blocked the loop by handler; None for no handler."""
    found: Counter[str | None] = Counter()
    for path, blocks in profile.blocking.items():
        found[handler_of(path)] += blocks.count
    return found


LINES = (FILES / "handlers.py").read_text().splitlines()
FAULTS = {
    "sleeps": {"time.sleep(SECONDS)"},
    "computes": {"while time.thread_time() < until:", "sum(range(1000))"},
    "locks": {"with held:"},
}
"""The lines that block the loop, by handler."""

ALSO = {"thread.start()", "is_held.wait()"}
"""Lines where a busy machine, which does not let the other thread run, may block it as well."""

MORE = re.compile(r"\.\.\. and \d+ more$", re.MULTILINE)
"""What the terminal says if it has no room for all lines that block the loop."""

INNOCENT = {"queues", "answers"}
LINTS = ("blocks", "scheduling-delay", "importing")
LINTS += ("garbage-collection", "gil-held", "stopped", "starved")
"""What may stand out: the handlers block the loop, and the machine is busy."""


def numbers(handler: str) -> list[int]:
    """Return the numbers of the lines that block the loop."""
    wanted = FAULTS[handler] | ALSO
    return [number for number, line in enumerate(LINES, 1) if line.strip() in wanted]


def assert_handlers_are_named(profile: Profile) -> None:
    """Each time that a handler blocked the loop is counted, with the line.

    A machine that is too busy for a sample within 0.3 s has counted it without.
    """
    profile.check()
    assert profile.untracked == 0
    found = blocking_steps(profile)
    without = sum(b.count for p, b in profile.blocking.items() if line_at_fault(p) is None)
    missing = {name: ASKED[name] - found[name] for name in BLOCKING}
    assert min(missing.values()) >= 0, found
    assert sum(missing.values()) <= without, found
    lines: dict[str, set[str]] = {name: set() for name in BLOCKING}
    kinds: dict[str, Blocks] = dict.fromkeys(BLOCKING, Blocks())
    for path, blocks in profile.blocking.items():
        if handler := handler_of(path):
            kinds[handler] = kinds[handler].plus(blocks)
            file, _, line = line_at_fault(path).rpartition(":")
            assert Path(file).name == "handlers.py", path
            lines[handler].add(LINES[int(line) - 1].strip())
    for name, found in lines.items():
        assert found & FAULTS[name], lines
        assert found <= FAULTS[name] | ALSO, lines
    for name, blocks in kinds.items():
        assert not blocks.is_innocent(profile.blocking_threshold), kinds
        assert (blocks.computing > blocks.calling) == (name == "computes"), kinds


def test_program(program, runs):
    plain, recorded, everything = runs
    assert program.ask is None or sum(plain.answers.values()) == ASKED.total()
    for way in (recorded, everything):
        assert way.answers == plain.answers
        assert way.ended.status == plain.ended.status, way.ended.errors
        assert (way.lines - plain.lines, plain.lines - way.lines) == (NOTHING, NOTHING)
        assert_handlers_are_named(way.profile)
        # The one who waits is seen to wait, and for what.
        idle = way.profile.lens("idle")
        waits = {path[-1].name for path in idle if handler_of(path) == "queues"}
        assert "await Lock" in waits
        lints = find_lints(way.profile).shown
        assert {lint.kind for lint in lints} <= {*LINTS, *program.lints}
        blamed = {handler_of(lint.path or ()) for lint in lints if lint.kind == "blocks"}
        assert not blamed & INNOCENT
        for name in BLOCKING:  # the user reads of each, at once
            is_read = any(f"(handlers.py:{line})" in way.own_errors for line in numbers(name))
            # On a busy machine, each may block in several lines, and there is room for three.
            assert is_read or MORE.search(way.own_errors), (name, way.own_errors)
        for name in program.of_runtime:
            paths = [path for path in idle if name in {frame.name for frame in path}]
            assert {path[1] for path in paths} == {RUNTIME}, name
