"""Tracks as boxes: when they begin and end, in nanoseconds, and in which lane they are.

What is shorter than a pixel is drawn together with its neighbours, so a page stays small.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.guest.pace import paced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Box", "Item", "in_lanes", "merged", "ticks"]

_MOST_LANES: Final = 6
"""How many spans are drawn above one another."""

_MOST_TICKS: Final = 6


class Item(NamedTuple):
    """Something that is to be drawn.

    Attributes:
        begin: its first moment.
        end: its last one.
        kind: what it is, which gives its colour.
        content: what it says when it is drawn alone.
    """

    begin: int
    end: int
    kind: str
    content: object = None


class Box(NamedTuple):
    """One or more things that are drawn as one.

    Attributes:
        begin: the first moment.
        end: the last one.
        kind: that of most of the time.
        items: what is drawn, in order of time.
    """

    begin: int
    end: int
    kind: str
    items: Sequence[Item]


def merged(items: Iterable[Item], pixel: int) -> list[Box]:
    """Return items that do not overlap as boxes, in order of time.

    Neighbours that are all shorter than a pixel become one box, of a pixel at most.
    """
    boxes: list[Box] = []
    run: list[Item] = []
    for item in paced(items):
        is_short = item.end - item.begin < pixel
        if run and not (is_short and item.end - run[0].begin <= pixel):
            boxes.append(_box(run))
            run = []
        if is_short:
            run.append(item)
        else:
            boxes.append(Box(*item[:3], (item,)))
    if run:
        boxes.append(_box(run))
    return boxes


def _box(run: Sequence[Item]) -> Box:
    times: Counter[str] = Counter()
    for item in run:
        times[item.kind] += item.end - item.begin
    [(kind, _)] = times.most_common(1)
    return Box(run[0].begin, run[-1].end, kind, tuple(run))


def in_lanes(items: Iterable[Item]) -> tuple[list[list[Item]], int]:
    """Return items that may overlap in lanes, and how many have none since there are too many.

    They come in the order of their beginnings, the outer ones first. An item is below all that are
    open when it begins.
    """
    lanes: list[list[Item]] = []
    left_out = 0
    for item in paced(items):
        opened = [index for index, lane in enumerate(lanes) if lane[-1].end > item.begin]
        below = opened[-1] + 1 if opened else 0
        if below == len(lanes):
            lanes.append([])
        if below < _MOST_LANES:
            lanes[below].append(item)
        else:
            left_out += 1
            lanes.pop()
    return lanes, left_out


def ticks(length: int) -> list[int]:
    """Return the moments of a time axis: multiples of 1, 2 or 5 times a power of ten."""
    power = 1
    while length > _MOST_TICKS * 5 * power:
        power *= 10
    step = next(power * digit for digit in (1, 2, 5) if length <= _MOST_TICKS * digit * power)
    return [*range(0, length + 1, step)]
