"""`tracetools dump`: says what every task of a program that runs waits for now."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from tracetools.commands import values

if TYPE_CHECKING:
    import argparse

    from tracetools.core.errors import TracetoolsError

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "print what every task of a program that runs waits for now"

_PATIENCE: Final = 10.0
"""Seconds for an answer: a thread that never lets go of the GIL lets nobody answer."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "pid", type=values.count, metavar="PID", help="the process; see `tracetools attach`"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON, for programs")


def run(given: argparse.Namespace) -> int:
    """Print it.

    Returns:
        0.

    Raises:
        CommandError, DoorError: the process cannot be entered, or does not answer.
    """
    from tracetools.commands.attaching.doors import connection_to  # `--help` does not need it
    from tracetools.commands.attaching.entering import UnreachedError
    from tracetools.door.client import UnansweredError
    from tracetools.door.tasks import checked_tasks, tasks_as_text

    try:
        with connection_to(given.pid, _PATIENCE) as connection:
            _, body = connection.ask("tasks")
    except (UnreachedError, UnansweredError) as error:
        print(_threads(given.pid, error, as_json=given.json))  # what it is for
        return 0
    text = checked_tasks(body) if given.json else tasks_as_text(body)
    print(text.rstrip("\n"))
    return 0


def _threads(pid: int, error: TracetoolsError, *, as_json: bool) -> str:
    """Return where the threads of a process are that cannot answer.

    Raises:
        TracetoolsError: the one that was given, if that cannot be read.
    """
    from tracetools.commands.attaching import stacks

    threads = stacks.read_threads(pid)
    if not threads:
        raise error
    if as_json:
        found = [thread._asdict() for thread in threads]
        return json.dumps({"pid": pid, "problem": str(error), "threads": found})
    print(f"tracetools: {error}", file=sys.stderr)
    return stacks.as_text(pid, threads)
