"""Folds frames of libraries and of the runtime into one another, so that the program's own lead.

``Server.serve > Router.app > Route.handle > report > dumps > encode`` becomes
``(uvicorn, starlette) > report > (json)``. The time stays the same: stacks that become equal add
up.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import IMPORTING, Frame
from tracetools.output.frame_kinds import frame_of_label, is_of_import, kinds_by_guess, package_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tracetools.core.labels import LabelPath
    from tracetools.core.stacks import StackPath
    from tracetools.output.frame_kinds import FrameKind

__all__ = [
    "CALLERS",
    "FOLDED",
    "families",
    "fold_labels",
    "fold_libraries",
    "fold_times",
    "one_for",
]

FOLDED: Final = ("library", "runtime")
"""The kinds of frames that are folded."""

CALLERS: Final = ("own", "span")
"""The kinds of frames that stay, and say what a library is called for."""

_MOST_NAMES: Final = 4
_NO_NAME: Final = "runtime functions"


def fold_libraries(path: StackPath, kind_of: Callable[[Frame], FrameKind]) -> StackPath:
    """Return a stack in which each run of frames of libraries or of the runtime is one frame.

    That frame is named by the packages, in the order in which they come: ``(asyncio, starlette)``.
    It has no location. A run in which something is imported becomes ``(importing)``. All other
    frames stay: the program's functions, spans, awaits and states. So does a single function at the
    end, which says what a function or span of the program called.

    Args:
        path: the stack; its root is kept.
        kind_of: such as `frame_kinds.kinds_of` of the origins of a profile.
    """
    folded: list[Frame] = []
    runs = [(is_folded, [*run]) for is_folded, run in groupby(path, lambda f: kind_of(f) in FOLDED)]
    for is_folded, run in runs:
        is_one = run is runs[-1][1] and len(run) == 1
        is_called = is_one and bool(folded) and kind_of(folded[-1]) in CALLERS
        folded += [one_for(tuple(run))] if is_folded and not is_called else run
    return tuple(folded)


def fold_times(
    times: Mapping[StackPath, int], kind_of: Callable[[Frame], FrameKind]
) -> dict[StackPath, int]:
    """Return the numbers of folded stacks. Those of stacks that become equal add up."""
    summed: dict[StackPath, int] = {}
    for path, time in times.items():
        folded = fold_libraries(path, kind_of)
        summed[folded] = summed.get(folded, 0) + time
    return summed


def fold_labels(stacks: Mapping[LabelPath, int]) -> dict[LabelPath, int]:
    """Do the same for stacks of labels, of which it is guessed whose they are."""
    kind_of = kinds_by_guess()
    frames: dict[str, Frame] = {}
    labels: dict[Frame, str] = {}
    summed: dict[LabelPath, int] = {}
    for stack, count in stacks.items():
        for label in stack:
            if label not in frames:
                frames[label] = frame_of_label(label)
                labels.setdefault(frames[label], label)
        path = fold_libraries(tuple([frames[label] for label in stack]), kind_of)
        folded = tuple([labels.get(frame) or frame.label for frame in path])
        summed[folded] = summed.get(folded, 0) + count
    return summed


@lru_cache(maxsize=1 << 13)
def one_for(frames: StackPath) -> Frame:
    """Return the frame that stands for several."""
    if len(frames) == 1 and frames[0].file == "":  # it was folded before
        return frames[0]
    if any(map(is_of_import, frames)):
        return IMPORTING
    names = dict.fromkeys(name for frame in frames for name in _names(frame))
    shown = [*names][:_MOST_NAMES]
    more = ["..."] if len(names) > _MOST_NAMES else []
    return Frame(f"({', '.join(shown + more) or _NO_NAME})", "")


def families() -> Callable[[Frame], Frame]:
    """Return a function from frames to ones that stand for their packages in `one_for`.

    Of equal ones in a run, only the first is needed.
    """
    of_packages: dict[str, Frame] = {}

    def family_of(frame: Frame) -> Frame:
        if not frame.file or is_of_import(frame):
            return frame
        return of_packages.setdefault(package_of(frame.file), frame)

    return lru_cache(maxsize=None)(family_of)


def _names(frame: Frame) -> Iterable[str]:
    if frame.file == "":
        return frame.name.strip("()").split(", ")
    return filter(None, [package_of(frame.file or "")])
