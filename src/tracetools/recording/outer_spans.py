"""Spans that are open in a thread outside of its loops, around whole runs.

A task that no other one spawns stands below them: the first one of a loop. Its tree has a stack for
that (`StackTree.outer`), whose own time is nothing. So no sum changes.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Final

from tracetools.recording.forks import renew_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tracetools.core.stacks import Frame, StackPath

__all__ = [
    "OpenedSince",
    "OuterSpan",
    "are_wanted",
    "spans_here",
    "want",
    "want_no_more",
    "when_changed",
]


class OuterSpan:
    """A context manager: a span around the runs of the loops that run in this thread meanwhile.

    Args:
        frame: its frame.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._before: StackPath = ()

    def __enter__(self) -> None:
        self._before = _open.get(get_ident(), ())
        self._set((*self._before, self._frame))

    def __exit__(self, *_: object) -> None:
        self._set(self._before)

    @staticmethod
    def _set(frames: StackPath) -> None:
        if frames:
            _open[get_ident()] = frames
        else:
            _open.pop(get_ident(), None)
        for tell in _listeners:
            tell()


def spans_here() -> StackPath:
    """Return the frames of the spans that are open in this thread: the same tuple until it changes.

    A tree is told of them when its loop begins, or runs again, and when they change.
    """
    return _open.get(get_ident(), ())


class OpenedSince:
    """Tells those spans that were opened since this was made: a recording has no others."""

    def __init__(self) -> None:
        self._before = dict(_open)
        self._known: dict[int, tuple[StackPath, StackPath]] = {}

    def here(self) -> StackPath:
        """Return the frames of those that are open in this thread, as `spans_here` does."""
        here, thread = spans_here(), get_ident()
        before = self._before.get(thread)
        if before is None:
            return here
        whole, since = self._known.get(thread, ((), ()))
        if whole is here:
            return since
        if here[: len(before)] != before:  # they are over
            del self._before[thread]
            return here
        since = here[len(before) :]
        self._known[thread] = here, since
        return since


def when_changed(tell: Callable[[], None]) -> None:
    """Have `tell` called in a thread whose spans have changed."""
    _listeners.append(tell)


# Whoever could open such a span does so only where anybody records it.


def want(recording: Hashable) -> None:
    """Note that a recording has begun that shows such spans."""
    _wanting.add(recording)


def want_no_more(recording: Hashable) -> None:
    """Note that it is over."""
    _wanting.discard(recording)


def are_wanted() -> bool:
    """Whether any recording shows them."""
    return bool(_wanting)


_open: Final[dict[int, StackPath]] = {}
"""The spans that are open, by thread, from the outermost on."""

_listeners: Final[list[Callable[[], None]]] = []
_wanting: Final[set[Hashable]] = set()

renew_in_child(_wanting.clear)
