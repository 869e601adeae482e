"""A recording that begins after the program does, or ends before it: `--delay`, `--duration`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tracetools.commands.running.moments import Moments
from tracetools.recording import forks
from tracetools.session.latecomer import Latecomer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.commands.running.family import Window
    from tracetools.session.record import Record

__all__ = ["TimedRecord"]


class TimedRecord(forks.Follower):
    """Enters a recording when its window begins, and says when that is over.

    Args:
        record: the recording, which was not entered.
        window: when it is recorded.
        at_end: called at the end of the window, in a thread of ours. It raises nothing.
    """

    def __init__(self, record: Record, window: Window, at_end: Callable[[], object]) -> None:
        self._record = record
        self._late: Latecomer | None = None
        plan: list[tuple[int, Callable[[], object]]] = []
        if window.begins is not None and window.begins > time.perf_counter_ns():
            self._late = Latecomer(record)
            plan.append((window.begins, self._begin))
        if window.ends is not None:
            plan.append((window.ends, at_end))
        self.has_begun = self._late is None
        self._moments = Moments(plan)

    @property
    def missing(self) -> int:
        """How many loops that ran before the window have not joined yet."""
        return 0 if self._late is None else self._late.missing

    def enter(self, enter: Callable[[], object]) -> None:
        """Enter the recording by `enter`, unless it begins later: then list loops until then."""
        if self._late is None:
            enter()
        else:
            forks.follow(self)
            self._late.watch()

    def start(self) -> None:
        """Wait for the moments from now on: all is prepared for them.

        Raises:
            RuntimeError: no thread can be started.
        """
        self._moments.start()

    def end(self) -> None:
        """Wait for nothing more."""
        self._moments.end()
        if not self.has_begun:
            self._forget()

    def forked(self) -> None:
        """Leave nothing of ours installed in the child."""
        if not self.has_begun:
            self._forget()

    def _begin(self) -> None:
        self.has_begun = True
        forks.unfollow(self)
        if self._late is not None:
            self._late.begin()

    def _forget(self) -> None:
        forks.unfollow(self)
        if self._late is not None:
            self._late.forget()
