"""A tree of stacks with labels, and the layout of its graphs.

The layout is the one that `layout.place` makes of the same stacks packed. But a tree is there
already: no stack is packed or compared, and only children of frames that are drawn are sorted.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, Final

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
    from collections.abc import Callable, Iterable, Iterator

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
        self._children: list[list[int]] = [[]]
        self._sorted: set[int] = set()
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
                self._children[key[0]].append(node)
                self._children.append([])
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
        graph = _Graph(self, lens)
        if options.reverse_stack_order:
            return place(
                arrange(graph.packed(), reverse=True), options.min_width, options.max_frames
            )
        return graph.layout(options.min_width, options.max_frames)

    def children(self, node: int) -> list[int]:
        """Return the nodes below a node, sorted by their labels."""
        children = self._children[node]
        if node not in self._sorted:
            self._sorted.add(node)
            children.sort(key=self._ranks.__getitem__)
        return children

    def own(self, index: int) -> list[int]:
        """Return one of the numbers of `Counts` of each node itself."""
        own = [0] * len(self._parents)
        for node, counts in zip(self._nodes, self._tree.counts, strict=True):
            own[node] += counts[index]
        return own

    def labelled(self, label: str) -> dict[int, int]:
        """Return the nodes that have a label, by their parents."""
        wanted = self._labels.index(label)
        found = (node for node, rank in enumerate(self._ranks) if rank == wanted)
        return {self._parents[node]: node for node in found}

    def label(self, node: int) -> str:
        """Return the label of a node."""
        return self._labels[self._ranks[node]] if node else ROOT_NAME

    @property
    def parents(self) -> list[int]:
        """The parent of each node; the root is 0, and comes first."""
        return self._parents


class _Graph:
    """The nodes of a tree in one lens, and in the lens `task` leaves for the states.

    A leaf is numbered after all nodes. If a node below the same parent has its label, the leaf is
    that node.
    """

    def __init__(self, tree: LabelledTree, lens: Lens) -> None:
        self._tree = tree
        self._own = tree.own(_INDEX[lens])
        self._parents = tree.parents
        self._labels: list[str] = []
        self._leaves: dict[int, list[int]] = {}
        if lens == "task":
            self._parents = [*tree.parents]
            for state, index in _LEAVES:
                self._add_leaves(clean_label_of(state), tree.own(index))
        self._widths = [*self._own]
        for node in range(len(self._widths) - 1, 0, -1):
            self._widths[self._parents[node]] += self._widths[node]

    def _add_leaves(self, label: str, times: list[int]) -> None:
        same = self._tree.labelled(label)
        for node, time in enumerate(times):
            if not time:
                continue
            if node in same:
                self._own[same[node]] += time
                continue
            self._leaves.setdefault(node, []).append(len(self._own))
            self._own.append(time)
            self._parents.append(node)
            self._labels.append(label)

    def _label(self, node: int) -> str:
        beyond = node - len(self._tree.parents)
        return self._tree.label(node) if beyond < 0 else self._labels[beyond]

    def _children(self, node: int) -> Iterable[int]:
        if node >= len(self._tree.parents):
            return ()
        children, leaves = self._tree.children(node), self._leaves.get(node)
        return sorted([*children, *leaves], key=self._label) if leaves else children

    def layout(self, min_width: float, max_frames: int | None) -> Layout:
        """Return the frames that are wide enough, as `layout.place` does."""
        total = self._widths[0]
        widest = self._widest_first(max(1, narrowest_width(total, min_width)))
        boxes = sorted(islice(widest, max_frames))
        left_out = sum(map(bool, self._widths)) - len(boxes)
        return Layout(boxes, total, boxes[-1].depth + 1, left_out)

    def _widest_first(self, least: int) -> Iterator[Box]:
        """Yield the boxes of frames that are wide enough, each frame before those above it."""
        widths = self._widths
        frames = [(-widths[0], 0, 0, 0)]
        while frames:
            narrowness, depth, start, node = heapq.heappop(frames)
            yield Box(depth, start, -narrowness, self._label(node))
            start += self._own[node]
            for child in self._children(node):
                width = widths[child]
                if width >= least:
                    heapq.heappush(frames, (-width, depth + 1, start, child))
                start += width

    def packed(self) -> Iterator[tuple[bytes, int]]:
        """Yield packed stacks with their counts, in no order."""
        paths: list[tuple[str, ...]] = [()]
        for node in range(1, len(self._parents)):
            paths.append((*paths[self._parents[node]], self._label(node)))
        return ((pack(path), own) for path, own in zip(paths, self._own, strict=True) if own)


_INDEX: Final[dict[Lens, int]] = {"busy": 0, "idle": 1, "scheduled": 2, "task": 3}
"""Where the number of a lens is in `Counts`."""
