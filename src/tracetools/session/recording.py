"""One recording and the stack file that it goes to: what all ways to record have in common."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING

from tracetools.output.flamegraph import Flamegrapher
from tracetools.output.stack_file import StackFile
from tracetools.recording.recorder import Clock, Recorder
from tracetools.sampling.sampler import Watch
from tracetools.session import durations

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens, Profile

__all__ = ["Options", "Recording"]


@dataclass(frozen=True)
class Options:
    """What can be chosen of a recording; described where users meet it, at `record`."""

    lens: Lens = "busy"
    labels: Labels = "name"
    task_names: bool = False
    scheduled: bool | None = None
    await_stacks: bool = True
    await_after: float = 100e-6
    functions: bool = False
    functions_interval: float = 0.001
    blocking: float | None = 0.1
    flush_interval: float | None = 5.0
    max_stacks: int = 10_000
    max_depth: int = 256
    clock: Clock = perf_counter_ns


class Recording:
    """What is being recorded, or was.

    Args:
        stack_file: where it goes.
        options: what is recorded.
        closes: whether it is going to be closed; then the file need not be written each time that
            no loop is left, which may be often.

    Attributes:
        recorder: for the instruments, which tell it of loops and tasks.
        task_names: whether tasks are named by the names that they were given.
    """

    def __init__(
        self, stack_file: str | os.PathLike[str], options: Options, *, closes: bool = False
    ) -> None:
        measured = options.lens in ("scheduled", "task")
        await_after = durations.await_after(options.await_after)
        every = durations.functions_interval(options.functions_interval)
        longest = None if options.blocking is None else durations.blocking(options.blocking)
        self.recorder = Recorder(
            clock=options.clock,
            scheduled=measured if options.scheduled is None else options.scheduled,
            least_wait=await_after if options.await_stacks else None,
            longest=longest,
            max_stacks=options.max_stacks,
            max_depth=options.max_depth,
        )
        self._watch = Watch(self.recorder, every if options.functions else None)
        self.task_names = options.task_names
        self._is_closed = False
        self._closes = closes
        self._lens, self._labels = options.lens, options.labels
        self._file = StackFile(
            stack_file,
            self.recorder.profile,
            lens=options.lens,
            labels=options.labels,
            flush_interval=options.flush_interval,
        )

    @property
    def profile(self) -> Profile:
        """All that was recorded up to now; can be asked for at any time, from any thread."""
        return self.recorder.profile()

    @property
    def flamegrapher(self) -> Flamegrapher:
        """A `Flamegrapher` with its stack file set, which marks what blocked the loop."""
        flamegrapher = Flamegrapher().with_stack_file(self._file.path)
        return flamegrapher.with_marks_of(self.profile, self._lens, self._labels)

    def write(self) -> Path:
        """Write the stack file now, and return its path.

        Raises:
            StackFileError: it cannot be written; the last good one is still there.
        """
        return self._file.write()

    @property
    def is_open(self) -> bool:
        """Whether a loop that begins now can be recorded."""
        return self.recorder.at_home and not self.recorder.stopped

    def follow(self) -> None:
        """Let the stack file follow the recording, now that a loop has begun."""
        self._file.begin()
        self._watch.begin()

    def leave(self) -> None:
        """Write the stack file if the loop that has just ended was the last one."""
        if self._is_closed or (self._closes and self._file.is_fresh):
            return
        if not self._goes_on:
            self._watch.end()
            self._file.end()
        if self._goes_on:
            self.follow()  # another thread has begun one meanwhile

    def close(self) -> None:
        """Record nothing more, and write the stack file. Never raises."""
        self._is_closed = True
        self._watch.end()
        self.recorder.close()
        self._file.close()

    @property
    def _goes_on(self) -> bool:
        running = any(loop.running for loop in self.recorder.loops)
        return running and not self.recorder.stopped
