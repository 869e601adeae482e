"""What is recorded for one request: one recording at a time, which ends with its client.

It is one of its own, beside whatever the program records of itself: so it has the lens and the
functions that are asked for, and exactly the time that is.
"""

from __future__ import annotations

import math
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

import anyio

from tracetools.core.stacks import Frame
from tracetools.guest.pace import Pace
from tracetools.recording import forks
from tracetools.recording.current import close_span, open_span
from tracetools.session.late_recording import LateRecording
from tracetools.session.options import Options
from tracetools.web.messages import (
    GoneError,
    RefusedError,
    goes_within,
    in_thread,
    in_thread_shielded,
)

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.web.messages import Receive
    from tracetools.web.queries import Wish

__all__ = ["OURS", "Slot", "options_of", "record_for"]

OURS: Final = Frame("tracetools.web_app", "")
"""The span of what is done here: so it is told from what the program does."""

_MOST_STACKS: Final = 5_000
_PATIENCE: Final = 1.0
"""Seconds that loops may take to join; one that is blocked joins later."""

_JOINING: Final = 0.005
_RENDERING: Final = 2.0
"""Seconds that it takes to draw, about."""


def options_of(wish: Wish) -> Options:
    """Return the options of what is recorded for a request."""
    return Options(
        lens=wish.lens,
        functions=wish.functions,
        scheduled=True,
        max_stacks=_MOST_STACKS,
        flush_interval=None,
    )


class Slot:
    """Lets one request record at a time, in all loops of the process."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}  # by process: a forked child has none

    @property
    def left(self) -> int | None:
        """How many seconds the request that records may take yet; ``None`` if none does."""
        until = self._until.get(os.getpid())
        return None if until is None else max(1, math.ceil(until - monotonic()))

    def take(self, seconds: float) -> None:
        """Take it.

        Raises:
            RefusedError: another request has it.
        """
        until = monotonic() + seconds + _RENDERING
        if self._until.setdefault(os.getpid(), until) is not until:
            left = self.left or 1
            raise RefusedError(
                429,
                f"another request records just now: ask again in {left} seconds",
                {"retry-after": str(left)},
            )

    def give_back(self) -> None:
        """Let others have it."""
        self._until.pop(os.getpid(), None)


class _OneRecording(forks.Follower):
    """A recording that ends, whenever that is asked for: also before it has begun."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._is_over = False
        self._late: LateRecording | None = None

    def begin(self) -> LateRecording:
        """Begin it, and return it."""
        late = LateRecording(self._options)
        forks.follow(self)
        with self._lock:
            is_over = self._is_over
            self._late = None if is_over else late
        if is_over:
            forks.unfollow(self)
            late.end()
        return late

    def end(self) -> None:
        """End it, once."""
        with self._lock:
            self._is_over = True
            late, self._late = self._late, None
        if late is not None:
            forks.unfollow(self)
            late.end()

    def forked(self) -> None:
        """Forget it in a forked child: it is the parent's."""
        self._lock, self._is_over = threading.Lock(), True
        late, self._late = self._late, None
        forks.unfollow(self)
        if late is not None:
            late.forked()


async def record_for(wish: Wish, receive: Receive) -> Profile:
    """Record for as long as is wished, and return the profile.

    It begins, ends and is read in a worker thread. Whatever ends this, ends the recording.

    Raises:
        GoneError: the client has gone away.
        RecordingError: this interpreter cannot be recorded.
    """
    recording = _OneRecording(options_of(wish))
    try:
        late = await in_thread(recording.begin)
        with anyio.move_on_after(_PATIENCE):
            while late.missing:  # noqa: ASYNC110  # loops of other threads join as well
                await anyio.sleep(_JOINING)
        ours = open_span(OURS)  # the one around all of this began before, so it is not recorded
        try:
            is_gone = await goes_within(receive, wish.seconds)
        finally:
            close_span(ours)
    finally:
        try:
            await in_thread_shielded(recording.end)
        finally:
            recording.end()  # no thread could do so: the loop ends, or the task was thrown away
    if is_gone:
        raise GoneError
    return await in_thread(_profile_of, late)


def _profile_of(late: LateRecording) -> Profile:
    with Pace():
        return late.profile
