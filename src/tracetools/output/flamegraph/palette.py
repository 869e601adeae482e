"""Colours of frames, of differences and of backgrounds.

The colour of a frame depends on its name alone, so it is the same in every graph and process. A
palette is a range of colours in which the hash of the name chooses, or a list of rules that choose
a range. Ranges have the hues of flamegraph.pl, but lighter, so that dark text is easy to read.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from tracetools.output.frame_kinds import FrameKind

    Palette: TypeAlias = Callable[[str], "Colour"]


class Colour(NamedTuple):
    """Red, green and blue, each from 0 to 255."""

    red: int
    green: int
    blue: int


def difference(delta: int, largest: int) -> Colour:
    """Return the colour of a change: nearly white for none, red for growth, blue for shrinking.

    Colour-blind readers can distinguish red and blue, but not red and green.

    Args:
        delta: The growth of the frame; negative if it shrank.
        largest: The change that has the full colour, 1 or more. Greater ones have the same.
    """
    end = GROWN if delta > 0 else SHRUNK
    part = min(abs(delta), largest)
    return Colour._make(
        low - (low - high) * part // largest for low, high in zip(_SAME, end, strict=True)
    )


VANISHED = Colour(196, 170, 226)
"""The colour of what only the earlier profile of a difference has."""

GROWN = Colour(240, 108, 64)
SHRUNK = Colour(92, 152, 236)

_SAME = Colour(250, 250, 250)


def _dice(name: str) -> tuple[int, int, int]:
    """Return three numbers from 0 to 255 that depend on the name alone; similar names differ."""
    mixed = zlib.crc32(name.encode(errors="surrogatepass"))
    # A checksum alone gives similar names similar numbers. These steps of MurmurHash3 mix them.
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    mixed ^= mixed >> 16
    return mixed & 255, mixed >> 8 & 255, mixed >> 16 & 255


def _between(low: int, high: int, die: int) -> int:
    """Scale a number from 0 to 255 to a range, both ends included."""
    return low + (high - low) * die // 255


def _range(low: Colour, high: Colour) -> Palette:
    """Return a palette of all colours between two, with a number of its own for each channel."""

    def paint(name: str) -> Colour:
        warmth, glow, tint = _dice(name)
        return Colour(
            red=_between(low.red, high.red, glow),
            green=_between(low.green, high.green, warmth),
            blue=_between(low.blue, high.blue, tint),
        )

    return paint


def _rules(*rules: tuple[str, Palette], otherwise: Palette) -> Palette:
    """Return a palette that uses the one of the first expression that is found in a name."""
    compiled = [(re.compile(expression), palette) for expression, palette in rules]

    def paint(name: str) -> Colour:
        found = (palette for expression, palette in compiled if expression.search(name))
        return next(found, otherwise)(name)

    return paint


def _one_of(*palettes: Palette) -> Palette:
    """Return a palette that uses one of several, by the hash of a name."""

    def paint(name: str) -> Colour:
        # Not the hash of the palette itself: then each would use only a part of its colours.
        return palettes[sum(_dice(f"{name}\0")) % len(palettes)](name)

    return paint


def _with_gaps(palette: Palette) -> Palette:
    """Return a palette in which the frames `-` and `--`, for unknown functions, are grey."""

    def paint(name: str) -> Colour:
        return _GAPS.get(name) or palette(name)

    return paint


_GAPS = {"-": Colour(200, 200, 200), "--": Colour(160, 160, 160)}

_HOT = _range(Colour(222, 104, 58), Colour(252, 218, 96))
_MEM = _range(Colour(90, 188, 130), Colour(140, 222, 190))
_IO = _range(Colour(146, 146, 220), Colour(184, 184, 246))
_RED = _range(Colour(226, 116, 104), Colour(252, 160, 138))
_GREEN = _range(Colour(122, 200, 105), Colour(166, 232, 142))
_BLUE = _range(Colour(116, 158, 226), Colour(160, 192, 250))
_AQUA = _range(Colour(108, 194, 202), Colour(150, 226, 230))
_YELLOW = _range(Colour(222, 212, 80), Colour(250, 236, 130))
_PURPLE = _range(Colour(198, 138, 205), Colour(228, 176, 244))
_ORANGE = _range(Colour(235, 150, 50), Colour(255, 190, 105))
_GREY = _range(Colour(186, 188, 192), Colour(214, 216, 220))

_KERNEL = (r"_\[k\]$", _ORANGE)
_CPP = (r"::", _YELLOW)

_JAVA = _rules(
    _KERNEL,
    (r"_\[i\]$", _AQUA),  # inlined
    (r"_\[j\]$", _GREEN),  # compiled just in time
    (r"^L?(?:[\w$]+[/.])+[A-Z]", _GREEN),  # java/lang/Thread.run, java.lang.Thread.run
    (r"^L?(?:com|io|java|javax|jdk|net|org|sun)/", _GREEN),
    (r":::", _GREEN),  # perf-map-agent between class and method
    _CPP,
    otherwise=_RED,
)

_JS = _rules(
    _KERNEL,
    (r"^(?:\w+:)?[~*^+]|\.[cm]?js\b", _GREEN),  # LazyCompile:~read /app/file.js:12
    (r"^[^/]*/.*_\[j\]$", _GREEN),
    _CPP,
    (r":|_\[j\]$", _AQUA),  # Builtin:ArrayForEach, node:internal/timers
    (r" \[", _ORANGE),  # do_syscall_64 [kernel.kallsyms]
    otherwise=_RED,
)

# Files of the standard library are shown as in an import (asyncio/events.py), so they are
# recognised by name. These are the modules that asynchronous programs use. A complete list would
# differ from version to version of Python, and so would the colours.
_STANDARD_LIBRARY = (
    "_pyrepl|asyncio|cProfile|codecs|collections|concurrent|contextlib|copy|ctypes|email|functools"
    "|gzip|http|importlib|inspect|json|logging|multiprocessing|os|pathlib|pickle|posixpath|queue|re"
    "|runpy|selectors|shutil|signal|socket|socketserver|sqlite3|ssl|subprocess|tempfile"
    "|threading|traceback|typing|unittest|urllib|uuid|weakref|xml|zipfile"
)

_PYTHON = _rules(
    (r"^\[(?:idle|scheduled)\]$", _GREY),
    (r"(?:^|[/\\(])(?:site|dist)-packages[/\\]", _AQUA),
    (r"(?:^|[/\\(])(?:python3\.\d+t?|[Pp]ython3\d+t?[/\\]Lib)[/\\]", _YELLOW),
    (r"^<(?:built-in|method) |(?:^|\()<frozen ", _YELLOW),
    (rf"(?:^|\()(?:{_STANDARD_LIBRARY})(?:/[\w/]+)?\.py\b", _YELLOW),
    otherwise=_RED,
)

_RUST = _rules(
    _KERNEL,
    # core::ptr::drop_in_place, <alloc::vec::Vec<T> as ..>::push, <&T as core::fmt::Debug>::fmt;
    # but not <app::Job as core::fmt::Debug>::fmt, which the program wrote.
    (r"^<?[&*]?(?:mut |dyn |const )*(?:alloc|core|proc_macro|std|test)::", _YELLOW),
    (r"^<[^:]* as (?:alloc|core|std)::", _YELLOW),
    (r"^(?:__r(?:ust|dl|g)_|rust_panic|rust_begin_unwind)", _YELLOW),
    (r"::", _AQUA),
    otherwise=_RED,  # C, assembly, and main
)

# Tints of Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), which colour-blind readers
# can distinguish. Their lightness differs as well.
_COLORBLIND = _one_of(
    _range(Colour(241, 235, 131), Colour(251, 245, 141)),  # yellow
    _range(Colour(238, 183, 45), Colour(248, 193, 55)),  # orange
    _range(Colour(211, 115, 55), Colour(221, 125, 65)),  # vermilion
    _range(Colour(195, 155, 211), Colour(205, 165, 221)),  # purple
    _range(Colour(83, 157, 127), Colour(93, 167, 137)),  # green
    _range(Colour(91, 139, 233), Colour(101, 149, 243)),  # blue
    _range(Colour(187, 239, 229), Colour(197, 249, 239)),  # sky
)

# For graphs in which stacks end in states of tasks.
_LENS = _rules(
    (r"^\[idle\]$", lambda _: Colour(120, 166, 230)),
    (r"^\[scheduled\]$", lambda _: Colour(250, 186, 20)),
    otherwise=_range(Colour(236, 150, 118), Colour(252, 190, 150)),
)

# Kinds of frames in hues that colour-blind readers can distinguish: orange and yellow for what the
# program wrote, blue and purple for what it waits for and calls, grey for all else.
_KINDS: Mapping[FrameKind, Palette] = {
    "own": _range(Colour(238, 140, 62), Colour(248, 170, 92)),
    "span": _range(Colour(244, 210, 82), Colour(250, 226, 112)),
    "await": _range(Colour(132, 178, 238), Colour(156, 198, 248)),
    "library": _range(Colour(186, 188, 192), Colour(200, 202, 206)),
    "runtime": _range(Colour(214, 216, 218), Colour(226, 228, 230)),
    "state": _range(Colour(200, 178, 226), Colour(208, 188, 234)),
}


def kind_colour(kind: FrameKind, name: str) -> Colour:
    """Return the colour of a frame by its kind; names of one kind differ a little.

    What a function does itself and what it awaits differ in hue, whatever the reader sees of it.
    """
    return _KINDS[kind](name)


def kind_swatch(kind: FrameKind) -> Colour:
    """Return the colour that stands for a kind in a legend."""
    return _KINDS[kind]("")


PALETTES: Mapping[str, Palette] = {
    name: _with_gaps(palette)
    for name, palette in {
        "hot": _HOT,
        "mem": _MEM,
        "io": _IO,
        "red": _RED,
        "green": _GREEN,
        "blue": _BLUE,
        "aqua": _AQUA,
        "yellow": _YELLOW,
        "purple": _PURPLE,
        "orange": _ORANGE,
        "wakeup": _AQUA,
        "java": _JAVA,
        "js": _JS,
        "python": _PYTHON,
        "rust": _RUST,
        "colorblind": _COLORBLIND,
        "lens": _LENS,
    }.items()
}
"""The values of the option `colors`: functions from the name of a frame to its colour. A name may
end in an annotation: `_[k]` kernel, `_[j]` compiled just in time, `_[i]` inlined, `_[w]` waker."""

BACKGROUNDS: Mapping[str, Colour] = {
    "yellow": Colour(248, 248, 216),
    "blue": Colour(230, 236, 252),
    "green": Colour(232, 248, 232),
    "grey": Colour(240, 240, 240),
}
"""The values of the option `bgcolors`."""
