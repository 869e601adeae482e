"""What is made of stacks before a page draws them: start-up apart, and libraries folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.output.folding import fold_libraries
from tracetools.output.start_up import START_UP, start_up_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.frame_kinds import FrameKind

    Transform = Callable[[StackPath], StackPath]
    KindOf = Callable[[Frame], FrameKind]


def transforms(kind_of: KindOf) -> tuple[Transform, Transform]:
    """Return what shows all frames, and what folds those of libraries and of the runtime."""
    return start_up_apart, lambda path: start_up_apart(fold_libraries(path, kind_of))


def kinds_of_shown(kind_of: KindOf) -> KindOf:
    """Return the kinds of frames after a transform."""
    return lambda frame: "state" if frame == START_UP else kind_of(frame)
