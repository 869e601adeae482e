"""`tracetools push`: sends profiles to an engine, whoever wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.commands import UsageError, values

if TYPE_CHECKING:
    import argparse

    from tracetools.fleet.sender import Round

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "send profiles to an engine: by the minute from a folder, or single files"

_LEFT: Final = 1

_AT_ONCE: Final = 100
"""How many minutes are sent at once at most; a program that sends its own sends fewer."""

_REST: Final = 5.0
"""Seconds between two looks at the folder."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Send what `tracetools.continuous()` has written into a folder to an engine, of all"
        " processes, the oldest first, or single profiles (NAME.profile.json). Minutes that were"
        " sent are marked and not sent again; another file counts once, by its content, however"
        " often it is sent. The exit status is 0 if all was sent, and 1 if something is left or was"
        " refused."
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a folder, or a file of a profile"
    )
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
        help="go on until Ctrl-C: wait for more, and try again after failures; for one folder",
    )
    parser.add_argument(
        "--every",
        type=values.seconds,
        metavar="SECONDS",
        help="with --follow: how long to wait before the folder is looked at again (default:"
        f" {_REST:g}). ClickHouse takes ten minutes in one request for a quarter of what they cost"
        " in ten",
    )
    parser.add_argument(
        "--service",
        metavar="NAME",
        help="for files: the service that they are of (default: the program)",
    )
    parser.add_argument("--version", metavar="NAME", help="for files: its version (default: none)")
    parser.add_argument("--host", metavar="NAME", help="for files: the machine (default: none)")


def run(given: argparse.Namespace) -> int:
    """Send them.

    Returns:
        0 if all was sent, 1 if not.

    Raises:
        UsageError: the options do not fit what is to be sent.
        StackFileError: a folder cannot be read, a path is none, or somebody else pushes from it.
        EngineError: there is no such engine.
    """
    from tracetools.core.errors import StackFileError
    from tracetools.fleet.engines import check_url

    check_url(given.to)
    folders = [path for path in given.paths if path.is_dir()]
    files = [path for path in given.paths if path not in folders]
    for path in files:
        if not path.exists():
            raise StackFileError(f"cannot read {path}: there is no such file or folder")
    if given.every is not None and not given.follow:
        raise UsageError("for --every, give --follow too")
    if given.follow and (files or len(folders) > 1):
        raise UsageError("--follow waits for more in a folder: give one folder, and no file")
    if folders and any(each is not None for each in (given.service, given.version, given.host)):
        raise UsageError("--service, --version and --host are of files: a folder says whose it is")
    left = [_push_folder(folder, given) for folder in folders]
    if files:
        left.append(_push_files(files, given))
    return max(left)


def _push_files(files: list[Path], given: argparse.Namespace) -> int:
    from tracetools.fleet.single_files import Given, send_files

    done, errors = send_files(files, given.to, Given(given.service, given.version, given.host))
    return _told(done, errors)


def _push_folder(path: Path, given: argparse.Namespace) -> int:
    import time

    from tracetools.fleet.folder import Folder
    from tracetools.fleet.sender import Sender

    folder = Folder(path)
    folder.files()
    sender = Sender(folder, given.to, at_once=_AT_ONCE)
    with folder.locked(sender.mark):
        try:
            while True:
                done = sender.send_all()
                is_idle = done == (0, 0, 0, None, 0.0)
                status = 0 if given.follow and is_idle else _told(done, sender.errors)
                if not given.follow:
                    return status
                time.sleep(max(done.wait, _REST if given.every is None else given.every))
        finally:
            sender.close()


def _told(done: Round, errors: list[str]) -> int:
    """Say what became of what was to be sent, and return the exit status."""
    from tracetools.commands.files.inputs import say

    say(f"sent {done.sent:,}, refused {done.refused:,}, left {done.left:,}")
    for error in errors if done.refused else ():
        say(error)
    if done.error is not None:
        say(done.error)
    return _LEFT if done.left or done.refused or done.error else 0
