"""Steps and spans: what happens most often to the accounts of tasks.

This is the reference of `native/steps.c`. What else happens to accounts is in `accounting`.
"""

from __future__ import annotations

import itertools
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.buckets import HistogramBuilder
from tracetools.core.edge_table import (
    BY_CALLBACK,
    BY_CHILD,
    BY_LOOP,
    BY_TASK,
    BY_THREAD,
    BY_TIMER,
    BY_UNKNOWN,
)
from tracetools.core.journal import EXIT, INTERRUPT, SLOW, SPAN, STEP, WAKE
from tracetools.core.native import accelerated
from tracetools.core.wake_sites import find_wake_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from tracetools.core.edge_table import EdgeTable
    from tracetools.core.journal import Journal
    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = ["ALWAYS", "NEVER", "Closed", "LoopSteps", "Opened", "TaskSteps"]

NEVER: Final = 1 << 62
"""Later than any moment, in nanoseconds."""

ALWAYS: Final = -NEVER
"""Less than any wait, even than that of a task which has not waited yet."""


@accelerated
class Opened(NamedTuple):
    """One opening of a span: what `TaskAccount.open` returns and `TaskAccount.close` takes.

    Attributes:
        account: of the task or thread in which it was opened.
        outer: the one around it; ``None`` if there is none.
        stack: the stack that is current in it.
        since: when it was opened.
        busy: what `TaskSteps.busy` was then; 0 in a worker thread.
        lasts: whether it is open from its entry to its exit, so that its duration counts. A
            generator's is not: it is opened each time that it is resumed.
    """

    account: Any
    outer: Opened | None
    stack: Stack
    since: int
    busy: int
    lasts: bool = True


class Closed(NamedTuple):
    """A span that was closed, but not yet left: out of order, or from another thread.

    Attributes:
        opened: its opening.
        at: when it was closed; ``None`` if it never ended, or if that is not known.
    """

    opened: Opened
    at: int | None = None


def _nothing() -> None:
    """Return nothing, in place of a reference."""


def _note(loop: LoopSteps, kind: int, task: TaskSteps, begin: int, end: int) -> None:
    """Note what a task did, if there is a journal."""
    if loop.journal is not None and not task.is_callback:
        loop.journal.note(kind, loop.number, begin, end, task.number)


_numbers: Final = itertools.count(1)

_SOON: Final = 5_000_000
"""So many nanoseconds after an exit it ends a wait, where no polls of the loop are seen."""


@accelerated
class TaskSteps:
    """The clocks of one task, and the spans that it has open.

    Attributes:
        loop: the account of its loop.
        number: tells it from all other tasks and callbacks.
        base: the stack of the task itself, without its spans.
        stack: the current stack: `base`, or that of the innermost open span.
        innermost: the innermost open span, with those around it.
        closed: spans that were closed, but not yet left: out of order, or from another
            thread; by identity.
        until_sweep: how many calls are left until what was closed twice is forgotten.
        born: when the task was spawned.
        busy: its busy time. While it steps, this is less by the moment at which the step began, so
            that adding any moment of the step makes it right for that moment.
        ready: since when it waits for its step; ``None`` while it does not, or where that is not
            measured. Meanwhile it rests like a task that is idle; how long is charged to its
            stack when the step begins.
        waker: the account that was current when it became ready; ``None`` for the loop, and while
            it is not ready.
        parked: when its last step ended, or what is open in it last changed while it rested; far in
            the future before its first step, so that it has not waited yet.
        function: the frame of an observed function that is the task's own and was not entered yet;
            entering it then makes no second frame.
        is_of_runtime: whether it is the backend's own, so that what it spawns is not below it.
        spawner: the task under whose stack this one was spawned; ``None`` if it was the root.
        is_callback: whether it is not a task but a callback that the loop calls now and then. It
            has busy time and no lifetime.
        within: the task that this one's step has interrupted, for it began in the midst of the
            other's; ``None`` while there is none.
        stepped: returns the stepped coroutine that it runs in; ``None`` if there is none.
        woken_by: who has ended its wait, such as `BY_TASK`, where edges are added up.
        waker_stack, waker_site: the numbers that go with it; see `EdgeRow`.
        child, child_end: the number of the stack of the child that has exited last, and when.
        worked, worked_at: the number of the stack of the work that a thread has done for it last,
            and when that ended.
        interrupts: since when its step interrupts the one of `within`.
    """

    __slots__ = (
        "__weakref__",
        "base",
        "born",
        "busy",
        "child",
        "child_end",
        "closed",
        "function",
        "innermost",
        "interrupts",
        "is_callback",
        "is_of_runtime",
        "loop",
        "number",
        "parked",
        "ready",
        "spawner",
        "stack",
        "stepped",
        "until_sweep",
        "waker",
        "waker_site",
        "waker_stack",
        "within",
        "woken_by",
        "worked",
        "worked_at",
    )

    def __init__(self, loop: LoopSteps, stack: Stack, now: int) -> None:
        self.loop: Any = loop  # with whatever the caller has added to it
        self.base = self.stack = stack
        self.innermost: Opened | None = None
        self.closed: dict[int, Closed] = {}
        self.until_sweep = 0
        self.born = now
        self.busy = 0
        self.ready: int | None = None
        self.parked = NEVER
        self.function: Frame | None = None
        self.is_callback = self.is_of_runtime = False
        self.spawner: Any = None
        self.within: Any = None
        self.waker: Any = None
        self.stepped: Callable[[], Any] = _nothing
        self.number = next(_numbers)
        self.woken_by = BY_UNKNOWN
        self.waker_stack = self.waker_site = 0
        self.child = self.child_end = self.worked = self.worked_at = self.interrupts = 0

    @property
    def coroutine(self) -> Any:
        """The coroutine that it runs in the end, so that its await chain can be walked.

        ``None`` if that is of another type, or is gone.
        """
        found = stepped = self.stepped()
        if found is None:
            find = self.loop.tasks.get(self)
            found = find() if callable(find) else None
        while found is not None and type(found) is type(stepped):
            found = found.inner
        return found if type(found) is CoroutineType else None

    if TYPE_CHECKING:  # `TaskAccount` has these

        def leave(self, now: int, /) -> int:
            """Go out to the innermost span that is still open."""

        def close_all(self, now: int, /) -> None:
            """Close all that is open."""

        def note_left_open(self) -> None:
            """Note that what is open will not be closed any more."""

    # Each half of a step calls nothing from its first change to its last. So no signal handler and
    # no other thread comes between, and no other place needs to write it out.

    def begin_step(self, now: int) -> None:
        """Let the task step from `now` on: its busy clock runs."""
        loop = self.loop
        if loop.current is not None or now - self.parked > loop.plain_wait:
            now = loop.begin_other_step(self, now)
            if now is None:
                return
            collected = loop.collected  # perhaps as that returned
            now = collected if now < collected else now  # noqa: FURB136  # a call may collect
        self.busy -= now
        loop.began = now
        loop.current = self

    def end_step(self, now: int, wakes_itself: bool = False) -> None:
        """End the step of the task; do nothing if it is not the one that steps.

        Args:
            now: the moment.
            wakes_itself: whether the task is known to be ready for its next step already.
        """
        loop = self.loop
        if loop.current is not self:
            return
        if self.within is not None or self.ready is not None:
            loop.end_other_step(self, now, wakes_itself)
            return
        stack = self.stack
        self.busy += now
        stack.steps += 1
        self.parked = now
        if loop.journal is not None:
            _note(loop, STEP, self, loop.began, now)
        loop.current = None
        if wakes_itself:
            stack.self_wakes += 1
        if now > loop.due:
            loop.step_ended(self, loop.began, now)

    def finish(self, now: int) -> None:
        """Close all that is open, and give what the task did to its own stack."""
        if self.innermost is not None:
            self.close_all(now)
        self.ready = self.waker = None
        self.base.busy += self.busy
        if not self.is_callback:
            self.base.rest += now - self.busy - self.born

    def open(self, frame: Frame, now: int, entries: int = 1, lasts: bool = True) -> Opened | None:
        """Open a span in this task, which is stepping.

        `entries` is 0 for a span that is merely current again, as a generator's is when it resumes.
        For `lasts`, see `Opened`.

        Returns:
            What to give to `close`; ``None`` if the span is the task itself, so that there is
            nothing to close.
        """
        if self.closed:
            now = self.leave(now)
        if self.function is frame:
            self.function = None
            return None
        while True:
            stack, outer = self.stack, self.innermost
            try:
                inner = stack.children[frame]
            except KeyError:
                inner = self.loop.tree.child(stack, frame)
            collected = self.loop.collected  # perhaps while the stack was made
            now = collected if now < collected else now  # noqa: FURB136  # a call may collect
            opened = Opened(self, outer, inner, now, self.busy, lasts)
            if self.innermost is outer and self.loop.collected <= now:
                break  # else garbage was collected, and a finaliser may have closed spans
        inner.entries += entries
        self.stack = inner
        self.innermost = opened
        return opened

    def close_current(self, opened: Opened, now: int) -> bool:
        """Close a span if it is the innermost one of the task that steps; return whether it was.

        The cheap way to `close` for nearly all spans.
        """
        if self.innermost is not opened or self.loop.current is not self or self.closed:
            return False
        outer, stack = opened.outer, opened.stack
        around = self.base if outer is None else outer.stack
        passed = now + self.busy - opened.since - opened.busy
        rested = opened.busy - self.busy  # the wait between two steps, if any was in the span
        stack.busy += passed
        around.busy -= passed
        stack.rest += rested
        around.rest -= rested
        self.innermost = outer
        self.stack = around
        if opened.lasts:
            self.note_span(opened, now)
        return True

    def note_span(self, opened: Opened, end: int) -> None:
        """Note a span that has ended, if there is a journal, and how long it lasted."""
        stack, loop, latency = opened.stack, self.loop, end - opened.since
        stack.add_latency(latency)
        if loop.journal is not None:
            is_slow = latency > loop.slow_after and latency > stack.slow_after
            kind = SLOW if is_slow else SPAN
            loop.journal.note(kind, loop.number, opened.since, end, self.number, stack.number)


@accelerated
class LoopSteps:
    """The steps of one loop, and the tasks that it schedules.

    Attributes:
        account_type: the class of the accounts of its tasks.
        number: tells it from the other loops of the recording.
        journal: keeps its last events; ``None`` if nothing does.
        slow_after: spans that last longer, in nanoseconds, may be slow.
        tree: the stacks that its time goes to.
        clock: returns the time in nanoseconds; set by the caller.
        running: whether it runs just now, and is recorded.
        paused: while it does not run, but may again, the moment up to which it is accounted for. If
            it does, what lies between is the root's own time.
        current: the account of the task that is stepping; ``None`` between steps.
        began: when the last step began; one that interrupts another does not count. An integer
            object of its own for each step, so that its identity says which step it is.
        exited: when the last task has exited.
        least_wait: `wait_ends` is called for waits that were longer, in nanoseconds.
        plain_wait: a step is plain if it follows a wait that was not longer than this, and if no
            other step goes on; every step begins in `begin_other_step` if this is `ALWAYS`.
        usual_wait: what `plain_wait` is set to when the next step begins; ``None`` for nothing.
        due: `step_ended` is called for steps that end later than this moment.
        tasks: the accounts of the living tasks, each with what is attached to it. For a task that
            runs in no stepped coroutine, that is a function which finds its coroutine, or ``None``.
        queued: how many tasks are scheduled, where that is measured.
        queue: how many tasks were scheduled whenever one more was, that included.
        delays: the scheduling delays of steps, in nanoseconds.
        lifetimes: the sum of the lifetimes of all tasks that have exited.
        collected: when the last collection of garbage ended that was charged here. Whoever read the
            clock before that takes this moment instead: what has happened meanwhile is charged.
        changes: how often its tasks or their numbers have changed by more than one plain store.
        changing: how many such changes are going on just now; not 0 while one does.
        waits: gives waits to what was awaited, when they end; ``None`` to leave them with the task.
        known: the code and account of callbacks that were called before, by the name of their
            function. None is the account of what is not of the program.
        late: by how many nanoseconds the timer is late that the loop calls just now; less than 0 if
            it calls none.
        edges: who has ended which waits; ``None`` if that is not added up.
        polled: when it last had waited for events.
        measures_delays: whether `late` is measured.
        measures_scheduled: whether scheduled time is measured, by what wakes its tasks.
        poller: the identity of what it waits for events with; 0 if that is not known.
    """

    __slots__ = (
        "__weakref__",
        "began",
        "changes",
        "changing",
        "clock",
        "collected",
        "current",
        "delays",
        "due",
        "edges",
        "exited",
        "journal",
        "known",
        "late",
        "least_wait",
        "lifetimes",
        "measures_delays",
        "measures_scheduled",
        "number",
        "paused",
        "plain_wait",
        "polled",
        "poller",
        "queue",
        "queued",
        "running",
        "slow_after",
        "tasks",
        "tree",
        "usual_wait",
        "waits",
    )

    account_type: type[TaskSteps] = TaskSteps
    clock: Any

    def __init__(self, tree: StackTree, now: int) -> None:
        self.tree = tree
        self.began = self.exited = now
        self.least_wait = self.plain_wait = self.due = NEVER
        self.usual_wait: int | None = None
        self.running = True
        self.paused: int | None = None
        self.current: Any = None  # a TaskSteps, or None
        self.tasks: dict[Any, Any] = {}
        self.queued = 0
        self.queue, self.delays = HistogramBuilder(), HistogramBuilder()
        self.lifetimes = 0
        self.collected = ALWAYS
        self.changes = self.changing = 0
        self.waits: Any = None  # a WaitEnds, or None
        self.known: dict[str, tuple[CodeType, Any]] = {}
        self.late = -1
        self.poller = self.polled = 0
        self.edges: EdgeTable | None = None
        self.measures_delays = self.measures_scheduled = False
        self.journal: Journal | None = None
        self.number = 0
        self.slow_after = NEVER

    def runs_again(self) -> None:
        """Take note of a step of a paused loop, which may run again. Here nothing is done."""

    def wait_ends(self, task: Any, now: int) -> int:  # noqa: ARG002
        """Take note of a wait of more than `least_wait`. Here nothing is done.

        Returns:
            The moment at which the step begins, after whatever was done.
        """
        return now

    def step_ended(self, task: Any, began: int, now: int) -> int:  # noqa: ARG002
        """Take note of a step that ended after `due`. Here nothing is done."""
        return now

    def touch(self, now: int) -> None:
        """Account for a loop that stands still up to now, for something happens to its tasks."""
        if self.paused is not None:
            self.paused = now

    def spawn(self, parent: Stack, frame: Frame, now: int, attached: Any = None) -> Any:
        """Open the account of a task that lives from `now` on, under the stack `parent`."""
        self.touch(now)
        stack = self.tree.child(parent, frame)
        stack.entries += 1
        account = self.account_type(self, stack, now)
        self.tasks[account] = attached
        self.changes += 1
        return account

    def begin_other_step(self, task: Any, now: int) -> int | None:
        """Prepare for a step that is not plain.

        Its task has waited for long or was queued, or it interrupts another step.

        Returns:
            When the step begins. ``None`` if it has begun, for it interrupts another one, and if it
            is not recorded, for the loop is not running.
        """
        if self.current is task:  # its step has begun, and its wait is over
            return None
        if self.usual_wait is not None:
            self.plain_wait, self.usual_wait = self.usual_wait, None
        if self.paused is not None:
            self.runs_again()
        if now - task.parked > self.least_wait and not task.is_callback:
            now = self.wait_ends(task, now)
        if not self.running:
            return None
        ready = task.ready
        if ready is not None:
            self.take_from_queue(task, now)
        collected = self.collected
        now = collected if now < collected else now  # noqa: FURB136  # a call may collect
        if self.edges is not None:
            self._end_wait(task, now if ready is None else ready)
        outer = self.current
        if outer is None:
            return now
        self.changing += 1
        task.within = outer
        task.interrupts = now
        outer.busy += now
        if outer.ready is not None:
            outer.ready = now
        task.busy -= now
        _note(self, INTERRUPT, task, now, now)
        self.current = task
        self.changes += 1
        self.changing -= 1
        return None

    def end_other_step(self, task: Any, now: int, wakes_itself: bool) -> None:
        """End a step that is not plain, and go on with the one that it has interrupted."""
        self.changing += 1
        now = max(now, self.collected)
        task.busy += now
        task.stack.steps += 1
        task.parked = now
        outer = task.within
        _note(self, STEP, task, self.began if outer is None else now, now)
        if outer is not None:
            rested = (now if outer.ready is None else outer.ready) - task.interrupts
            if self.edges is not None and rested > 0 and not outer.is_callback:
                self.edges.add(outer.stack.number, task.stack.number, 0, BY_TASK, rested)
            if outer.ready is not None:
                outer.stack.scheduled += now - outer.ready
                outer.ready = now
            outer.busy -= now
            task.within = None
        self.current = outer
        if task.ready is not None:  # it woke itself while it ran: it queues from now on
            task.ready = now
            wakes_itself = True
        if wakes_itself:
            task.stack.self_wakes += 1
        self.changes += 1
        self.changing -= 1
        if outer is None and now > self.due:
            self.step_ended(task, self.began, now)

    def wake(self, task: Any, now: int, late: int = -1) -> None:
        """Note that `task` can step: from now on, or from the end of its step, it is scheduled.

        If a timer wakes it that is `late`, it is scheduled since the timer was due, or since its
        last step. `late` is less than 0 if no timer does.
        """
        self.touch(now)
        if task.ready is None:
            rests_since = task.born if task.parked == NEVER else task.parked
            task.ready = now if late <= 0 else min(max(now - late, rests_since), now)
            self.usual_wait = None
            self.plain_wait = ALWAYS
            self.queued += 1
            self.queue.add(self.queued)
            if self.edges is not None:
                self._note_waker(task, now, late)
            if self.journal is not None:
                ready, waker = task.ready, self.current
                by, stack = (0, 0) if waker is None else (waker.number, waker.stack.number)
                site = task.waker_site if task.woken_by in {BY_TASK, BY_CALLBACK} else 0
                self.journal.note(WAKE, self.number, ready, ready, task.number, stack, by, site)
            task.waker = self.current

    def _note_waker(self, task: Any, now: int, late: int) -> None:
        """Note who ends the wait of a task just now.

        Where no task acts, a thread or a child of the task may have acted just before.
        """
        by = self.current
        stack, site = 0 if by is None else by.stack.number, 0
        since = task.born if task.parked == NEVER else task.parked
        is_child_recent = (
            task.child_end >= self.polled if self.poller else (now - task.child_end <= _SOON)
        )
        if by is not None and not by.is_of_runtime:
            kind, site = BY_TASK, 0 if by is task else find_wake_site()
        elif task.worked_at > since and task.worked:
            kind, stack = BY_THREAD, task.worked
        elif by is None and late >= 0:
            kind = BY_TIMER
        elif task.child_end > since and task.child and is_child_recent:
            kind, stack, site = BY_CHILD, task.child, stack
        elif by is None:
            kind = BY_LOOP
        elif by.is_callback:
            kind, site = BY_CALLBACK, find_wake_site()
        else:
            kind = BY_TASK
        task.woken_by, task.waker_stack, task.waker_site = kind, stack, site

    def _end_wait(self, task: Any, until: int) -> None:
        """Add up what is left of the wait of a task, which has ended, with who has ended it."""
        since = task.born if task.parked == NEVER else task.parked
        if self.edges is not None and until > since and not task.is_callback:
            what = task.waker_stack, task.waker_site, task.woken_by
            self.edges.add(task.stack.number, *what, until - since)
        task.woken_by, task.waker_stack, task.waker_site = BY_UNKNOWN, 0, 0

    def take_from_queue(self, task: Any, now: int) -> None:
        """Charge the scheduled time of a task that is going to step, and count its delay."""
        delay = now - task.ready
        self.changing += 1
        task.stack.scheduled += delay
        task.ready = None
        self.changes += 1
        self.changing -= 1
        self.queued -= 1
        self.delays.add(delay)
        task.waker = None

    def settle_wait(self, task: Any, now: int) -> None:
        """Charge the scheduled time of a task that waits for its step up to now."""
        if task.ready is not None and task is not self.current:
            if self.edges is not None and not self.is_interrupted(task):
                self._end_wait(task, task.ready)
            task.stack.scheduled += now - task.ready
            task.ready = now

    def is_interrupted(self, task: Any) -> bool:
        """Whether a step of a task goes on that another one has interrupted."""
        inner = self.current
        while inner is not None and inner.within is not task:
            inner = inner.within
        return inner is not None

    def exit(self, task: Any, now: int, over: bool = True) -> None:
        """Close the account of `task`, after its last step or within it.

        If it is not `over` but merely recorded no more, its spans are not said to be left open.
        """
        if task not in self.tasks:
            return
        self.changing += 1
        now = max(now, self.collected)
        try:
            self.touch(now)
            if task.ready is not None:
                self.queued -= 1
            if self.current is task:
                task.ready = None
                task.end_step(now)
            self.settle_wait(task, now)
            if over and task.innermost is not None:
                task.note_left_open()
            if task not in self.tasks:  # the recording was stopped by what was called
                return
            task.finish(now)
            if over:
                task.base.add_latency(now - task.born)
            if task.spawner is not None:
                task.spawner.child, task.spawner.child_end = task.base.number, now
            if self.journal is not None:
                by = 0 if task.spawner is None else task.spawner.number
                base = task.base.number
                self.journal.note(EXIT, self.number, task.born, now, task.number, base, by)
            self.lifetimes += now - task.born
            self.exited = now
            del self.tasks[task]
        finally:
            self.changes += 1
            self.changing -= 1
