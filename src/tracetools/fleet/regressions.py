"""What takes longer a request than before, and how sure that is.

Two sides are compared, each in slices: processes, or parts of the time. In each slice, the time of
a frame is divided by how often its span was entered, so that more traffic is no regression. What
makes all of a slice slower alike, as an old machine or a busy neighbour does, is taken out of its
frames, and compared on its own. Whether a difference is more than chance is asked with Welch's
t-test over the slices, corrected for how many frames are looked at (Bonferroni).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import inf
from statistics import fmean, variance
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tracetools.core.stacks import is_of_loop
from tracetools.fleet.student import chance_above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import StackPath, Times
    from tracetools.fleet.store import Slice

__all__ = ["Comparison", "Regression", "compared", "time_of"]

Key: TypeAlias = "tuple[tuple[str, str | None], ...]"
"""A stack by the names and files of its frames: an edit moves lines."""

_CHANCE: Final = 0.01
_CHANCE_OF_EVERYTHING: Final = 0.001
_LEAST_GROWTH: Final = 0.01
_EXPLAINED: Final = 0.8
_LEAST_SLICES: Final = 3


class Regression(NamedTuple):
    """A frame that takes longer a request than before.

    Attributes:
        path: its stack, as it was after.
        before: nanoseconds a request, or a call of its span, before.
        after: likewise after, without what made all slower alike.
        requests: how many there were after.
        share: which part of all time it was before.
        share_after: likewise after.
        chance: how likely such a difference is to be chance, looking at so many frames.
    """

    path: StackPath
    before: float
    after: float
    requests: int
    share: float
    share_after: float
    chance: float

    @property
    def growth(self) -> float:
        """By which part it grew."""
        return self.after / self.before - 1 if self.before else inf

    @property
    def extra(self) -> float:
        """How much more time all requests took, in nanoseconds."""
        return (self.after - self.before) * self.requests


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        regressions: what costs most comes first.
        everything: by which part all frames alike take longer; below zero if they are faster.
        chance: how likely that is to be chance.
        frames: how many frames were looked at.
    """

    regressions: tuple[Regression, ...] = ()
    everything: float = 0.0
    chance: float = 1.0
    frames: int = 0

    @property
    def is_everything_slower(self) -> bool:
        """Whether all frames alike take longer, and not by chance."""
        return self.everything >= _LEAST_GROWTH and self.chance < _CHANCE_OF_EVERYTHING


def time_of(lens: Lens) -> Callable[[Times], int]:
    """Return which time of a stack is compared.

    Raises:
        ValueError: slices do not have it.
    """
    times: dict[str, Callable[[Times], int]] = {
        "busy": lambda times: times.busy + times.thread,
        "idle": lambda times: times.idle,
        "scheduled": lambda times: times.scheduled,
        "task": lambda times: times.busy + times.thread + times.idle + times.scheduled,
    }
    if lens not in times:
        raise ValueError(f"the time of the lens {lens} cannot be compared by request")
    return times[lens]


def compared(before: Sequence[Slice], after: Sequence[Slice], lens: Lens = "busy") -> Comparison:
    """Compare two sides; with fewer than three slices on a side nothing is found."""
    if min(len(before), len(after)) < _LEAST_SLICES:
        return Comparison()
    sides = [[_Sums(each.stacks, time_of(lens)) for each in side] for side in (before, after)]
    spans = _spans_of(sides)
    speeds = _speeds(sides, spans)
    found = _tested(sides, speeds, spans)
    change, chance = _welch(*([(speed, 1.0) for speed in side] for side in speeds))
    base = fmean(speeds[0])
    return Comparison(
        tuple(_own_ones([each for each in found if _is_sure(each)])),
        change / base if base else 0.0,
        min(chance, 1.0),
        len(found),
    )


class _Sums:
    """The numbers of one slice by stack: own time, time with all above, and entries."""

    def __init__(self, stacks: Mapping[StackPath, Times], time: Callable[[Times], int]) -> None:
        self.own: dict[Key, int] = defaultdict(int)
        self.total: dict[Key, int] = defaultdict(int)
        self.entries: dict[Key, int] = defaultdict(int)
        self.paths: dict[Key, StackPath] = {}
        self.whole = 0
        for path, times in stacks.items():
            if is_of_loop(path):
                continue
            key = tuple((frame.name, frame.file) for frame in path)
            spent = time(times)
            self.whole += spent
            self.own[key] += spent
            self.entries[key] += times.entries
            self.paths.setdefault(key, path)
            for depth in range(2, len(key) + 1):
                self.total[key[:depth]] += spent


def _spans_of(sides: Sequence[Sequence[_Sums]]) -> dict[Key, Key]:
    """Return the innermost stack that is entered, of each stack: what counts its requests."""
    every = [sums for side in sides for sums in side]
    entered = {key for sums in every for key, entries in sums.entries.items() if entries}
    found: dict[Key, Key] = {}
    for key in {key for sums in every for key in sums.total}:
        depth = next((d for d in range(len(key), 0, -1) if key[:d] in entered), 0)
        if depth:
            found[key] = key[:depth]
    return found


def _speeds(sides: Sequence[Sequence[_Sums]], spans: Mapping[Key, Key]) -> list[list[float]]:
    """Return how slow each slice is: the median of its frames against those of all slices."""
    every = [sums for side in sides for sums in side]
    usual: dict[Key, tuple[float, float]] = {}
    for key, span in spans.items():
        time = sum(sums.own.get(key, 0) for sums in every)
        entries = sum(sums.entries.get(span, 0) for sums in every)
        if time and entries:
            usual[key] = time / entries, float(time)
    return [[_speed(sums, usual, spans) for sums in side] for side in sides]


def _speed(
    sums: _Sums, usual: Mapping[Key, tuple[float, float]], spans: Mapping[Key, Key]
) -> float:
    ratios = []
    for key, (time, weight) in usual.items():
        entries = sums.entries.get(spans[key], 0)
        if entries:
            ratios.append((sums.own.get(key, 0) / (entries * time), weight))
    ratios.sort()
    half = sum(weight for _, weight in ratios) / 2
    for ratio, weight in ratios:
        half -= weight
        if half <= 0:
            return ratio or 1.0
    return 1.0


def _tested(
    sides: Sequence[Sequence[_Sums]], speeds: Sequence[Sequence[float]], spans: Mapping[Key, Key]
) -> list[Regression]:
    """Return all frames that are on both sides, whether they grew or not."""
    wholes = [sum(sums.whole for sums in side) or 1 for side in sides]
    found = []
    for key, span in spans.items():
        pairs = [
            [
                (sums.total.get(key, 0) / speed, sums.entries.get(span, 0))
                for sums, speed in zip(side, speeds_of_side, strict=True)
            ]
            for side, speeds_of_side in zip(sides, speeds, strict=True)
        ]
        entries = [sum(count for _, count in side) for side in pairs]
        times = [sum(time for time, _ in side) for side in pairs]
        if not min(entries) or not min(times):
            continue
        _, chance = _welch(*pairs)
        path = _path_of(key, sides[1])
        shares = [
            sum(sums.total.get(key, 0) for sums in side) / whole
            for side, whole in zip(sides, wholes, strict=True)
        ]
        before, after = (time / count for time, count in zip(times, entries, strict=True))
        share, share_after = shares
        found.append(Regression(path, before, after, entries[1], share, share_after, chance))
    return [each._replace(chance=min(1.0, each.chance * len(found))) for each in found]


def _path_of(key: Key, side: Iterable[_Sums]) -> StackPath:
    """Return the frames of a stack, from one below it if it has no numbers of its own."""
    for sums in side:
        if key in sums.paths:
            return sums.paths[key]
    depth = len(key)
    every = (path for sums in side for known, path in sums.paths.items() if known[:depth] == key)
    return next(every)[:depth]


def _welch(
    before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return by how much a ratio of sums grew, and how likely that is where it did not grow."""
    ratios, errors = [], []
    for side in (before, after):
        weight = fmean(count for _, count in side)
        ratio = sum(time for time, _ in side) / (weight * len(side))
        left = [(time - ratio * count) / weight for time, count in side]
        ratios.append(ratio)
        errors.append(variance(left) / len(left))
    change, error = ratios[1] - ratios[0], sum(errors)
    if not error:
        return change, 0.0 if change > 0 else 1.0
    parts = (each**2 / (len(side) - 1) for each, side in zip(errors, (before, after), strict=True))
    return change, chance_above(change / error**0.5, error**2 / sum(parts))


def _is_sure(found: Regression) -> bool:
    return found.chance < _CHANCE and found.growth >= _LEAST_GROWTH


def _own_ones(found: Sequence[Regression]) -> list[Regression]:
    """Leave out those that grew because one above them in the graph did; the costliest first."""
    kept = []
    for each in found:
        depth = len(each.path)
        above = [o for o in found if len(o.path) > depth and o.path[:depth] == each.path]
        if not any(other.extra >= _EXPLAINED * each.extra for other in above):
            kept.append(each)
    return sorted(kept, key=lambda each: (-each.extra, each.path))
