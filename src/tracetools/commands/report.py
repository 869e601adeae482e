"""`tracetools report`: its flags. `files.reporting` does what they ask for."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

from tracetools.commands import values
from tracetools.core.profile import LENSES

__all__ = ["SUMMARY", "add_options", "run"]

_COLUMNS: Final = ("total", "self", "idle", "scheduled", "thread", "steps", "entries")

SUMMARY: Final = "print what a profile or folded stacks say: answers, a call tree or a table"


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a profile, folded stacks, or a file of another profiler; several add up; - is"
        " standard input",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--tree", action="store_true", help="print a call tree, sorted by the time in all"
    )
    shown.add_argument(
        "--table", action="store_true", help="print a row for each task, span and function"
    )
    shown.add_argument(
        "--latency",
        action="store_true",
        help="print how long spans and tasks lasted, and what the time was, also of the slow spans"
        " that were kept (see `tracetools run --keep`)",
    )
    shown.add_argument(
        "--json",
        action="store_true",
        help="print answers, totals, both laws and the rows of the table as JSON, for programs",
    )
    parser.add_argument(
        "--sort",
        choices=_COLUMNS,
        help="what the table is sorted by (default: total)",
    )
    parser.add_argument(
        "--filter",
        type=_expression,
        metavar="REGEX",
        help="take only stacks of which a frame such as `name (file:line)` matches",
    )
    parser.add_argument(
        "--lens",
        choices=LENSES,
        help="which time of a profile the tree and the table show (default: busy)",
    )
    parser.add_argument(
        "--limit",
        type=values.count,
        metavar="N",
        help="print at most N rows, or N entries of each answer (default: 40 rows, 5 entries)",
    )
    parser.add_argument(
        "--libraries",
        "--all",
        action="store_true",
        help="show each frame of libraries and of the runtime, which the tree and the table"
        " otherwise fold into one",
    )
    parser.add_argument(
        "--width",
        type=values.count,
        metavar="COLUMNS",
        help="how wide lines are (default: as the terminal; where there is none, they are not"
        " broken)",
    )


def run(given: argparse.Namespace) -> int:
    """Print it.

    Returns:
        0.

    Raises:
        UsageError: the options make no sense together.
        CommandError: the files do not add up, or nothing is left of them.
        StackFileError, NoStacksError: a file cannot be read, or makes no sense.
    """
    from tracetools.commands.files.reporting import report  # `--help` does not need it

    print(report(given))  # what it is for
    return 0
