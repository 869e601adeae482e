"""Does things at given moments, in a thread of ours, while the program goes on.

The thread ends before a fork, else Python would warn of it, and starts again in the parent.
"""

from __future__ import annotations

import os
import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from tracetools.guest.threads import HiddenThread
from tracetools.recording import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Moments"]


_new_event: Final = threading.Event


class Moments(forks.Follower):
    """Calls functions at moments, one after another, each once.

    Args:
        plan: moments of `time.perf_counter_ns`, and what is called then, which raises nothing.
    """

    def __init__(self, plan: Iterable[tuple[int, Callable[[], object]]]) -> None:
        self._plan = sorted(plan, key=lambda each: each[0])
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._over = _new_event()

    def start(self) -> None:
        """Begin to wait for the first moment.

        Raises:
            RuntimeError: no thread can be started.
        """
        if self._plan:
            forks.follow(self)
            self._start()

    def end(self) -> None:
        """Call nothing more. What is just being called is waited for, unless this is within it."""
        if os.getpid() != self._pid:
            return
        forks.unfollow(self)
        thread, self._thread = self._thread, None
        self._over.set()
        if thread is not None and thread.ident != threading.get_ident():
            thread.join()

    def before_fork(self) -> None:
        """End the thread."""
        thread = self._thread
        self._over.set()
        if thread is not None and thread.ident != threading.get_ident():
            forks.await_end(thread)

    def resume(self) -> None:
        """Start it again."""
        thread = self._thread
        if thread is not None and not thread.is_alive() and self._plan:
            self._start()

    def forked(self) -> None:
        """Call nothing in the child."""
        forks.unfollow(self)
        self._plan, self._thread = [], None

    def _start(self) -> None:
        self._over = _new_event()
        self._thread = HiddenThread(
            target=self._wait, args=(self._over,), name="tracetools moments"
        )
        self._thread.start()

    def _wait(self, over: threading.Event) -> None:
        while self._plan:
            moment, action = self._plan[0]
            left = (moment - perf_counter_ns()) / 1e9
            if left > 0:
                if over.wait(min(left, threading.TIMEOUT_MAX)):
                    return
                continue
            del self._plan[0]
            action()
