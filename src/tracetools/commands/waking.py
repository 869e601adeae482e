"""Loops of asyncio that hear of signals for which a handler of ours waits.

Python calls handlers in the main thread, between two instructions. A signal that meets another
thread, or the main one right before a system call, interrupts none: an asyncio loop that waits for
events would not hear of it until there is one, and the system's own handler, whose place ours takes
(`signals`), would have ended the process. trio and uvloop are told of signals by Python itself. So
what may live here: who sees to it that asyncio's other loops look around now and then.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from tracetools.instruments import module_imports as late

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

__all__ = ["LoopWaker"]

_EVERY: Final = 0.5
"""Seconds."""

_SOON: Final = 0.1
_MANY: Final = 10
"""Seconds from the end of a loop to that of another one, and how many such there are where loops
are begun again and again. `asyncio.run` begins three."""


class LoopWaker:
    """Wakes loops in the main thread twice a second, while they run, if they have to be woken.

    They have nothing to do then but to read the byte that wakes them, as for
    `call_soon_threadsafe`.
    """

    hears_wakeups: Final = False

    def __init__(self) -> None:
        self._loops: list[Callable[[], AbstractEventLoop | None]] = []
        self._waker: tuple[threading.Thread, Any] | None = None
        self._last, self._in_a_row = -math.inf, 0
        self._listens = False

    def begin(self) -> None:
        """Hear of loops from now on, where there are such signals."""
        if os.name == "posix":
            late.when_imported("asyncio", self._listen)

    def end(self) -> None:
        """Wake nobody any more."""
        late.forget(self._listen)
        if self._listens:
            from tracetools.instruments import asyncio_loops as loops  # noqa: PLC0415  # imports asyncio

            self._listens = False
            loops.unlisten(self)
        self._loops.clear()
        self._end_thread()

    def _listen(self) -> None:
        from tracetools.instruments import asyncio_loops as loops  # noqa: PLC0415  # imports asyncio

        self._listens = True
        loops.listen(self)

    # -- the thread ------------------------------------------------------------------------------

    def _begin_thread(self) -> None:
        over = threading.Lock()
        over.acquire()
        thread = threading.Thread(
            target=self._wake, args=(over,), name="tracetools signals", daemon=True
        )
        self._waker = thread, over
        try:
            thread.start()
        except RuntimeError:  # there are too many
            self._waker = None

    def _end_thread(self) -> None:
        waker, self._waker = self._waker, None
        if waker is not None:
            thread, over = waker
            over.release()
            with contextlib.suppress(RuntimeError):  # Ctrl-C came before it began
                thread.join(1)

    def _wake(self, over: Any) -> None:
        while not over.acquire(timeout=_EVERY):
            for get_loop in tuple(self._loops):
                loop = get_loop()
                with contextlib.suppress(Exception):  # it is being closed
                    loop._write_to_self()  # type: ignore[union-attr]  # noqa: SLF001
                del loop  # it is not ours to be kept
            if not self._loops:
                mine, self._waker = self._waker, None
                # Who adds one from now on begins another thread; or has added one just before.
                if not self._loops or self._waker is not None:
                    return
                self._waker = mine

    # -- what loops tell -------------------------------------------------------------------------

    def starts(self, loop: AbstractEventLoop) -> None:
        """Wake a loop from now on."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or not hasattr(loop, "_write_to_self"):
            return
        self._loops.append(ref(loop))  # first: see `_wake`
        if self._waker is None:
            self._begin_thread()

    def stops(self, loop: AbstractEventLoop) -> None:
        """Wake it no more.

        The thread that did is gone afterwards, in case that somebody forks, if loops do not follow
        one another so closely that another thread each time would take too long.
        """
        others = [get_loop for get_loop in self._loops if get_loop() is not loop]
        if len(others) == len(self._loops):
            return
        self._loops = others
        self._in_a_row = self._in_a_row + 1 if monotonic() - self._last < _SOON else 0
        if not others and self._in_a_row < _MANY:
            self._end_thread()
        self._last = monotonic()

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
