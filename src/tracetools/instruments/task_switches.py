"""Reports the steps of tasks that are none of asyncio's.

A library may step coroutines by itself, as granian does in Rust. It tells asyncio which task steps
by the functions that asyncio has for this. They are replaced here. Tasks of asyncio's class in C
call none of them, so nothing is added to their steps.
"""

from __future__ import annotations

import functools
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.interruptions import Insist
from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from tracetools.instruments.patching import Patches

    Switched = Callable[[AbstractEventLoop, Any, Any], None]

__all__ = ["NAMES", "replace_functions"]

_MODULES: Final = ("asyncio.tasks", "asyncio")


def replace_functions(patches: Patches, switched: Switched) -> None:
    """Replace the functions that say which task steps, unless that is done already.

    Args:
        patches: where that is kept.
        switched: called with a loop, the task whose step has ended, and the one whose step begins;
            ``None`` for none.
    """
    for name, replacement in _REPLACEMENTS.items():
        for module in map(sys.modules.get, _MODULES):
            if module is not None and name in vars(module):
                patches.replace(module, name, partial(replacement, switched=switched))


def _enter(original: Callable[..., Any], switched: Switched) -> Callable[..., Any]:
    @functools.wraps(original)
    def enter_task(loop: Any, task: Any) -> Any:
        try:
            original(loop, task)
            switched(loop, None, task)
        except BaseException as error:
            hide_frame(error)
            raise

    return enter_task


def _leave(original: Callable[..., Any], switched: Switched) -> Callable[..., Any]:
    @functools.wraps(original)
    def leave_task(loop: Any, task: Any) -> Any:
        try:
            with Insist() as insist:
                insist.do(switched, loop, task, None)
                original(loop, task)
        except BaseException as error:
            hide_frame(error)
            raise

    return leave_task


def _swap(original: Callable[..., Any], switched: Switched) -> Callable[..., Any]:
    @functools.wraps(original)
    def swap_current_task(loop: Any, task: Any) -> Any:
        try:
            before = original(loop, task)
            switched(loop, before, task)
        except BaseException as error:
            hide_frame(error)
            raise
        return before

    return swap_current_task


_REPLACEMENTS: Final = {"_enter_task": _enter, "_leave_task": _leave, "_swap_current_task": _swap}

NAMES: Final = tuple(_REPLACEMENTS)
"""The functions that are replaced."""
