"""What changed between two files of stacks: frames and stacks that grew, shrank, came or vanished.

Counts are whole numbers of one unit. A frame's total is the sum of all stacks that it is in, each
once; its self time is that of the stacks that end with it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import ALL_WAITING, ROOT
from tracetools.output.formats.stack_table import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Counts = Mapping[bytes, int]

__all__ = ["Change", "Difference", "growth", "summed", "without_waiting"]


class Change(NamedTuple):
    """One number before and after.

    Attributes:
        name: a frame, or a packed stack.
        before: the total before; 0 if it was not there.
        after: the total after; 0 if it has vanished.
        self_before: the self time of a frame before; of a stack, as `before`.
        self_after: likewise after.
    """

    name: bytes
    before: int
    after: int
    self_before: int
    self_after: int

    @property
    def status(self) -> str:
        """``new``, ``vanished``, ``grew``, ``shrank`` or ``same``, by the total."""
        if not self.before:
            return "new"
        if not self.after:
            return "vanished"
        if self.after == self.before:
            return "same"
        return "grew" if self.after > self.before else "shrank"


def growth(before: int, after: int) -> Fraction | None:
    """Return by which part of `before` something grew; None if there was nothing before."""
    return Fraction(after - before, before) if before else None


def summed(counts: Iterable[tuple[bytes, int]]) -> dict[bytes, int]:
    """Return counts by stack; those of equal stacks add up."""
    sums: dict[bytes, int] = {}
    for stack, count in counts:
        sums[stack] = sums.get(stack, 0) + count
    return sums


_WAITING: Final = tuple(f"{ROOT.name}\0{frame.name}".encode() for frame in ALL_WAITING)


def without_waiting(counts: Counts) -> dict[bytes, int]:
    """Return stacks without the time in which loops waited for events, which is no work."""
    return {stack: count for stack, count in counts.items() if stack not in _WAITING}


class Difference:
    """All changes from one file of stacks to another.

    Args:
        before: counts by packed stack.
        after: likewise.
        normalise: whether the counts before are scaled so that both files have the same total. So
            shares are compared. They are rounded half up.

    Attributes:
        total: of all stacks; its name is empty.
        frames: each frame that is in a stack.
        stacks: each stack.
    """

    def __init__(self, before: Counts, after: Counts, *, normalise: bool = False) -> None:
        if normalise:
            before = _scaled(before, sum(after.values()))
        self.before, self.after = before, after
        self.stacks = [
            Change(stack, old := before.get(stack, 0), new := after.get(stack, 0), old, new)
            for stack in sorted(before.keys() | after.keys())
        ]
        self.frames = _frames(self.stacks)
        totals = sum(before.values()), sum(after.values())
        self.total = Change(b"", *totals, *totals)

    def failures(self, limit: Fraction, least_share: Fraction) -> list[Change]:
        """Return what grew by more than `limit`, a part of what it was.

        That is the total, and each frame whose total is at least `least_share` of all time after.
        What was not there before has grown without bound.
        """
        least = least_share * self.total.after
        suspects = [self.total, *(frame for frame in self.frames if frame.after >= least)]
        return [each for each in suspects if each.after - each.before > limit * each.before]


def _scaled(counts: Counts, total: int) -> dict[bytes, int]:
    """Return counts that are scaled to a total."""
    now = sum(counts.values())
    if not now:
        return dict(counts)
    return {stack: (2 * count * total + now) // (2 * now) for stack, count in counts.items()}


def _frames(stacks: Iterable[Change]) -> list[Change]:
    """Return the change of each frame, by name."""
    sums: dict[bytes, list[int]] = {}
    for stack, before, after, _, _ in stacks:
        names = stack.split(SEPARATOR)
        for name in set(names):
            numbers = sums.setdefault(name, [0, 0, 0, 0])
            numbers[0] += before
            numbers[1] += after
        own = sums[names[-1]]
        own[2] += before
        own[3] += after
    return [Change(name, *numbers) for name, numbers in sorted(sums.items())]
