"""Wakes the main thread of an idle program on Linux, so that it comes to run Python.

A loop that has nothing to do sleeps in `epoll_wait` until something happens. A tracer that stops
the thread for an instant, as strace does at its start, makes that call return early, and Python
calls it again. Its parent sees nothing of it. No other call is interrupted: some would fail.
"""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import Final

__all__ = ["wake"]

_SEIZE: Final = 0x4206  # PTRACE_SEIZE
_INTERRUPT: Final = 0x4207
_DETACH: Final = 17
_ALL_KINDS: Final = 0x40000000  # __WALL

_EPOLL_WAITS: Final = {
    "x86_64": {"232", "281", "441"},  # epoll_wait, epoll_pwait, epoll_pwait2
    "aarch64": {"22", "441"},
}
"""The numbers of the calls by the machine."""


def wake(pid: int) -> bool:
    """Wake the main thread of a process if it waits for events; return whether that was done."""
    if not _waits_for_events(pid):
        return False
    with contextlib.suppress(OSError, ImportError, AttributeError):
        _interrupt(pid)
        return True
    return False


def _waits_for_events(pid: int) -> bool:
    try:
        call = Path(f"/proc/{pid}/syscall").read_text("ascii").partition(" ")[0]
    except OSError:
        return False
    return call in _EPOLL_WAITS.get(platform.machine(), ())


def _interrupt(pid: int) -> None:
    """Stop the main thread for an instant. If we are killed meanwhile, the kernel lets it go on.

    Raises:
        OSError: the system does not let us, or somebody else traces it.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.restype = ctypes.c_long
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def call(request: int) -> None:
        if library.ptrace(request, pid, None, None) == -1:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    call(_SEIZE)
    try:
        call(_INTERRUPT)
        os.waitpid(pid, _ALL_KINDS)
    finally:
        call(_DETACH)
