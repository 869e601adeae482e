"""`tracetools attach`: records a program that runs already, and reports on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from tracetools.commands import values
from tracetools.commands.running.options import add_late_options, plain_options

if TYPE_CHECKING:
    import argparse

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "record a program that runs already, for a while, and leave it as it was"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "pid",
        type=values.count,
        metavar="PID",
        help="the process. It has a door if it was started by `tracetools run --serve`, or has"
        " called `tracetools.serve()`. From Python 3.14 on it needs none",
    )
    parser.add_argument(
        "--duration",
        type=values.seconds,
        metavar="SECONDS",
        help="how long to record (default: until Ctrl-C)",
    )
    add_late_options(parser)


def run(given: argparse.Namespace) -> int:
    """Record it, write the files, and report.

    Returns:
        0.

    Raises:
        CommandError, DoorError: the process cannot be entered, or nothing was recorded.
        UsageError: an output has no such name.
    """
    from tracetools.commands.attaching.doors import connection_to  # `--help` does not need it
    from tracetools.commands.attaching.recording import record, report
    from tracetools.commands.running.outputs import Outputs
    from tracetools.commands.running.stderr import Stderr
    from tracetools.commands.terminal.screen import printable

    outputs = Outputs(given.output or ())
    outputs.check()
    stderr = Stderr(quiet=given.quiet)
    with connection_to(given.pid) as connection:
        about, _ = connection.ask("hello")

        def say() -> None:
            until = f"for {given.duration:g} s" if given.duration else "until Ctrl-C"
            program, python = (printable(str(about.get(each))) for each in ("program", "python"))
            stderr.warning("records %s, Python %s, %s", program, python, until)

        recorded = record(connection, plain_options(given), given.duration, say)
    sys.stdout.flush()
    text = report(recorded, outputs, given)
    if text:
        stderr.report(text)
    return 0
