"""What answers have to know of a frame by itself. A profile has few frames and many stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracetools.core.stacks import ALL_CALLBACKS, COLLECTIONS, DEEPER, OF_LOOP, OTHER, RUNTIME
from tracetools.output.answers.wait_kinds import awaited, kind_of_wait
from tracetools.output.folding import CALLERS, FOLDED
from tracetools.output.frame_kinds import is_of_import, package_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from tracetools.core.stacks import Frame
    from tracetools.output.frame_kinds import FrameKind

__all__ = ["Traits", "TraitsOfFrames", "is_of_server"]

_SERVERS: Final = frozenset({"daphne", "granian", "gunicorn", "hypercorn", "uvicorn"})


class Traits(NamedTuple):
    """What is known of a frame.

    Attributes:
        frame: the frame.
        is_own: whether it is a place of the program's own.
        is_folded: whether it is a library's, or Python's.
        is_caller: whether libraries are called for it.
        is_span: whether it is a span with a name that no function has.
        is_server: whether it is a server's, or the backend's own.
        is_backend: whether it is the backend's own.
        is_collection: whether it is a collection of garbage.
        is_cut: whether it stands for what a bound has left out.
        is_import: whether something is imported there.
        is_of_others: whether its file belongs to a library or to Python.
        is_loop: whether what stands below it, right below the root, is of the loop and of no task.
        is_callback: whether that are the callbacks of the loop.
        package: the package, if it is folded; else nothing.
        awaited: what is awaited; the name if it is no await.
        wait: the kind of that wait; nothing if it is no await.
    """

    frame: Frame
    is_own: bool
    is_folded: bool
    is_caller: bool
    is_span: bool
    is_server: bool
    is_backend: bool
    is_collection: bool
    is_cut: bool
    is_import: bool
    is_of_others: bool
    is_loop: bool
    is_callback: bool
    package: str
    awaited: str
    wait: str


class TraitsOfFrames(dict["Frame", Traits]):
    """The traits of frames. Those of a frame are found when they are asked for.

    Args:
        kind_of: the kind of a frame.
    """

    def __init__(self, kind_of: Callable[[Frame], FrameKind]) -> None:
        super().__init__()
        self._kind_of = kind_of

    def __missing__(self, frame: Frame) -> Traits:
        """Find the traits of a frame."""
        kind = self._kind_of(frame)
        # A span or an await has the file of the function that it is in.
        is_of_others = self._kind_of(frame._replace(name="f")) in FOLDED
        is_folded = kind in FOLDED
        what = awaited(frame.name)
        is_await = what != frame.name
        self[frame] = found = Traits(
            frame,
            is_own=kind == "own" or (kind == "span" and bool(frame.file) and not is_of_others),
            is_folded=is_folded,
            is_caller=kind in CALLERS,
            is_span=kind == "span",
            is_server=is_of_server(frame),
            is_backend=frame == RUNTIME,
            is_collection=frame in COLLECTIONS,
            is_cut=frame in (OTHER, DEEPER),
            is_import=is_of_import(frame),
            is_of_others=is_of_others,
            is_loop=frame in OF_LOOP,
            is_callback=frame in ALL_CALLBACKS,
            package=package_of(frame.file or "") if is_folded else "",
            awaited=what,
            wait=kind_of_wait(what) if is_await else "",
        )
        return found


def is_of_server(frame: Frame) -> bool:
    """Whether a frame is a server's, or the backend's own."""
    return frame == RUNTIME or package_of(frame.file or "") in _SERVERS
