"""Loops of asyncio that hear of signals for which a handler of ours waits.

Python calls handlers in the main thread, between two instructions. A signal that meets another
thread, or the main one right before a system call, interrupts none: an asyncio loop that waits for
events would not hear of it until there is one, and the system's own handler, whose place ours takes
(`signals`), would have ended the process. trio and uvloop are told of signals by Python itself. So
what may live here: who sees to it that asyncio's other loops look around now and then.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from tracetools.instruments import late

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

__all__ = ["LoopWaker"]

_EVERY: Final = 0.5
"""Seconds."""


class LoopWaker:
    """Wakes the loop of the main thread twice a second, if it is one that has to be woken.

    It has nothing to do then but to read the byte that wakes it, as for `call_soon_threadsafe`.
    """

    hears_wakeups: Final = False

    def __init__(self) -> None:
        self._loop: Callable[[], AbstractEventLoop | None] = _no_loop
        self._over = threading.Lock()
        self._over.acquire()
        self._thread: threading.Thread | None = None
        self._listens = False

    def begin(self) -> None:
        """Hear of loops from now on, where there are such signals."""
        if os.name == "posix":
            late.when_imported("asyncio", self._listen)

    def end(self) -> None:
        """Wake nobody any more."""
        late.forget(self._listen)
        if self._listens:
            from tracetools.instruments import loops  # noqa: PLC0415  # imports asyncio

            self._listens = False
            loops.unlisten(self)
            self._over.release()

    def _listen(self) -> None:
        from tracetools.instruments import loops  # noqa: PLC0415  # imports asyncio

        self._listens = True
        loops.listen(self)

    def _run(self) -> None:
        while not self._over.acquire(timeout=_EVERY):
            loop = self._loop()
            with contextlib.suppress(Exception):  # it is being closed
                if loop is not None:
                    loop._write_to_self()  # type: ignore[attr-defined]  # noqa: SLF001
            del loop  # it is not ours to be kept

    # -- what loops tell -------------------------------------------------------------------------

    def starts(self, loop: AbstractEventLoop) -> None:
        """Wake a loop from now on."""
        if threading.current_thread() is not threading.main_thread():
            return
        if not hasattr(loop, "_write_to_self"):
            return
        self._loop = ref(loop)
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="tracetools signals", daemon=True)
            with contextlib.suppress(RuntimeError):  # there are too many
                thread.start()
                self._thread = thread

    def stops(self, loop: AbstractEventLoop) -> None:
        """Wake it no more."""
        if self._loop() is loop:
            self._loop = _no_loop

    def closed(self, loop: AbstractEventLoop) -> None:
        """Do nothing: it has been stopped before."""

    def created(self, _loop: AbstractEventLoop, coroutine: Any, _options: Any) -> Any:
        """Leave tasks as they are."""
        return coroutine

    def refused(self, loop: AbstractEventLoop, task: Any, error: Exception) -> None:
        """Do nothing: it was not ours."""

    def scheduled(self, callback: Any) -> Any:
        """Leave callbacks as they are."""
        return callback


def _no_loop() -> None:
    """Stand for the loop where there is none."""
