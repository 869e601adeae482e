"""The idle time of tasks, by what they awaited: entered once a wait, when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetools.attribution.awaits import Awaits
from tracetools.attribution.division import Shares
from tracetools.attribution.wait_sampling import Allowance
from tracetools.core.accounting import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tracetools.core.accounting import LoopAccount, TaskAccount
    from tracetools.core.stacks import Stack

__all__ = ["Waits"]


class Waits:
    """Gives waits to the stacks of what was awaited.

    Where nearly every step follows a wait, to walk the await chain of all would make all wait for
    longer. So some are not walked, and the walked ones stand for them, as samples do.

    Args:
        least: waits that are longer, in nanoseconds, are attributed; ``None`` for none.
        now: a moment of the clock.
    """

    def __init__(self, least: int | None, now: int) -> None:
        self.least = NEVER if least is None else least
        self._awaits = Awaits()
        self._budget = Allowance(least or 0, now)
        self._samples: Shares[Stack] = Shares(_itself)
        self._skipped: dict[Stack, int] = {}

    def end(self, task: TaskAccount, coroutine: Any, now: int, clock: Callable[[], int]) -> None:
        """Give the wait of a task that is going to step to what its coroutine awaited."""
        parked = task.parked
        idle = (now if task.ready is None else task.ready) - parked
        weight = self._budget.stands_for(idle, now)
        own = task.stack
        if not weight:
            if idle > self.least:
                self._skipped[own] = self._skipped.get(own, 0) + idle
            return
        stack = self.awaited(task, coroutine)
        if task.loop.move_wait(task, stack, parked, idle) and weight > idle:
            self._samples.add(own, (own, stack), stack, weight - idle)
        self._budget.spend(clock() - now)

    def end_all(self, loop: LoopAccount, now: int, clock: Callable[[], int]) -> None:
        """Do so for all tasks of a loop that will step no more before the recording ends."""
        for task, find in list(loop.tasks.items()):
            if task is not loop.current and now - task.parked > self.least:
                self.end(task, find and find(), now, clock)

    def awaited(self, task: TaskAccount, coroutine: Any) -> Stack:
        """Return the stack of what a task waits for."""
        return self._awaits.stack(coroutine, task.base, task.stack, task.loop.tree)

    def skipped(self) -> dict[Stack, int]:
        """Return the idle time of waits whose chain was not walked, by stack."""
        return self._skipped.copy()

    def divided(self, skipped: Mapping[Stack, int], /) -> Iterator[tuple[Stack, Stack, int]]:
        """Divide that time: say how much goes from which stack to which one below it."""
        return self._samples.divided(skipped)

    def forget(self) -> None:
        """Forget the samples."""
        self._samples.forget()


def _itself(stack: Stack) -> Stack:
    return stack
