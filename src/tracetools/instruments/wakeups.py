"""Reports what asyncio's loops are asked to call, among it what wakes tasks: `call_soon`.

This is the reference of `native/wakeups.c`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.native import accelerated
from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

__all__ = ["Uses", "first_steps", "late_tasks", "reported_call_soon"]

first_steps: Final[set[type]] = set()
"""The types of callbacks that step a task which no future has woken, as far as any was met."""

late_tasks: Final[dict[int, int]] = {}
"""How many recordings follow a task by its wake-ups alone, by the identity of the task."""


class Uses(NamedTuple):
    """What `reported_call_soon` needs.

    Attributes:
        reported: called with each callback; returns what is called instead. In C, not for what
            steps a task with a stepped coroutine, and not for most of what steps no task.
        hide_creation: called with each handle that was made through a frame of ours.
        late_tasks: the tasks that are followed by their wake-ups alone.
        first_steps: the types of callbacks that step a task which no future has woken, as far as
            any was met.
        wakeup: the name of the method in C that steps a task which a future has woken.
        methods: the names of the methods that step tasks which are written in Python.
    """

    reported: Callable[[Any], Any]
    hide_creation: Callable[[Any], None]
    late_tasks: dict[int, int]
    first_steps: set[type]
    wakeup: str
    methods: frozenset[str]


@accelerated
def reported_call_soon(original: Callable[..., Any], uses: Uses) -> Callable[..., Any]:
    """Return a replacement of `call_soon` that reports what is to be called.

    What strikes while that is reported is raised afterwards, for a task must not miss its step.
    """

    @functools.wraps(original)
    def call_soon(loop: AbstractEventLoop, callback: Any, *args: Any, **options: Any) -> Any:
        struck = None
        try:
            callback = uses.reported(callback)
        except BaseException as error:  # noqa: BLE001  # it is raised below
            struck = error
        try:
            handle = original(loop, callback, *args, **options)
        except BaseException as error:
            hide_frame(error)
            raise
        if struck is not None:
            raise struck
        uses.hide_creation(handle)
        return handle

    return call_soon
