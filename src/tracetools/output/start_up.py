"""Sets start-up apart: what a step imports is not the work of its task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.core.slow_spans import CRITICAL
from tracetools.core.stacks import IMPORTING, ROOT, Frame
from tracetools.output.frame_kinds import is_of_import

if TYPE_CHECKING:
    from tracetools.core.stacks import StackPath

__all__ = ["START_UP", "start_up_apart"]

START_UP: Final = Frame("(start-up)", "")
"""The frame below the root of all imports within steps."""


def start_up_apart(path: StackPath) -> StackPath:
    """Return a stack in which an import is below `START_UP`; any other stack stays as it is.

    The frames above the import are left out. Stacks may be folded before. Those that do not begin
    with tracetools' own root are another tool's, and stay. So do critical paths, in which all time
    is that of their spans.
    """
    if path[:1] != (ROOT,) or path[1:2] == (CRITICAL,):
        return path
    for depth, frame in enumerate(path):
        if is_of_import(frame):
            return (ROOT, START_UP, *path[depth + (frame == IMPORTING) :])
    return path
