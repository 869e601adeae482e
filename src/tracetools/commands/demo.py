"""`tracetools demo`: profiles a small web shop, and says what came of it."""

from __future__ import annotations

import argparse
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.commands import CommandError, values
from tracetools.commands.terminal import summary, tables
from tracetools.core.profile import LENSES
from tracetools.output.formats.names import with_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from tracetools.core.profile import Profile
    from tracetools.demo.drive import Backend, Outcome

    class Recorded(Protocol):
        """What has recorded the shop."""

        @property
        def profile(self) -> Profile:
            """All that was recorded."""


__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "profile a real web application under load: see what a profile looks like"

_MOST_REQUESTS: Final = 100_000
_STDOUT: Final = 1
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
        help="write NAME.folded, NAME.profile.json and NAME.html (default: %(default)s)",
    )
    parser.add_argument(
        "--lens",
        choices=[lens for lens in LENSES if lens != "critical"],  # the demo keeps no spans
        default="busy",
        help="which time the folded file shows (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the shop under a recording, write the files, print where the time went.

    Returns:
        0, or 1 if a request failed.

    Raises:
        CommandError: a package of the extra ``demo`` is missing.
        StackFileError, GraphFileError: a file cannot be written.
        LawError: a bug in tracetools.
        KeyboardInterrupt: the stack file has been written; the report has not.
    """
    run_shop = _load_shop(options.backend)
    record_shop = _record_on_trio if options.backend == "trio" else _record_on_asyncio
    with _unlogged():
        outcome, recorded = record_shop(run_shop, options)
    profile = recorded.profile
    profile.check()
    written = _write(profile, options)
    print(_report(outcome, options.backend, profile, written))  # what it is for
    return 1 if outcome.failures else 0


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Say nothing while the shop runs, as what blocks it is said at the end."""
    logger, silence = logging.getLogger("tracetools"), logging.NullHandler()
    logger.addHandler(silence)
    try:
        yield
    finally:
        logger.removeHandler(silence)


def _write(profile: Profile, options: argparse.Namespace) -> list[Path]:
    """Write the profile and the report beside the stack file, and return all three."""
    from tracetools.commands.running.formats import FORMATS, Look  # not before the run

    stack_file = with_suffix(Path(options.output).absolute(), ".folded")
    written = [with_suffix(stack_file, suffix) for suffix in (".profile.json", ".folded", ".html")]
    for path, suffix in (written[0], ".profile.json"), (written[2], ".html"):
        FORMATS[suffix].write(path, profile, Look(options.lens, "name"))
    return written


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

    instrument = FlamegraphInstrument(
        options.output, lens=options.lens, functions=True, scheduled=True
    )
    return run_shop(options.requests, "trio", instruments=[instrument]), instrument


def _record_on_asyncio(
    run_shop: Callable[..., Outcome], options: argparse.Namespace
) -> tuple[Outcome, Recorded]:
    """Run the shop within `record`, for asyncio takes no instruments."""
    from tracetools import record  # imports asyncio

    with record(options.output, lens=options.lens, functions=True, scheduled=True) as recording:
        outcome = run_shop(options.requests, "asyncio")
    return outcome, recording


def _request_count(text: str) -> int:
    try:
        count = values.whole(text)
    except argparse.ArgumentTypeError:
        count = 0
    if not 1 <= count <= _MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_REQUESTS}")
    return count


def _report(outcome: Outcome, backend: Backend, profile: Profile, written: list[Path]) -> str:
    parts = (
        _what_ran(outcome, _SERVERS[backend]),
        f"tracetools: {tables.what_ran(profile)}",
        summary.at_end(profile, _STDOUT),
        tables.what_to_open(written, Path.cwd()),
    )
    return "\n\n".join(parts)


def _what_ran(outcome: Outcome, server: str) -> str:
    answered = f"{outcome.answered} requests in {outcome.seconds:.2f} s"
    text = f"A web shop (starlette, on {server}) answered {answered}."
    if outcome.failures:
        text += f"\n{len(outcome.failures)} requests failed; the first: {outcome.failures[0]}"
    return text
