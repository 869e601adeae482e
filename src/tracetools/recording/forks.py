"""What is done around a fork of the process, in a fixed order, and no longer than it is wanted.

`os.register_at_fork` keeps what it is given for good, and calls it in the order in which modules
were imported. So it is given the functions of this module alone. A child first gets new locks, for
threads that it does not have may hold the old ones, and forgets what its parent records. After
that, followers may record the child.

What a signal handler of the program's raises here would be lost: Python only prints it. So the
signal is sent once more, when the fork is over.
"""

from __future__ import annotations

import os
import time
from _thread import get_ident
from threading import main_thread
from typing import TYPE_CHECKING, Final

from tracetools import compat
from tracetools.core.interruptions import Insist, signal_of
from tracetools.guest import threads
from tracetools.guest.signals import send_again

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

__all__ = ["Follower", "await_end", "follow", "is_for_exec", "renew_in_child", "unfollow"]


class Follower:
    """What is called around each fork, in the thread that forks."""

    def before_fork(self) -> None:
        """Prepare for a fork. The last follower is called first."""

    def after_fork(self) -> None:
        """Go on in the parent."""

    def resume(self) -> None:
        """Start threads again in the parent, when the fork is over."""

    def forked(self) -> None:
        """Go on in the child."""


_followers: Final[dict[Follower, None]] = {}
"""In the order in which they came. Several threads may add to it."""

_renewals: Final[list[Callable[[], object]]] = [threads.forget]
_struck: Final[list[int]] = []
"""The numbers of the signals whose handlers have raised something."""

_over: Final[list[bool]] = []
"""Whether a fork is over, and threads did not start again yet."""

_later: Final[list[Callable[[], object]]] = []
"""What has `_when_over` called, if anything can."""

_PATIENCE: Final = 1.0
"""Seconds to wait for a thread of ours at most."""


def renew_in_child(action: Callable[[], object]) -> None:
    """Have `action` called in every forked child, before it records anything."""
    _renewals.append(action)


def follow(follower: Follower) -> None:
    """Call a follower around each fork from now on; once, however often this is called."""
    if follower in _followers:
        return
    if type(follower).resume is not Follower.resume:
        _prepare()
    _followers[follower] = None


def unfollow(follower: Follower) -> None:
    """Call it no more."""
    _followers.pop(follower, None)


def await_end(thread: threading.Thread) -> None:
    """Wait until a thread is gone, so that the fork does not find it and warn. Not for long.

    Before Python 3.13 the system may have it for a moment longer than Python does.
    """
    deadline = time.perf_counter() + _PATIENCE
    thread.join(_PATIENCE)
    entry = f"/proc/self/task/{thread.native_id}"
    while not thread.is_alive() and os.path.exists(entry) and time.perf_counter() < deadline:
        time.sleep(0)


def is_for_exec() -> bool:
    """Whether the fork that goes on is only there to run another program in the child."""
    frame = compat.getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if not module.startswith(_OURS):
            return (module, frame.f_code.co_name) in compat.FORKS_FOR_EXEC
        frame = frame.f_back
    return False


_OURS: Final = __name__.partition(".")[0] + "."


def _before() -> None:
    _do(follower.before_fork for follower in tuple(_followers)[::-1])


def _in_parent() -> None:
    """Go on. Threads start later: Python 3.13, for one, counts them when this is over.

    In a program that forks in another thread than the main one, Python warns anyway.
    """
    _do(follower.after_fork for follower in tuple(_followers))
    _over.append(True)
    if not _later or get_ident() != main_thread().ident:
        _when_over()


def _when_over() -> None:
    if _over:
        _over.clear()
        _do(follower.resume for follower in tuple(_followers))
        _strike_again()


def _prepare() -> None:
    """Find out, once, how to have `_when_over` called after a fork.

    Not before it is needed: to import ctypes may open a file for good.
    """
    if not _later and hasattr(os, "register_at_fork"):
        later = compat.pending_call(_when_over)
        if later is not None:
            _later.append(later)
            os.register_at_fork(after_in_parent=later)


def _in_child() -> None:
    _struck.clear()  # they are the parent's
    _over.clear()
    _do(_renewals)
    _do(follower.forked for follower in tuple(_followers))
    _strike_again()


def _do(actions: Iterable[Callable[[], object]]) -> None:
    try:
        with Insist(quietly=True) as insist:
            for action in actions:
                insist.do(action)
    except BaseException as error:  # noqa: BLE001  # nobody would see it
        number = signal_of(error)
        if number is not None:
            _struck.append(number)


def _strike_again() -> None:
    """Send the signals once more, when the fork is over."""
    if not _struck:
        return
    numbers = tuple(_struck)
    _struck.clear()
    send_again(*numbers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
