"""The options of `tracetools run`, made from the fields of `Options`, and where they end."""

from __future__ import annotations

import argparse
import time
from dataclasses import Field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import values
from tracetools.core.labels import LABELS
from tracetools.core.native import native
from tracetools.core.profile import LENSES
from tracetools.session.options import Options, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "CONTINUOUS",
    "RECORDED",
    "USAGE",
    "add_late_options",
    "add_options",
    "is_ours",
    "misuse",
    "plain_options",
    "split",
]

USAGE: Final = "tracetools run [options] (script | command | -m module | -c code) [argument ...]"

_EPILOG: Final = """\
What follows the script, the command, the module or the code belongs to the program. A python before
it may stay. Examples: tracetools run app.py; tracetools run -o api -m uvicorn app:app --port 8000;
tracetools run -o busy.svg python app.py."""


def _seconds_of(name: str, text: str) -> float | None:
    if text == "none":
        return None
    try:
        seconds = float(text)
        nanoseconds(name, seconds)
    except ValueError as error:
        raise argparse.ArgumentTypeError(_in_words(error, text)) from error
    return seconds


def _in_words(error: ValueError, text: str) -> str:
    said = str(error)
    return said if "number of seconds" in said else f"{text!r} is no number of seconds"


_CLOCKS: Final = {"wall": time.perf_counter_ns, "cpu": time.thread_time_ns}


def _clock(text: str) -> Callable[[], int]:
    """Convert the name of a clock."""
    if text not in _CLOCKS:
        raise argparse.ArgumentTypeError(f"no clock is named {text!r}; choose wall or cpu")
    return _CLOCKS[text]


RECORDED: Final = {
    each.name: each for each in fields(Options) if each.metadata.get("command", True)
}
"""The options that say what is recorded."""

_DEFAULTS: Final[dict[str, object]] = {"functions": native is not None, "scheduled": True}
"""What the command does by default where a recording of a program's own does not: its report shows
functions, which cost next to nothing with the native core, and scheduled time."""


def _switch(option: Field[Any]) -> dict[str, Any]:
    """Return how argparse is to take an option, which follows from its type and its default."""
    kind, default = str(option.type), _DEFAULTS.get(option.name, option.default)
    text = (
        option.metadata.get("command", option.metadata["text"])
        .replace("None for", "none for")
        .replace("``", "")
        .replace("`", "")
        .replace("%", "%%")
    )
    if kind in ("Lens", "Labels"):
        choices = LENSES if kind == "Lens" else LABELS
        how: dict[str, Any] = {"choices": choices}
    elif option.name in _DEFAULTS:
        said = "on" if default else "off, for there is no native core"
        action: Any = argparse.BooleanOptionalAction
        return {"action": action, "default": default, "help": f"{text} (default: {said})"}
    elif kind == "bool":
        action = argparse.BooleanOptionalAction if default else "store_true"
        return {"action": action, "default": default, "help": text}
    elif option.name == "clock":
        how = {"type": _clock, "metavar": "wall|cpu"}
        return {**how, "default": default, "help": f"{text} (default: wall)"}
    elif kind == "int":
        how = {"type": values.count, "metavar": "N"}
    else:
        how = {"type": partial(_seconds_of, option.name), "metavar": "SECONDS"}
    return {**how, "default": default, "help": f"{text} (default: %(default)s)"}


_FILES: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    ("-o", "--output"): {
        "action": "append",
        "metavar": "NAME",
        "help": "write NAME.html (the report), NAME.folded and NAME.profile.json (default: stack)."
        " A name with the suffix of a format makes that file alone: .html, .svg, .folded, .json,"
        " .speedscope.json, .pb.gz, .gecko.json, .pstats, .prom. May be given several times. A"
        " device or a pipe gets the stacks, and so does - for standard output",
    },
}
_OF_RECORDING: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    ("--" + name.replace("_", "-"),): _switch(option) for name, option in RECORDED.items()
}
_QUIET: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    ("-q", "--quiet"): {"action": "store_true", "help": "print nothing but errors"},
}
_CONTINUOUS: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    ("--continuous",): {
        "metavar": "DIR",
        "help": "record always, and write a profile for each minute into this folder, of each"
        " process, and no other files; see `tracetools.continuous`",
    },
    ("--every",): {
        "type": values.seconds,
        "metavar": "SECONDS",
        "help": "with --continuous: how long a profile is (default: 60)",
    },
    ("--max-bytes",): {
        "type": values.number,
        "metavar": "N",
        "help": "with --continuous: how many bytes all profiles of the folder may have together;"
        " the oldest ones are removed (default: 500e6)",
    },
    ("--max-age",): {
        "type": values.number,
        "metavar": "SECONDS",
        "help": "with --continuous: how old they may get (default: 604800, a week)",
    },
    ("--send-to",): {
        "metavar": "URL",
        "help": "with --continuous: send all profiles to this engine, as `tracetools push` does",
    },
    ("--service",): {
        "metavar": "NAME",
        "help": "with --continuous: the name of the service (default: that of OpenTelemetry's"
        " variables OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, or of the program)",
    },
}
_OPTIONS: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    **_FILES,
    **_OF_RECORDING,
    ("--keep-on",): {
        "type": values.triggers,
        "default": None,
        "metavar": "WHAT[,WHAT]",
        "help": "what is kept as well, or without --keep: blocking for steps that block a loop,"
        " errors for spans that an exception ends, signal for the last ten seconds before each"
        " SIGUSR2, or the name of another signal",
    },
    ("--subprocesses",): {
        "action": "store_true",
        "help": "record the Python programs that the program starts or becomes, too, by variables"
        " in their environment (TRACETOOLS_PROCESS, PYTHONPATH)",
    },
    ("--delay",): {
        "type": values.seconds,
        "metavar": "SECONDS",
        "help": "start to record so long after the program; loops that run by then join, each when"
        " its step is over",
    },
    ("--duration",): {
        "type": values.seconds,
        "metavar": "SECONDS",
        "help": "end the recording after so long, and write the files; the program goes on",
    },
    ("--serve",): {
        "action": "store_true",
        "help": "open a door: see `tracetools attach` and `tracetools dump`",
    },
    ("--serve-signals",): {
        "action": "store_true",
        "help": "open a door, and have SIGUSR1 start a recording and SIGUSR2 write it",
    },
    **_QUIET,
    **_CONTINUOUS,
}

_WITH_CONTINUOUS: Final = {
    names[0][2:].replace("-", "_"): names[0] for names in _CONTINUOUS if names != ("--continuous",)
}
"""The options that say more of `--continuous`, by the names that they are given."""

CONTINUOUS: Final = ("continuous", *_WITH_CONTINUOUS)
"""All options of it."""

_NOT_CONTINUOUS: Final = {
    "output": "writes a profile for each minute and no other files: leave out -o; `tracetools"
    " merge` makes one file of them",
    "delay": "records from the beginning: leave out --delay",
    "duration": "records until the end: leave out --duration",
    "flush_interval": "writes when a minute is over: give --every instead of --flush-interval",
}
"""What makes no sense beside `--continuous`, and why."""

_LATE: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    ("--keep",): {
        "help": "seconds from which on a span is slow: the profile has what the time of slow spans"
        " was (`tracetools report --latency`). With 0, the ten slowest of each name",
    },
}
"""What is otherwise in a recording of a running program: it writes no files there."""

_VALUELESS: Final = ("store_true", "store_const", argparse.BooleanOptionalAction)

_WITH_VALUE: Final = {
    name for names, how in _OPTIONS.items() for name in names if how.get("action") not in _VALUELESS
}

_NAMES: Final = {
    spelling
    for names, how in _OPTIONS.items()
    for name in names
    for spelling in (
        (name, f"--no-{name[2:]}")
        if how.get("action") is argparse.BooleanOptionalAction
        else (name,)
    )
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, but for the program and what belongs to it."""
    parser.usage = USAGE
    parser.epilog = _EPILOG
    for names, how in _OPTIONS.items():
        parser.add_argument(*names, **how)


def add_late_options(parser: argparse.ArgumentParser) -> None:
    """Declare those options that a recording of a running program has as well."""
    for names, how in (_FILES | _OF_RECORDING | _QUIET).items():
        if names != ("--flush-interval",):
            parser.add_argument(*names, **{**how, **_LATE.get(names, {})})


def plain_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a recording as plain values; a clock by its name."""
    plain = {name: getattr(given, name) for name in RECORDED if hasattr(given, name)}
    plain["clock"] = next(name for name, clock in _CLOCKS.items() if clock == plain["clock"])
    return plain


def misuse(given: argparse.Namespace) -> str | None:
    """Return which options cannot be given together, in a sentence."""
    if given.continuous is None:
        alone = [
            word for name, word in _WITH_CONTINUOUS.items() if getattr(given, name) is not None
        ]
        return f"for {', '.join(alone)}, give --continuous DIR too" if alone else None
    if not given.continuous:
        return "--continuous is followed by the name of a folder, not by nothing"
    for name, why in _NOT_CONTINUOUS.items():
        usual = RECORDED[name].default if name in RECORDED else None
        if getattr(given, name) != usual:
            return f"--continuous {why}"
    return None


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our own options, and the program's command line: it begins where ours end.

    argparse is not asked: it takes options wherever they stand, and drops a ``--``.
    """
    index = 0
    while index < len(arguments) and _is_option(arguments[index]):
        index += 2 if _wants_value(arguments[index]) else 1
    return list(arguments[:index]), list(arguments[index:])


def is_ours(word: str) -> bool:
    """Whether a word is an option of this command, spelled in full, perhaps with its value."""
    return word.partition("=")[0] in _NAMES if word.startswith("--") else word in _NAMES


def _is_option(word: str) -> bool:
    return word[:1] == "-" and word not in ("-", "--") and word[:2] not in ("-m", "-c")


def _wants_value(word: str) -> bool:
    """Whether the next word belongs to this one, as in ``--output NAME`` and ``-qo NAME``."""
    if word.startswith("--"):
        return word in _WITH_VALUE
    first = next((at for at, letter in enumerate(word) if f"-{letter}" in _WITH_VALUE), 0)
    return first == len(word) - 1
