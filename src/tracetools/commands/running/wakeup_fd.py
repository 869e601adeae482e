"""Wakes an asyncio loop when a signal comes, as asyncio does itself for `add_signal_handler`.

Python calls signal handlers in the main thread, between two instructions. A signal that reaches
another thread, or the main thread just before a system call, interrupts nothing: a loop that waits
would call the handler only after its next event. A byte in the loop's self-pipe wakes it, and
`signal.set_wakeup_fd` has Python write one as soon as the signal is there. trio and uvloop do so.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import threading
from operator import index
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools import compat
from tracetools.instruments import module_imports
from tracetools.instruments.listener import Listener
from tracetools.instruments.stepped import hide_frame
from tracetools.recording import forks
from tracetools.recording.forks import Follower

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

__all__ = ["WakeupFd"]

_NONE: Final = -1
"""What stands for no wakeup fd."""


class WakeupFd(Listener, Follower):
    """Sets the wakeup fd to that of the asyncio loop which runs in the main thread.

    A wakeup fd of the program's own is left alone. And the program sees only what it has set: it
    may put back the fd that it has found, when our loop is closed; trio warns if it finds one. So
    a function of ours stands in for `signal.set_wakeup_fd`, from `start` to `end`.
    """

    def __init__(self) -> None:
        self._set: Callable[..., int] = signal.set_wakeup_fd
        self._stand_in = self._make_stand_in()
        self._pipes: dict[int, _SelfPipe] = {}
        """Of the loops that run in the main thread, by their identity, the innermost last."""
        self._ours = self._theirs = _NONE
        self._listens = self._over = False

    def start(self) -> None:
        """Follow all loops from now on. On Windows, where no loop needs it, this does nothing."""
        if os.name == "posix":
            forks.follow(self)
            signal.set_wakeup_fd = self._stand_in
            module_imports.when_imported("asyncio", self._listen)

    def end(self) -> None:
        """Leave nothing of ours installed."""
        forks.unfollow(self)
        module_imports.forget(self._listen)
        if self._listens:
            from tracetools.instruments import asyncio_patches as loops  # it imports asyncio

            self._listens = False
            loops.unlisten(self)
        self._disarm()
        while self._pipes:
            self._pipes.popitem()[1].close()
        if signal.set_wakeup_fd is self._stand_in:
            signal.set_wakeup_fd = self._set

    def _listen(self) -> None:
        from tracetools.instruments import asyncio_patches as loops  # it imports asyncio

        self._listens = True
        loops.listen(self)

    # -- the wakeup fd ---------------------------------------------------------------------------

    def _make_stand_in(self) -> Callable[..., int]:
        @functools.wraps(self._set)
        def set_wakeup_fd(*arguments: Any, **options: Any) -> int:
            try:
                found = self._set(*arguments, **options)
            except BaseException as error:
                hide_frame(error)
                raise
            ours, self._ours = self._ours, _NONE
            self._theirs = index(arguments[0])
            self._arm()
            return _NONE if found == ours else found

        return set_wakeup_fd

    def _arm(self) -> None:
        """Set the fd of the innermost loop, or none; not if the program has set one."""
        wanted = _NONE
        if self._pipes and not self._over:
            wanted = next(reversed(self._pipes.values())).fd
        if self._theirs != _NONE or wanted == self._ours:
            return
        with contextlib.suppress(ValueError, OSError):  # this is not the main thread
            found = self._set(wanted, warn_on_full_buffer=False)
            if found in (_NONE, self._ours):
                self._ours = wanted
            else:  # it was set by a function that the program took before ours was there
                self._set(found)
                self._ours = _NONE

    def _disarm(self) -> None:
        """Wake no loop any more."""
        self._over = True
        self._arm()

    def forked(self) -> None:
        """Wake only loops that start in the child: the self-pipes are the parent's."""
        self._pipes.clear()
        self._arm()

    # -- what loops report -----------------------------------------------------------------------

    def starts(self, loop: AbstractEventLoop) -> None:
        """Wake this loop from now on, if it needs it and runs in the main thread."""
        if threading.get_ident() == threading.main_thread().ident:
            with contextlib.suppress(OSError):  # there is no descriptor left
                pipe = _self_pipe(loop)
                if pipe is not None:
                    self._pipes[id(loop)] = pipe
                    self._arm()

    def stops(self, loop: AbstractEventLoop) -> None:
        """Wake the loop that this one ran within, if there is one."""
        pipe = self._pipes.pop(id(loop), None)
        if pipe is not None:
            self._arm()
            pipe.close()


# -------------------------------------------------------------------------------- the self-pipe


class _SelfPipe(NamedTuple):
    """A descriptor that wakes a loop when it is written to, and how to be done with it."""

    fd: int
    close: Callable[[], object]


def _self_pipe(loop: AbstractEventLoop) -> _SelfPipe | None:
    """Return the self-pipe of a loop of asyncio's; ``None`` for others, which wake themselves.

    Where it is not known, a pair of sockets does the same.
    """
    from asyncio import SelectorEventLoop

    from tracetools.instruments import loop_state  # it imports asyncio

    if not isinstance(loop, SelectorEventLoop) or loop_state.is_closed(loop):
        return None
    fd = compat.asyncio_wakeup_fd(loop)
    return _make_self_pipe(loop) if fd is None else _SelfPipe(fd, _do_nothing)


def _make_self_pipe(loop: AbstractEventLoop) -> _SelfPipe:
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    loop.add_reader(reading, reading.recv, 4096)

    def close() -> None:
        loop.remove_reader(reading)
        reading.close()
        writing.close()

    return _SelfPipe(writing.fileno(), close)


def _do_nothing() -> None:
    """Leave a self-pipe to the loop that it belongs to."""
