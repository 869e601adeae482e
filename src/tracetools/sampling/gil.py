"""Lets the sampler's thread run on time: when Linux wakes it, and when it acquires the GIL.

Linux wakes a thread up to 50 microseconds late, so that it can wake several at once, unless the
thread asks for less (prctl). From Linux 6.6 on, a thread that wakes on a busy processor waits for
the end of the running thread's slice, about 3 milliseconds. Samples would then fall into the
program's pauses only. From Linux 6.12 on, a thread with a shorter slice need not wait
(sched_setattr). Neither needs a privilege, and neither takes time from other threads.

Then the thread needs the GIL. It gets it when the running thread waits for something, or 5
milliseconds after it asked (`sys.setswitchinterval`). In a loop that polls often the second way
is slow: each poll wakes the waiting thread, but the loop has the GIL back before that thread is
awake. A wait of 5 milliseconds costs such a loop about 8 (measured: 50 samples a second, 20 %). So
the switch interval is shorter while the sampler waits.
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

from tracetools.recording.forks import renew_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["GilHandover", "make_waker"]

_SHORT: Final = 1e-6 * 11
"""Seconds: a switch interval that no program sets. What others cost is in ``history.md``."""

_USUAL: Final = 0.005
"""Seconds: Python's default. Any other interval was set by the program, and is left alone."""

_PR_SET_TIMERSLACK: Final = 29
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
_SLICE: Final = 100_000
"""Nanoseconds: the shortest slice that Linux grants."""

_ATTRIBUTES: Final = "=IIQiIQQQ"
"""size, policy, flags, nice, priority, and the slice as the first of three times."""


@cache
def make_waker() -> Callable[[], None]:
    """Return a function that lets the thread that calls it be woken on time.

    It does nothing where the system cannot do that. All imports are done here, not in the thread: a
    process that is forked during an import can never do that import again. The function is made
    once, because what ctypes makes is garbage in reference cycles.
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


class GilHandover:
    """Lets the sampler's thread acquire the GIL soon.

    Python's switch interval is how long a thread waits for the GIL before it asks for it. It holds
    for all threads. It is short while the sampler waits for the GIL, or soon will.

    If samples are frequent, it is the default while the sampler has the GIL. Else the thread that
    released it would ask for it back, and there would be two handovers instead of one. The GIL may
    still be taken away, by a thread that began to wait just before.

    Args:
        always: whether the interval is short all the time, or only after `request`.
    """

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self._is_ours = self._is_over = False

    def start(self) -> None:
        """Start to set the interval, perhaps again."""
        self._is_over = False

    def request(self) -> None:
        """Set the short interval, unless the program has set one of its own.

        Any thread may call it, also while another one calls `end`: then it undoes what it did.
        """
        if _is_close(sys.getswitchinterval(), _USUAL) and not self._is_over:
            sys.setswitchinterval(_SHORT)
            self._is_ours = True
            if self._is_over:
                self.restore()

    def sleep(self, over: Any, seconds: float) -> bool:
        """Release the GIL until a lock is free or the time is over; return whether it is free.

        With `always`, C functions alone set the interval back. So it is back before the thread that
        released the GIL starts to wait: that thread reads the interval then.
        """
        sleep = partial(over.acquire, timeout=seconds)
        is_over, *_ = map(_CALL, chain((sleep,), _usual_if_short() if self._always else ()))
        return bool(is_over)

    def before_sleep(self) -> None:
        """Prepare to release the GIL, and to acquire it again."""
        if self._always:
            self.request()
        else:
            self.restore()

    def restore(self) -> None:
        """Set the default interval, unless the program has set one meanwhile."""
        # Cleared before the interval is set: a short one that is set from then on is a new one.
        was_ours, self._is_ours = self._is_ours, False
        if was_ours and _is_close(sys.getswitchinterval(), _SHORT):
            sys.setswitchinterval(_USUAL)

    def end(self) -> None:
        """Set the default interval for good; `request` does nothing from now on."""
        self._is_over = True
        self.restore()


_CALL: Final = methodcaller("__call__")


def _usual_if_short() -> Iterator[Callable[[], object]]:
    """Yield what sets the interval back, if it is the short one at that moment."""
    interval = starmap(sys.getswitchinterval, ((),))
    return compress((partial(sys.setswitchinterval, _USUAL),), map(_SHORT.__eq__, interval))


def _is_close(one: float, other: float) -> bool:
    return abs(one - other) < 1e-6  # noqa: PLR2004  # Python keeps whole microseconds


def _as_usual_in_child() -> None:
    """Set the default interval in a forked process, which has no sampler."""
    if _is_close(sys.getswitchinterval(), _SHORT):
        sys.setswitchinterval(_USUAL)


renew_in_child(_as_usual_in_child)
