"""What a terminal can show: its width and colours; and text that fits into it."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PLAIN",
    "Screen",
    "Style",
    "entry_lines",
    "is_terminal",
    "printable",
    "style_of",
    "width_of",
    "wrapped",
]

_WIDTH: Final = 80
"""How many columns there are where there is no terminal."""

_LEAST_TEXT: Final = 20
"""How many columns text gets at least beside an indentation."""

_CODES: Final = {
    "bold": "1",
    "dim": "2",
    "blocks": "31",
    "waits": "34",
    "computes": "33",
    "late": "35",
    "own": "36",
}


@dataclass(frozen=True)
class Style:
    """Puts colours around text, if there are any."""

    has_colour: bool

    def __call__(self, kind: str, text: str) -> str:
        """Return text as it is shown: `kind` is ``bold``, ``dim``, ``own`` or a group's name."""
        if not self.has_colour or not text.strip():
            return text
        return f"\x1b[{_CODES[kind]}m{text}\x1b[0m"


PLAIN: Final = Style(has_colour=False)


@dataclass(frozen=True)
class Screen:
    """Where lines are shown.

    Attributes:
        width: how many columns a line has. Names are not cut: a line may be longer for one.
        style: the colours.
        lines: how many lines there are at most; None for any number.
    """

    width: int = _WIDTH
    style: Style = PLAIN
    lines: int | None = None


def style_of(fd: int, environ: Mapping[str, str] = os.environ) -> Style:
    """Return how to write to a descriptor: in colour if it is a terminal that has colours.

    A variable `NO_COLOR` that is not empty forbids colours, then `FORCE_COLOR` asks for them.
    """
    if environ.get("NO_COLOR"):
        return PLAIN
    if environ.get("FORCE_COLOR"):
        return Style(has_colour=True)
    knows_codes = os.name != "nt" or "WT_SESSION" in environ
    return Style(has_colour=knows_codes and environ.get("TERM") != "dumb" and is_terminal(fd))


def width_of(fd: int, environ: Mapping[str, str] = os.environ) -> int:
    """Return how many columns a line has that is written to a descriptor: 80 if it is no terminal.

    A variable `COLUMNS` says how many a terminal has.
    """
    if not is_terminal(fd):
        return _WIDTH
    if environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size((_WIDTH, 24)).columns
    try:
        return os.get_terminal_size(fd).columns or _WIDTH
    except OSError:
        return _WIDTH


def is_terminal(fd: int) -> bool:
    """Whether a descriptor is that of a terminal."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return text in lines of at most `width` columns. Those after the first one are indented.

    A word that is too long has a line of its own, and is not cut. Nothing moves the cursor.
    """
    lines: list[str] = []
    line = ""
    for word in _words(printable(text)):
        if line.strip() and len(line) + 1 + len(word) > max(width, len(indent) + _LEAST_TEXT):
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines


def _words(text: str) -> list[str]:
    """Return what stays in one line: words, numbers with their unit, names with blanks in them."""
    start = re.match(r" *\S* *", text)
    first = start[0] if start else ""
    rest = text[len(first) :]
    parts = re.findall(r"[\d.,]+ (?:m?s|%)(?=[ ,;:)]|$)[,;:)]*|[A-Z]+ /\S*|\S+", rest)
    return ([first.rstrip() or first] if first.strip() else []) + parts


def printable(text: str) -> str:
    """Return `text` with ``?`` for whatever would move the cursor or cannot be encoded."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def entry_lines(screen: Screen, style: str, time: str, text: str) -> list[str]:
    """Return an entry: a time, and beside it a text of as many lines as it takes."""
    numbers = f"  {time:>9}  "
    first, *more = wrapped(printable(text), screen.width - len(numbers))
    return [screen.style(style, numbers) + first, *(" " * len(numbers) + line for line in more)]
