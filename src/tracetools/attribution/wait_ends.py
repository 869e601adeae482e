"""Gives waits, when they end, to the stacks of what was awaited.

This is the reference of `native/waits.c`. There, a chain that was seen before is found without any
Python code; here, all of them are named anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.attribution.wait_names import WaitNames
    from tracetools.core.accounting import TaskAccount
    from tracetools.core.stacks import Stack

__all__ = ["WaitEnds"]


@accelerated
class WaitEnds:
    """Gives waits, when they end, to the stacks of what was awaited.

    Attributes:
        least: waits that are longer, in nanoseconds, are attributed; later than any moment for
            none.
        names: finds the stacks.
    """

    __slots__ = ("least", "names")

    def __init__(self, least: int, names: WaitNames) -> None:
        self.least = least
        self.names = names

    def end(self, task: TaskAccount, coroutine: Any, now: int, clock: Callable[[], int]) -> None:
        """Attribute the wait of a task that is about to step to what its coroutine awaited."""
        self.end_unknown(task, coroutine, now, clock)

    def end_unknown(
        self, task: TaskAccount, coroutine: Any, now: int, clock: Callable[[], int]
    ) -> None:
        """Do so for a chain that is not known."""
        raise NotImplementedError

    def stack_of(self, task: TaskAccount, coroutine: Any) -> Stack:
        """Return the stack of what a task waits for, which is known from then on."""
        return self.names.stack(coroutine, task.base, task.stack, task.loop.tree)
