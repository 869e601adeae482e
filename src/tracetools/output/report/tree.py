"""The tree of stacks that a page draws: each distinct stack is a node, with its counts by lens.

A path is walked once. After that, folding and packing cost a step for each node, not one for each
frame of each stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import IMPORTING, ROOT
from tracetools.output.folding import fold_libraries
from tracetools.output.frame_kinds import is_of_import
from tracetools.output.start_up import START_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.frame_kinds import FrameKind

    KindOf = Callable[[Frame], FrameKind]

_FOLDED: Final = ("library", "runtime")


class Counts(NamedTuple):
    """The counts of a stack itself; `task` is `busy` without what is the loop's own."""

    busy: int = 0
    idle: int = 0
    scheduled: int = 0
    task: int = 0


class Tree:
    """Nodes by number. The root is 0 and has no frame; a parent comes before its children.

    Attributes:
        parents: the parent of each node.
        frames: the frame of each node; that of the root stands for nothing.
        counts: the counts of each node.
    """

    def __init__(self) -> None:
        self.parents = [0]
        self.frames = [ROOT]
        self.counts = [Counts()]
        self._children: list[dict[Frame, int]] = [{}]

    def child(self, node: int, frame: Frame) -> int:
        """Return the node of a frame below another; it is made if there is none."""
        found = self._children[node].get(frame)
        if found is None:
            found = self._children[node][frame] = len(self.frames)
            self.parents.append(node)
            self.frames.append(frame)
            self.counts.append(Counts())
            self._children.append({})
        return found

    def walk(self, path: Iterable[Frame], node: int = 0) -> int:
        """Return the node of a path below a node; missing nodes are made."""
        for frame in path:
            found = self._children[node].get(frame)
            node = self.child(node, frame) if found is None else found
        return node

    def add(self, node: int, counts: Counts) -> None:
        """Add the counts of a stack to its node."""
        known = self.counts[node]
        self.counts[node] = (
            counts if not any(known) else Counts(*[a + b for a, b in zip(known, counts)])  # noqa: B905  # of one length
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


def grown(tree: Tree, place: Callable[[Tree, int, list[int]], int]) -> Tree:
    """Return a tree in which each node has another place.

    `place` makes the place of a node in the new tree; it gets that tree, the node, and the places
    of the nodes before.
    """
    new = Tree()
    places = [0]
    for node in range(1, len(tree.frames)):
        places.append(place(new, node, places))
    for node, counts in enumerate(tree.counts):
        if any(counts):
            new.add(places[node], counts)
    return new


def fold_tree(tree: Tree, kind_of: KindOf) -> Tree:
    """Return the tree of all stacks as `fold_libraries` folds them."""
    # For each node, where its last run of folded frames hangs, and the frame before with that run.
    anchors = [0]
    runs: list[StackPath] = [(ROOT,)]

    def place(new: Tree, node: int, _: list[int]) -> int:
        parent, frame = tree.parents[node], tree.frames[node]
        run = (*runs[parent], frame)
        here = new.walk(fold_libraries(run, kind_of)[1:], anchors[parent])
        is_folded = kind_of(frame) in _FOLDED
        anchors.append(anchors[parent] if is_folded else here)
        runs.append(run if is_folded else (frame,))
        return here

    return grown(tree, place)


def start_up_tree(tree: Tree) -> Tree:
    """Return the tree of all stacks as `start_up_apart` sets them apart, without their root."""
    is_ours, is_apart = [False], [False]

    def place(new: Tree, node: int, places: list[int]) -> int:
        parent, frame = tree.parents[node], tree.frames[node]
        is_root = not parent and frame == ROOT
        starts = is_ours[parent] and not is_apart[parent] and is_of_import(frame)
        is_ours.append(is_ours[parent] or is_root)
        is_apart.append(is_apart[parent] or starts)
        if starts:
            start = new.child(0, START_UP)
            return start if frame == IMPORTING else new.child(start, frame)
        if is_root:
            return 0
        return new.child(places[parent], frame)

    return grown(tree, place)
