"""`tracetools top`: shows live what the tasks of a program that runs do."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import CommandError, values
from tracetools.commands.terminal.screen import is_terminal, printable, width_of

if TYPE_CHECKING:
    import argparse

    from tracetools.commands.watching.feed import Feed

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "show live what the tasks of a program that runs do"

_PATIENCE: Final = 10.0
_PIPE_WIDTH: Final = 120
_ONCE: Final = 1.0
"""Seconds that one update is of."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "pid", type=values.count, metavar="PID", help="the process; see `tracetools attach`"
    )
    parser.add_argument(
        "--interval",
        type=values.seconds,
        metavar="SECONDS",
        default=0.5,
        help="seconds between two updates, 0.1 at least; longer where that would cost the program"
        " more than a hundredth of a processor (default: 0.5)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="print one update as text, and end; so it is where the output is no terminal",
    )
    parser.add_argument(
        "--no-resources",
        action="store_true",
        help="do not record who has and who waits for locks, limiters and queues",
    )

    parser.add_argument(
        "--no-recording",
        action="store_true",
        help="have nothing recorded: show only what tasks wait for. If the program or somebody"
        " else records it, that is shown",
    )


def run(given: argparse.Namespace) -> int:
    """Show it until `q`, or the end of the program.

    Returns:
        0.

    Raises:
        CommandError, DoorError: the process cannot be entered, does not answer, or textual is
            missing.
    """
    is_text = given.once or not (is_terminal(sys.stdout.fileno()) and is_terminal(_stdin()))
    if not is_text and find_spec("textual") is None:
        raise CommandError(
            "to show it live takes textual: pip install 'trio-tracetools[top]'; or print it once"
            " by --once"
        )
    from tracetools.commands.attaching.doors import connection_to  # `--help` does not need it
    from tracetools.commands.watching.feed import Feed

    options = None if given.no_recording else _options(given)
    with connection_to(given.pid, _PATIENCE) as connection:
        feed = Feed(connection, options, given.interval)
        why = _print_once(feed) if is_text else _show(feed)
    if why:
        print(f"tracetools: {printable(why)}", file=sys.stderr)
    return 0


def _options(given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the recording."""
    return {"resources": not given.no_resources, "scheduled": True, "functions": False}


def _stdin() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # there is none
        return -1


def _print_once(feed: Feed) -> str:
    from tracetools.commands.watching.text import page_as_text, watch_once

    stdout = sys.stdout.fileno()
    width = width_of(stdout) if is_terminal(stdout) else _PIPE_WIDTH
    print(page_as_text(watch_once(feed, _ONCE), width))  # what it is for
    return ""


def _show(feed: Feed) -> str:
    """Show it; return why it has ended, if that was not wished."""
    from tracetools.commands.watching.app import TopApp
    from tracetools.commands.watching.rows import TABLES, TASKS
    from tracetools.commands.watching.watch import Watch

    watch = Watch(feed.about)
    watch.note = feed.note
    if not feed.is_recorded:
        watch.show(TABLES.index(TASKS))
    app: Any = TopApp(feed, watch)
    try:
        return app.run() or ""
    finally:
        app.asker.stop()
