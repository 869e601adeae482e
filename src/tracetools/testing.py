"""Public fakes, for tests of what is built on tracetools: a clock, and a loop that obeys.

The project's own core is tested with nothing else.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from tracetools.core.garbage import begin_collection, end_collection
from tracetools.core.stacks import Frame
from tracetools.recording.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetools.core.accounting import Opened, TaskAccount
    from tracetools.core.profile import Profile

__all__ = ["FakeClock", "ScriptedLoop"]


class FakeClock:
    """A clock that stands still until it is told to go on; pass it as ``clock=``.

    Args:
        now: what it shows at first, in nanoseconds.
    """

    def __init__(self, now: int = 1_000_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return what it shows, in nanoseconds."""
        return self.now

    def tick(self, nanoseconds: int) -> None:
        """Go on by so many nanoseconds.

        Raises:
            ValueError: they are negative; the clock is monotonic.
        """
        if nanoseconds < 0:
            raise ValueError(f"a monotonic clock goes forward only, not by {nanoseconds} ns")
        self.now += nanoseconds


class ScriptedLoop:
    """A loop of tasks that do what they are told, recorded under a fake clock.

    Tasks and spans have numbers, in the order in which they were made. A step within a step is that
    of an eager task. What a loop cannot do, such as a step of a task that has exited, is the
    caller's error and is not checked.

    Args:
        scheduled: whether scheduled time is measured.
        threshold: how long a step may take before it blocks the loop, in nanoseconds.
        max_stacks: as for an instrument.
        max_depth: as for an instrument.
    """

    def __init__(
        self,
        *,
        scheduled: bool = False,
        threshold: int | None = None,
        max_stacks: int = 10_000,
        max_depth: int = 256,
    ) -> None:
        self.clock = FakeClock()
        self.recorder = Recorder(
            clock=self.clock,
            scheduled=scheduled,
            threshold=threshold,
            max_stacks=max_stacks,
            max_depth=max_depth,
        )
        self.loop = self.recorder.begin_loop(backend="script")
        self.tasks: list[TaskAccount] = []
        self.spans: list[Opened | None] = []

    @property
    def profile(self) -> Profile:
        """All that was recorded up to now."""
        return self.recorder.profile()

    def tick(self, nanoseconds: int) -> None:
        """Let time pass."""
        self.clock.tick(nanoseconds)

    def spawn(self, name: str) -> int:
        """Spawn a task, from the one that steps just now or from outside; return its number."""
        current = self.loop.current
        parent = self.loop.tree.root if current is None else current.stack
        task = self.loop.spawn(parent, Frame(name), self.clock())
        self.tasks.append(task)
        return len(self.tasks) - 1

    def begin_step(self, task: int, awaits: Iterable[str] = ()) -> None:
        """Let a task step; `awaits` names what it has been parked in since its last step."""
        account, now = self.tasks[task], self.clock()
        stack = account.stack
        for name in awaits:
            stack = self.loop.tree.child(stack, Frame(name))
        parked = account.parked
        idle = (now if account.ready is None else account.ready) - parked
        self.loop.move_wait(account, stack, parked, idle)
        account.begin_step(now)

    def end_step(self) -> None:
        """End the step."""
        if self.loop.current is not None:
            self.loop.current.end_step(self.clock())

    def collect(self, nanoseconds: int, generation: int = 2) -> None:
        """Let a collection of garbage strike whatever goes on, for so long."""
        enabled = gc.isenabled()
        gc.disable()  # a real one would end it
        begin_collection(self.loop, self.clock())
        self.tick(nanoseconds)
        end_collection(self.loop, generation, self.clock())
        if enabled:
            gc.enable()

    def pause(self) -> None:
        """Let the loop stand still, between two steps."""
        self.recorder.pause_loop(self.loop, self.clock())

    def resume(self) -> None:
        """Let it run again; the time between is its own."""
        self.recorder.resume_loop(self.loop)

    def wake(self, task: int, late: int = -1) -> None:
        """Let a task be scheduled; perhaps by a timer that is late."""
        self.loop.wake(self.tasks[task], self.clock(), late)

    def exit(self, task: int) -> None:
        """Let a task exit, in its step or not."""
        self.loop.exit(self.tasks[task], self.clock())

    def open(self, name: str) -> int:
        """Open a span in the task that steps; return its number."""
        current = self.loop.current
        if current is None:
            raise RuntimeError("no task steps just now")
        self.spans.append(current.open(Frame(name), self.clock()))
        return len(self.spans) - 1

    def close(self, span: int) -> None:
        """Close a span, whatever steps."""
        opened = self.spans[span]
        if opened is not None:
            opened.account.close(opened, self.clock())

    def finish(self) -> Profile:
        """End the recording, and return its profile."""
        self.recorder.end_loop(self.loop, self.clock())
        return self.profile
