"""The geometry of a flame graph in whole counts: which frame stands where, and how wide it is.

What may live here: stacks to boxes. What must not: pixels, percentages that are shown, colours,
XML. Whether depth grows upwards or downwards is for the drawing to say.

The boxes are those of a trie whose children are sorted by name, the time that a frame has for
itself standing left of its children: the geometry that flamegraph.pl and inferno share.

The trie is never built. Packed stacks that are sorted have the stacks of any frame side by side, so
a frame is a range of them, and its children are found by comparing a few at the ends. Frames are
taken widest first, and what is too narrow is never looked into: the cost follows what is drawn, not
what there is.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from tracetools.formats.folded import SEPARATOR, pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Stack = tuple[str, ...]

ROOT_NAME = ""
"""The name of the frame below all others; no frame of a folded file has it."""

_BILLION = 10**9


class Box(NamedTuple):
    """One frame of the graph: `depth` 0 is the root; `start` and `width` are counts.

    `delta` is by how much the time that the frame has for itself has grown, in a differential
    graph; as in inferno, what stands above it is not part of that.
    """

    depth: int
    start: int
    width: int
    name: str
    delta: int = 0


class Layout(NamedTuple):
    """All boxes that are drawn, sorted by depth and then from left to right; the root is first.

    `left_out` is how many frames there are beside these: narrower than the minimum, or too many.
    """

    boxes: list[Box]
    total: int
    rows: int
    left_out: int = 0
    differential: bool = False


@dataclass(frozen=True)
class Columns:
    """Packed stacks from left to right, with their counts.

    Attributes:
        stacks: the packed stacks; sorted and distinct, unless they are a chart's.
        counts: how wide each is.
        before: what each was in an earlier profile; None where there is none.
        is_chart: whether the stacks stand in the order of time, and only neighbours are merged.
    """

    stacks: list[bytes]
    counts: list[int]
    before: list[int] | None = None
    is_chart: bool = False


def arrange(
    counts: Iterable[tuple[bytes, int]],
    before: Mapping[bytes, int] | None = None,
    *,
    is_chart: bool = False,
    reverse: bool = False,
) -> Columns:
    """Put packed stacks in the order in which they are drawn, those with equal stacks added up."""
    if reverse:
        counts = [(_reversed(stack), count) for stack, count in counts]
        before = None if before is None else _summed((_reversed(s), n) for s, n in before.items())
    if is_chart:
        chart = [(stack, count) for stack, count in counts if count > 0]
        return Columns([stack for stack, _ in chart], [n for _, n in chart], is_chart=True)
    sums = _summed(counts)
    stacks = sorted(sums if before is None else sums.keys() | before.keys())
    return Columns(
        stacks,
        [sums.get(stack, 0) for stack in stacks],
        None if before is None else [before.get(stack, 0) for stack in stacks],
    )


def _summed(counts: Iterable[tuple[bytes, int]]) -> dict[bytes, int]:
    sums: dict[bytes, int] = {}
    for stack, count in counts:
        sums[stack] = sums.get(stack, 0) + count
    return sums


def _reversed(stack: bytes) -> bytes:
    return SEPARATOR.join(reversed(stack.split(SEPARATOR)))


def lay_out(
    stacks: Mapping[Stack, int], min_width: float = 0, max_frames: int | None = None
) -> Layout:
    """Place the frames of stacks with positive counts, at least one; see `place`."""
    return place(
        arrange((pack(stack), count) for stack, count in stacks.items()), min_width, max_frames
    )


def place(columns: Columns, min_width: float, max_frames: int | None = None) -> Layout:
    """Place the frames, leaving out what is narrower than `min_width` percent of all.

    The sum of the counts is positive. A frame exactly as wide as the minimum stays; the root always
    does. The comparison is exact for a minimum of up to nine decimals. Of more than `max_frames`
    the widest stay, of equally wide ones those nearest to the root and then to the left.
    """
    ends = [0, *accumulate(columns.counts)]
    total = ends[-1]
    boxes: list[Box] = []
    for box in _widest_first(columns, ends, max(1, _narrowest(total, min_width))):
        if max_frames is not None and len(boxes) >= max_frames:
            break
        boxes.append(box)
    boxes.sort()
    left_out = 1 + _count_frames(columns) - len(boxes)
    return Layout(boxes, total, boxes[-1].depth + 1, left_out, columns.before is not None)


def _narrowest(total: int, min_width: float) -> int:
    """Give the least width in counts that is at least `min_width` percent of the total."""
    return -(-total * round(min_width * _BILLION) // (100 * _BILLION))


class _Range(NamedTuple):
    """The stacks of one frame: those from `first` up to `stop`, alike up to their byte `offset`.

    The fields before are the order in which frames are taken.
    """

    narrowness: int
    depth: int
    first: int
    stop: int
    offset: int
    name: bytes


def _widest_first(columns: Columns, ends: list[int], narrowest: int) -> Iterator[Box]:
    """Yield the boxes of frames that are wide enough, a frame always before those above it."""
    ranges = [_Range(-ends[-1], 0, 0, len(columns.stacks), 0, b"")]
    while ranges:
        frame = heapq.heappop(ranges)
        name = frame.name.decode()
        yield Box(frame.depth, ends[frame.first], -frame.narrowness, name, _delta(columns, frame))
        for child in _children(columns, ends, frame):
            if -child.narrowness >= narrowest:
                heapq.heappush(ranges, child)


def _children(columns: Columns, ends: list[int], parent: _Range) -> Iterator[_Range]:
    """Find the ranges of the frames right above a frame."""
    stacks, offset, first = columns.stacks, parent.offset, parent.first
    while first < parent.stop:
        stack = stacks[first]
        if len(stack) <= offset and not stack[offset:]:  # the time of the frame itself
            first += 1
            continue
        end = stack.find(SEPARATOR, offset)
        name = stack[offset:] if end < 0 else stack[offset:end]
        stop = _stop(columns, first, parent.stop, offset, name)
        offset_above = offset + len(name) + 1
        yield _Range(ends[first] - ends[stop], parent.depth + 1, first, stop, offset_above, name)
        first = stop


def _stop(columns: Columns, first: int, stop: int, offset: int, name: bytes) -> int:
    """Find where the stacks that have this name at this offset end."""
    stacks, start = columns.stacks, name + SEPARATOR
    if columns.is_chart:
        index = first + 1
        while index < stop and (
            stacks[index].startswith(start, offset) or stacks[index][offset:] == name
        ):
            index += 1
        return index
    if stacks[stop - 1].startswith(start, offset):
        return stop
    step, known = 1, first  # steps that double, then halves: most frames have few stacks
    while known + step < stop and stacks[known + step].startswith(start, offset):
        known += step
        step *= 2
    beyond = min(known + step, stop)
    while beyond - known > 1:
        middle = (known + beyond) // 2
        if stacks[middle].startswith(start, offset):
            known = middle
        else:
            beyond = middle
    return beyond


def _delta(columns: Columns, frame: _Range) -> int:
    """Tell by how much the time that a frame has for itself has grown."""
    if columns.before is None or len(columns.stacks[frame.first]) >= max(frame.offset, 1):
        return 0
    return columns.counts[frame.first] - columns.before[frame.first]


def _count_frames(columns: Columns) -> int:
    """Count the frames that neighbours do not share with each other: all that could be drawn."""
    frames = 0
    last, last_number = b"", 0
    for stack, count in zip(columns.stacks, columns.counts, strict=True):
        if not count or not stack:
            continue
        number = int.from_bytes(stack, "big")
        excess = 8 * (len(stack) - len(last))
        differing = (
            last_number ^ number >> excess if excess > 0 else number ^ last_number >> -excess
        )
        alike = min(len(last), len(stack)) - (differing.bit_length() + 7) // 8
        frames += stack.count(SEPARATOR) + 1 - _shared(last, stack, alike)
        last, last_number = stack, number
    return frames


def _shared(one: bytes, other: bytes, alike: int) -> int:
    """Count the frames that two packed stacks have in common, so many first bytes being alike."""
    if not alike:
        return 0
    whole = other.count(SEPARATOR, 0, alike)
    ends = {one[alike : alike + 1], other[alike : alike + 1]} <= {b"", SEPARATOR}
    return whole + 1 if ends else whole
