"""`FlamegraphInstrument`: records trio runs by trio's own means."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tracetools.instruments.trio import TrioInstrument
from tracetools.session.recording import Options, Recording

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens, Profile
    from tracetools.output.flamegraph import Flamegrapher
    from tracetools.recording.recorder import Clock

__all__ = ["FlamegraphInstrument"]


class FlamegraphInstrument(TrioInstrument):
    """Records where the time of trio runs goes, by task and by span, into a folded stack file.

    Use it as ``trio.run(main, instruments=[FlamegraphInstrument("stack")])``, return it from a
    pytest-trio fixture, pass it through anyio's ``backend_options``, or add it to a running loop
    with `trio.lowlevel.add_instrument`. Several runs, one after another or side by side in several
    threads, add up. The file is written when a run ends, when the instrument is removed, at each
    flush, and at the exit of the process.

    Counterpart of trace-tools' ``FlamegraphLayer``.

    Args:
        stack_file: where the stacks go; the suffix becomes ``.folded``. The file is created here.
        lens: which time the file shows: ``busy``, ``idle``, ``scheduled`` or ``task``; see
            `Profile.lens`.
        labels: ``name`` for labels such as ``fetch (app.py:12)``, ``location`` for ``app.py:12``.
        task_names: name tasks by the names that they were given, not by their functions. Names
            that are made up for each task make as many stacks.
        scheduled: whether scheduled time is told apart from idle time. It costs one more hook;
            by default it is done where the lens shows it.
        await_stacks: whether idle time goes to what the task awaits: the functions between its own
            and the await, then the await itself, as in ``await Event.wait (app.py:12)``, under the
            task's stack. What cannot be told is named ``?``.
        await_after: how long a wait is at least, in seconds, for that; shorter ones stay the idle
            time of the task's own stack.
        functions: whether busy time is divided over the functions that run within steps, and the
            time of spans in worker threads likewise: a thread looks at them, and what it sees gives
            the shares. Meanwhile Python switches threads more often (`sys.setswitchinterval`).
        functions_interval: seconds between two such looks, on average. They may take a twentieth of
            the time, and more in proportion if they are to be closer than a millisecond.
        blocking: how long a step may take, in seconds, before it is said to block the loop: that is
            logged at once, with the line, and kept in `Profile.blocking`. ``None`` for any time.
        flush_interval: seconds between two flushes while a run goes on, done by a thread in the
            background; ``None`` for none.
        max_stacks: how many distinct stacks are kept; later ones are charged to ``(other)``.
        max_depth: how deep stacks may get; what is deeper is charged to ``(deeper)``.
        clock: any monotonic clock in integer nanoseconds. With `time.thread_time_ns`, busy time is
            CPU time.

    Raises:
        StackFileError: the stack file cannot be written.
        ValueError, TypeError: an option has no such value.
    """

    def __init__(  # noqa: PLR0913  # options, each with a default
        self,
        stack_file: str | os.PathLike[str],
        *,
        lens: Lens = "busy",
        labels: Labels = "name",
        task_names: bool = False,
        scheduled: bool | None = None,
        await_stacks: bool = True,
        await_after: float = 100e-6,
        functions: bool = False,
        functions_interval: float = 0.001,
        blocking: float | None = 0.1,
        flush_interval: float | None = 5.0,
        max_stacks: int = 10_000,
        max_depth: int = 256,
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        options = Options(
            lens=lens,
            labels=labels,
            task_names=task_names,
            scheduled=scheduled,
            await_stacks=await_stacks,
            await_after=await_after,
            functions=functions,
            functions_interval=functions_interval,
            blocking=blocking,
            flush_interval=flush_interval,
            max_stacks=max_stacks,
            max_depth=max_depth,
            clock=clock,
        )
        recording = Recording(stack_file, options)
        super().__init__(recording)
        self._session = recording

    @property
    def profile(self) -> Profile:
        """All that was recorded up to now; can be asked for at any time, from any thread."""
        return self._session.profile

    @property
    def flamegrapher(self) -> Flamegrapher:
        """A `Flamegrapher` with its stack file set, which marks what blocked the loop."""
        return self._session.flamegrapher

    def write(self) -> Path:
        """Write the stack file now, and return its path.

        Raises:
            StackFileError: it cannot be written; the last good one is still there.
        """
        return self._session.write()
