"""A progress bar for work that takes longer than a second: rich's, if it is installed.

It is drawn on stderr, and only if that is a terminal. Without rich, or elsewhere, nothing is shown.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands.terminal.screen import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import SupportsRead

    MakeBar = Callable[[str, int | None], Any]

__all__ = ["Progress", "Pulse", "progress", "pulse"]

_PATIENCE: Final = 1.0
"""Seconds until a bar is shown."""

_STDERR: Final = 2


class Progress:
    """How far some work is. A bar appears once it has taken longer than a second.

    Args:
        title: what is done, such as ``reading big.folded``.
        total: how much there is to do; None if that is not known.
        make_bar: makes the bar; None shows none.
        clock: returns seconds.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        make_bar: MakeBar | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._total = title, total
        self._make_bar = make_bar
        self._clock = clock
        self._start = clock()
        self._done = 0
        self._bar: Any = None

    def advance(self, done: int = 1) -> None:
        """Say that so much more was done."""
        self._done += done
        if self._make_bar is None:
            return
        if self._bar is None:
            if self._clock() - self._start < _PATIENCE:
                return
            self._bar = self._make_bar(self._title, self._total)
        self._bar.show(self._done)

    def reading(self, file: SupportsRead[bytes]) -> SupportsRead[bytes]:
        """Return a file that is read as the given one, and advances by the bytes."""
        return _Reading(file, self)

    def end(self) -> None:
        """Remove the bar, if there is one."""
        if self._bar is not None:
            self._bar.end()
            self._bar = None


@contextlib.contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Progress]:
    """Show how far the work within is, if it takes long and somebody is there to see it."""
    shown = Progress(title, total, _bar_maker())
    try:
        yield shown
    finally:
        shown.end()


class Pulse:
    """Says that work goes on of which nobody knows how far it is, once it has taken a second.

    Args:
        title: what is done, such as ``writing big.html``.
        make_bar: makes the bar.
        make_timer: makes what calls a function after so many seconds, in a thread of its own.
    """

    def __init__(
        self,
        title: str,
        make_bar: MakeBar,
        make_timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
    ) -> None:
        self._title = title
        self._make_bar = make_bar
        self._lock = threading.Lock()
        self._bar: Any = None
        self._has_ended = False
        self._timer = make_timer(_PATIENCE, self._appear)
        self._timer.daemon = True
        self._timer.start()

    def _appear(self) -> None:
        with self._lock:
            if not self._has_ended:
                self._bar = self._make_bar(self._title, None)

    def end(self) -> None:
        """Remove the bar, if there is one."""
        self._timer.cancel()
        with self._lock:
            self._has_ended = True
            if self._bar is not None:
                self._bar.end()


@contextlib.contextmanager
def pulse(title: str) -> Iterator[None]:
    """Show that the work within goes on, if it takes long and somebody is there to see it."""
    make_bar = _bar_maker()
    if make_bar is None:
        yield
        return
    shown = Pulse(title, make_bar)
    try:
        yield
    finally:
        shown.end()


class _Reading:
    """Counts the bytes that are read of a file."""

    def __init__(self, file: SupportsRead[bytes], shown: Progress) -> None:
        self._file = file
        self._shown = shown

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._shown.advance(len(data))
        return data


class _Bar:
    """A bar of rich."""

    def __init__(self, title: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task(title, total=total)

    def show(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def end(self) -> None:
        self._progress.stop()


def _bar_maker() -> MakeBar | None:
    """Return what makes a bar; None if nobody would see it, or rich is not installed."""
    if not is_terminal(_STDERR):
        return None
    return _Bar if importlib.util.find_spec("rich") else None
