"""The accounts of recorded loops and worker threads."""

from __future__ import annotations

from collections import Counter
from threading import get_ident
from typing import TYPE_CHECKING, Final, TypeAlias

from tracetools import compat
from tracetools.core.accounting import NEVER, LoopAccount, ThreadAccount
from tracetools.core.garbage import collected_in_step
from tracetools.core.journal import WORK
from tracetools.core.stacks import RUNTIME, Blocks, stack_path
from tracetools.recording.guard import handle
from tracetools.recording.notebooks import is_of_kernel
from tracetools.recording.usage import divided, read_usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any, Protocol

    from tracetools.attribution.functions import FunctionStacks
    from tracetools.attribution.waits import Waits
    from tracetools.core.accounting import Opened, TaskAccount
    from tracetools.core.stacks import Frame, Stack, StackTree
    from tracetools.recording.triggers import Triggers
    from tracetools.recording.unseen import UnseenTime
    from tracetools.recording.usage import Pulse, Usage

    class Work(Protocol):
        """Work that a task has given to a thread."""

        @property
        def is_over(self) -> bool:
            """Whether it was done."""

    class Watch(Protocol):
        """What takes samples of loops."""

        def loops_changed(self) -> None:
            """Take note that a loop has begun to run or does so no more. From any thread."""

        def threads_changed(self) -> None:
            """Take note that a span was opened in a worker thread."""

        def step_blocked(self) -> None:
            """Take note of a step that has blocked a loop."""

        def bring(self, loop: RecordedLoop, began: int) -> None:
            """Give a loop all that is known of its step."""

        def collect(self) -> None:
            """Give the recording all samples up to now."""

    class Owner(Protocol):
        """The recording that a loop or thread belongs to."""

        def task_in(self, context: Context | None = None) -> TaskAccount | None:
            """Return the task whose context it is, of this recording."""

        @property
        def delays_count(self) -> bool:
            """Whether scheduled time is measured, by a clock that tells how late a timer is."""

        @property
        def functions(self) -> FunctionStacks:
            """What finds the frames of functions."""

        @property
        def tells_kinds(self) -> bool:
            """Whether its clock is one that what threads have used can be compared with."""

        @property
        def pulse(self) -> Pulse:
            """When the sampler could run last."""

        @property
        def scheduled(self) -> bool:
            """Whether scheduled time is measured."""

        @property
        def shows_functions(self) -> bool:
            """Whether busy time is divided over functions."""

        @property
        def shows_libraries(self) -> bool:
            """Whether what libraries do for the program has spans of its own."""

        @property
        def resources(self) -> Any:
            """The accounts of locks, queues and the like."""

        @property
        def triggers(self) -> Triggers | None:
            """What the last events are kept for, beside slow spans."""

        @property
        def watch(self) -> Watch | None:
            """What takes samples just now."""

        def stop(self, why: str) -> None:
            """Stop recording, after an error of ours."""

        def resume_loop(self, loop: RecordedLoop) -> None:
            """Note that a loop runs again."""

        def open_in_thread(self, frame: Frame, entries: int, lasts: bool) -> Opened:
            """Open a span in this worker thread."""

        def close_in_thread(self, account: RecordedThread, opened: Opened) -> None:
            """Close a span of a worker thread."""

        def open_work(
            self, work: Work, frame: Frame | None, task: TaskAccount, stack: Stack
        ) -> Opened | None:
            """Open the span of work that a task has given to this thread."""

        def is_here(self, account: RecordedThread) -> bool:
            """Whether an account is that of this thread."""


__all__ = ["Location", "RecordedLoop", "RecordedThread"]

Location: TypeAlias = "tuple[Stack, tuple[Frame, ...]]"
"""Where a task is at a moment: its current stack, and the functions that run below it."""

_MOST_ENTRIES: Final = 4096
_MAX_SAMPLES: Final = 200

MAX_LOCATIONS: Final = 1000
"""So many locations that block a loop are told apart; others are known by their stack alone."""

TREND: Final = 250_000_000
"""Nanoseconds between two entries of the trend of the queue."""


class RecordedLoop(LoopAccount):
    """The account of a loop, with its clock, its thread, and the steps that blocked it.

    Attributes:
        owner: the recording.
        backend: ``trio``, ``asyncio`` or ``uvloop``; empty if that is not known.
        thread: the identity of the thread that the loop runs in.
        unseen: estimates what it does between steps, if nothing but steps can be seen; else None.
        clock: the clock as it stands in that thread.
        threshold: how long a step may take before it blocks the loop, in nanoseconds.
        blocking: the steps that took longer, by location.
        samples: samples of the step that takes long just now: `began`, the location, the weight.
        native: the number that the operating system has for the thread; 0 if it is not known.
        usage: what the thread had used some time ago: perhaps in the step that goes on since the
            first number (its `began`), else before it; kept by the sampler.
        looks_every: for how many nanoseconds `step_ended` need not be called; at the end of no step
            that blocks, for that has lasted for longer.
        stops: a step (its `began`), for how long the process was stopped in it, and the last beat
            of the sampler before it noted that.
        last_blocking: the last of these steps: its `began`, the location, and what it was.
        postponed: an error of the program's signal handler that is to be raised in the program.
        is_guest: whether it runs in callbacks of another loop, its host, as trio can.
        is_host: whether such a loop is recorded in its callbacks.
        is_of_kernel: whether a notebook's kernel runs in it, which steps through cells.
        shared_since: since when its time is not its own; ``None`` while it is. It is part of its
            host's, if that is recorded as well. Or the loop stands still.
        shared: the nanoseconds of earlier such times.
    """

    __slots__ = (
        "_queued_before",
        "_trend_since",
        "backend",
        "blocking",
        "is_guest",
        "is_host",
        "is_of_kernel",
        "last_blocking",
        "looks_every",
        "native",
        "owner",
        "postponed",
        "samples",
        "shared",
        "shared_since",
        "stops",
        "thread",
        "threshold",
        "unseen",
        "usage",
    )

    def __init__(  # noqa: PLR0913  # what belongs to a loop
        self,
        tree: StackTree,
        clock: Callable[[], int],
        owner: Owner,
        *,
        thread: int = 0,
        threshold: int = NEVER,
        waits: Waits | None = None,
    ) -> None:
        super().__init__(tree, clock())
        self.waits = waits
        if waits is not None:
            self.take_note_of_waits(waits.least)
        self.owner = owner
        self.backend = ""
        self.clock = clock
        self.thread = thread
        self.native = compat.native_thread()
        self.usage: tuple[int, Usage | None] = (0, None)
        self.stops = (0, 0, 0)
        self.unseen: UnseenTime | None = None
        self.threshold = threshold
        self.blocking: dict[Location, Blocks] = {}
        self.samples: list[tuple[int, Location, int]] = []
        self.last_blocking: tuple[int, Location, Blocks] | None = None
        self.postponed: BaseException | None = None
        self.is_guest = self.is_host = self.is_of_kernel = False
        self.shared_since: int | None = None
        self.shared = 0
        self._trend_since = self.begin
        self._queued_before = 0, 0
        self.looks_every = min(threshold, TREND) if owner.scheduled else threshold
        if self.looks_every != NEVER:
            self.due = 0

    def share(self, now: int, *, is_shared: bool) -> None:
        """Note that the time of this loop is not its own from now on, or is again."""
        if self.shared_since is not None:
            self.shared += max(now - self.shared_since, 0)
        self.shared_since = now if is_shared else None

    def own_duration(self, now: int) -> int:
        """Return for how long it was recorded up to now, without what is not its own of that."""
        since = now if self.shared_since is None else min(self.shared_since, now)
        return since - self.begin - self.shared

    def postpone(self, error: BaseException) -> None:
        """Raise an error of the program's signal handler in a task, when its step ends.

        It struck where an error cannot get through to the program.
        """
        self.postponed = error
        self.due = 0

    def know(self, callback: Any, account: TaskAccount | None) -> None:
        """Remember the account of a callback, a function or method, by its function."""
        function = getattr(callback, "__func__", callback)
        if len(self.known) >= MAX_LOCATIONS:  # a program may make functions without end
            self.known.clear()
        self.known[function.__qualname__] = function.__code__, account

    def estimates(self, busy: int, now: int) -> dict[Stack, int]:
        """Return estimates of what it did between steps, by stack; `busy` is that of its tree.

        A host has none, for its guest's steps are not among its own.
        """
        return {} if self.unseen is None or self.is_host else self.unseen.split(busy, now)

    def runs_again(self) -> None:
        """Resume the loop."""
        self.owner.resume_loop(self)

    def wait_ends(self, task: TaskAccount, now: int) -> int:
        """Attribute the wait of a task to what it awaited."""
        try:
            if self.waits is not None:
                self.waits.end(task, task.coroutine, now, self.clock)
                now = self.clock()
        except BaseException as error:  # noqa: BLE001  # sorted out there
            handle(error, self.owner, "a wait could not be recorded")
        return now

    def step_ended(self, task: TaskAccount, began: int, now: int) -> int:
        """Count the step if it blocked the loop. Called at the end of some steps: see `due`.

        It is called within the program's own calls, where there may be no room left.
        """
        now = super().step_ended(task, began, now)
        # A step that begins from now on, and blocks, ends later than that.
        self.due = NEVER if self.looks_every == NEVER else now + self.looks_every
        error, self.postponed = self.postponed, None
        if error is not None:
            self.due = NEVER if self.looks_every == NEVER else 0
            raise error
        try:
            if now - began > self.threshold and self.may_block(task.stack):
                self._count_blocking(task, began, now)
            if self.owner.scheduled:
                self._add_to_trend(now)
        except MemoryError:
            pass
        except BaseException as struck:  # noqa: BLE001  # sorted out there
            handle(struck, self.owner, "the end of a step could not be recorded")
        return now

    def _add_to_trend(self, now: int) -> None:
        """Add the mean length of the queue since the last entry of the trend.

        No step ended for a while before this one: then none was taken from the queue either.
        """
        entries = (now - self._trend_since) // TREND
        if entries <= 0:
            return
        self._trend_since += entries * TREND
        lengths, _, buckets = self.queue.sums()
        times = sum(buckets.values())
        times_then, lengths_then = self._queued_before
        self._queued_before = times, lengths
        more = times - times_then
        self.trend.add((lengths - lengths_then) * 1000 // more if more else 0)
        for _ in range(min(entries - 1, _MOST_ENTRIES)):
            self.trend.add(0)

    def may_block(self, stack: Stack) -> bool:
        """Whether a step that takes long is reported.

        Those of a notebook's kernel are not: a cell that does not await is one such step.
        """
        return not (self.is_of_kernel and _is_of_kernel(stack))

    def _count_blocking(self, task: TaskAccount, began: int, now: int) -> None:
        watch, triggers, stack = self.owner.watch, self.owner.triggers, task.stack
        if triggers is not None and triggers.blocking:
            triggers.note_blocking(task, stack, began, now)
        location, blocks = self.describe(stack, began, now)
        self.blocking[location] = self.blocking.get(location, Blocks()).plus(blocks)
        self.last_blocking = (began, location, blocks)
        if self.usage[1] is not None:  # else the next step would seem to have used that as well
            self.usage = (0, read_usage(self.native))
        if watch is not None:
            watch.step_blocked()

    def describe(self, stack: Stack, began: int, now: int) -> tuple[Location, Blocks]:
        """Return where a step is that blocks the loop, and what it was, up to now."""
        watch = self.owner.watch
        if watch is not None:
            watch.bring(self, began)
        return self.location_of(stack, began), self.blocks_of(began, now)

    def blocks_of(self, began: int, now: int) -> Blocks:
        """Return what a step has been that blocks the loop, up to now."""
        took = now - began
        collecting = min(collected_in_step(self, began, now), took)
        step, before = self.usage
        after = read_usage(self.native) if before and self.owner.tells_kinds else None
        if before is None or after is None:
            return Blocks(1, took, took, collecting=collecting)
        stopped = min(self._stopped_in(began, after.moment), took - collecting)
        known = {"collecting": collecting, "stopped": stopped}
        is_whole = step is not began and before.moment <= after.moment - took
        return divided(took, known, before, after, is_whole=is_whole)

    def _stopped_in(self, began: int, now: int) -> int:
        """Return for how long the process was stopped in a step, up to now.

        The sampler may note the same stop in the meantime. It beats after that.
        """
        pulse = self.owner.pulse
        since = pulse.moment
        missed = pulse.missed(now) if self.thread == get_ident() else 0
        step, noted, beat = self.stops
        if step is not began:
            return missed
        return noted if beat == since else noted + missed

    def add_stop(self, took: int) -> None:
        """Note that the process was stopped, perhaps in a step. Called by the sampler.

        The step may just have ended: then its kind is being told.
        """
        began = self.began
        before = self.stops[1] if self.stops[0] is began else 0
        self.stops = (began, before + took, self.owner.pulse.moment)

    def add_sample(self, began: int, location: Location, weight: int) -> None:
        """Note where the step that goes on, or was the last, was in a sample."""
        if began != self.began:
            return
        known = self.samples if self.samples and self.samples[0][0] is self.began else []
        if len(known) < _MAX_SAMPLES:
            self.samples = [*known, (self.began, location, weight)]

    def location_of(self, stack: Stack, began: int) -> Location:
        """Return where a step was for most of the time; just `stack` if there is no sample."""
        seen = Counter[Location]()
        for step, place, weight in tuple(self.samples):
            if step is began:
                seen[place] += weight
        location: Location = seen.most_common(1)[0][0] if seen else (stack, ())
        is_known = location in self.blocking or len(self.blocking) < MAX_LOCATIONS
        return location if is_known else (location[0], ())


def _is_of_kernel(stack: Stack) -> bool:
    """Whether a stack is one of a task of a notebook's kernel."""
    frames = stack_path(stack)
    return frames[1:2] == (RUNTIME,) and any(map(is_of_kernel, (f.file for f in frames[2:3])))


class RecordedThread(ThreadAccount):
    """The account of a worker thread.

    Attributes:
        owner: the recording.
        thread: the identity of the thread.
        task: the account of the task that waits for it; ``None`` if none does.
    """

    __slots__ = ("owner", "task", "thread")

    def __init__(
        self, tree: StackTree, base: Stack, owner: Owner, *, thread: int, task: TaskAccount | None
    ) -> None:
        super().__init__(tree, base)
        self.owner = owner
        self.thread = thread
        self.task = task

    def note_span(self, opened: Opened, end: int) -> None:
        """Note a span that has ended, if there is a journal, and how long it lasted."""
        super().note_span(opened, end)
        task = self.task
        if task is not None and task.loop.journal is not None:
            loop, stack = task.loop, opened.stack
            what = (opened.since, end, task.number, stack.number, self.thread)
            loop.journal.note(WORK, loop.number, *what)
        if task is not None:
            task.worked, task.worked_at = opened.stack.number, end
