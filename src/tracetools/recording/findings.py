"""What is found out about loops beside the time of their stacks, on its way into a profile.

What may live here: sums over loops of what held them and how late their tasks ran. What must not:
how that is measured (`accounting`), and what it means (`lints`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetools.core.histogram import NOTHING, Spread
from tracetools.core.stacks import HOLDS, Blocks, Frame, stack_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.stacks import StackPath
    from tracetools.recording.loops import Location, RecordedLoop

__all__ = ["Findings"]

_NOWHERE = Frame(HOLDS)
"""Ends the path of what held a loop where the line is not known."""


class Findings:
    """Sums over loops."""

    def __init__(self) -> None:
        self._holds: dict[Location, Blocks] = {}
        self._late = self._queue = NOTHING
        self._trend: tuple[int, ...] = ()

    def copy(self) -> Findings:
        """Return the same findings, to add more to."""
        other = Findings()
        other.__dict__.update(vars(self), _holds=self._holds.copy())
        return other

    def add_loop(self, loop: RecordedLoop, now: int) -> None:
        """Add what is known of a loop, perhaps while it goes on in another thread."""
        holds = loop.blocking.copy()
        began, task = loop.began, loop.current
        if task is not None and now - began > loop.threshold and loop.began is began:
            place, took = loop.location_of(task.stack, began), now - began
            holds[place] = holds.get(place, Blocks()).plus(Blocks(1, took, took))
        for place, blocks in holds.items():
            self._holds[place] = self._holds.get(place, Blocks()).plus(blocks)
        self._late = self._late.plus(Spread.of(loop.delays))
        self._queue = self._queue.plus(Spread.of(loop.queue))
        self._trend = max(self._trend, loop.trend.parts, key=lambda trend: max(trend, default=0))

    def of_profile(self, shorten: Callable[[Frame], Frame]) -> dict[str, Any]:
        """Return the findings by the names that a profile has for them."""
        blocking: dict[StackPath, Blocks] = {}
        for (stack, functions), blocks in self._holds.items():
            path = tuple(map(shorten, (*stack_path(stack), *(functions or (_NOWHERE,)))))
            blocking[path] = blocking.get(path, Blocks()).plus(blocks)
        return {
            "blocking": blocking,
            "lateness": self._late,
            "queue": self._queue,
            "queue_trend": self._trend,
        }
