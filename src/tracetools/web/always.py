"""What is recorded all the time, for metrics and slow requests.

It begins when it is first asked for, unless it should sooner, and goes on until the application is
closed. If an error of ours has stopped it, another one begins.
"""

from __future__ import annotations

import atexit
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from tracetools.core.profile import Profile
from tracetools.guest.pace import Pace
from tracetools.recording import forks
from tracetools.session.late_recording import LateRecording, Unshown
from tracetools.session.options import Options
from tracetools.web.kept import KeptPages

if TYPE_CHECKING:
    from tracetools.guest.messages import Messages
    from tracetools.session.kept_files import KeptFiles
    from tracetools.session.recording import Recording

__all__ = ["Always"]

_MOST_STACKS: Final = 5_000
_APART: Final = 60.0
"""Seconds between two beginnings, at least."""


class _KeepingPages(Unshown):
    """A recording whose slow spans go into memory."""

    pages: KeptPages

    def _made_kept_files(self, messages: Messages) -> KeptFiles:  # noqa: ARG002
        self.pages = KeptPages(self.recorder.threshold)
        return self.pages  # type: ignore[return-value]  # all that is used here


class Always(forks.Follower):
    """What is recorded all the time.

    Args:
        own: what the program records of itself: then nothing else is recorded.
        keep: which spans are kept; see the option `keep` of `record`.
        is_wanted: whether anything may be recorded.
    """

    def __init__(self, own: Recording | None, keep: float | None, *, is_wanted: bool) -> None:
        self.own = own
        self.is_wanted = is_wanted or own is not None
        self._options = Options(
            scheduled=True,
            await_stacks=keep is not None,
            max_stacks=_MOST_STACKS,
            flush_interval=None,
            keep=keep,
        )
        self._late: LateRecording | None = None
        self._began = 0.0
        self._lock = threading.Lock()
        self.number = 0

    def begin(self) -> None:
        """Record from now on, unless that is done already. From any thread.

        Raises:
            RecordingError: this interpreter cannot be recorded.
        """
        if self.own is not None or not self.is_wanted:
            return
        with self._lock:
            if self._late is not None and not self._is_dead(self._late):
                return
            self._end()
            self._late = LateRecording(self._options, _KeepingPages)
            self._began = monotonic()
            self.number += 1
            forks.follow(self)
            atexit.register(self.close)

    def _is_dead(self, late: LateRecording) -> bool:
        return late.recording.recorder.stopped and monotonic() - self._began > _APART

    @property
    def is_on(self) -> bool:
        """Whether something is recorded all the time."""
        return self.own is not None or self._late is not None

    def profile(self) -> tuple[int, Profile]:
        """Return what was recorded up to now, and which recording it is.

        Raises:
            RecordingError: this interpreter cannot be recorded.
        """
        self.begin()
        with self._lock:
            late, number = self._late, self.number
        with Pace():
            if self.own is not None:
                return 0, self.own.profile
            return number, Profile() if late is None else late.profile

    @property
    def keeps(self) -> bool:
        """Whether slow spans are kept."""
        if self.own is not None:
            return self.own.kept_folder is not None
        return self._options.keep is not None

    @property
    def pages(self) -> KeptPages | None:
        """The pages that are kept in memory; ``None`` if nothing is recorded here."""
        late = self._late
        kept = getattr(None if late is None else late.recording, "pages", None)
        return kept if isinstance(kept, KeptPages) else None

    def close(self) -> None:
        """Record nothing more. Asked for once more, it begins again."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            atexit.unregister(self.close)
            forks.unfollow(self)
            late.end()

    def forked(self) -> None:
        """Forget it in a forked child: it is the parent's."""
        self._lock = threading.Lock()
        late, self._late = self._late, None
        forks.unfollow(self)
        atexit.unregister(self.close)
        if late is not None:
            late.forked()
