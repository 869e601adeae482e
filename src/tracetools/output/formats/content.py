"""What a file holds, whatever its format: a profile, or stacks with counts of some unit.

Stacks stay packed, as in `folded`. Files of others are hostile until read: what they can make of
little text is bounded here.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from tracetools.core.errors import NoStacksError
from tracetools.core.stacks import Frame
from tracetools.output.formats.folded import UNKNOWN, Folded, pack
from tracetools.output.formats.stack_table import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens, Profile
    from tracetools.core.stacks import StackPath

__all__ = [
    "NANOSECONDS",
    "PER_NANOSECOND",
    "SAMPLES",
    "Content",
    "MalformedError",
    "Sums",
    "frame_of",
    "label_of",
    "no_time",
    "number_of",
    "of_lens",
    "ordered",
    "packed_label",
    "paths_of",
    "scaled",
    "weighed",
]

NANOSECONDS: Final = "nanoseconds"
SAMPLES: Final = "samples"

PER_NANOSECOND: Final[Mapping[str, int]] = {
    "nanoseconds": 1,
    "microseconds": 1_000,
    "milliseconds": 1_000_000,
    "seconds": 1_000_000_000,
}
"""Units of time, and how many nanoseconds each has."""

MAX_PACKED_BYTES: Final = 1 << 28
"""How long all distinct stacks of a file may be together, of a format that has tables. Without this
bound, a small file can ask for more memory than there is."""

MAX_FRAMES_READ: Final = 100_000_000
"""How many frames the stacks of all samples of such a file may have. Without this bound, a small
file can ask for hours."""

_Value = TypeVar("_Value")

MAX_NUMBER: Final = 10**100
"""The largest number that is read. Folded text has no longer ones."""


class Content(NamedTuple):
    """The content of one file.

    Attributes:
        content: a profile; or stacks, of which there is at least one.
        unit: of the counts of stacks, such as ``microseconds``, ``samples`` or ``bytes``; empty if
            the file does not say. Of a profile it is ``nanoseconds``.
        description: what the file was taken for, such as ``speedscope: busy``.
        choices: the names of all that could be read instead, where there are several.
    """

    content: Profile | Folded
    unit: str
    description: str
    choices: tuple[str, ...] = ()


class MalformedError(Exception):
    """The content makes no sense; the message says where and why, without the file."""


# -- labels ------------------------------------------------------------------------------------

_LOCATED: Final = re.compile(r"(?s)(.+) \((.+):([0-9]{1,18})\)")
_UNLOCATED: Final = " (unknown)"


def frame_of(label: str) -> Frame:
    """Return the frame of a label ``name (file:line)``; of any other one, the label is the name."""
    found = _LOCATED.fullmatch(label)
    if found is not None:
        return Frame(found[1], found[2], int(found[3]))
    if label.endswith(_UNLOCATED) and label != _UNLOCATED:
        return Frame(label[: -len(_UNLOCATED)])
    return Frame(label, "")


def label_of(name: str, file: str | None = None, line: int = 0) -> str:
    """Return the label of a frame of a file of others: as much of its location as is known."""
    name = name or UNKNOWN
    if not file:
        return name
    return f"{name} ({file}:{line})" if line else f"{name} ({file})"


# -- numbers -----------------------------------------------------------------------------------


def number_of(value: Any, where: str) -> int | Fraction:
    """Return a number of a file exactly.

    Raises:
        MalformedError: it is no number, negative, infinite, or too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedError(f"{where} is no number")
    if isinstance(value, float) and not math.isfinite(value):
        raise MalformedError(f"{where} is not finite")
    number = int(value) if isinstance(value, int) or value.is_integer() else Fraction(value)
    if not 0 <= number < MAX_NUMBER:
        raise MalformedError(f"{where} is {'negative' if number < 0 else 'too large'}")
    return number


def rounded(value: int | Fraction) -> int:
    """Return a number of zero or more, rounded half up."""
    return value if isinstance(value, int) else math.floor(value + Fraction(1, 2))


class Sums:
    """Numbers by packed stack; those of equal stacks add up. What they take is bounded."""

    def __init__(self) -> None:
        self._sums: dict[bytes, int | Fraction] = {}
        self._bytes = 0
        self._frames = 0

    def add(self, labels: Iterable[bytes], value: int | Fraction, where: str) -> None:
        """Add the number of a stack, whose labels come from the root.

        Raises:
            MalformedError: all stacks together are too long.
        """
        parts: list[bytes] = []
        length = 0
        for label in labels:
            length += len(label) + 1
            parts.append(label)
            if length > MAX_PACKED_BYTES:
                raise self._too_much(where)
        self._frames += len(parts)
        if self._frames > MAX_FRAMES_READ:
            raise MalformedError(f"{where}: its stacks have more than {MAX_FRAMES_READ:,} frames")
        packed = SEPARATOR.join(parts)
        if packed not in self._sums:
            self._bytes += length
            if self._bytes > MAX_PACKED_BYTES:
                raise self._too_much(where)
        self._sums[packed] = self._sums.get(packed, 0) + value

    def _too_much(self, where: str) -> MalformedError:
        return MalformedError(f"{where}: its stacks have more than {MAX_PACKED_BYTES >> 20} MiB")

    def folded(self) -> Folded:
        """Return the stacks. Fractions are rounded once, half up.

        Raises:
            NoStacksError: no number is positive; the message has no file.
        """
        whole = [(packed, rounded(value)) for packed, value in self._sums.items()]
        kept = [(packed, count) for packed, count in whole if packed and count]
        vanished = sum(1 for value in self._sums.values() if value) - len(kept)
        if not kept:
            raise NoStacksError("no stack has a count: nothing was recorded")
        return Folded(kept, None, bad=0, first_bad=None, vanished=max(0, vanished))


def packed_label(label: str) -> bytes:
    """Return a label as a part of a packed stack."""
    return pack((label,))


# -- what writers get --------------------------------------------------------------------------


def weighed(content: Folded) -> dict[StackPath, int]:
    """Return the stacks of a file as paths of frames, as far as labels tell them."""
    return paths_of(content.packed)


def paths_of(counts: Iterable[tuple[bytes, int]]) -> dict[StackPath, int]:
    """Return packed stacks as paths likewise; equal ones add up."""
    known: dict[bytes, Frame] = {}
    stacks: dict[StackPath, int] = {}
    for packed, count in counts:
        labels = packed.split(SEPARATOR)
        for label in labels:
            if label not in known:
                known[label] = frame_of(label.decode())
        path = tuple([known[label] for label in labels])
        stacks[path] = stacks.get(path, 0) + count
    return stacks


def ordered(stacks: Mapping[StackPath, _Value]) -> list[tuple[StackPath, _Value]]:
    """Return stacks in an order that depends on their frames alone, parents first."""
    frames = {frame for path in stacks for frame in path}
    rank = {frame: index for index, frame in enumerate(sorted(frames, key=_order))}
    return sorted(stacks.items(), key=lambda item: [rank[frame] for frame in item[0]])


def _order(frame: Frame) -> tuple[str, bool, str, int]:
    return frame.name, frame.file is not None, frame.file or "", frame.line


def scaled(
    counts: Iterable[tuple[bytes, int]], unit: str, wanted: str
) -> Iterator[tuple[bytes, int]]:
    """Yield counts in another unit of time, rounded half up. Other units stay as they are."""
    if unit not in PER_NANOSECOND or wanted not in PER_NANOSECOND or unit == wanted:
        yield from counts
        return
    times, by = PER_NANOSECOND[unit], PER_NANOSECOND[wanted]
    for packed, count in counts:
        yield packed, (2 * count * times + by) // (2 * by)


def no_time(lens: Lens) -> str:
    """Return that a profile has no time in a lens, and what to do."""
    if lens == "critical":
        return "no slow spans were kept, which the lens critical shows: record with keep, or --keep"
    if lens == "chain":
        return (
            "who ended waits was not recorded, which the lens chain shows: record with wakers=True,"
            " or --wakers"
        )
    return f"there is no {lens} time in it: choose another --lens"


def of_lens(profile: Profile, lens: Lens, labels: Labels) -> dict[StackPath, int]:
    """Return the nanoseconds of a lens, by frames that are named as `labels` says."""
    stacks = profile.lens(lens)
    if labels == "name":
        return stacks
    sums: dict[StackPath, int] = {}
    for path, time in stacks.items():
        located = tuple([each if each.file == "" else Frame(each.location, "") for each in path])
        sums[located] = sums.get(located, 0) + time
    return sums
