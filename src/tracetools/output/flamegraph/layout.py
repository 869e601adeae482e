"""The geometry of a flame graph in whole counts: where each frame is, and how wide.

The boxes are those of a trie with children sorted by name, and with the self time of a frame left
of its children, as in flamegraph.pl and inferno.

The native core has the trie: a `StackTable` is one. Here it is never built. In sorted packed stacks
those of one frame are neighbours. So a frame is a range of stacks, and its children are found by
comparing a few stacks at their ends. The widest frames come first, and the children of a narrow one
are never searched: the cost grows with what is drawn, not with what there is.
"""

from __future__ import annotations

import heapq
import sys
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, NamedTuple

from tracetools.core.native import accelerated
from tracetools.output.formats.stack_table import SEPARATOR, StackTable, reversed_stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    Packed: TypeAlias = list[tuple[bytes, int]] | StackTable

ROOT_NAME = ""
"""The name of the frame below all others. No frame of a folded file has it."""

VANISHED_NAME = "\U0010fffd"
"""The name of the frame below the root of a difference that has all stacks of the earlier file that
are gone. It sorts after all others, so they are at the right, and nothing else moves."""

_BILLION = 10**9


class Box(NamedTuple):
    """One frame of the graph: `depth` 0 is the root; `start` and `width` are counts.

    In a differential graph, `delta` is the growth of the frame's self time, as in inferno.
    """

    depth: int
    start: int
    width: int
    name: str
    delta: int = 0


class Layout(NamedTuple):
    """All boxes that are drawn, sorted by depth and then from left to right; the root is first.

    `left_out` is how many other frames there are: narrower than the minimum, or too many.
    `vanished` is how much of the total is only in the earlier file of a difference.
    """

    boxes: list[Box]
    total: int
    rows: int
    left_out: int = 0
    differential: bool = False
    vanished: int = 0


def lay_out(
    counts: Packed, min_width: float, max_frames: int | None = None, *, reverse: bool = False
) -> Layout:
    """Place the frames of packed stacks, at least one of them with a count; see `place`."""
    table = tabled(counts)
    if table is None:
        return place(arrange(counts, reverse=reverse), min_width, max_frames)
    narrowest = max(1, narrowest_width(table.total, min_width))
    most = sys.maxsize if max_frames is None else max_frames
    placed, frames = place_stacks(table.reversed() if reverse else table, narrowest, most)
    boxes = [Box(*each) for each in placed]
    return Layout(boxes, table.total, boxes[-1].depth + 1, frames - len(boxes))


def tabled(counts: Packed) -> StackTable | None:
    """Return packed stacks as a table, equal ones added up; None if it cannot have the counts."""
    if isinstance(counts, StackTable):
        return counts
    table = StackTable()
    try:
        for stack, count in counts:
            table.add(stack, count)
    except OverflowError:
        return None
    return table


@accelerated
def place_stacks(
    table: StackTable, narrowest: int, most: int, /
) -> tuple[list[tuple[int, int, int, str]], int]:
    """Place the frames of a table that are wide enough, the widest so many of them.

    The root always stays. Returned are `depth`, `start`, `width` and `name` of each, in the order
    of a `Layout`; and how many frames there are, drawn or not.
    """
    columns = arrange(table)
    ends = [0, *accumulate(columns.counts)]
    boxes = sorted(islice(_widest_first(columns, ends, narrowest), max(1, most)))
    return [box[:4] for box in boxes], 1 + _count_frames(columns)


@dataclass(frozen=True)
class Columns:
    """Packed stacks from left to right, with their counts.

    Attributes:
        stacks: the packed stacks; sorted and distinct, except in a chart.
        counts: the width of each.
        before: the count of each in an earlier profile; None if there is none.
        vanished: the sum of the counts of stacks that only the earlier profile has.
        is_chart: whether stacks are in the order of time, and only neighbours are merged.
    """

    stacks: list[bytes]
    counts: list[int]
    before: list[int] | None = None
    is_chart: bool = False
    vanished: int = 0


def arrange(
    counts: Iterable[tuple[bytes, int]],
    before: Mapping[bytes, int] | None = None,
    *,
    is_chart: bool = False,
    reverse: bool = False,
) -> Columns:
    """Return packed stacks in the order in which they are drawn; equal stacks add up.

    Stacks that only `before` has stand below a frame of their own, as wide as they were; but for
    those that others go on from, whose frame is there and has shrunk.
    """
    if reverse:
        counts = [(reversed_stack(stack), count) for stack, count in counts]
        before = (
            None if before is None else _summed((reversed_stack(s), n) for s, n in before.items())
        )
    if is_chart:
        chart = [(stack, count) for stack, count in counts if count > 0]
        return Columns([stack for stack, _ in chart], [n for _, n in chart], is_chart=True)
    sums = _summed(counts)
    if before is None:
        stacks = sorted(sums)
        return Columns(stacks, [sums[stack] for stack in stacks])
    now = sorted(stack for stack, n in sums.items() if n > 0)
    left = {stack for stack, n in before.items() if n > 0 and sums.get(stack, 0) <= 0}
    gone = {stack: before[stack] for stack in left if not _is_below_any(stack, now)}
    stacks = sorted([*now, *(left - gone.keys())])
    gone_stacks = sorted(gone)
    counts_gone = [gone[stack] for stack in gone_stacks]
    return Columns(
        stacks + [_VANISHED + stack for stack in gone_stacks],
        [max(0, sums.get(stack, 0)) for stack in stacks] + counts_gone,
        # twice, so that what is as wide as it was has shrunk by that
        [before.get(stack, 0) for stack in stacks] + [2 * n for n in counts_gone],
        vanished=sum(counts_gone),
    )


_VANISHED = VANISHED_NAME.encode() + SEPARATOR


def _is_below_any(stack: bytes, stacks: list[bytes]) -> bool:
    """Return whether a sorted stack has all frames of this one, and more."""
    start = stack + SEPARATOR
    found = bisect_left(stacks, start)
    return found < len(stacks) and stacks[found].startswith(start)


def _summed(counts: Iterable[tuple[bytes, int]]) -> dict[bytes, int]:
    sums: dict[bytes, int] = {}
    for stack, count in counts:
        sums[stack] = sums.get(stack, 0) + count
    return sums


def place(columns: Columns, min_width: float, max_frames: int | None = None) -> Layout:
    """Place the frames that are at least `min_width` percent wide.

    The sum of the counts must be positive. The root always stays. The comparison is exact for a
    minimum of up to nine decimals. Of more than `max_frames` frames the widest stay; of equally
    wide ones, those nearest to the root and then to the left.
    """
    ends = [0, *accumulate(columns.counts)]
    total = ends[-1]
    narrowest = narrowest_width(total - columns.vanished, min_width)
    boxes: list[Box] = []
    for box in _widest_first(columns, ends, max(1, narrowest)):
        if max_frames is not None and len(boxes) >= max_frames:
            break
        boxes.append(box)
    boxes.sort()
    left_out = 1 + _count_frames(columns) - len(boxes)
    is_difference = columns.before is not None
    return Layout(boxes, total, boxes[-1].depth + 1, left_out, is_difference, columns.vanished)


def narrowest_width(total: int, min_width: float) -> int:
    """Return the least count that is at least `min_width` percent of the total."""
    return -(-total * round(min_width * _BILLION) // (100 * _BILLION))


class _Range(NamedTuple):
    """The stacks of one frame: those from `first` to before `stop`, equal in `offset` bytes.

    Ranges are ordered by their first fields: the widest frame comes first.
    """

    narrowness: int
    depth: int
    first: int
    stop: int
    offset: int
    name: bytes


def _widest_first(columns: Columns, ends: list[int], narrowest: int) -> Iterator[Box]:
    """Yield the boxes of frames that are wide enough, each frame before those above it."""
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
    """Yield the frames directly above a frame that are wide enough; stacks are sorted.

    The next such frame must have the stack in which the least width, counted from `first`, is
    reached. Frames that end before it are skipped without a comparison.
    """
    first = parent.first + _has_self_time(stacks, parent)
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
    """Yield the same for a frame of a chart, in which only neighbours are merged."""
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
"""Sorts right after the separator, and so after all stacks above a frame."""


def _name(stack: bytes, offset: int) -> tuple[bytes, int]:
    """Return the name at an offset, empty at the end, and the offset of the next one."""
    end = stack.find(SEPARATOR, offset)
    name = stack[offset:] if end < 0 else stack[offset:end]
    return name, offset + len(name) + 1


def _is_above(stack: bytes, name: bytes, offset: int) -> bool:
    """Return whether a stack has this name at this offset."""
    end = offset + len(name)
    return stack.startswith(name, offset) and stack[end : end + 1] in _ENDS


_ENDS = (b"", SEPARATOR)


def _has_self_time(stacks: list[bytes], frame: _Range) -> bool:
    """Return whether the first stack of a frame ends with it."""
    return len(stacks[frame.first]) < max(frame.offset, 1)


def _delta(columns: Columns, frame: _Range) -> int:
    """Return the growth of a frame's self time."""
    if columns.before is None or not _has_self_time(columns.stacks, frame):
        return 0
    return columns.counts[frame.first] - columns.before[frame.first]


def _count_frames(columns: Columns) -> int:
    """Count all frames that could be drawn: each that a stack does not share with the one before.

    The first difference of two stacks is found by comparing them as numbers, which is fast; of long
    stacks, their beginnings are compared first.
    """
    frames = 0
    last, last_number = b"", 0
    for stack, count in zip(columns.stacks, columns.counts, strict=True):
        if not count or stack == last:
            continue
        number = int.from_bytes(stack[:_WINDOW], "little")
        differing = number ^ last_number
        alike = _first_byte(differing) if differing else _alike(stack, last)
        if stack and alike <= len(stack):  # else the last stack begins with all of it
            frames += stack.count(SEPARATOR, alike)
            if stack[alike : alike + 1] not in _ENDS or last[alike : alike + 1] not in _ENDS:
                frames += 1
        last, last_number = stack, number
    return frames


_WINDOW = 128
"""How many bytes of stacks are compared at once."""


def _alike(one: bytes, other: bytes) -> int:
    """Return in how many bytes two different stacks begin alike, with separators after an end."""
    since = 0
    left, right = one[:_WINDOW], other[:_WINDOW]
    while left == right:
        since += _WINDOW
        left, right = one[since : since + _WINDOW], other[since : since + _WINDOW]
    differing = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
    if not differing:  # one ends here, and the other one has a separator
        return since + max(len(left), len(right))
    return since + _first_byte(differing)


def _first_byte(number: int) -> int:
    """Return the place of the first byte of a positive number that is not 0."""
    return (number & -number).bit_length() - 1 >> 3
