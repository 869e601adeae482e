"""Whose folded text it is, and so what its counts are: no such file says so itself.

Names stay as they are. Recognised are, by the frames of all stacks that are looked at:

- tracetools: the root is `all-spans`; microseconds;
- austin: roots `P<pid>;T<thread>`; microseconds. In its full mode each line ends in three values,
  of which the first one is read;
- Tachyon (`profiling.sampling --collapsed`): roots `tid:<id>`; samples;
- py-spy (`-f raw`): frames `name (file:line)` below roots of threads and processes; samples.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import ROOT
from tracetools.output.formats.content import SAMPLES
from tracetools.output.formats.folded import blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import SupportsRead

__all__ = ["bare", "first_values", "has_three_values", "kind_and_unit"]

_LOOKED_AT: Final = 1000
"""How many stacks are looked at."""

_THREE_VALUES: Final = re.compile(rb"(?m) ([0-9]+),-?[0-9]+,-?[0-9]+[ \t\r]*$")
_LINE: Final = re.compile(rb"(?m)^(?!# ).+$")

_OURS: Final = re.compile(rf"{re.escape(ROOT.name)}(\0|\Z)".encode())
_AUSTIN: Final = re.compile(rb"P[0-9]+\0T[^\0]+")
_TACHYON: Final = re.compile(rb"tid:[0-9]+(\0|\Z)")
_PY_SPY: Final = re.compile(
    rb"(?s)(?:process [0-9]+:[^\0]*\0)*(?:thread \([^\0]*\)[^\0]*\0)?"
    rb"(?:[^\0]+ \([^\0]+:[0-9]+\)(?:\0|\Z))+\Z"
)
_KINDS: Final = (
    (_OURS, "folded stacks of tracetools", "microseconds"),
    (_AUSTIN, "austin's collapsed stacks", "microseconds"),
    (_TACHYON, "Tachyon's collapsed stacks", SAMPLES),
    (_PY_SPY, "py-spy's raw stacks", SAMPLES),
)


def kind_and_unit(packed: Iterable[tuple[bytes, int]]) -> tuple[str, str]:
    """Return what packed stacks seem to be, and the unit of their counts; empty if unknown."""
    stacks = [stack for stack, _ in islice(packed, _LOOKED_AT)]
    for pattern, kind, unit in _KINDS:
        if all(map(pattern.match, stacks)):
            return kind, unit
    return "folded stacks", ""


def has_three_values(start: bytes) -> bool:
    """Return whether folded text has austin's three values in its first line."""
    first = _LINE.search(start)
    return first is not None and _THREE_VALUES.search(first[0]) is not None


def first_values(lines: SupportsRead[bytes]) -> Iterator[bytes]:
    """Yield the lines of such a text with the first of the three values alone."""
    for block in blocks(lines):
        yield from _THREE_VALUES.sub(rb" \1", block).split(b"\n")


_NUMBERS: Final = (
    (re.compile(rb":[0-9]+\)(?=\0|\Z)"), b")"),  # name (file:7)
    (re.compile(rb"(?<=[^\0]):([^\0:()]+):[0-9]+(?=\0|\Z)"), rb":\1"),  # module:function:7
    (re.compile(rb"\A(P)[0-9]+\0(T)[^\0]*"), rb"\1\0\2"),  # austin's process and thread
    (re.compile(rb"\A(tid):[0-9]+"), rb"\1"),  # Tachyon's thread
    (re.compile(rb"(\A|\0)(process|thread) [(]?[0-9]+(?:[)]|:)"), rb"\1\2 "),  # py-spy's
)


def bare(packed: bytes) -> bytes:
    """Return a packed stack without numbers that differ from run to run.

    These are the lines of frames, which an edit moves, and the numbers of threads and processes.
    """
    for pattern, instead in _NUMBERS:
        packed = pattern.sub(instead, packed)
    return packed
