"""The command line: finds the command that was asked for, runs it, and turns errors into words.

Each command has a module in `tracetools.commands`, which is cheap to import and loads what it needs
when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import convert, demo, diff, merge, render, run
from tracetools.core.errors import TracetoolsError
from tracetools.core.native import why_not
from tracetools.core.native.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    class Command(Protocol):
        """What a module of `tracetools.commands` offers."""

        SUMMARY: str
        """One line for the list of commands."""

        def add_options(self, parser: argparse.ArgumentParser, /) -> None:
            """Declare what may follow the command's name."""

        def run(self, options: argparse.Namespace, /) -> int | Callable[[], int]:
            """Do it, and return the exit status.

            Or what is left to do and returns it: the errors of that are none of ours.
            """


__all__ = ["main"]

_COMMANDS: Final[dict[str, Command]] = {
    "run": run,
    "render": render,
    "convert": convert,
    "merge": merge,
    "diff": diff,
    "demo": demo,
}

_FAILED: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 for an error in use, 130 after Ctrl-C.

    Raises:
        SystemExit: as argparse does, after ``--help``, ``--version`` and for wrong arguments.
        BaseException: what a program raises that was run.
    """
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(options)
    except TracetoolsError as error:
        print("tracetools:", *str(error).splitlines(), file=sys.stderr)  # noqa: T201
        return _FAILED
    except BaseException as error:
        if not _is_ctrl_c(error):
            raise
        return _INTERRUPTED
    return status if isinstance(status, int) else status()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Take the command line apart; the part that is a program's own is left as it is."""
    if arguments[:1] != ["run"]:
        _print_anything()
        return _parser().parse_args(arguments)
    ours, program = run.split(arguments[1:])
    options = _parser().parse_args(["run", *ours])
    options.program = program
    return options


def _run(options: argparse.Namespace) -> int | Callable[[], int]:
    try:
        status = _COMMANDS[options.command].run(options)
        if isinstance(status, int):
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    return status


def _is_ctrl_c(error: BaseException) -> bool:
    """Whether Ctrl-C was pressed, also if nurseries have put that into groups of exceptions."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return isinstance(error, KeyboardInterrupt) or any(map(_is_ctrl_c, inner))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tracetools",
        description="Where the time of a trio or anyio program goes, by task and by span.",
    )
    parser.add_argument("--version", action=_ShowVersion)
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name, command in _COMMANDS.items():
        command.add_options(
            commands.add_parser(name, help=command.SUMMARY, description=command.SUMMARY)
        )
    return parser


class _ShowVersion(argparse.Action):
    """As argparse's own, but on one line, however long."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(
            option_strings, dest, nargs=0, help="show the version of tracetools and exit"
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(_version())  # noqa: T201  # what was asked for
        parser.exit()


def _version() -> str:
    """Return the version, and which core is in use; if it is not the native one, why not."""
    core = f"pure Python: {why_not}" if why_not else "native core"
    return f"tracetools {VERSION} ({core})"


def _print_anything() -> None:
    """Let no name of a function or file be one that the terminal's encoding cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
