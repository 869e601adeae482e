"""The stack file of a recording: written now and then while it goes on, and at its end.

The file is always complete: a killed process leaves that of the last flush. A failing write is
logged once and never stops the program; the last good file stays.
"""

from __future__ import annotations

import atexit
import errno
import logging
import math
import os
import threading
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import StackFileError
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.core.labels import LABELS, Labels, label_path
from tracetools.core.profile import LENSES, Lens, Profile
from tracetools.output.formats.files import explain
from tracetools.output.formats.folded import write_folded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.labels import LabelPath

__all__ = ["StackFile", "fold"]

_log = logging.getLogger("tracetools")

_MOST_TIME: Final = 0.01
"""The part of the time that flushing may take."""

_unfinished: Final[set[StackFile]] = set()


def fold(profile: Profile, lens: Lens = "busy", labels: Labels = "name") -> dict[LabelPath, int]:
    """Return the microseconds of each stack by its labels, as a stack file has them.

    Nanoseconds are rounded here and nowhere else, half up.
    """
    counts: dict[LabelPath, int] = {}
    for path, time in profile.lens(lens).items():
        key = label_path(path, labels)
        counts[key] = counts.get(key, 0) + time
    return {key: (time + 500) // 1000 for key, time in counts.items()}


class StackFile:
    """A folded file that follows a recording.

    Args:
        path: of the file; the suffix becomes ``.folded``. A missing file is made at once.
        snapshot: returns the profile so far, in any thread.
        lens: which time is written.
        labels: what the labels show.
        flush_interval: seconds between two flushes, after `start` and before `end`; longer where
            flushing would take more than 1 % of the time. ``None`` for no flushes.

    Raises:
        StackFileError: the file cannot be written.
        ValueError: no such lens, labels, or an interval that is not a positive number.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        snapshot: Callable[[], Profile],
        *,
        lens: Lens = "busy",
        labels: Labels = "name",
        flush_interval: float | None = 5.0,
    ) -> None:
        _check_choice("lens", lens, LENSES)
        _check_choice("labels", labels, LABELS)
        _check_interval(flush_interval)
        self.path = _absolute(_with_suffix(path))
        self._snapshot = snapshot
        self._lens: Lens = lens
        self._labels: Labels = labels
        self._interval = flush_interval
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a signal handler may write while this thread holds it
        self._hand_over = threading.RLock()  # likewise
        self._closed = False
        self._next_write = self._pause = 0.0
        self._new_event = threading.Event
        self._flusher: tuple[threading.Thread, threading.Event] | None = None
        self._failing = False
        self._create()

    def write(self) -> Path:
        """Write the file now. In a forked copy of the process this does nothing.

        Raises:
            StackFileError: it cannot be written; the last good one is still there.
        """
        if os.getpid() == self._pid:
            with self._lock:
                began = perf_counter()
                self._store(self._snapshot())
                took = perf_counter() - began
                self._pause = took * (1 / _MOST_TIME - 1)
                self._next_write = began + took + self._pause
        return self.path

    def _store(self, profile: Profile) -> None:
        write_folded(self.path, fold(profile, self._lens, self._labels))

    def start(self) -> None:
        """Write the file at each flush from now on, unless it was closed."""
        if os.getpid() != self._pid:
            return
        with self._hand_over:
            if self._closed or self in _unfinished:
                return
            _unfinished.add(self)
            if self._interval is None:
                return
            over = self._new_event()
            flusher = threading.Thread(
                target=self._flush,
                args=(over, self._interval),
                name="tracetools flush",
                daemon=True,
            )
            try:
                flusher.start()
            except RuntimeError as error:
                _log.warning("%s is written at the end only: %s", self.path, error)
            else:
                self._flusher = flusher, over

    def end(self) -> None:
        """Write the file a last time. Never raises."""
        if os.getpid() != self._pid:
            return
        with self._hand_over:
            _unfinished.discard(self)
            running, self._flusher = self._flusher, None
        with Insist() as insist:
            if running is not None:
                flusher, over = running
                over.set()
                insist.do(flusher.join)
            insist.do(self._try_write)

    @property
    def is_fresh(self) -> bool:
        """Whether it was written so recently that writing it again would take too much time."""
        return perf_counter() < self._next_write

    def close(self) -> None:
        """End for good: a `start` in another thread has no effect any more."""
        self._closed = True
        self.end()

    def _flush(self, over: threading.Event, interval: float) -> None:
        wait = interval
        while not over.wait(min(wait, threading.TIMEOUT_MAX)):
            self._try_write()
            wait = max(interval, self._pause)

    def _try_write(self) -> None:
        """Write the file; log a failure, but not the next ones until it works again."""
        try:
            self.write()
            self._failing = False
        except Exception as error:  # the program under observation comes first
            if is_interruption(error):
                raise
            if not self._failing:
                self._failing = True
                known = isinstance(error, StackFileError)
                _log.error("%s; the program goes on", error, exc_info=not known)

    def _create(self) -> None:
        """Check that the file can be written. Its content stays."""
        try:
            with self.path.open("ab"):
                pass
            folder = os.path.dirname(os.path.realpath(self.path))
            if not os.access(folder, os.W_OK):  # each write replaces the file by a new one
                raise PermissionError(errno.EACCES, "its folder may not be written to")
        except (OSError, ValueError) as error:
            raise StackFileError(
                f"cannot write the stack file {self.path}: {explain(error)}"
            ) from error


def _with_suffix(path: str | os.PathLike[str]) -> Path:
    """Force the suffix ``.folded``, as trace-tools does."""
    plain = Path(path)
    if plain.name in ("", ".."):
        raise StackFileError(f"{os.fspath(path)!r} names no file; give a name such as 'stack'")
    return plain.with_suffix(".folded")


def _absolute(path: Path) -> Path:
    """Return the path in full, for the program may change its directory later."""
    try:
        return path.absolute()
    except OSError as error:
        raise StackFileError(
            f"cannot write the stack file {path}: the working directory is gone; give a whole path"
        ) from error


def _check_choice(what: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{what} is one of {', '.join(choices)}, not {value!r}")


def _check_interval(interval: float | None) -> None:
    if interval is None:
        return
    if isinstance(interval, bool) or not isinstance(interval, (int, float)):
        raise TypeError(f"flush_interval is a number of seconds or None, not {interval!r}")
    if not 0 < interval < math.inf:
        raise ValueError(
            f"flush_interval is a positive number of seconds or None, not {interval!r}"
        )


@atexit.register
def _finish_all() -> None:
    """Write the files of runs that did not end."""
    for file in tuple(_unfinished):
        file.end()
