"""The command line: finds the command that was asked for, runs it, and turns errors into words.

Each command has a module in `tracetools.commands`, which is cheap to import and loads what it needs
when it runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import (
    UsageError,
    attach,
    completion,
    convert,
    demo,
    diff,
    dump,
    merge,
    push,
    query,
    render,
    report,
    run,
    top,
)
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
    "attach": attach,
    "dump": dump,
    "top": top,
    "report": report,
    "render": render,
    "convert": convert,
    "merge": merge,
    "push": push,
    "diff": diff,
    "query": query,
    "demo": demo,
    "completion": completion,
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
    except UsageError as error:
        options.parser.print_usage(sys.stderr)
        print(f"{options.parser.prog}: error:", _in_one_line(error), file=sys.stderr)  # noqa: T201
        return _FAILED
    except TracetoolsError as error:
        print("tracetools:", _in_one_line(error), file=sys.stderr)  # noqa: T201
        return _FAILED
    except BaseException as error:
        if not _is_ctrl_c(error):
            raise
        return _INTERRUPTED
    return status if isinstance(status, int) else status()


def _in_one_line(error: TracetoolsError) -> str:
    """Return what an error says; names of files and frames in it cannot move the cursor."""
    from tracetools.commands.terminal.screen import printable  # noqa: PLC0415  # takes a while

    return printable(" ".join(str(error).splitlines()))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Take the command line apart; the part that is a program's own is left as it is.

    What a command does not know is refused by the command, with its own usage.
    """
    parser, commands = make_parsers()
    own = list(arguments[1:])
    program: list[str] = []
    if arguments[:1] == ["run"]:
        own, program = run.split(own)
    else:
        _print_anything()
    options, unknown = parser.parse_known_args([*arguments[:1], *own])
    options.parser, options.parsers = commands[options.command], commands
    if unknown:
        options.parser.error(_what_is_unknown(unknown[0], options.parser))
    options.own, options.program = own, program
    return options


def _what_is_unknown(word: str, parser: argparse.ArgumentParser) -> str:
    if not word.startswith("-"):
        return f"{word!r} is one word too many"
    import difflib  # noqa: PLC0415  # takes a while

    name = word.partition("=")[0]
    known = [each for action in parser._actions for each in action.option_strings]  # noqa: SLF001
    alike = difflib.get_close_matches(name, known, 1)
    return f"there is no option {name}{f'; did you mean {alike[0]}?' if alike else ''}"


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


def make_parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command line, and those of the commands by their names."""
    parser = argparse.ArgumentParser(
        prog="tracetools",
        description="Where the time of a trio, anyio or asyncio program goes, by task and by span.",
    )
    parser.add_argument("-V", "--version", action=_ShowVersion)
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    made = {}
    for name, command in _COMMANDS.items():
        made[name] = commands.add_parser(
            name,
            help=command.SUMMARY,
            description=_sentence(command.SUMMARY),
            allow_abbrev=command is not run,  # an option of the program must not be taken for ours
        )
        command.add_options(made[name])
    return parser, made


def _sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}."


class _ShowVersion(argparse.Action):
    """As argparse's own, but on one line, however long."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(
            option_strings,
            dest,
            nargs=0,
            help="show the version, which core is in use, the Python, and exit",
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(_version())  # noqa: T201  # what was asked for
        parser.exit()


def _version() -> str:
    """Return the version, the Python, and which core is in use; if not the native one, why not."""
    core = f"pure Python: {why_not}" if why_not else "native core"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"tracetools {VERSION} ({core}), {python}"


def _print_anything() -> None:
    """Let no name of a function or file be one that the terminal's encoding cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
