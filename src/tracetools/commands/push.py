"""`tracetools push`: sends profiles by the minute to an engine, whoever wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.commands import values

if TYPE_CHECKING:
    import argparse

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "send profiles by the minute from a folder to an engine"

_LEFT: Final = 1

_AT_ONCE: Final = 100
"""How many minutes are sent at once at most; a program that sends its own sends fewer."""

_REST: Final = 5.0
"""Seconds between two looks at the folder."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Send what `tracetools.continuous()` has written into a folder to an engine, of all"
        " processes, the oldest first. What was sent is marked and not sent again. The exit status"
        " is 0 if all was sent, and 1 if something is left or was refused."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder")
    parser.add_argument(
        "--to",
        required=True,
        metavar="URL",
        help="the engine, such as duckdb:fleet.duckdb, clickhouse://host/database or"
        " pyroscope+http://host:4040. Secrets are in the environment",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on until Ctrl-C: wait for more, and try again after failures",
    )
    parser.add_argument(
        "--every",
        type=values.seconds,
        default=_REST,
        metavar="SECONDS",
        help="with --follow: how long to wait before the folder is looked at again; default 5. An"
        " engine has less to do if it gets more minutes at once: ClickHouse takes ten in one"
        " request for a quarter of what ten requests cost",
    )


def run(given: argparse.Namespace) -> int:
    """Send them.

    Returns:
        0 if all was sent, 1 if not.

    Raises:
        StackFileError: the folder cannot be read, or somebody else pushes from it.
        EngineError: there is no such engine.
    """
    import time

    from tracetools.commands.files.inputs import say
    from tracetools.fleet.engines import check_url
    from tracetools.fleet.folder import Folder
    from tracetools.fleet.sender import Sender

    check_url(given.to)
    folder = Folder(given.folder)
    folder.files()
    sender = Sender(folder, given.to, at_once=_AT_ONCE)
    with folder.locked(sender.mark):
        try:
            while True:
                done = sender.send_all()
                if done != (0, 0, 0, None, 0.0) or not given.follow:
                    say(f"sent {done.sent:,}, refused {done.refused:,}, left {done.left:,}")
                for error in sender.errors if done.refused else ():
                    say(error)
                if done.error is not None:
                    say(done.error)
                if not given.follow:
                    return _LEFT if done.left or done.refused or done.error else 0
                time.sleep(max(done.wait, given.every))
        finally:
            sender.close()
