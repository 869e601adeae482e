"""Steps and spans: what happens most often to the accounts of tasks.

This is the reference of `native/steps.c`. What else happens to accounts is in `accounting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = ["ALWAYS", "NEVER", "LoopSteps", "Opened", "TaskSteps"]

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
    """

    account: Any
    outer: Opened | None
    stack: Stack
    since: int
    busy: int


@accelerated
class TaskSteps:
    """The clocks of one task, and the spans that it has open.

    Attributes:
        loop: the account of its loop.
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
    """

    __slots__ = (
        "__weakref__",
        "base",
        "born",
        "busy",
        "closed",
        "function",
        "innermost",
        "is_callback",
        "is_of_runtime",
        "loop",
        "parked",
        "ready",
        "spawner",
        "stack",
        "until_sweep",
        "within",
    )

    def __init__(self, loop: LoopSteps, stack: Stack, now: int) -> None:
        self.loop: Any = loop  # with whatever the caller has added to it
        self.base = self.stack = stack
        self.innermost: Opened | None = None
        self.closed: dict[int, Opened] = {}
        self.until_sweep = 0
        self.born = now
        self.busy = 0
        self.ready: int | None = None
        self.parked = NEVER
        self.function: Frame | None = None
        self.is_callback = self.is_of_runtime = False
        self.spawner: Any = None
        self.within: Any = None

    # Each half of a step calls nothing from its first change to its last. So no signal handler and
    # no other thread comes between, and no other place needs to write it out.

    def begin_step(self, now: int) -> None:
        """Let the task step from `now` on: its busy clock runs."""
        loop = self.loop
        if loop.current is not None or now - self.parked > loop.plain_wait:
            now = loop.begin_other_step(self, now)
            if now is None:
                return
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
        loop.current = None
        if wakes_itself:
            stack.self_wakes += 1
        if now > loop.due:
            loop.step_ended(self, loop.began, now)

    def leave(self, now: int) -> int:
        """Go out to the innermost span that is still open; return when that is done."""
        raise NotImplementedError

    def open(self, frame: Frame, now: int, entries: int = 1) -> Opened | None:
        """Open a span in this task, which is stepping.

        `entries` is 0 for a span that is merely current again, as a generator's is when it resumes.

        Returns:
            What to give to `close`; ``None`` if the span is the task itself, so that there is
            nothing to close.
        """
        if self.closed:
            now = self.leave(now)
        if self.function is frame:
            self.function = None
            return None
        stack = self.stack
        try:
            inner = stack.children[frame]
        except KeyError:
            inner = self.loop.tree.child(stack, frame)
            collected = self.loop.collected  # perhaps while the stack was made
            now = collected if now < collected else now  # noqa: FURB136  # a call may collect
        inner.entries += entries
        self.stack = inner
        self.innermost = opened = Opened(self, self.innermost, inner, now, self.busy)
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
        return True


@accelerated
class LoopSteps:
    """What changes of a loop at every step.

    Attributes:
        tree: the stacks that its time goes to.
        clock: returns the time in nanoseconds; set by the caller.
        current: the account of the task that is stepping; ``None`` between steps.
        began: when the last step began; one that interrupts another does not count. An integer
            object of its own for each step, so that its identity says which step it is.
        plain_wait: a step is plain if it follows a wait that was not longer than this, and if no
            other step goes on; every step begins in `begin_other_step` if this is `ALWAYS`.
        due: `step_ended` is called for steps that end later than this moment.
        collected: when the last collection of garbage ended that was charged here. Whoever read the
            clock before that takes this moment instead: what has happened meanwhile is charged.
        changes: how often its tasks or their numbers have changed by more than one plain store.
        changing: how many such changes are going on just now; not 0 while one does.
    """

    __slots__ = (
        "__weakref__",
        "began",
        "changes",
        "changing",
        "clock",
        "collected",
        "current",
        "due",
        "plain_wait",
        "tree",
    )

    clock: Any

    def __init__(self, tree: StackTree, now: int) -> None:
        self.tree = tree
        self.began = now
        self.plain_wait = self.due = NEVER
        self.current: Any = None  # a TaskSteps, or None
        self.collected = ALWAYS
        self.changes = self.changing = 0
