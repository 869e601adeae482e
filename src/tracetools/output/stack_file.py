"""The stack file of a recording: written now and then while it goes on, and at its end.

The file is always complete: a killed process leaves that of the last flush. A failing write is
logged once and never stops the program; the last good file stays. What cannot be written at the end
goes into a temporary folder.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import math
import os
import threading
from functools import partial
from itertools import chain, count, repeat
from pathlib import Path
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Final, NoReturn

from tracetools.core.errors import StackFileError
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.core.labels import LABELS, Labels, label_path
from tracetools.core.profile import LENSES, Lens, Profile
from tracetools.guest.messages import to_log
from tracetools.guest.threads import HiddenThread
from tracetools.output.formats.files import (
    Rescue,
    asked_mode,
    explain,
    is_device_or_pipe,
    make_empty,
)
from tracetools.output.formats.folded import write_folded
from tracetools.output.formats.names import with_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetools.core.labels import LabelPath
    from tracetools.guest.messages import Messages

__all__ = ["NoStackFile", "StackFile", "fold"]

_MOST_TIME: Final = 0.01
"""The part of a processor's time that flushing may take."""

_SOON: Final = 0.05
"""Seconds after which a file is written that was not written yet, so that it is not empty."""

_FIRST: Final = 0.5
"""Seconds after which the file is written for the first time, of programs that are killed early."""

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
        path: of the file; the suffix becomes ``.folded``, but for a device or a pipe. A missing
            file is made at once.
        snapshot: returns the profile so far, in any thread.
        lens: which time is written.
        labels: what the labels show.
        flush_interval: seconds between two flushes, after `start` and before `end`; longer where
            flushing would take more than 1 % of the time. The first comes after half a second.
            ``None`` for no flushes. A device or a pipe is written to at the end only.

    Attributes:
        path: of the file.
        messages: where messages go.
        is_alone: whether the given path is a device or a pipe, so that no file can stand beside it.

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
        self.messages: Messages = to_log
        _check_options(lens, labels, flush_interval)
        self.is_alone = is_device_or_pipe(path)
        self.path = _absolute(Path(path) if self.is_alone else _with_suffix(path))
        self._is_stream = is_device_or_pipe(self.path)
        self._was_made = self._was_written = self._is_left = False
        self._snapshot = snapshot
        self._lens: Lens = lens
        self._labels: Labels = labels
        self._interval = flush_interval
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a signal handler may write while this thread holds it
        self._hand_over = threading.RLock()  # likewise
        self._closed = False
        self._next_write = self._pause = 0.0
        self._turns = count(1)
        self._last_turn = 0
        self._new_event = threading.Event
        self._flusher: tuple[HiddenThread, threading.Event] | None = None
        self._waits: Iterator[float] = iter(())
        self._next_flush = 0.0
        self._is_paused = self._failing = False
        self._create()

    def write(self) -> Path:
        """Write the file now. In a forked copy of the process this does nothing.

        Raises:
            StackFileError: it cannot be written; the last good one is still there.
        """
        if os.getpid() == self._pid:
            began = thread_time()  # what waits for the GIL takes no time from the program
            turn = next(self._turns)
            profile = self._snapshot()  # without the lock: what it waits for may wait for us
            with self._lock:
                if turn > self._last_turn:  # else a newer one was written meanwhile
                    self._store(profile)
                    self._last_turn = turn
                    self._pause = (thread_time() - began) * (1 / _MOST_TIME - 1)
                    self._next_write = perf_counter() + self._pause
        return self.path

    def _store(self, profile: Profile) -> None:
        self._store_stacks(self.path, profile)

    def _store_stacks(self, path: Path, profile: Profile) -> None:
        write_folded(path, fold(profile, self._lens, self._labels))
        self._was_written = True

    def start(self) -> None:
        """Write the file at each flush from now on, unless it was closed."""
        if os.getpid() != self._pid:
            return
        with self._hand_over:
            if self._closed or self in _unfinished:
                return
            _unfinished.add(self)
            if self._interval is not None and not self._is_stream:
                first = [_FIRST] if self._was_written else [_SOON, _FIRST]
                waits = (min(wait, self._interval) for wait in first)
                self._waits = chain(waits, repeat(self._interval))
                self._start_flusher(self._next_wait())

    def _start_flusher(self, wait: float) -> None:
        over = self._new_event()
        flusher = HiddenThread(target=self._flush, args=(over, wait), name="tracetools flush")
        try:
            flusher.start()
        except RuntimeError as error:
            self.messages.warning("%s is written at the end only: %s", self.path, error)
        else:
            self._flusher = flusher, over

    def pause(self) -> HiddenThread | None:
        """Let the thread end that flushes, and return it if it can be waited for."""
        if os.getpid() != self._pid or self._flusher is None:
            return None
        with self._hand_over:
            running, self._flusher = self._flusher, None
            self._is_paused = running is not None
        if running is None:
            return None
        flusher, over = running
        over.set()
        return None if flusher.ident == threading.get_ident() else flusher

    def resume(self) -> None:
        """Flush again after a `pause`, as if there had been none."""
        with self._hand_over:
            was_paused, self._is_paused = self._is_paused, False
            if was_paused and self in _unfinished:
                self._start_flusher(max(self._next_flush - perf_counter(), 0))

    def end(self) -> None:
        """Write the file, and follow the recording no more. Never raises."""
        if os.getpid() != self._pid:
            return
        with self._hand_over:
            _unfinished.discard(self)
            running, self._flusher = self._flusher, None
        with Insist() as insist:
            if running is not None:
                flusher, over = running
                over.set()
                insist.do(flusher.await_end)
            if not self._is_left:
                insist.do(self._try_write)

    @property
    def is_fresh(self) -> bool:
        """Whether it need not be written now, as long as it is written at the end.

        It was written so recently that writing it again would take too much time; or it is a device
        or a pipe.
        """
        return self._is_stream or perf_counter() < self._next_write

    def close(self, *, write: bool = True) -> None:
        """Write the file a last time; a `start` has no effect any more. Never raises.

        A second time does nothing.

        Args:
            write: whether it is written; else the caller does that.
        """
        if os.getpid() != self._pid:
            return
        with self._hand_over:
            was_closed, self._closed = self._closed, True
        if not was_closed:
            self._is_left = not write
            self.end()

    def discard(self) -> None:
        """Remove the file, if it was made here and nothing was ever written to it."""
        if self._was_made and not self._was_written and os.getpid() == self._pid:
            self._was_made = False
            with contextlib.suppress(OSError):
                if not self.path.stat().st_size:
                    self.path.unlink()

    def _flush(self, over: threading.Event, wait: float) -> None:
        while not over.wait(wait):
            self._try_write()
            wait = self._next_wait()

    def _next_wait(self) -> float:
        """Return the seconds until the next flush."""
        wait = min(max(next(self._waits), self._pause), threading.TIMEOUT_MAX)
        self._next_flush = perf_counter() + wait
        return wait

    def _try_write(self) -> None:
        """Write the file; log a failure, but not the next ones until it works again."""
        try:
            self.write()
            self._failing = False
        except Exception as error:  # the program under observation comes first
            if is_interruption(error):
                raise
            if self._closed and isinstance(error, StackFileError):
                self._rescue()
            elif not self._failing:
                self._failing = True
                known = isinstance(error, StackFileError)
                self.messages.error("%s; the program goes on", error, exc_info=not known)

    def _rescue(self) -> None:
        """Write what cannot be written into a temporary folder. Log where it is then."""
        rescue, profile = Rescue(), self._snapshot()
        rescue.write(self.path, partial(self._store_stacks, profile=profile))
        for sentence in rescue.said:
            self.messages.error("%s", sentence)

    def _create(self) -> None:
        """Check that the file can be written. Its content stays."""
        try:
            asked_mode()
        except ValueError as error:
            raise StackFileError(str(error)) from error
        try:
            if self._is_stream:  # opening a pipe waits for its reader, and closing it is its end
                if not os.access(self.path, os.W_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                return
            self._was_made = make_empty(self.path)
            folder = os.path.dirname(os.path.realpath(self.path))
            if not os.access(folder, os.W_OK):  # each write replaces the file by a new one
                raise PermissionError(errno.EACCES, "its folder may not be written to")
        except (OSError, ValueError) as error:
            raise StackFileError(
                f"cannot write the stack file {self.path}: {explain(error)}"
            ) from error


class NoStackFile:
    """Takes the place of the stack file of a recording that has none.

    Args:
        lens: which time would be written.
        labels: what the labels would show.
        flush_interval: seconds between two flushes.

    Attributes:
        path: of no file.
        is_alone: nothing can stand beside it.
        is_fresh: it need not be written.
        messages: where messages would go.

    Raises:
        ValueError: no such lens, labels, or an interval that is not a positive number.
    """

    path = None
    is_alone = True
    is_fresh = True

    def __init__(
        self, *, lens: Lens = "busy", labels: Labels = "name", flush_interval: float | None = 5.0
    ) -> None:
        _check_options(lens, labels, flush_interval)
        self.messages: Messages = to_log

    def write(self) -> NoReturn:
        """Refuse to write.

        Raises:
            StackFileError: always.
        """
        raise StackFileError("this recording has no stack file: give it the name of one")

    def start(self) -> None:
        """Do nothing."""

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def close(self, *, write: bool = True) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing."""


def _with_suffix(path: str | os.PathLike[str]) -> Path:
    """Force the suffix ``.folded``, as trace-tools does; ``run-1.2`` has no other suffix."""
    plain = Path(path)
    if plain.name in ("", ".."):
        raise StackFileError(f"{os.fspath(path)!r} names no file; give a name such as 'stack'")
    return with_suffix(plain, ".folded")


def _absolute(path: Path) -> Path:
    """Return the path in full, for the program may change its directory later."""
    try:
        return path.absolute()
    except OSError as error:
        raise StackFileError(
            f"cannot write the stack file {path}: the working directory is gone; give a whole path"
        ) from error


def _check_options(lens: Lens, labels: Labels, flush_interval: float | None) -> None:
    _check_choice("lens", lens, LENSES)
    _check_choice("labels", labels, LABELS)
    _check_interval(flush_interval)


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
