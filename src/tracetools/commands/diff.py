"""`tracetools diff`: its flags. `files.comparing` does what they ask for."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Final

from tracetools.commands import values
from tracetools.commands.convert import add_lens

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "compare two profiles or stacks: what grew, shrank, came and vanished"

_DESCRIPTION: Final = """\
Compare two files of any formats that `convert` reads. Frames are told apart by
name and file, not by line, as an edit moves lines; with --lines by line too.
The time in which a loop waits for events is left out: it is no work.
"""
_EPILOG: Final = """\
--fail-over P% ends with status 1 if more than P percent of growth is found:
  - in the total: all time in AFTER against all time in BEFORE; or
  - in a frame that has at least --least-share of all time in AFTER: its total,
    with all that is above it, against its total in BEFORE. A frame that was
    not there before has grown without bound.
Shares differ a little from run to run: choose P well above that. With
--normalise the totals are made equal, and frames are compared by their shares.
"""


def _percent(text: str) -> Fraction:
    """Return a percentage as a part of one."""
    value = Fraction(repr(values.percent(text))) / 100  # 1e-999999999 itself would take forever
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is negative")
    return value


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("before", type=Path, metavar="BEFORE", help="the earlier file")
    parser.add_argument("after", type=Path, metavar="AFTER", help="the later file")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.svg", help="draw the difference as well"
    )
    add_lens(parser)
    parser.add_argument(
        "--normalise",
        "--normalize",
        action="store_true",
        help="scale BEFORE to the total of AFTER: compare shares",
    )
    parser.add_argument(
        "--fail-over", type=_percent, metavar="P%", help="end with status 1 above this growth"
    )
    parser.add_argument(
        "--least-share",
        type=_percent,
        default=Fraction(5, 100),
        metavar="P%",
        help="of frames that --fail-over looks at (default: 5%%)",
    )
    parser.add_argument("--lines", action="store_true", help="tell frames apart by line as well")
    parser.add_argument(
        "--sort",
        choices=["self", "total"],
        default="self",
        help="order frames by the change of their self time (default) or of their total",
    )
    parser.add_argument(
        "-n",
        "--limit",
        type=values.whole,
        default=10,
        metavar="N",
        help="rows of a list (default: 10)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with all frames")


def run(given: argparse.Namespace) -> int:
    """Compare two files, and print what changed.

    Returns:
        0; 1 if something grew by more than `--fail-over`.

    Raises:
        CommandError, StackFileError, NoStacksError, GraphFileError: a file cannot be read or
            written, or the two cannot be compared.
    """
    from tracetools.commands.files.comparing import compare  # `--help` does not need it

    return compare(given)
