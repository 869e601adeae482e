"""`tracetools demo`: profiles a small web shop, and says what came of it."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import CommandError, tables
from tracetools.profile import LENSES

if TYPE_CHECKING:
    from pathlib import Path

    from tracetools.demo.drive import Outcome
    from tracetools.profile import Profile

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "profile a real web application under load: see what a profile looks like"

_MOST_REQUESTS: Final = 100_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--requests",
        type=_request_count,
        default=200,
        metavar="N",
        help=f"how many requests are sent, 1 to {_MOST_REQUESTS} (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        default="stack",
        metavar="NAME",
        help="write NAME.folded and NAME.svg (default: %(default)s)",
    )
    parser.add_argument(
        "--lens",
        choices=LENSES,
        default="busy",
        help="which time the two files show (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the shop under the instrument, write both files, print where the time went.

    Returns:
        0, or 1 if a request failed.

    Raises:
        CommandError: a package of the extra ``demo`` is missing.
        StackFileError, GraphFileError: a file cannot be written.
        LawError: a bug in tracetools.
        KeyboardInterrupt: the stack file has been written; the graph has not.
    """
    run_shop = _load("tracetools.demo.drive").run_shop
    from tracetools import FlamegraphInstrument  # noqa: PLC0415  # imports trio

    instrument = FlamegraphInstrument(options.output, lens=options.lens)
    outcome = run_shop(options.requests, instrument)
    profile = instrument.profile
    profile.check()
    graph = instrument.flamegrapher.write_flamegraph()
    print(_report(outcome, profile, graph))  # noqa: T201  # what the command is for
    return 1 if outcome.failures else 0


def _load(module: str) -> Any:
    """Import a module that needs the extra ``demo``."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tracetools"):
            raise
        raise CommandError(
            f"the demo needs {error.name}: pip install 'trio-tracetools[demo]'"
        ) from error


def _request_count(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= _MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_REQUESTS}")
    return count


def _report(outcome: Outcome, profile: Profile, graph: Path) -> str:
    parts = (
        _what_ran(outcome),
        tables.top_stacks(profile, "busy"),
        tables.top_stacks(profile, "idle"),
        tables.totals(profile),
        _what_to_open(graph),
    )
    return "\n\n".join(parts)


def _what_ran(outcome: Outcome) -> str:
    answered = f"{outcome.answered} requests in {outcome.seconds:.2f} s"
    text = f"A web shop (starlette, on hypercorn's trio worker) answered {answered}."
    if outcome.failures:
        text += f"\n{len(outcome.failures)} requests failed; the first: {outcome.failures[0]}"
    return text


def _what_to_open(graph: Path) -> str:
    shown = _from_here(graph)
    files = f"{shown.with_suffix('.folded')} and {shown}"
    return f"Written: {files}\nOpen {shown} in a browser; click a frame to zoom in."


def _from_here(path: Path) -> Path:
    """Return a path relative to the working directory, if it lies below."""
    here = path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
