"""The tree of stacks that a page draws: each distinct stack is a node, with its counts by lens.

A path is walked once. After that, folding and packing cost a step for each node, not one for each
frame of each stack.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import IMPORTING, ROOT
from tracetools.output.folding import CALLERS, FOLDED, families, one_for
from tracetools.output.frame_kinds import is_of_import
from tracetools.output.start_up import START_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tracetools.core.stacks import Frame, StackPath, Times
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.nodes import Nodes

    KindOf = Callable[[Frame], FrameKind]


class Counts(NamedTuple):
    """The counts of a stack itself; `task` is `busy` without what is the loop's own."""

    busy: int = 0
    idle: int = 0
    scheduled: int = 0
    task: int = 0


_NO_COUNTS: Final = Counts()


class Tree:
    """Nodes by number. The root is 0 and has no frame; a parent comes before its children.

    Attributes:
        parents: the parent of each node.
        frames: the frame of each node; that of the root stands for nothing.
        counts: the counts of each node.
    """

    def __init__(self, parents: list[int], frames: list[Frame], counts: list[Counts]) -> None:
        self.parents = parents
        self.frames = frames
        self.counts = counts

    def without_root(self) -> Tree:
        """Return the tree below the only child of the root, whose counts become the root's."""
        return Tree(
            [max(parent - 1, 0) for parent in self.parents[1:]],
            [ROOT, *self.frames[2:]],
            [_plus(*self.counts[:2]), *self.counts[2:]],
        )

    def rows(self) -> Iterator[tuple[StackPath, Counts]]:
        """Yield each stack that has any counts, from its outermost frame."""
        for node, counts in enumerate(self.counts):
            if any(counts):
                yield self.path(node), counts

    def path(self, node: int) -> StackPath:
        """Return the frames of a node, from the outermost."""
        frames: list[Frame] = []
        while node:
            frames.append(self.frames[node])
            node = self.parents[node]
        return tuple(reversed(frames))


class GrowingTree(Tree):
    """A tree that nodes are added to; it begins with the root alone."""

    def __init__(self) -> None:
        super().__init__([0], [ROOT], [_NO_COUNTS])
        self._children: dict[tuple[int, Frame], int] = {}

    def child(self, node: int, frame: Frame) -> int:
        """Return the node of a frame below another; it is made if there is none."""
        found = self._children.get((node, frame))
        if found is None:
            found = self._children[node, frame] = len(self.frames)
            self.parents.append(node)
            self.frames.append(frame)
            self.counts.append(_NO_COUNTS)
        return found

    def walk(self, path: Iterable[Frame], node: int = 0) -> int:
        """Return the node of a path below a node; missing nodes are made."""
        for frame in path:
            node = self.child(node, frame)
        return node

    def add(self, node: int, counts: Counts) -> None:
        """Add the counts of a stack to its node."""
        self.counts[node] = _plus(self.counts[node], counts)


def _plus(one: Counts, other: Counts) -> Counts:
    if one is _NO_COUNTS or other is _NO_COUNTS:
        return other if one is _NO_COUNTS else one
    return Counts(*map(add, one, other))


def _add_all(tree: GrowingTree, places: Sequence[int], counts: Sequence[Counts]) -> Tree:
    """Add counts to a tree in which each of them has a place."""
    for place, each in zip(places, counts, strict=True):
        if each is not _NO_COUNTS:
            tree.add(place, each)
    return tree


def tree_of(
    nodes: Nodes, counts_of: Callable[[StackPath, Times], Counts]
) -> tuple[Tree, list[int]]:
    """Return the tree of the stacks of a profile, and the node of each stack.

    `counts_of` returns the counts of a stack that has any numbers.
    """
    counts = [
        counts_of(path, times) if any(times) else _NO_COUNTS
        for path, times in zip(nodes.paths, nodes.times, strict=True)
    ]
    if nodes.is_whole:
        parents = [0, *(parent + 1 for parent in nodes.parents)]  # 0 is that of the first one
        frames = [ROOT, *(path[-1] for path in nodes.paths)]
        return Tree(parents, frames, [_NO_COUNTS, *counts]), [*range(1, len(parents))]
    tree = GrowingTree()
    places = [tree.walk(path) for path in nodes.paths]
    return _add_all(tree, places, counts), places


def fold_tree(tree: Tree, kind_of: KindOf) -> Tree:
    """Return the tree of all stacks as `fold_libraries` folds them."""
    kinds = {frame: kind_of(frame) for frame in {*tree.frames}}
    # In a run, one frame of each package is enough for its name. So there are few different runs.
    family_of = families()
    new = GrowingTree()
    places = [0]
    # For each node: where its last run of folded frames hangs, and that run.
    anchors = [0]
    runs: list[StackPath] = [()]
    for parent, frame in zip(tree.parents[1:], tree.frames[1:], strict=True):
        anchor, run = anchors[parent], runs[parent]
        if kinds[frame] not in FOLDED:
            anchor = new.child(
                places[parent] if not run else new.child(anchor, one_for(run)), frame
            )
            places.append(anchor)
            anchors.append(anchor)
            runs.append(())
            continue
        family = family_of(frame)
        longer = run if family in run else (*run, family)
        anchors.append(anchor)
        runs.append(longer)
        is_called = not run and kinds[tree.frames[parent]] in CALLERS
        places.append(new.child(anchor, frame if is_called else one_for(longer)))
    return _add_all(new, places, tree.counts)


def start_up_tree(tree: Tree) -> Tree:
    """Return the tree of all stacks as `start_up_apart` sets them apart, without their root."""
    starts = {frame for frame in {*tree.frames} if is_of_import(frame)}
    if not starts and tree.frames[1:2] == [ROOT] and tree.parents.count(0) == _ROOTS:
        return tree.without_root()
    new = GrowingTree()
    places = [0]
    is_ours, is_apart = [False], [False]
    for parent, frame in zip(tree.parents[1:], tree.frames[1:], strict=True):
        is_root = not parent and frame == ROOT
        is_start = bool(starts) and is_ours[parent] and not is_apart[parent] and frame in starts
        is_ours.append(is_ours[parent] or is_root)
        is_apart.append(is_apart[parent] or is_start)
        if is_start:
            start = new.child(0, START_UP)
            places.append(start if frame == IMPORTING else new.child(start, frame))
        else:
            places.append(0 if is_root else new.child(places[parent], frame))
    return _add_all(new, places, tree.counts)


_ROOTS: Final = 2
"""How many nodes have the root as their parent, where it has one child: it is its own parent."""
