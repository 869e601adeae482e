"""`tracetools query`: its flags. `files.querying` does what they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from tracetools.commands import values
from tracetools.core.profile import LENSES

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "ask the engine of a fleet: report, flame graph, difference, regressions"

_EPILOG: Final = """\
WHERE is the URL of an engine:
  duckdb:PATH                            a file, which needs no server
  chdb:FOLDER                            ClickHouse within this process
  clickhouse://USER@HOST:PORT/DATABASE   a server; the password is in the
                                         environment: TRACETOOLS_CLICKHOUSE_PASSWORD
WHEN is a time such as 2026-11-30T14:00 (of this machine's zone, unless it ends in
one), or how long ago: 90m, 6h, 7d.

--compare says in what the earlier side differs; all else is as on the later one:
  --version 2.0 --compare version=1.9
  --from 14:00 --to 15:00 --compare from=13:00,to=14:00
"""

_COMPARED: Final = ("service", "version", "host", "from", "to")


def _compared(text: str) -> dict[str, str]:
    """Return what --compare says, by name."""
    found = dict(pair.partition("=")[::2] for pair in text.split(","))
    if not all(found.values()) or not found.keys() <= set(_COMPARED):
        raise argparse.ArgumentTypeError(
            f"{text!r} makes no sense: give NAME=VALUE of {', '.join(_COMPARED)}"
        )
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("where", metavar="WHERE", help="the URL of an engine")
    parser.add_argument(
        "--service", metavar="NAME", help="which service; needed where there are several"
    )
    parser.add_argument("--version", metavar="NAME", help="only this version")
    parser.add_argument("--host", metavar="NAME", help="only this host")
    parser.add_argument("--from", dest="start", metavar="WHEN", help="not what began earlier")
    parser.add_argument("--to", dest="end", metavar="WHEN", help="only what began earlier")
    parser.add_argument(
        "--span", metavar="NAME", help="only stacks with a task, span or function of that name"
    )
    parser.add_argument("--lens", choices=LENSES, help="which time is shown (default: busy)")
    parser.add_argument(
        "--compare", type=_compared, metavar="NAME=VALUE", help="compare with another selection"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="write a report (.html), a flame graph or a difference (.svg), or a file of any format"
        " that `convert` writes",
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--list", action="store_true", help="list services, versions and hosts")
    asked.add_argument(
        "--latency", action="store_true", help="print how long spans lasted, by version"
    )
    asked.add_argument(
        "--regressions",
        action="store_true",
        help="print what takes longer a request than on the side of --compare, and how sure it is",
    )
    asked.add_argument(
        "--roll-up",
        action="store_true",
        help="add up the batches of each hour that is over, which makes questions about days quick",
    )
    asked.add_argument(
        "--forget", type=values.count, metavar="DAYS", help="delete batches that are older"
    )
    parser.add_argument(
        "-n", "--limit", type=values.count, default=10, metavar="N", help="rows (default: 10)"
    )


def run(given: argparse.Namespace) -> int:
    """Ask, and print or write the answer.

    Returns:
        0; 1 if something is missing in the answer.

    Raises:
        UsageError: the options make no sense together.
        EngineError: the engine does not answer.
        CommandError, GraphFileError, StackFileError: a file cannot be written.
    """
    from tracetools.commands.files.querying import query  # `--help` does not need it

    return query(given)
