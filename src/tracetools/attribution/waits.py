"""Attributes the idle time of tasks to what they awaited, once a wait, when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools.attribution.division import WeightedSamples
from tracetools.attribution.limiters import Limiters
from tracetools.attribution.wait_ends import WaitEnds
from tracetools.attribution.wait_names import WaitNames
from tracetools.attribution.wait_sampling import WaitSampling
from tracetools.core.accounting import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetools.attribution.division import Numbers
    from tracetools.core.accounting import LoopAccount, TaskAccount
    from tracetools.core.stacks import Stack

__all__ = ["Waits"]

_AWAIT_LIMITER: Final = "await CapacityLimiter"


class Waits(WaitEnds):
    """Attributes waits to the stacks of what was awaited.

    If nearly every step follows a wait, walking all await chains would slow the program down. So
    some are skipped, and their time is divided by the samples of the others.

    Args:
        least: waits that are longer, in nanoseconds, are attributed; ``None`` for none.
        now: a moment of the clock.
        sampled: whether some are skipped. Else it is known of each who has ended it.

    Attributes:
        limiters: the capacity limiters that tasks have waited for.
    """

    def __init__(self, least: int | None, now: int, *, sampled: bool = True) -> None:
        super().__init__(NEVER if least is None else least, WaitNames())
        self.limiters = Limiters()
        self._sampling = WaitSampling(least or 0, now)
        self._sampled = sampled
        self._samples: WeightedSamples[Stack] = WeightedSamples(_itself)
        self._skipped: dict[Stack, int] = {}

    def end_unknown(
        self, task: TaskAccount, coroutine: Any, now: int, clock: Callable[[], int]
    ) -> None:
        """Attribute a wait whose chain is not known, if there is time for it."""
        parked = task.parked
        idle = (now if task.ready is None else task.ready) - parked
        weight = self._sampling.weight(idle, now) if self._sampled else self._whole(idle)
        own = task.stack
        if not weight:
            if idle > self.least:
                self._skipped[own] = self._skipped.get(own, 0) + idle
            return
        stack = self.awaited(task, coroutine)
        if task.loop.move_wait(task, stack, parked, idle):
            if weight > idle:
                self._samples.add(own, (own, stack), stack, weight - idle)
            if stack.frame.name.startswith(_AWAIT_LIMITER):
                self._note_limiter(stack, coroutine, parked, parked + idle)
        self._sampling.spend(clock() - now)

    def _whole(self, idle: int) -> int:
        return idle if idle > self.least else 0

    def _note_limiter(self, stack: Stack, coroutine: Any, since: int, until: int) -> None:
        found = self.names.limiter(coroutine)
        if found is not None:
            self.limiters.note(stack, *found, since, until)

    def end_all(self, loop: LoopAccount, now: int, clock: Callable[[], int]) -> None:
        """Attribute the waits of all tasks of a loop, whose recording ends."""
        for task in list(loop.tasks):
            if task is not loop.current and now - task.parked > self.least:
                self.end(task, task.coroutine, now, clock)

    def awaited(self, task: TaskAccount, coroutine: Any) -> Stack:
        """Return the stack of what a task waits for."""
        return self.stack_of(task, coroutine)

    def skipped(self) -> dict[Stack, int]:
        """Return the idle time of waits whose chain was not walked, by stack."""
        return self._skipped.copy()

    def divided(self, skipped: Numbers, /) -> Iterator[tuple[Stack, Stack, int]]:
        """Divide that time: yield how much goes from which stack to which below it."""
        return self._samples.divided(skipped)

    def forget(self) -> None:
        """Forget the samples."""
        self._samples.forget()


def _itself(stack: Stack) -> Stack:
    return stack
