"""Has the processes that a recorded one starts record themselves, or notes that they will not.

A process that multiprocessing starts is given the environment for it. Others have that of their
parent, if each Python program is to be recorded.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.instruments import module_imports
from tracetools.instruments.patching import Patches
from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.commands.running.family import Family

__all__ = ["Spawns"]

_MULTIPROCESSING: Final = "multiprocessing.util"

_COMMANDS: Final = (
    "from multiprocessing.spawn import spawn_main",
    "from multiprocessing.forkserver import main",
)
"""What multiprocessing starts its processes with."""


_STARTS: Final = ("subprocess.Popen", "os.posix_spawn")
"""Audit events: a program is about to be started. The environment is the last argument."""


class Spawns:
    """The processes that this one starts, from `start` to `end`; in a forked child as well.

    Args:
        family: what they have in common.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self._patches = Patches()
        self._is_over = False

    def start(self) -> None:
        """Follow them from now on. multiprocessing need not be there yet."""
        if self._family.everyone:
            sys.addaudithook(self._notice)
        module_imports.when_imported(_MULTIPROCESSING, self._follow_spawns)

    def end(self) -> None:
        """Leave nothing of ours installed."""
        self._is_over = True
        module_imports.forget(self._follow_spawns)
        self._patches.undo()

    def _notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note that a Python program which is about to be started will not be recorded.

        There is no other way to know of all that are started. Python keeps the hook for good.
        """
        if event in _STARTS and not self._is_over:
            with contextlib.suppress(Exception):
                caller = compat.getframe(1)
                if event != _STARTS[0] and caller and caller.f_globals["__name__"] == "subprocess":
                    return  # it was told of already
                executable, words, environment = arguments[0], arguments[1], arguments[-1]
                self._family.note_unreached(executable, words, environment)

    def _follow_spawns(self) -> None:
        starter = compat.process_starter()
        module = sys.modules.get(starter.module)
        if hasattr(module, starter.name):  # if it is gone, a recording says so
            self._patches.replace(module, starter.name, partial(self._with_environment, starter))

    def _with_environment(
        self, starter: compat.ProcessStarter, original: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Return a function that starts processes, and adds to the environment of some."""

        @functools.wraps(original)
        def start_process(*arguments: Any) -> Any:
            try:
                with contextlib.suppress(Exception):
                    arguments = self._added(arguments, starter)
                return original(*arguments)
            except BaseException as error:
                hide_frame(error)
                raise

        return start_process

    def _added(self, arguments: tuple[Any, ...], starter: compat.ProcessStarter) -> tuple[Any, ...]:
        """Return the arguments with an environment, if multiprocessing calls."""
        words, given = arguments[starter.command], arguments[starter.environment]
        text = words if isinstance(words, str) else " ".join(map(os.fsdecode, words))
        if not any(command in text for command in _COMMANDS):
            return arguments
        added = self._family.environment()
        environment = starter.pack({**os.environ, **(given or {}), **added})
        at = starter.environment
        return (*arguments[:at], environment, *arguments[at + 1 :])
