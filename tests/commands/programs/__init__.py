"""Programs as users write them, and both ways to run them: by `python`, by `tracetools run`."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tracetools
from tracetools.instruments import asyncio_callbacks, asyncio_patches, event_waits, stepped

PROGRAMS = Path(__file__).parent
RECORDED = ("-m", "tracetools", "run")


_MODULES = (asyncio_callbacks, asyncio_patches, event_waits, stepped)
_OUR_FILES = "|".join(re.escape(module.__file__) for module in _MODULES)
_OURS_ON_3_10 = re.compile(rf' *File "(?:{_OUR_FILES})", line \d+, in .*\n    .*\n')
"""Frames that cannot be kept out of the tracebacks of asyncio's tasks on Python 3.10."""


class Ended(NamedTuple):
    """How a process has ended."""

    status: int
    output: str
    errors: str


@contextlib.contextmanager
def started(
    *words: str, folder: Path, covered: bool = False, flags: tuple[str, ...] = (), **variables: str
) -> Iterator[subprocess.Popen]:
    """Start a Python with these words after its name.

    See to it that it ends, and whatever it has started: it has a process group of its own.
    """
    source = str(Path(tracetools.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    environment = {
        name: value
        for name, value in os.environ.items()
        if covered or not name.startswith("COVERAGE_PROCESS")
    }
    with subprocess.Popen(
        [sys.executable, *flags, *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": path} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            with contextlib.suppress(AttributeError, ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def installed(folder: Path) -> tuple[str, ...]:
    """Make what an installer makes of the entry point, in a folder of its own; return its name."""
    (folder / "bin").mkdir()
    script = "import sys\nfrom tracetools.__main__ import main\nsys.exit(main())\n"
    (folder / "bin" / "tracetools").write_text(script)
    return ("bin/tracetools",)


def end(process: subprocess.Popen) -> Ended:
    """Wait for its end."""
    output, errors = process.communicate(timeout=60)
    return Ended(process.returncode, output, errors)


def run_both(*words: str, folder: Path, covered: bool = True, **more) -> tuple[Ended, Ended]:
    """Run a program by Python and by us, side by side; return how both have ended."""
    with (
        started(*words, folder=folder, **more) as plain,
        started(*RECORDED, *words, folder=folder, covered=covered, **more) as recorded,
    ):
        return end(plain), end(recorded)


def assert_same(*words: str, folder: Path, **more) -> str:
    """Run both: all must be the same but for our report at the end of stderr. Return that."""
    return what_we_said(*run_both(*words, folder=folder, **more))


_UNKNOWN_CHILD = re.compile(r"Unknown child process pid [0-9]+, will report .*\n")
"""What asyncio logs now and then on a busy machine, recorded or not."""


_BLOCKS = re.compile(r"tracetools: the loop (?:is|was) blocked .*\n")
"""What we write while the program runs; also of one that waits for a busy machine."""


def what_we_said(plain: Ended, recorded: Ended) -> str:
    """Return our report, which follows the program's own words; those must be the same."""
    errors, plain_errors = (_UNKNOWN_CHILD.sub("", ran.errors) for ran in (recorded, plain))
    errors = _BLOCKS.sub("", errors)
    if sys.version_info < (3, 11):
        errors = _OURS_ON_3_10.sub("", errors)
    assert recorded.output == plain.output
    assert errors[: len(plain_errors)] == plain_errors
    assert recorded.status == plain.status
    return errors[len(plain_errors) :]
