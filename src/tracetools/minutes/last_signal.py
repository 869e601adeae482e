"""Does some last work before SIGTERM ends the process, where the program leaves that to the system.

A program that has a handler of its own ends by itself, and is left alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CaughtSignal", "LastSignal"]


class CaughtSignal(Protocol):
    """Does some last work before a signal ends the process."""

    def catch(self) -> object:
        """Do so from now on, where the signal is left to the system."""

    def let_go(self) -> object:
        """Leave the signal to the system again."""


class LastSignal:
    """Catches SIGTERM in the main thread.

    Args:
        last_work: called before the signal ends the process.
    """

    def __init__(self, last_work: Callable[[], object]) -> None:
        self._last_work = last_work
        self._handler: Callable[..., Any] = self._die

    def catch(self) -> None:
        """Set the handler, if the signal is left to the system. In other threads, do nothing."""
        if os.name == "posix" and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # this is not the main thread
                signal.signal(signal.SIGTERM, self._handler)

    def let_go(self) -> None:
        """Leave the signal to the system again, if our handler is set."""
        if os.name == "posix" and signal.getsignal(signal.SIGTERM) is self._handler:
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _die(self, number: int, _: object) -> None:
        try:
            self._last_work()
        finally:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
