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
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from tracetools.output.formats.folded import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    children = _children_in_time if columns.is_chart else _children_by_name
    ranges = [_Range(-ends[-1], 0, 0, len(columns.stacks), 0, b"")]
    while ranges:
        frame = heapq.heappop(ranges)
        name = frame.name.decode()
        yield Box(frame.depth, ends[frame.first], -frame.narrowness, name, _delta(columns, frame))
        for child in children(columns.stacks, ends, frame, narrowest):
            heapq.heappush(ranges, child)


def _children_by_name(
    stacks: list[bytes], ends: list[int], parent: _Range, narrowest: int
) -> Iterator[_Range]:
    """Find the frames right above a frame that are wide enough; stacks are sorted.

    A frame that is wide enough and does not begin before `first` has the stack in which the least
    width after `first` is reached: those that end before it are passed over unseen.
    """
    first = parent.first + _has_time_of_its_own(stacks, parent)
    while first < parent.stop:
        reached = bisect_left(ends, ends[first] + narrowest, first + 1, parent.stop + 1) - 1
        if reached == parent.stop:
            return
        name, offset = _name(stacks[reached], parent.offset)
        stop = parent.stop
        if not _is_above(stacks[first], name, parent.offset):
            first = bisect_left(stacks, stacks[reached][: offset - 1], first, reached)
        if not _is_above(stacks[stop - 1], name, parent.offset):
            stop = bisect_left(stacks, stacks[reached][: offset - 1] + _BEYOND, reached, stop)
        if ends[stop] - ends[first] >= narrowest:
            yield _Range(ends[first] - ends[stop], parent.depth + 1, first, stop, offset, name)
        first = stop


def _children_in_time(
    stacks: list[bytes], ends: list[int], parent: _Range, narrowest: int
) -> Iterator[_Range]:
    """Find likewise the frames right above a frame of a chart, in which neighbours are merged."""
    first = parent.first
    while first < parent.stop:
        name, offset = _name(stacks[first], parent.offset)
        stop = first + 1
        while stop < parent.stop and _is_above(stacks[stop], name, parent.offset):
            stop += 1
        if name and ends[stop] - ends[first] >= narrowest:
            yield _Range(ends[first] - ends[stop], parent.depth + 1, first, stop, offset, name)
        first = stop


_BEYOND = b"\1"
"""Sorts right after the separator, and so after all that stands above a frame."""


def _name(stack: bytes, offset: int) -> tuple[bytes, int]:
    """Give the name that begins at an offset, none at the end, and where the next one begins."""
    end = stack.find(SEPARATOR, offset)
    name = stack[offset:] if end < 0 else stack[offset:end]
    return name, offset + len(name) + 1


def _is_above(stack: bytes, name: bytes, offset: int) -> bool:
    """Tell whether a stack has this name at this offset."""
    end = offset + len(name)
    return stack.startswith(name, offset) and stack[end : end + 1] in _ENDS


_ENDS = (b"", SEPARATOR)


def _has_time_of_its_own(stacks: list[bytes], frame: _Range) -> bool:
    """Tell whether the first stack of a frame ends with it."""
    return len(stacks[frame.first]) < max(frame.offset, 1)


def _delta(columns: Columns, frame: _Range) -> int:
    """Tell by how much the time that a frame has for itself has grown."""
    if columns.before is None or not _has_time_of_its_own(columns.stacks, frame):
        return 0
    return columns.counts[frame.first] - columns.before[frame.first]


def _count_frames(columns: Columns) -> int:
    """Count the frames that neighbours do not share with each other: all that could be drawn.

    Where two stacks begin to differ is found by comparing them as numbers, which C does.
    """
    frames = 0
    last, last_number = b"", 0
    for stack, count in zip(columns.stacks, columns.counts, strict=True):
        if not count or stack == last:
            continue
        number = int.from_bytes(stack, "little")
        differing = number ^ last_number
        alike = (differing & -differing).bit_length() - 1 >> 3
        if stack and alike <= len(stack):  # else all of it is the begin of the last one
            frames += stack.count(SEPARATOR, alike)
            if stack[alike : alike + 1] not in _ENDS or last[alike : alike + 1] not in _ENDS:
                frames += 1
        last, last_number = stack, number
    return frames
