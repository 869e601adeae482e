"""Being on time: a thread of ours that sleeps a lot and works little is woken, and has its turn.

What may live here: when Linux wakes the thread, and when Python lets it run. What must not: what is
done then.

A thread that asks for a wake-up gets it up to 50 microseconds later, so that wake-ups can be
coalesced, unless it asks for less (prctl). And from Linux 6.6 on, one that is woken on a processor
where another one computes waits for the end of that one's slice, which is about 3 milliseconds: so
it would see the program at its pauses only. From Linux 6.12 on, it need not wait if its own slice
is shorter (sched_setattr). Neither takes a privilege, nor time from anybody: it works as little.

Then Python lets it run when the thread that computes waits for something, or has been asked for its
turn for 5 milliseconds (`sys.setswitchinterval`). In a loop that polls often that is dear: at each
poll the loop wakes the one that waits, and has taken its turn back before that is awake. A wait of
5 milliseconds costs such a loop about 8 (measured: 50 looks a second, 20 %). So the interval is
shorter while one of ours waits.
"""

from __future__ import annotations

import os
import platform
import struct
import sys
from functools import cache, partial
from itertools import chain, compress, starmap
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Turns", "make_waker"]

_SHORT: Final = 1e-6 * 11
"""Seconds: a switch interval that nobody but us would set. See `design.md` for what others cost."""

_USUAL: Final = 0.005
"""Python's own; any other one was set by the program, which may have its reasons."""

_PR_SET_TIMERSLACK: Final = 29
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
_SLICE: Final = 100_000
"""Nanoseconds: the shortest that Linux grants."""

_ATTRIBUTES: Final = "=IIQiIQQQ"
"""size, policy, flags, nice, priority, and the slice as the first of three times."""


@cache
def make_waker() -> Callable[[], None]:
    """Return what has the thread that calls it woken when it asked for it.

    Where that is not to be had, it does nothing. What has to be imported is imported here, not
    there: a process that is forked while a thread imports something can never import it again. And
    it is made once, for what ctypes makes is garbage in circles.
    """
    if sys.platform != "linux":
        return _nothing
    try:
        import ctypes  # noqa: PLC0415  # takes a while

        libc = ctypes.CDLL(None)
        prctl, syscall, least = libc.prctl, libc.syscall, ctypes.c_ulong(1)
    except Exception:  # noqa: BLE001  # no ctypes, or no such functions
        return _nothing
    number = _SCHED_SETATTR.get(platform.machine())

    def wake_in_time() -> None:
        prctl(_PR_SET_TIMERSLACK, least, 0, 0, 0)
        if number is not None:
            nice = os.getpriority(os.PRIO_PROCESS, 0)
            size = struct.calcsize(_ATTRIBUTES)
            attributes = struct.pack(_ATTRIBUTES, size, 0, 0, nice, 0, _SLICE, 0, 0)
            syscall(number, 0, attributes, 0)

    return wake_in_time


def _nothing() -> None:
    pass


class Turns:
    """How soon a thread that computes lets this one have its turn.

    Python's switch interval is how long a thread waits for its turn until it asks for it; it counts
    for all threads. So it is short while this one waits, or is soon going to. Where its turns are
    many it is as usual while it has one, for else the one that gave it would ask for it back, and
    there would be two turns for one. It may be taken away all the same: by a thread that began to
    wait a moment before. Then somebody has to say again that it is wanted.

    Args:
        always: whether it is always short, or just where somebody says that a turn is wanted.
    """

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self._is_ours = self._is_over = False

    def begin(self) -> None:
        """Begin to have turns, perhaps again."""
        self._is_over = False

    def shorten(self) -> None:
        """Let the next turn come soon, unless the program itself has said how soon it comes.

        Called in any thread, also while another one ends it all: so what is done last is undone.
        """
        if _is_close(sys.getswitchinterval(), _USUAL) and not self._is_over:
            sys.setswitchinterval(_SHORT)
            self._is_ours = True
            if self._is_over:
                self.restore()

    def sleep(self, over: Any, seconds: float) -> bool:
        """Sleep until a lock is free or the time is over, and have the turn; return whether it is.

        Where the interval is always short it is set back by C functions alone: so before the thread
        that gave its turn, and looks at the interval as soon as that was taken, begins to wait.
        """
        sleep = partial(over.acquire, timeout=seconds)
        is_over, *_ = map(_CALL, chain((sleep,), _usual_if_short() if self._always else ()))
        return bool(is_over)

    def end_turn(self) -> None:
        """Say that the turn ends, and the next one will be wanted."""
        if self._always:
            self.shorten()
        else:
            self.restore()

    def restore(self) -> None:
        """Let turns come as before, unless the program has said otherwise meanwhile."""
        # What was ours is forgotten before it is set back: what somebody sets from then on is ours.
        was_ours, self._is_ours = self._is_ours, False
        if was_ours and _is_close(sys.getswitchinterval(), _SHORT):
            sys.setswitchinterval(_USUAL)

    def end(self) -> None:
        """Let turns come as before, whoever else may want one."""
        self._is_over = True
        self.restore()


_CALL: Final = methodcaller("__call__")


def _usual_if_short() -> Iterator[Callable[[], object]]:
    """Give what sets the interval back, if it is ours by the time that it is asked for."""
    interval = starmap(sys.getswitchinterval, ((),))
    return compress((partial(sys.setswitchinterval, _USUAL),), map(_SHORT.__eq__, interval))


def _is_close(one: float, other: float) -> bool:
    return abs(one - other) < 1e-6  # noqa: PLR2004  # Python keeps whole microseconds


def _as_usual_in_child() -> None:
    """In a forked process, where nobody wants a turn: let them come as before."""
    if _is_close(sys.getswitchinterval(), _SHORT):
        sys.setswitchinterval(_USUAL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_as_usual_in_child)
