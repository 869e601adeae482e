"""A ``python`` before the program, as in ``tracetools run python app.py``: taken off.

The program runs in this process, so it is run by the Python that runs tracetools. Switches of
Python count from its start on, so this process is started once more with them. What cannot be
honoured is refused, with what can be.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from tracetools.commands import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Words", "command_of_python", "start_again", "take_off"]

_PYTHON: Final = re.compile(r"pythonw?(?P<version>[0-9](?:\.[0-9]+)?)?(?:\.exe)?", re.IGNORECASE)

_WITH_VALUE: Final = "WX"
_ENDS: Final = "mc"
_HONOURED: Final = "bBdOPqRsuvWX"
"""Switches with which this process can be started once more."""


class Words(NamedTuple):
    """A command line without its Python.

    Attributes:
        program: the program and its arguments.
        switches: what Python itself was to be told.
        note: what is different from what was asked for; empty if nothing is.
    """

    program: list[str]
    switches: list[str]
    note: str


def take_off(words: Sequence[str]) -> Words:
    """Return a command line without a Python at its start.

    A script in this folder that is called like a Python is a script. A ``--`` may stand before it.

    Raises:
        UsageError: it is another Python, or it is given a switch that cannot be honoured.
    """
    if words[:1] == ["--"] and words[1:] and _is_python(words[1]):
        words = words[1:]
    if not words or not _is_python(words[0]):
        return Words(list(words), [], "")
    note = _check_same(words[0])
    switches: list[str] = []
    rest = list(words[1:])
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        word = rest.pop(0)
        kept, ends, wants = _read(word, words[0])
        if kept:
            switches.append(kept)
        if ends:
            return Words([ends, *rest], switches, note)
        if wants:
            if not rest:
                raise UsageError(f"{word} of {words[0]} needs a value after it")
            switches.append(rest.pop(0))
    if not rest:
        raise UsageError(f"nothing to run: {words[0]} needs a script, or -m and a module, after it")
    return Words(rest, switches, note)


def _is_python(word: str) -> bool:
    if word == sys.executable:
        return True
    is_path = os.path.dirname(word) != ""
    return bool(_PYTHON.fullmatch(os.path.basename(word))) and (is_path or not os.path.exists(word))


def _check_same(word: str) -> str:
    """Return what to say if a name stands for another Python, of the same version.

    Raises:
        UsageError: it is one of another version, or its path is not this one's.
    """
    found = _PYTHON.fullmatch(os.path.basename(word))
    version = found["version"] if found else None
    own = ".".join(map(str, sys.version_info[:2]))
    if version and version not in (own, own.partition(".")[0]):
        _refuse(word, f"is not Python {own}, which runs tracetools")
    is_path = os.path.dirname(word) != ""
    path = word if is_path else shutil.which(word)
    if path is None or _is_this_one(path):
        return ""
    if is_path:
        _refuse(word, f"is not {sys.executable}, which runs tracetools")
    return f"{word} is {path}; the program is run by {sys.executable}, which runs tracetools"


def _refuse(word: str, why: str) -> NoReturn:
    raise UsageError(
        f"{word} {why}, and a program can be recorded by its own Python only: install tracetools"
        f" there, and use {word} -m tracetools run"
    )


def _is_this_one(path: str) -> bool:
    """Whether a path leads to this Python, in this environment."""
    if os.path.dirname(os.path.abspath(path)) == os.path.dirname(os.path.abspath(sys.executable)):
        return True
    is_same = os.path.realpath(path) == os.path.realpath(sys.executable)
    folder = os.path.dirname(os.path.dirname(os.path.abspath(path)))
    is_environment = os.path.exists(os.path.join(folder, "pyvenv.cfg"))
    return is_same and not is_environment and sys.prefix == sys.base_prefix


def _read(word: str, python: str) -> tuple[str, str, bool]:
    """Read a word of switches, as ``-uBm``.

    Returns:
        The switches of it, ``-m`` or ``-c`` with what follows it in the word, and whether the next
        word is the value of its last switch.

    Raises:
        UsageError: a switch cannot be honoured.
    """
    for at, letter in enumerate(word[1:], 1):
        if letter in _ENDS:
            kept = word[:at] if at > 1 else ""
            return kept, f"-{word[at:]}", False
        if word.startswith("--") or letter not in _HONOURED:
            switch = word if word.startswith("--") else f"-{letter}"
            raise UsageError(
                f"{switch} of {python} cannot be honoured here: give it to the Python that runs"
                f" tracetools, as in {python} {switch} -m tracetools run"
            )
        if letter in _WITH_VALUE:
            return word, "", at == len(word) - 1
    return word, "", False


def command_of_python() -> list[str]:
    """Return the beginning of this command line: Python, and its switches."""
    ours = len(sys.argv) - 1
    words = sys.orig_argv[: len(sys.orig_argv) - ours]
    return words[:-2] if words[-2:-1] == ["-m"] else words[:-1]


def start_again(switches: Sequence[str], own: Sequence[str], program: Sequence[str]) -> NoReturn:
    """Start this process once more, with switches of Python.

    Args:
        switches: what Python is given as well.
        own: our own options.
        program: the program and its arguments.

    Raises:
        UsageError: that cannot be done here.
    """
    if os.name != "posix" or not sys.executable:
        raise UsageError(
            f"{' '.join(switches)} of python cannot be honoured here: give it to the Python that"
            f" runs tracetools, as in python {' '.join(switches)} -m tracetools run"
        )
    ours = len(sys.argv) - 1
    _, *before = sys.orig_argv[: len(sys.orig_argv) - ours]
    words = [sys.executable, *switches, *before, "run", *own, *program]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, words)  # noqa: S606  # this very command
