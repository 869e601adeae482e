"""The geometry of a flame graph in whole counts: which frame stands where, and how wide it is.

What may live here: stacks to boxes. What must not: pixels, percentages that are shown, colours,
XML. Whether depth grows upwards or downwards is for the drawing to say.

The boxes are those of a trie whose children are sorted by name, the time that a frame has for
itself standing left of its children: the geometry that flamegraph.pl and inferno share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Stack = tuple[str, ...]

ROOT_NAME = ""
"""The name of the frame below all others; no frame of a folded file has it."""

_BILLION = 10**9


class Box(NamedTuple):
    """One frame of the graph: `depth` 0 is the root; `start` and `width` are counts."""

    depth: int
    start: int
    width: int
    name: str


class Layout(NamedTuple):
    """All boxes that are drawn, sorted by depth and then from left to right; the root is first."""

    boxes: list[Box]
    total: int
    rows: int


def lay_out(stacks: Mapping[Stack, int], min_width: float) -> Layout:
    """Place the frames of stacks, leaving out what is narrower than `min_width` percent of all.

    Counts are positive, and there is at least one. A frame exactly as wide as the minimum stays;
    the root always does. The comparison is exact for a minimum of up to nine decimals.
    """
    total = sum(stacks.values())
    narrowest = _narrowest(total, min_width)
    boxes = [
        Box(depth, start, end - start, name)
        for depth, start, end, name in _closed_frames(sorted(stacks.items()))
        if end - start >= narrowest
    ]
    boxes.append(Box(0, 0, total, ROOT_NAME))
    boxes.sort()
    return Layout(boxes, total, rows=boxes[-1].depth + 1)


def _narrowest(total: int, min_width: float) -> int:
    """Give the least width in counts that is at least `min_width` percent of the total."""
    return -(-total * round(min_width * _BILLION) // (100 * _BILLION))


def _closed_frames(
    ordered: Iterable[tuple[Stack, int]],
) -> Iterator[tuple[int, int, int, str]]:
    """Walk stacks from left to right and yield (depth, start, end, name) as each frame closes.

    Neighbours share the frames of their common prefix, so stacks that are sorted make a trie.
    """
    position = 0
    opened: Stack = ()
    starts: list[int] = []
    for stack, count in ordered:
        shared = _shared_length(opened, stack)
        for depth in range(len(opened), shared, -1):
            yield depth, starts.pop(), position, opened[depth - 1]
        starts.extend([position] * (len(stack) - shared))
        opened = stack
        position += count
    for depth in range(len(opened), 0, -1):
        yield depth, starts.pop(), position, opened[depth - 1]


def _shared_length(one: Stack, other: Stack) -> int:
    """Count the frames that two stacks have in common from the root."""
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length
