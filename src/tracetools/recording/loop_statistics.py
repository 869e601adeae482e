"""What is known of loops beside the time of their stacks: blocking steps, delays, queues."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.stacks import BLOCKS_THE_LOOP, Blocks, Frame, stack_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.core.stacks import StackPath
    from tracetools.recording.loops import Location, RecordedLoop

__all__ = ["LoopStatistics"]

_UNKNOWN_LINE = Frame(BLOCKS_THE_LOOP)
"""Ends the path of a blocking step of which there is no sample."""


class LoopStatistics:
    """The statistics of several loops, added up."""

    def __init__(self) -> None:
        self._blocking: dict[Location, Blocks] = {}
        self._delays = self._queue = EMPTY
        self._trend: tuple[int, ...] = ()

    @property
    def blocking(self) -> Mapping[Location, Blocks]:
        """The blocking steps, by location."""
        return self._blocking

    def copy(self) -> LoopStatistics:
        """Return a copy, to which others can be added."""
        other = LoopStatistics()
        other.__dict__.update(vars(self), _blocking=self._blocking.copy())
        return other

    def add_loop(self, loop: RecordedLoop, now: int) -> None:
        """Add what is known of a loop, which may be running in another thread."""
        blocking = loop.blocking.copy()
        began, task = loop.began, loop.current
        if task is not None and now - began > loop.threshold and loop.began is began:
            location, blocks = loop.describe(task.stack, began, now)
            blocking[location] = blocking.get(location, Blocks()).plus(blocks)
        seen = {} if loop.unseen is None else loop.unseen.blocking.copy()
        for location, blocks in chain(blocking.items(), seen.items()):
            self._blocking[location] = self._blocking.get(location, Blocks()).plus(blocks)
        self._delays = self._delays.plus(Histogram.of(loop.delays))
        self._queue = self._queue.plus(Histogram.of(loop.queue))
        self._trend = max(self._trend, loop.trend.parts, key=lambda trend: max(trend, default=0))

    def of_profile(self, shorten: Callable[[Frame], Frame]) -> dict[str, Any]:
        """Return the statistics by the names that `Profile` has for them."""
        blocking: dict[StackPath, Blocks] = {}
        for (stack, functions), blocks in self._blocking.items():
            path = tuple(map(shorten, (*stack_path(stack), *(functions or (_UNKNOWN_LINE,)))))
            blocking[path] = blocking.get(path, Blocks()).plus(blocks)
        return {
            "blocking": blocking,
            "scheduling_delay": self._delays,
            "queue": self._queue,
            "queue_trend": self._trend,
        }
