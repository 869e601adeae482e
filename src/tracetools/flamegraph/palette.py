"""Colours of frames, by name alone: a function has one colour in every graph, run and process.

What may live here: functions from a name to a colour, and the table of them. What must not: how a
colour is written down, and anything that depends on where or how wide a frame is.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Colour(NamedTuple):
    """Red, green and blue, each from 0 to 255."""

    red: int
    green: int
    blue: int


def hot(name: str) -> Colour:
    """Warm colours from red to yellow, light enough that black text on them is easy to read."""
    warmth, glow, tint = _dice(name)
    return Colour(
        red=_between(222, 252, glow),
        green=_between(104, 218, warmth),
        blue=_between(58, 96, tint),
    )


PALETTES: Mapping[str, Callable[[str], Colour]] = {"hot": hot}
"""What the option `colors` can name."""


def _dice(name: str) -> tuple[int, int, int]:
    """Throw three dice of 0 to 255 that only the name decides, similar names or not."""
    mixed = zlib.crc32(name.encode(errors="surrogatepass"))
    # A checksum alone gives neighbours for similar names; these steps (of MurmurHash3) spread them.
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    mixed ^= mixed >> 16
    return mixed & 255, mixed >> 8 & 255, mixed >> 16 & 255


def _between(low: int, high: int, die: int) -> int:
    """Scale a die to a range, both ends included."""
    return low + (high - low) * die // 255
