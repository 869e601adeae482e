"""A tree of stacks with labels, and the layout of its graphs.

The layout is the one that `layout.lay_out` makes of the same stacks packed. But a tree is there
already: no stack is packed or compared, and only children of frames that are drawn are sorted.
"""

from __future__ import annotations

import heapq
from functools import cached_property
from itertools import islice
from operator import add
from typing import TYPE_CHECKING, Final

from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.output.flamegraph.layout import (
    ROOT_NAME,
    Box,
    Layout,
    lay_out,
    narrowest_width,
)
from tracetools.output.formats.folded import clean_label, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.report.tree import Tree

_NO_LABEL: Final = -1
"""The rank of the root, which has no label."""

_LEAVES: Final = ((IDLE, 1), (SCHEDULED, 2))
"""The frames of states in the lens `task`, and where their numbers are in `Counts`."""


def clean_label_of(frame: Frame) -> str:
    """Return the label of a frame as a folded file has it."""
    return clean_label(frame.label)


class LabelledTree:
    """A tree whose nodes have labels. Frames below one stack that have one label are one node."""

    def __init__(self, tree: Tree, label_of: Callable[[Frame], str] = clean_label_of) -> None:
        self._label_of_frame = {frame: label_of(frame) for frame in (*tree.used(), IDLE, SCHEDULED)}
        self._labels = sorted(set(self._label_of_frame.values()))
        ranks = {label: rank for rank, label in enumerate(self._labels)}
        rank_of = [
            ranks.get(self._label_of_frame.get(frame, ""), _NO_LABEL) for frame in tree.frames
        ]
        self._tree = tree
        if len(self._labels) == len(self._label_of_frame):  # then no two nodes are one
            self._nodes: Sequence[int] = range(len(tree))
            self._parents = tree.parents
            self._ranks = [_NO_LABEL, *map(rank_of.__getitem__, tree.last[1:])]
        else:
            self._nodes, self._parents, self._ranks = self._merged(rank_of)
        self._children: dict[int, list[int]] = {}
        self._below: dict[int, list[int]] = {}

    def _merged(self, rank_of: list[int]) -> tuple[list[int], list[int], list[int]]:
        """Number the nodes by their labels.

        Returns:
            The new number of each node, and the parents and the ranks by new number.
        """
        tree = self._tree
        nodes, parents, ranks = [0], [0], [_NO_LABEL]
        known: dict[tuple[int, int], int] = {}
        for parent, frame in zip(tree.parents[1:], tree.last[1:], strict=True):
            key = (nodes[parent], rank_of[frame])
            node = known.get(key)
            if node is None:
                node = known[key] = len(parents)
                parents.append(key[0])
                ranks.append(key[1])
            nodes.append(node)
        return nodes, parents, ranks

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
        return any(any(self._tree.counts[index]) for index in at)

    def layout(self, lens: Lens, options: GraphOptions) -> Layout:
        """Return the layout of the graph of a lens that has any time."""
        graph = _Graph(self, lens)
        if options.reverse_stack_order:
            packed = [*graph.packed()]
            return lay_out(packed, options.min_width, options.max_frames, reverse=True)
        return graph.layout(options.min_width, options.max_frames)

    def children(self, node: int) -> list[int]:
        """Return the nodes below a node, sorted by their labels."""
        found = self._children.get(node)
        if found is None:
            firsts, others = self._linked
            found = []
            child = firsts[node]
            while child:
                found.append(child)
                child = others[child]
            found.sort(key=self._ranks.__getitem__)
            self._children[node] = found
        return found

    @cached_property
    def _linked(self) -> tuple[list[int], list[int]]:
        """The first child of each node, and the next one with its parent; 0 if there is none."""
        firsts, others = [0] * len(self._parents), [0] * len(self._parents)
        for node in range(len(self._parents) - 1, 0, -1):
            parent = self._parents[node]
            others[node] = firsts[parent]
            firsts[parent] = node
        return firsts, others

    def own(self, index: int) -> list[int]:
        """Return one of the numbers of `Counts` of each node itself, in a list of its own."""
        numbers = self._tree.counts[index]
        if len(numbers) == len(self._parents):
            return [*numbers]
        own = [0] * len(self._parents)
        for node, number in zip(self._nodes, numbers, strict=True):
            own[node] += number
        return own

    def below(self, index: int) -> list[int]:
        """Return one of the numbers of `Counts` of each node with all nodes below it."""
        found = self._below.get(index)
        if found is None:
            found = self._below[index] = self.own(index)
            stacks = zip(reversed(self._parents), reversed(found), strict=True)
            for parent, width in islice(stacks, len(found) - 1):
                found[parent] += width
        return found

    def labelled(self, label: str) -> dict[int, int]:
        """Return the nodes that have a label, by their parents."""
        wanted = self._labels.index(label)
        if wanted not in self._ranks:  # fast, and so it is mostly
            return {}
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

    The leaves of the first state are numbered after all nodes, in the order of their parents, and
    those of the second one after these. If a node below the same parent has the label of a leaf,
    the leaf is that node.
    """

    def __init__(self, tree: LabelledTree, lens: Lens) -> None:
        self._tree = tree
        self._own = tree.own(_INDEX[lens])
        self._count = len(self._own)
        self._widths = tree.below(_INDEX[lens])
        self._leaves: list[tuple[str, list[int]]] = []
        for frame, index in _LEAVES if lens == "task" else ():
            self._widths = [*map(add, self._widths, tree.below(index))]
            self._leaves.append(self._state(frame, index))

    def _state(self, frame: Frame, index: int) -> tuple[str, list[int]]:
        """Return the label of the leaves of a state, and the time of each node's leaf."""
        label, times = clean_label_of(frame), self._tree.own(index)
        for parent, node in self._tree.labelled(label).items():
            self._own[node] += times[parent]
            self._widths[node] += times[parent]
            times[parent] = 0
        return label, times

    def _label(self, node: int) -> str:
        leaf, node = divmod(node, self._count)
        return self._leaves[leaf - 1][0] if leaf else self._tree.label(node)

    def _children(self, node: int) -> Iterable[tuple[int, int]]:
        """Yield what is below a node, sorted by labels, with the widths."""
        if node >= self._count:
            return
        children = [(child, self._widths[child]) for child in self._tree.children(node)]
        leaves = [
            (leaf * self._count + node, times[node])
            for leaf, (_, times) in enumerate(self._leaves, 1)
            if times[node]
        ]
        if leaves:
            children = sorted([*children, *leaves], key=lambda child: self._label(child[0]))
        yield from children

    def layout(self, min_width: float, max_frames: int | None) -> Layout:
        """Return the frames that are wide enough, as `layout.lay_out` does."""
        total = self._widths[0]
        widest = self._widest_first(max(1, narrowest_width(total, min_width)))
        boxes = sorted(islice(widest, max_frames))
        frames = sum(len(column) - column.count(0) for column in self._columns())
        return Layout(boxes, total, boxes[-1].depth + 1, frames - len(boxes))

    def _columns(self) -> Iterator[list[int]]:
        """Yield the widths of all nodes, and those of all leaves."""
        yield self._widths
        for _, times in self._leaves:
            yield times

    def _widest_first(self, least: int) -> Iterator[Box]:
        """Yield the boxes of frames that are wide enough, each frame before those above it."""
        frames = [(-self._widths[0], 0, 0, 0)]
        widths, push = self._widths, heapq.heappush
        while frames:
            narrowness, depth, start, node = heapq.heappop(frames)
            yield Box(depth, start, -narrowness, self._label(node))
            own = self._own[node] if node < self._count else 0
            if -narrowness - own < least:  # then all frames above are narrower
                continue
            start += own
            if self._leaves:
                for child, width in self._children(node):
                    if width >= least:
                        push(frames, (-width, depth + 1, start, child))
                    start += width
                continue
            for child in self._tree.children(node):
                width = widths[child]
                if width >= least:
                    push(frames, (-width, depth + 1, start, child))
                start += width

    def packed(self) -> Iterator[tuple[bytes, int]]:
        """Yield packed stacks with their counts, in no order."""
        paths: list[tuple[str, ...]] = [()]
        for node in range(1, self._count):
            paths.append((*paths[self._tree.parents[node]], self._label(node)))
        for path, own in zip(paths, self._own, strict=True):
            if own:
                yield pack(path), own
        for label, times in self._leaves:
            for path, time in zip(paths, times, strict=True):
                if time:
                    yield pack((*path, label)), time


_INDEX: Final[dict[Lens, int]] = {"busy": 0, "idle": 1, "scheduled": 2, "task": 3}
"""Where the number of a lens is in `Counts`."""
