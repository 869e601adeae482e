"""Threads of ours, which `threading` does not list.

A program may wait for all threads that it finds, or until there is no other one. Ours go on as long
as a recording does, so it would wait for ever.

They block SIGPIPE. Where it has its default action, a thread of ours that writes to who is gone
would end the program. The kernel sends it to the thread that writes.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Final

from tracetools import compat

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HiddenThread", "forget", "listed", "running"]

_hidden: Final[dict[int, threading.Thread]] = {}
"""The threads that are hidden just now, by their identity."""


_PATIENCE: Final = 1
"""Seconds: a thread that has started is hidden much sooner."""

_LONGEST_END: Final = 5.0
"""Seconds to wait at most for a thread that was told to end."""


def running() -> tuple[threading.Thread, ...]:
    """Return the threads that are hidden just now."""
    return tuple(_hidden.values())


class HiddenThread(threading.Thread):
    """A daemon thread that is not listed while it runs."""

    def __init__(self, **options: object) -> None:
        super().__init__(daemon=True, **options)  # type: ignore[arg-type]  # it knows them
        self._is_hidden = threading.Event()

    def start(self) -> None:
        """Start it, and wait until it is hidden."""
        super().start()
        self._is_hidden.wait(_PATIENCE)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end. A hidden thread that waits is listed meanwhile.

        `threading` asks which one it is, and would make one up that stays listed.
        """
        with listed():
            super().join(timeout)

    def await_end(self) -> None:
        """Wait for its end, but not for ever.

        A signal handler may be what waits. What that has interrupted may hold a lock, and this
        thread may wait for the lock.
        """
        self.join(_LONGEST_END)

    def run(self) -> None:
        """Do what the thread is for."""
        here = threading.get_ident()
        _hidden[here] = self
        compat.unlist_thread(here)
        self._is_hidden.set()
        if hasattr(signal, "SIGPIPE") and hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGPIPE,))
        try:
            super().run()
        finally:
            compat.list_thread(here, self)  # Python takes it out of the list
            del _hidden[here]


def forget() -> None:
    """Know of none: a forked child has none of them. It has not started any of its own yet."""
    _hidden.clear()


@contextlib.contextmanager
def listed() -> Iterator[None]:
    """List the calling thread meanwhile: `logging` asks for its name, and would make one up."""
    here = threading.get_ident()
    thread = _hidden.get(here)
    if thread is None:
        yield
        return
    compat.list_thread(here, thread)
    try:
        yield
    finally:
        compat.unlist_thread(here)
