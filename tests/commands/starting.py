"""Runs the command as users do: in a process of its own, in a folder of its own."""

import os
import subprocess
import sys


def start_command(*arguments, folder, covered=True):
    """Start it. What is to be interrupted is not `covered`.

    Where coverage traces with Python's old means (3.10, 3.11), Ctrl-C in the midst of its work
    leaves its lock taken, and the process hangs for good.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if covered or not name.startswith("COVERAGE_PROCESS")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tracetools", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def run_command(*arguments, folder):
    """Return the exit status, the output and the error output."""
    with start_command(*arguments, folder=folder) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors
