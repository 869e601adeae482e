"""Does some last work before a signal ends the process."""

from __future__ import annotations

import os
import signal
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands.running import hidden_handlers
from tracetools.recording import forks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["DeadlySignals"]

_DEADLY: Final = ("SIGTERM", "SIGHUP")
"""The signals that commonly end a program, and would do so before anything is written.

uvicorn, for one, shuts down on SIGTERM, puts back the handler that it found, and raises the signal
again. So we write first, put the system's handler back, and raise the signal again: the status is
the same. A closed terminal sends SIGHUP; under nohup it is ignored and stays so.

The price: while the program is stuck in C code, only SIGKILL and SIGQUIT end it. And asyncio loops
have to be woken (`wakeup_fd`).
"""


class DeadlySignals(forks.Follower):
    """Does something before a signal ends the process, where nothing would be done; see `_DEADLY`.

    A forked child gets the system's handlers back. Until it has them the signals are blocked:
    Python would forget one that ours were called for.
    """

    def __init__(self, last_work: Callable[[], None]) -> None:
        self._last_work = last_work
        self._masks: dict[int, set[Any]] = {}

    def catch(self) -> None:
        """Replace the system's handlers. Those of anyone else are left alone.

        On Windows, which has no such signals, this does nothing.
        """
        if os.name != "posix":
            return
        forks.follow(self)
        numbers = [getattr(signal, name) for name in _DEADLY]
        hidden_handlers.take_over(numbers, self._die)

    def let_go(self) -> None:
        """Put the system's handlers back."""
        if os.name == "posix":
            hidden_handlers.let_go(self._die)
            forks.unfollow(self)

    def _die(self, number: int, _: FrameType | None) -> None:
        self._last_work()
        hidden_handlers.set_handler(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def before_fork(self) -> None:
        """Block the signals."""
        ours = hidden_handlers.own(self._die)
        self._masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, ours)

    def after_fork(self) -> None:
        """Let them come again."""
        mask = self._masks.pop(get_ident(), None)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def forked(self) -> None:
        """Put the system's handlers back, before the signals may come again."""
        try:
            self.let_go()
        finally:
            self.after_fork()
