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
from tracetools.output.nodes import NO_PARENT
from tracetools.output.start_up import START_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.nodes import Nodes

    KindOf = Callable[[Frame], FrameKind]


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
        frames: the distinct frames of nodes, and perhaps others.
        last: the frame of each node, by its index; that of the root stands for nothing.
        counts: the counts of all nodes, a column for each of `Counts`.
    """

    def __init__(
        self,
        parents: list[int],
        frames: Sequence[Frame],
        last: list[int],
        counts: list[list[int]],
    ) -> None:
        self.parents = parents
        self.frames = frames
        self.last = last
        self.counts = counts

    def __len__(self) -> int:
        return len(self.parents)

    def used(self) -> list[Frame]:
        """Return the distinct frames that nodes have."""
        return [self.frames[index] for index in dict.fromkeys(self.last[1:])]

    def without_root(self) -> Tree:
        """Return the tree below the only child of the root, whose counts become the root's."""
        return Tree(
            [0, *[parent - 1 for parent in self.parents[2:]]],
            self.frames,
            self.last[1:],
            [[column[0] + column[1], *column[2:]] for column in self.counts],
        )

    def rows(self) -> Iterator[tuple[StackPath, Counts]]:
        """Yield each stack that has any counts, from its outermost frame."""
        for node, counts in enumerate(zip(*self.counts, strict=True)):
            if any(counts):
                yield self.path(node), Counts._make(counts)

    def path(self, node: int) -> StackPath:
        """Return the frames of a node, from the outermost."""
        frames: list[Frame] = []
        while node:
            frames.append(self.frames[self.last[node]])
            node = self.parents[node]
        return tuple(reversed(frames))


_FRAME_BITS: Final = 32
"""How many bits the index of a frame has."""


class GrowingTree(Tree):
    """A tree that nodes are added to; it begins with the root alone, and with some known frames."""

    def __init__(self, frames: Iterable[Frame] = ()) -> None:
        self._known = {frame: index for index, frame in enumerate(frames)}
        self._frames = [*self._known]
        super().__init__([0], self._frames, [0], [[0] for _ in Counts._fields])
        self._children: dict[int, int] = {}

    def index(self, frame: Frame) -> int:
        """Return the index of a frame; it gets one if it has none."""
        found = self._known.setdefault(frame, len(self._frames))
        if found == len(self._frames):
            self._frames.append(frame)
        return found

    def child(self, node: int, frame: int) -> int:
        """Return the node of a frame below another; it is made if there is none."""
        key = node << _FRAME_BITS | frame
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = len(self.parents)
            self.parents.append(node)
            self.last.append(frame)
        return found

    def walk(self, path: Iterable[Frame], node: int = 0) -> int:
        """Return the node of a path below a node; missing nodes are made."""
        for frame in path:
            node = self.child(node, self.index(frame))
        return node

    def add(self, node: int, counts: Counts) -> None:
        """Add the counts of a stack to its node."""
        for column, count in zip(self.counts, counts, strict=True):
            column.extend([0] * (len(self) - len(column)))
            column[node] += count

    def add_all(self, nodes: Sequence[int], counts: Sequence[Sequence[int]]) -> Tree:
        """Add columns of counts of stacks, each to its node, and return the tree."""
        for column, added in zip(self.counts, counts, strict=True):
            column.extend([0] * (len(self) - len(column)))
            if any(added):
                for node, count in zip(nodes, added, strict=True):
                    column[node] += count
        return self


def tree_of(nodes: Nodes) -> tuple[Tree, list[int]]:
    """Return the tree of the stacks of a profile, and the node of each stack.

    Its counts are those of `Profile.lens`; those of busy time have that of threads.
    """
    busy = [*map(add, nodes.busy, nodes.thread)] if any(nodes.thread) else [*nodes.busy]
    tasks = [
        0 if is_of_loop else each for each, is_of_loop in zip(busy, nodes.are_of_loop, strict=True)
    ]
    counts = (busy, nodes.idle, nodes.scheduled, tasks)
    if nodes.is_whole:
        parents = [0, *[parent + 1 for parent in nodes.parents]]  # 0 is that of the first one
        columns = [[0, *column] for column in counts]
        return Tree(parents, nodes.frames, [0, *nodes.last], columns), [*range(1, len(parents))]
    tree = GrowingTree(nodes.frames)
    places: list[int] = []
    for number, (parent, frame) in enumerate(zip(nodes.parents, nodes.last, strict=True)):
        is_known = NO_PARENT < parent < number
        place = tree.child(places[parent], frame) if is_known else tree.walk(nodes.path(number))
        places.append(place)
    return tree.add_all(places, counts), places


def fold_tree(tree: Tree, kind_of: KindOf) -> Tree:
    """Return the tree of all stacks as `fold_libraries` folds them."""
    new = GrowingTree(tree.frames)
    folding = _Folding(tree, kind_of, new.index)
    are_folded, are_callers = folding.are_folded, folding.are_callers
    last, child, ones = tree.last, new.child, folding.ones
    places = [0]
    # For each node: where its last run of folded frames hangs, and that run.
    anchors = [0]
    runs = [_NO_RUN]
    for parent, frame in zip(tree.parents[1:], last[1:], strict=True):
        anchor, run = anchors[parent], runs[parent]
        if not are_folded[frame]:
            if run:
                anchor = child(anchor, ones[run])
                run = _NO_RUN
            place = anchor = child(anchor, frame)
        else:
            is_called = not run and parent and are_callers[last[parent]]
            run = folding.longer(run, frame)
            place = child(anchor, frame if is_called else ones[run])
        places.append(place)
        anchors.append(anchor)
        runs.append(run)
    return new.add_all(places, tree.counts)


_NO_RUN: Final = 0
"""The number of the run of no frames."""


class _Folding:
    """The runs of folded frames of a tree, by number.

    In a run, one frame of each package is enough for its name. So there are few different runs.

    Attributes:
        are_folded, are_callers: whether frames are folded, or say what a library is called for.
        ones: the frame that stands for each run.
    """

    def __init__(self, tree: Tree, kind_of: KindOf, index: Callable[[Frame], int]) -> None:
        kinds = [kind_of(frame) for frame in tree.frames]
        self.are_folded = [kind in FOLDED for kind in kinds]
        self.are_callers = [kind in CALLERS for kind in kinds]
        self._frames = tree.frames
        self._family_of = families()
        self._index = index
        self._runs: list[StackPath] = [()]
        self.ones = [-1]
        self._longer: dict[tuple[int, int], int] = {}
        self._number_of: dict[StackPath, int] = {(): _NO_RUN}

    def longer(self, run: int, frame: int) -> int:
        """Return the number of a run with one more frame."""
        found = self._longer.get((run, frame))
        if found is None:
            found = self._longer[run, frame] = self._with(run, self._frames[frame])
        return found

    def _with(self, run: int, frame: Frame) -> int:
        family, frames = self._family_of(frame), self._runs[run]
        if family in frames:
            return run
        frames = (*frames, family)
        found = self._number_of.setdefault(frames, len(self._runs))
        if found == len(self._runs):
            self._runs.append(frames)
            self.ones.append(self._index(one_for(frames)))
        return found


def start_up_tree(tree: Tree) -> Tree:
    """Return the tree of all stacks as `start_up_apart` sets them apart, without their root."""
    used = {*tree.used()}
    starts = {
        index for index, frame in enumerate(tree.frames) if frame in used and is_of_import(frame)
    }
    if not starts and _is_below_root(tree):
        return tree.without_root()
    new = GrowingTree(tree.frames)
    start_up, importing, root = map(new.index, (START_UP, IMPORTING, ROOT))
    places = [0]
    is_ours, is_apart = [False], [False]
    for parent, frame in zip(tree.parents[1:], tree.last[1:], strict=True):
        is_root = not parent and frame == root
        is_start = bool(starts) and is_ours[parent] and not is_apart[parent] and frame in starts
        is_ours.append(is_ours[parent] or is_root)
        is_apart.append(is_apart[parent] or is_start)
        if is_start:
            start = new.child(0, start_up)
            places.append(start if frame == importing else new.child(start, frame))
        else:
            places.append(0 if is_root else new.child(places[parent], frame))
    return new.add_all(places, tree.counts)


def _is_below_root(tree: Tree) -> bool:
    """Whether all nodes are below tracetools' own root: it is the only child of the root here."""
    only = tree.last[1:2]
    return bool(only) and tree.frames[only[0]] == ROOT and tree.parents.count(0) == _ROOTS


_ROOTS: Final = 2
"""How many nodes have the root as their parent, where it has one child: it is its own parent."""
