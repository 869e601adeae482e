"""A tree of stacks with labels, and the layout of its graphs.

The layout is the one that `layout.place` makes of the same stacks packed. But a tree is there
already: no stack is packed or compared, and only children of frames that are drawn are sorted.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.output.flamegraph.layout import (
    ROOT_NAME,
    Box,
    Layout,
    arrange,
    narrowest_width,
    place,
)
from tracetools.output.formats.folded import clean_label, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.report.tree import Tree

_LEAVES: Final = ((IDLE, 1), (SCHEDULED, 2))
"""The frames of states in the lens `task`, and where their numbers are in `Counts`."""


def clean_label_of(frame: Frame) -> str:
    """Return the label of a frame as a folded file has it."""
    return clean_label(frame.label)


class _Shape(NamedTuple):
    """The nodes of a graph by number, each after its parent; the root is 0.

    Attributes:
        parents: the parent of each.
        ranks: the place of its label among all labels in order.
        own: the counts of each stack itself.
    """

    parents: Sequence[int]
    ranks: Sequence[int]
    own: Sequence[int]


class LabelledTree:
    """A tree whose nodes have labels. Frames below one stack that have one label are one node."""

    def __init__(self, tree: Tree, label_of: Callable[[Frame], str] = clean_label_of) -> None:
        self._label_of_frame = {
            frame: label_of(frame) for frame in {*tree.frames[1:], IDLE, SCHEDULED}
        }
        self._labels = sorted(set(self._label_of_frame.values()))
        ranks = {label: rank for rank, label in enumerate(self._labels)}
        self._rank_of = {frame: ranks[label] for frame, label in self._label_of_frame.items()}
        self._tree = tree
        self._nodes: list[int] = [0]
        self._parents: list[int] = [0]
        self._ranks: list[int] = [-1]  # the root has no label
        self._merge()

    def _merge(self) -> None:
        """Number the nodes by their labels."""
        tree, rank_of, nodes = self._tree, self._rank_of, self._nodes
        known: dict[tuple[int, int], int] = {}
        for parent, frame in zip(tree.parents[1:], tree.frames[1:], strict=True):
            key = (nodes[parent], rank_of[frame])
            node = known.get(key)
            if node is None:
                node = known[key] = len(self._parents)
                self._parents.append(key[0])
                self._ranks.append(key[1])
            nodes.append(node)

    def kinds(self, kind_of: Callable[[Frame], FrameKind]) -> Callable[[str], FrameKind]:
        """Return a function from labels to the kinds of their frames."""
        frames = sorted(
            self._label_of_frame, key=lambda frame: (frame.name, frame.file or "", frame.line)
        )
        kinds = {self._label_of_frame[frame]: kind_of(frame) for frame in frames}
        return lambda label: kinds.get(label, "state")

    def is_same(self, other: LabelledTree) -> bool:
        """Whether another tree has the same stacks and counts."""
        mine, theirs = self._tree, other._tree
        return (
            (self._parents, self._labels, self._ranks)
            == (other._parents, other._labels, other._ranks)
            and mine.counts == theirs.counts
            and self._nodes == other._nodes
        )

    def has_time(self, lens: Lens) -> bool:
        """Whether a graph of this lens has any frames."""
        at = (1, 2, 3) if lens == "task" else (_INDEX[lens],)
        return any(any(counts[index] for index in at) for counts in self._tree.counts)

    def layout(self, lens: Lens, options: GraphOptions) -> Layout:
        """Return the layout of the graph of a lens that has any time."""
        if options.reverse_stack_order:
            columns = arrange(self._packed(lens), reverse=True)
            return place(columns, options.min_width, options.max_frames)
        return _place(self._shape(lens), self._labels, options)

    def _shape(self, lens: Lens) -> _Shape:
        parents, ranks = self._parents, self._ranks
        own = [0] * len(parents)
        at = _INDEX[lens]
        for node, counts in zip(self._nodes, self._tree.counts, strict=True):
            own[node] += counts[at]
        if lens != "task":
            return _Shape(parents, ranks, own)
        parents, ranks = [*parents], [*ranks]
        for state, index in _LEAVES:
            rank = self._rank_of[state]
            leaves = {parents[node]: node for node, found in enumerate(ranks) if found == rank}
            for node, counts in zip(self._nodes, self._tree.counts, strict=True):
                if not counts[index]:
                    continue
                leaf = leaves.get(node)
                if leaf is None:
                    leaf = leaves[node] = len(own)
                    parents.append(node)
                    ranks.append(rank)
                    own.append(0)
                own[leaf] += counts[index]
        return _Shape(parents, ranks, own)

    def _packed(self, lens: Lens) -> Iterator[tuple[bytes, int]]:
        """Yield packed stacks with their counts, in no order."""
        shape = self._shape(lens)
        paths: list[tuple[str, ...]] = [()]
        for node in range(1, len(shape.parents)):
            paths.append((*paths[shape.parents[node]], self._labels[shape.ranks[node]]))
        return ((pack(path), own) for path, own in zip(paths, shape.own, strict=True) if own)


_INDEX: Final[dict[Lens, int]] = {"busy": 0, "idle": 1, "scheduled": 2, "task": 3}
"""Where the number of a lens is in `Counts`."""


def _place(shape: _Shape, labels: Sequence[str], options: GraphOptions) -> Layout:
    widths = _widths(shape)
    least = max(1, narrowest_width(widths[0], options.min_width))
    most = len(widths) if options.max_frames is None else options.max_frames
    boxes: list[Box] = []
    for box in _widest_first(shape, labels, widths, least):
        if len(boxes) >= most:
            break
        boxes.append(box)
    boxes.sort()
    left_out = sum(map(bool, widths)) - len(boxes)
    return Layout(boxes, widths[0], boxes[-1].depth + 1, left_out)


def _widths(shape: _Shape) -> list[int]:
    """Return the counts of each node with all nodes below it."""
    widths = [*shape.own]
    parents = shape.parents
    for node in range(len(widths) - 1, 0, -1):
        widths[parents[node]] += widths[node]
    return widths


def _widest_first(
    shape: _Shape, labels: Sequence[str], widths: Sequence[int], least: int
) -> Iterator[Box]:
    """Yield the boxes of frames that are wide enough, each frame before those above it."""
    children = _children(shape, widths)
    frames = [(-widths[0], 0, 0, 0)]
    while frames:
        narrowness, depth, start, node = heapq.heappop(frames)
        name = labels[shape.ranks[node]] if node else ROOT_NAME
        yield Box(depth, start, -narrowness, name)
        start += shape.own[node]
        for child in sorted(children.get(node, ()), key=shape.ranks.__getitem__):
            if widths[child] >= least:
                heapq.heappush(frames, (-widths[child], depth + 1, start, child))
            start += widths[child]


def _children(shape: _Shape, widths: Sequence[int]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(shape.parents):
        if node and widths[node]:
            children.setdefault(parent, []).append(node)
    return children
