"""Time accounting: which stack each nanosecond goes to.

The theory, in four sentences. A task has two clocks of its own that together make up the loop's:
one goes while it steps (busy), the other while it does not (idle, or scheduled). When a span
closes, what both clocks went on since it was opened is added to its stack *and taken from the stack
around it*; when a task exits, what they went on since it was spawned is added to its own stack. So
whatever one stack gains another one gave, and all stacks of a task add up to its lifetime: the
second law of time holds by construction. The first holds since the steps of a loop follow one
another: what they leave of its time is the root's, the loop's own.

A span that closes before another one that was opened inside of it goes on until that one closes,
for the time in between has the stack of both.

Every method takes `now`, integer nanoseconds of one monotonic clock. An account is only changed in
the thread of its loop, but for `closed`, which any thread may add to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.buckets import Trend
from tracetools.core.journal import WAIT
from tracetools.core.stacks import CALLBACKS, OTHER, WAITING
from tracetools.core.steps import ALWAYS, NEVER, Closed, LoopSteps, Opened, TaskSteps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = [
    "ALWAYS",
    "NEVER",
    "LoopAccount",
    "Opened",
    "TaskAccount",
    "ThreadAccount",
    "close_once",
]


class Readings(NamedTuple):
    """What the two clocks of a task showed at one moment, in nanoseconds.

    Attributes:
        busy: for how long it had stepped.
        rest: for how long it had not, from any zero.
    """

    busy: int
    rest: int


class TaskAccount(TaskSteps):
    """What one task has done so far, and which spans it has open."""

    __slots__ = ()

    loop: Any

    def close(self, opened: Opened, now: int) -> None:
        """Close a span, in any order, while the task steps or not. A second time does nothing."""
        if not self.close_current(opened, now):
            close_once(self.closed, Closed(opened, now))
            self.leave(now)

    def readings(self, now: int) -> Readings:
        """Read the clocks of the task."""
        return read(self.busy, now, stepping=self.loop.current is self)

    @property
    def living(self) -> TaskAccount | None:
        """This task; if it has exited, the nearest one above that has not."""
        task: TaskAccount | None = self
        while task is not None and task not in task.loop.tasks:
            task = task.spawner
        return task

    def close_all(self, now: int) -> None:
        """Close all that is open. What was not closed before has no duration: it never ended."""
        for opened in outwards(self.innermost):
            close_once(self.closed, Closed(opened))
        while (innermost := self.innermost) is not None:
            self._go_out(innermost, id(innermost), now)

    def note_left_open(self) -> None:
        """Note that what is open will not be closed any more, for the task is over."""
        for opened in outwards(self.innermost):
            if id(opened) not in self.closed:
                opened.stack.left_open += 1

    def _go_out(self, opened: Opened, key: int, now: int) -> int:
        """Leave the innermost span, which was closed: give what the clocks went on to its stack.

        As in a step, nothing is called from the first change to the last. A finaliser may have
        closed it before that.

        Returns:
            When that is done: later than `now`, if garbage was collected after the clock was read.
        """
        loop = self.loop
        if self.innermost is not opened or key not in self.closed:
            return now
        at = self.closed[key].at
        del self.closed[key]
        outer, stack = opened.outer, opened.stack
        around = self.base if outer is None else outer.stack
        passed = self.busy - opened.busy - opened.since
        rested = opened.busy - self.busy
        if loop.current is self:
            collected = loop.collected
            now = collected if now < collected else now  # noqa: FURB136  # a call may collect
            passed += now
        else:
            rested += now
        stack.busy += passed
        around.busy -= passed
        stack.rest += rested
        around.rest -= rested
        self.innermost = outer
        self.stack = around
        if opened.lasts and at is not None:
            self.note_span(opened, at)
        loop.changes += 1
        return now

    def leave(self, now: int) -> int:
        """Go out to the innermost span that is still open; forget what is no longer on the way.

        Returns:
            The moment at which that is done.
        """
        loop, closed = self.loop, self.closed
        now = max(now, loop.collected)  # garbage was collected since the clock was read
        loop.touch(now)
        loop.settle_wait(self, now)
        self.parked = max(self.parked, now)
        if loop.edges is not None and loop.is_interrupted(self):
            # What others do meanwhile is from now on a wait in another stack.
            inner = loop.current
            while inner.within is not self:
                inner = inner.within
            inner.interrupts = max(inner.interrupts, now)
        while (opened := self.innermost) is not None and id(opened) in closed:
            now = self._go_out(opened, id(opened), now)
        closed.pop(COLLECTED, None)
        self.until_sweep = sweep(closed, self.innermost, self.until_sweep)
        collected: int = loop.collected
        return max(now, collected)


COLLECTED: Final = 0
"""A key of `TaskAccount.closed` that is no identity: garbage was collected while the task stepped.

What opens or closes next may have read the clock before that. It finds out, for it leaves first.
"""


def outwards(opened: Opened | None) -> Iterator[Opened]:
    """Walk over all that is open, from the innermost span on."""
    while opened is not None:
        yield opened
        opened = opened.outer


_STEPS_A_CALL: Final = 8


def sweep(closed: dict[int, Closed], innermost: Opened | None, wait: int) -> int:
    """Forget what was closed a second time, for it is not on the way out any more.

    This walks over all that is open. So it is done once in so many calls that each of them pays for
    a few steps of the walk, however much is open.

    Returns:
        How many calls to wait before the next walk: the next `wait`.
    """
    if wait > 0:
        return wait - 1
    if not closed:
        return 0
    on_the_way = {id(opened) for opened in outwards(innermost)}
    for gone in tuple(closed):  # another thread may add to it meanwhile
        if gone not in on_the_way:
            closed.pop(gone, None)
    return len(on_the_way) // _STEPS_A_CALL


def close_once(closed: dict[int, Closed], span: Closed) -> None:
    """Add a span to those that were closed, unless it is there already.

    Not by `dict.setdefault`: without memory, that of Python 3.13 leaves a broken dict behind.
    """
    key = id(span.opened)
    if key not in closed:
        closed[key] = span


def read(busy: int, now: int, *, stepping: bool) -> Readings:
    """Make readings of a `TaskAccount.busy`."""
    return Readings(busy + now, -busy) if stepping else Readings(busy, now - busy)


def readings_at(opened: Opened) -> Readings:
    """Return the readings of the task at the moment when a span was opened in it."""
    return read(opened.busy, opened.since, stepping=True)


def stack_around(opened: Opened, base: Stack) -> Stack:
    """Return the stack that was current when a span was opened, in a task or thread with `base`.

    Not always the parent of the span's stack: what is too deep, or one too many, has one stack.
    """
    return base if opened.outer is None else opened.outer.stack


class LoopAccount(LoopSteps):
    """The time of one running loop, and the accounts of the tasks that live in it.

    Attributes:
        begin: when the recording of this loop started.
        end: when it ended; ``None`` while it goes on.
        callbacks: the accounts of what the loop has called outside of any task.
        trend: the mean length of the queue over time, in thousandths; kept by the sampler.
        collected_time: for how long collections have struck steps, in all.
        collecting: the collection that goes on; kept by `garbage`.
        own_collections: those between two steps, since the loop last waited: begin and end.
        struck: which step was struck by collections last (its `began`), for how long in all, and
            when the last of them ended.
    """

    __slots__ = (
        "begin",
        "callbacks",
        "collected_time",
        "collecting",
        "end",
        "own_collections",
        "struck",
        "trend",
    )

    def __init__(self, tree: StackTree, now: int) -> None:
        super().__init__(tree, now)
        self.begin = now
        self.trend = Trend()
        self.end: int | None = None
        self.callbacks: dict[Frame, TaskAccount] = {}
        self.collected_time = 0
        self.collecting: tuple[Any, ...] | None = None
        self.own_collections: list[tuple[int, int]] = []
        self.struck = (now, 0, now)

    account_type = TaskAccount

    if TYPE_CHECKING:
        current: TaskAccount | None
        tasks: dict[TaskAccount, Any]

        def spawn(self, parent: Stack, frame: Frame, now: int, attached: Any = None) -> TaskAccount:
            """As in `LoopSteps`."""

    def step_ended(self, task: TaskAccount, began: int, now: int) -> int:
        """Take note of a step that ended after `due`.

        Returns:
            When it ended: later than `now`, if garbage was collected after the clock was read.
        """
        struck, _, end = self.struck
        if struck is not began or end <= now:
            return now
        task.busy += end - now
        task.parked = end
        return end

    def note_collection(self, task: TaskAccount | None, now: int) -> None:
        """Note that a collection was charged, up to now, to a step of `task` or to the loop.

        The clock may have been read for what happens next. A step that begins, a step that ends and
        a span are not plain this once, and see to it.
        """
        self.collected = now
        self.due = 0
        if task is not None:
            mark = Opened(task, None, task.stack, now, task.busy)
            task.closed[COLLECTED] = Closed(mark, now)
        elif self.plain_wait != ALWAYS:
            self.usual_wait = self.plain_wait
            self.plain_wait = ALWAYS

    def callback(self, frame: Frame, now: int) -> TaskAccount:
        """Return the account of a callback of the loop, by the frame of its function.

        Its steps begin as a task's do, and end by `end_callback`. There are as many accounts as
        there may be stacks; all other callbacks have one together.
        """
        found = self.callbacks.get(frame)
        if found is None and len(self.callbacks) >= self.tree.max_stacks:
            frame = OTHER
            found = self.callbacks.get(frame)
        if found is None:
            parent = self.tree.child(self.tree.root, CALLBACKS)
            found = TaskAccount(self, self.tree.child(parent, frame), now)
            found.is_callback = found.is_of_runtime = True
            self.callbacks[frame] = found
            self.changes += 1
        return found

    def end_callback(self, account: TaskAccount, now: int, rearms: bool = False) -> None:
        """End the step of a callback, and close what it has left open.

        Args:
            account: the callback's.
            now: the moment.
            rearms: whether it has had itself called once more, at once.
        """
        if account.innermost is not None:
            account.note_left_open()
            while account.innermost is not None:
                account.close(account.innermost, now)
        account.end_step(now, rearms)

    def waited(self, begin: int, now: int) -> None:
        """Charge the time in which the loop waited for events, between two steps."""
        self.polled = now
        collected = 0
        if self.own_collections:
            own, self.own_collections = self.own_collections, []
            for start, end in own:
                if start >= begin and end <= now:
                    collected += end - start
        waited = now - begin - collected
        if waited > 0 and self.current is None and self.running:
            self.tree.child(self.tree.root, WAITING).busy += waited

    def rename(self, task: TaskAccount, frame: Frame) -> None:
        """Give another frame to a task that has neither stepped nor opened a span."""
        stack = self.tree.child(task.base.parent or task.base, frame)
        self.begin_change()
        task.base.entries -= 1
        stack.entries += 1
        task.base = task.stack = stack
        self.end_change()

    def pause(self, now: int) -> None:
        """Let the loop stand still until it is resumed or finished."""
        now = self._end_all_steps(now)
        self.usual_wait = None
        self.plain_wait = ALWAYS
        self.paused = now

    def _end_all_steps(self, now: int) -> int:
        """End what goes on, and run no more.

        Returns:
            When that is done. A collection may strike anywhere up to that, and none is charged
            later.
        """
        while self.current is not None:
            self.current.end_step(max(now, self.collected))
        self.running = False
        collected: int = self.collected
        return max(now, collected)

    def resume(self) -> None:
        """Let the loop run again."""
        self.paused = None
        self.running = True
        self.take_note_of_waits(self.least_wait)

    def halt(self) -> None:
        """Record no more steps, though nobody may change the tasks just now."""
        self.least_wait = NEVER
        self.running = False
        self.usual_wait = None
        self.plain_wait = ALWAYS

    def take_note_of_waits(self, least: int) -> None:
        """Have `wait_ends` called for waits that are longer than `least` nanoseconds."""
        self.least_wait = least
        self.usual_wait = None
        if self.running and not self.queued:
            self.plain_wait = least if self.edges is None else min(least, 0)

    @property
    def latest(self) -> int:
        """The last moment at which anything is known to have happened in it."""
        parked = (task.parked for task in self.tasks if task.parked != NEVER)
        return max(self.began, self.exited, *parked)

    def move_wait(self, task: TaskAccount, stack: Stack, parked: int, idle: int) -> bool:
        """Give the wait that ends now, `idle` nanoseconds since `parked`, to `stack`.

        That stack stands on the task's. It is the idle time that moves; scheduled time stays where
        it was spent. So all stacks of the task still add up. A second time does nothing.

        Returns:
            Whether there was such a wait.
        """
        if idle <= 0 or task.parked != parked:  # a finaliser has closed a span of the task
            return False
        # As in `begin_step`, nothing is called from here on.
        self.changing += 1
        if self.journal is not None:
            self.journal.note(WAIT, self.number, parked, parked + idle, task.number, stack.number)
        if self.edges is not None:
            what = task.waker_stack, task.waker_site, task.woken_by
            self.edges.add(stack.number, *what, idle)
        task.stack.rest -= idle
        stack.rest += idle
        task.parked = parked + idle
        self.changes += 1
        self.changing -= 1
        return True

    def begin_change(self) -> None:
        """Begin what must not be seen half done."""
        self.changing += 1

    def end_change(self) -> None:
        """End what must not be seen half done."""
        self.changes += 1
        self.changing -= 1

    def finish(self, now: int) -> None:
        """End the recording of this loop, and of all tasks that are still alive in it."""
        if self.end is not None:
            return
        now = self._end_all_steps(now)
        for task in list(self.tasks):
            self.exit(task, now, over=False)
        for callback in self.callbacks.values():
            callback.finish(now)
        self.callbacks.clear()
        self.end = now
        self.paused = None
        self.due = NEVER
        self.halt()


class ThreadAccount:
    """The spans that are open in one worker thread, with a clock of its own.

    Only time inside spans is counted, as `Stack.thread`: it runs beside the loop's.

    Attributes:
        base: the stack under which the thread's spans stand.
        innermost: the innermost open span, with those around it.
        closed: spans that were closed, but not yet left: out of order, or from another
            thread; by identity.
    """

    __slots__ = ("__weakref__", "base", "closed", "innermost", "tree", "until_sweep")

    def __init__(self, tree: StackTree, base: Stack) -> None:
        self.tree = tree
        self.base = base
        self.innermost: Opened | None = None
        self.closed: dict[int, Closed] = {}
        self.until_sweep = 0

    def open(self, frame: Frame, now: int, entries: int = 1, lasts: bool = True) -> Opened:
        """Open a span in this thread; returns what to give to `close`."""
        self.leave(now)
        outer = self.innermost
        stack = self.tree.child(self.base if outer is None else outer.stack, frame)
        stack.entries += entries
        self.innermost = opened = Opened(self, outer, stack, now, 0, lasts)
        return opened

    def close(self, opened: Opened, now: int) -> None:
        """Close a span, in any order. A second time does nothing."""
        close_once(self.closed, Closed(opened, now))
        self.leave(now)

    def note_span(self, opened: Opened, end: int) -> None:
        """Note how long a span that has ended lasted."""
        opened.stack.add_latency(end - opened.since)

    def leave(self, now: int) -> None:
        """Go out to the innermost span that is still open."""
        while (opened := self.innermost) is not None:
            closed = self.closed.pop(id(opened), None)
            if closed is None:
                break
            outer, since = opened.outer, opened.since
            opened.stack.thread += now - since
            if outer is not None:
                outer.stack.thread -= now - since
            self.innermost = outer
            if opened.lasts and closed.at is not None:
                self.note_span(opened, closed.at)
        self.until_sweep = sweep(self.closed, self.innermost, self.until_sweep)
