"""Does some last work before the process ends by itself: at its exit, by `os._exit`, by `os.exec*`.

`os._exit`, `os.execv` and `os.execve` are replaced; the other functions of `os` that replace the
process call these. An audit hook would see `os.exec` too, but could never be taken out again, and
every event of the process would call it. No event tells of `os._exit`.
"""

from __future__ import annotations

import atexit
import functools
import os
from functools import partial
from operator import index
from typing import TYPE_CHECKING, Any, Final

from tracetools.instruments.patching import Patches
from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Ending"]


_STATUS: Final = 4
"""Bytes that a status has: an ``int`` of C."""


class Ending:
    """Calls functions before the process ends.

    Attributes:
        last_work: called at the exit, after all that the program has registered with `atexit`, and
            by `os._exit`. It never raises; a second time it does nothing. A forked child sets its
            own.
        before_exec: called with the path, the arguments and the environment of what the process is
            about to become. It never raises. It returns what is called if that fails.
    """

    def __init__(
        self,
        last_work: Callable[[], object],
        before_exec: Callable[[Any, Sequence[Any], Mapping[Any, Any] | None], Callable[[], object]],
    ) -> None:
        self._patches = Patches()
        self.last_work = last_work
        self.before_exec = before_exec

    def start(self) -> None:
        """Call them from now on. The program has not registered anything with `atexit` yet."""
        atexit.register(self._at_exit)
        ours = {"_exit": self._exit, "execv": self._execv, "execve": self._execve}
        for name, replacement in ours.items():
            if hasattr(os, name):
                self._patches.replace(os, name, partial(_like, replacement))

    def _at_exit(self) -> None:
        self.last_work()

    def _exit(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def _exit(status: Any) -> Any:
            try:
                index(status).to_bytes(_STATUS, "little", signed=True)
            except (TypeError, OverflowError):
                pass  # the process goes on
            else:
                self.last_work()
            try:
                original(status)
            except BaseException as error:
                hide_frame(error)
                raise

        return _exit

    def _execv(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execv(path: Any, argv: Any, /) -> Any:
            undo = self.before_exec(path, argv, None)
            try:
                original(path, argv)
            except BaseException as error:
                undo()
                hide_frame(error)
                raise

        return execv

    def _execve(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execve(path: Any, argv: Any, env: Any) -> Any:
            undo = self.before_exec(path, argv, env)
            try:
                original(path, argv, env)
            except BaseException as error:
                undo()
                hide_frame(error)
                raise

        return execve


def _like(replacement: Callable[[Any], Any], original: Any) -> Any:
    """Return what replaces a function, with its name and in the same sets of the module `os`."""
    ours = functools.wraps(original)(replacement(original))
    functions: set[Any] = os.supports_fd  # of what takes a descriptor for a path
    if original in functions:
        functions.add(ours)
    return ours
