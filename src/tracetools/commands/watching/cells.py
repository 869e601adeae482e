"""Text of a terminal by columns: what fits into them, and numbers in few letters."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from unicodedata import combining, east_asian_width

from tracetools.commands.terminal.screen import printable

__all__ = ["Line", "Piece", "columns_of", "count", "fit", "percent", "right", "short", "time"]


class Piece(NamedTuple):
    """A part of a line: a text that moves no cursor, and how it looks."""

    text: str
    style: str = ""


Line = tuple[Piece, ...]

_FOLDERS: Final = re.compile(r"[^\s()]*[/\\](?=[^\s/\\()]+:\d)")
_WIDE: Final = "WF"
_CUT: Final = "~"
_THOUSAND: Final = 1000
_SECOND: Final = 10**9
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_TENS: Final = 10
_HUNDREDS: Final = 100


def columns_of(text: str) -> int:
    """Return how many columns a text takes: letters of East Asia take two, accents none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of_letter, text))


def _columns_of_letter(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in _WIDE else 1


def fit(text: str, width: int) -> str:
    """Return a text in exactly `width` columns: cut, or filled up. Nothing in it moves a cursor."""
    text = printable(text)
    if columns_of(text) <= width:
        return text + " " * (width - columns_of(text))
    cut, used = [], 0
    for letter in text:
        more = _columns_of_letter(letter)
        if used + more > width - len(_CUT):
            break
        cut.append(letter)
        used += more
    return ("".join(cut) + _CUT).ljust(len(cut) + width - used)[: len(cut) + width - used]


def short(text: str) -> str:
    """Return a text without the folders of the files in it."""
    return _FOLDERS.sub("", text)


def right(text: str, width: int) -> str:
    """Return a text in exactly `width` columns, at their right end."""
    text = printable(text)
    return (
        " " * (width - columns_of(text)) + text if columns_of(text) <= width else fit(text, width)
    )


def time(nanoseconds: int) -> str:
    """Return a time in at most 7 letters."""
    if nanoseconds < _THOUSAND:
        return f"{nanoseconds} ns"
    for unit, size in (("us", 10**3), ("ms", 10**6), ("s", _SECOND)):
        value = nanoseconds / size
        if value < _TENS - 0.05:
            return f"{value:.1f} {unit}"
        if value < (60 if unit == "s" else _THOUSAND) - 0.5:
            return f"{value:.0f} {unit}"
    for size, small, names in (
        (_HOUR, _SECOND, "ms"),
        (_DAY, _MINUTE, "hm"),
    ):
        if nanoseconds < size:
            whole, rest = divmod(nanoseconds // small, 60)
            return f"{whole}{names[0]} {rest:02d}{names[1]}"
    days, rest = divmod(nanoseconds // _HOUR, 24)
    return f"{days}d {rest:02d}h" if days < _HUNDREDS else f"{days}d"


def count(number: float) -> str:
    """Return a number of 0 or more in at most 6 letters."""
    if number == 0:
        return "0"
    if number < _TENS and number != int(number):
        return f"{number:.2f}" if number >= 0.005 else "0.00"  # noqa: PLR2004  # what is shown
    if number < 99_999.5:  # noqa: PLR2004  # six letters
        return f"{number:,.0f}" if number >= _HUNDREDS or number == int(number) else f"{number:.1f}"
    for unit, size in (("k", 10**3), ("M", 10**6), ("G", 10**9)):
        if number < 999.5 * size:
            return f"{number / size:.0f}{unit}"
    return f"{number / 10**12:.0f}T"


def percent(part: float) -> str:
    """Return a part of a whole in at most 5 letters, without the sign."""
    value = 100 * part
    return f"{value:.1f}" if value < 999.95 else f"{value:.0f}"  # noqa: PLR2004  # five letters
