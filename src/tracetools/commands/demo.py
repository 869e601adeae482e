"""`tracetools demo`: profiles a small web shop, and says what came of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from tracetools.commands import CommandError, tables, values
from tracetools.core.profile import LENSES
from tracetools.output.formats.names import with_suffix

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Protocol

    from tracetools.core.profile import Profile
    from tracetools.demo.drive import Backend, Outcome
    from tracetools.output.flamegraph import Flamegrapher

    class Recorded(Protocol):
        """What has recorded the shop."""

        @property
        def profile(self) -> Profile:
            """All that was recorded."""

        @property
        def flamegrapher(self) -> Flamegrapher:
            """What draws it."""


__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "profile a real web application under load: see what a profile looks like"

_MOST_REQUESTS: Final = 100_000
_SERVERS: Final[dict[Backend, str]] = {"trio": "hypercorn's trio worker", "asyncio": "uvicorn"}


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
        "--backend",
        choices=_SERVERS,
        default="trio",
        help="what the shop runs on: hypercorn on trio, or uvicorn on asyncio"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        default="stack",
        metavar="NAME",
        help="write NAME.folded, NAME.profile.json and NAME.svg (default: %(default)s)",
    )
    parser.add_argument(
        "--lens",
        choices=LENSES,
        default="busy",
        help="which time the graph and the folded file show (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the shop under a recording, write the files, print where the time went.

    Returns:
        0, or 1 if a request failed.

    Raises:
        CommandError: a package of the extra ``demo`` is missing.
        StackFileError, GraphFileError: a file cannot be written.
        LawError: a bug in tracetools.
        KeyboardInterrupt: the stack file has been written; the graph has not.
    """
    run_shop = _load_shop(options.backend)
    record_shop = _record_on_trio if options.backend == "trio" else _record_on_asyncio
    outcome, recorded = record_shop(run_shop, options)
    profile = recorded.profile
    profile.check()
    graph = recorded.flamegrapher.with_marks_of(profile, options.lens).write_flamegraph()
    from tracetools.output.formats.profile_json import write_profile  # not before the run

    write_profile(with_suffix(graph, ".profile.json"), profile)
    print(_report(outcome, options.backend, profile, graph))  # what it is for
    return 1 if outcome.failures else 0


def _load_shop(backend: Backend) -> Callable[..., Outcome]:
    """Return `run_shop`; import it and its server, which need the extra ``demo``."""
    try:
        from tracetools.demo.drive import load_server, run_shop

        load_server(backend)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tracetools"):
            raise
        package = error.name.partition(".")[0]
        raise CommandError(
            f"the demo needs {package}: pip install 'trio-tracetools[demo]'"
        ) from error
    return run_shop


def _record_on_trio(
    run_shop: Callable[..., Outcome], options: argparse.Namespace
) -> tuple[Outcome, Recorded]:
    """Run the shop with an instrument, as a program does that starts trio itself."""
    from tracetools import FlamegraphInstrument  # imports trio

    instrument = FlamegraphInstrument(options.output, lens=options.lens, blocking=None)
    return run_shop(options.requests, "trio", instruments=[instrument]), instrument


def _record_on_asyncio(
    run_shop: Callable[..., Outcome], options: argparse.Namespace
) -> tuple[Outcome, Recorded]:
    """Run the shop within `record`, for asyncio takes no instruments."""
    from tracetools import record  # imports asyncio

    with record(options.output, lens=options.lens, blocking=None) as recording:
        outcome = run_shop(options.requests, "asyncio")
    return outcome, recording


def _request_count(text: str) -> int:
    count = values.whole(text)
    if not 1 <= count <= _MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_REQUESTS}")
    return count


def _report(outcome: Outcome, backend: Backend, profile: Profile, graph: Path) -> str:
    written = [with_suffix(graph, suffix) for suffix in (".profile.json", ".folded", ".svg")]
    parts = (
        _what_ran(outcome, _SERVERS[backend]),
        tables.top_stacks(profile, "busy"),
        tables.top_stacks(profile, "idle"),
        tables.totals(profile),
        tables.what_to_open(written, graph.cwd()),
    )
    return "\n\n".join(parts)


def _what_ran(outcome: Outcome, server: str) -> str:
    answered = f"{outcome.answered} requests in {outcome.seconds:.2f} s"
    text = f"A web shop (starlette, on {server}) answered {answered}."
    if outcome.failures:
        text += f"\n{len(outcome.failures)} requests failed; the first: {outcome.failures[0]}"
    return text
