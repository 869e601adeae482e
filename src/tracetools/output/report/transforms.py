"""What is made of stacks before a page draws them: start-up apart, and libraries folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.core.stacks import ROOT
from tracetools.output.folding import fold_libraries
from tracetools.output.report.tree import fold_tree, start_up_tree
from tracetools.output.start_up import START_UP, start_up_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.report.tree import Tree

    KindOf = Callable[[Frame], FrameKind]


def all_frames(path: StackPath) -> StackPath:
    """Return a stack with all its frames. The root goes, since a graph has one of its own."""
    return _without_root(start_up_apart(path))


def own_first(path: StackPath, kind_of: KindOf) -> StackPath:
    """Return a stack in which frames of libraries and of the runtime are folded."""
    return _without_root(start_up_apart(fold_libraries(path, kind_of)))


def variants_of(tree: Tree, kind_of: KindOf) -> tuple[Tree, Tree]:
    """Return a tree of stacks as `own_first` makes them, and one as `all_frames` does."""
    return start_up_tree(fold_tree(tree, kind_of)), start_up_tree(tree)


def kinds_of_shown(kind_of: KindOf) -> KindOf:
    """Return the kinds of frames after a transform."""
    return lambda frame: "state" if frame == START_UP else kind_of(frame)


def _without_root(path: StackPath) -> StackPath:
    return path[1:] if path[0] == ROOT else path
