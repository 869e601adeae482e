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

The pure core: every method takes `now`, integer nanoseconds of one monotonic clock. Nothing here
reads a clock, knows a backend, or locks. An account is only ever changed from the thread of its
loop, but for `closed`, which any thread may add to.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from tracetools.core.buckets import Sizes, Trend
from tracetools.core.stacks import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = ["LoopAccount", "Opened", "Place", "TaskAccount", "ThreadAccount"]

Opened: TypeAlias = "tuple[Any, Any, Stack, int, int]"
"""One opening of a span: what `TaskAccount.open` returns and `TaskAccount.close` takes.

A plain tuple, for one is made at every opening: the account, the `Opened` around it (or ``None``),
the stack, the moment, and what `TaskAccount.busy` was then.
"""

Place: TypeAlias = "tuple[Stack, tuple[Frame, ...]]"
"""What a task does at a moment: its current stack, and the functions that run below it."""

MAX_PLACES: Final = 1000
"""How many places are told apart that hold a loop; others are known by their stack alone."""

AGAIN: Final = 50_000
"""Nanoseconds after which a loop gives way once more, unless another moment was set meanwhile."""

NEVER: Final = 1 << 80
"""Later than any moment: any nanosecond clock is less."""


class Readings(NamedTuple):
    """What the two clocks of a task showed at one moment, in nanoseconds.

    Attributes:
        busy: for how long it had stepped.
        rest: for how long it had not, from any zero.
    """

    busy: int
    rest: int


class TaskAccount:
    """What one task has done so far, and which spans it has open.

    Attributes:
        base: the stack of the task itself, without its spans.
        stack: the current stack: `base`, or that of the innermost open span.
        innermost: the innermost open span, with those around it.
        closed: spans that were closed, but not yet left: out of order, or from another
            thread; by identity.
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
        children_under: the stack of the tasks that it spawns; ``None`` if that is `stack`.
        coroutine: finds what the task runs, for those who tell what it awaits; not looked at here.
        clock: the clock that its times are of, for those who tell it the time; not read here.
        spawner: the task under whose stack this one was spawned; ``None`` if it was the root.
        within: the task that this one's step has interrupted, for it began in the midst of the
            other's; ``None`` while there is none.
    """

    __slots__ = (
        "__weakref__",
        "base",
        "born",
        "busy",
        "children_under",
        "clock",
        "closed",
        "coroutine",
        "function",
        "innermost",
        "loop",
        "parked",
        "ready",
        "spawner",
        "stack",
        "within",
    )

    def __init__(
        self, loop: LoopAccount, stack: Stack, now: int, clock: Callable[[], int] = int
    ) -> None:
        self.loop = loop
        self.base = self.stack = stack
        self.innermost: Opened | None = None
        self.closed: dict[int, Opened] = {}
        self.born = now
        self.busy = 0
        self.ready: int | None = None
        self.parked = NEVER
        self.function: Frame | None = None
        self.children_under: Stack | None = None
        self.clock = clock
        self.coroutine: Callable[[], Any] | None = None
        self.spawner: TaskAccount | None = None
        self.within: TaskAccount | None = None

    def open(self, frame: Frame, now: int, entries: int = 1) -> Opened | None:
        """Open a span in this task, which is stepping.

        `entries` is 0 for a span that is merely current again, as a generator's is when it resumes.

        Returns:
            What to give to `close`; ``None`` if the span is the task itself, so that there is
            nothing to close.
        """
        if self.closed:
            self._leave(now)
        if self.function is frame:
            self.function = None
            return None
        stack = self.stack
        try:
            inner = stack.children[frame]
        except KeyError:
            inner = self.loop.tree.child(stack, frame)
        inner.entries += entries
        self.stack = inner
        self.innermost = opened = (self, self.innermost, inner, now, self.busy)
        return opened

    def close_current(self, opened: Opened, now: int) -> bool:
        """Close a span if it is the innermost one of the task that steps; return whether it was.

        The cheap way to `close` for nearly all spans.
        """
        if self.innermost is not opened or self.closed:
            return False
        _, outer, stack, then, busy_then = opened
        around = self.base if outer is None else outer[2]
        busy = self.busy
        if busy is busy_then:  # still the same step, for each changes it
            passed = now - then
        elif self.loop.current is self:
            passed = now + busy - then - busy_then
            rested = busy_then - busy  # as in `readings`
            stack.rest += rested
            around.rest -= rested
        else:
            return False
        stack.busy += passed
        around.busy -= passed
        self.innermost = outer
        self.stack = around
        return True

    def close(self, opened: Opened, now: int) -> None:
        """Close a span, in any order, while the task steps or not. A second time does nothing."""
        if not self.close_current(opened, now):
            self.closed[id(opened)] = opened
            self._leave(now)

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

    def finish(self, now: int) -> None:
        """Close all that is open, and give what the task did to its own stack."""
        for opened in outwards(self.innermost):
            self._settle(opened, now)
        self.innermost = None
        self.ready = None
        self.stack = self.base
        _add(self.base, self.readings(now), Readings(0, self.born))

    def note_left_open(self) -> None:
        """Note that what is open will not be closed any more, for the task is over."""
        for opened in outwards(self.innermost):
            if id(opened) not in self.closed:
                opened[2].left_open += 1

    def _settle(self, opened: Opened, now: int) -> None:
        """Give what the clocks went on since `opened` to its stack, and take it from the outer."""
        since, until = readings_at(opened), self.readings(now)
        _add(opened[2], until, since)
        _add(stack_around(opened, self.base), since, until)

    def _leave(self, now: int) -> None:
        """Go out to the innermost span that is still open; forget what is no longer on the way."""
        self.loop.begin_change()
        try:
            self.loop.touch(now)
            self.loop.settle_wait(self, now)
            self.parked = max(self.parked, now)
            while self.innermost is not None and id(self.innermost) in self.closed:
                self._settle(self.innermost, now)
                self.innermost = self.innermost[1]
            self.stack = self.base if self.innermost is None else self.innermost[2]
        finally:
            self.loop.end_change()
        _forget_gone(self.closed, self.innermost)


def outwards(opened: Opened | None) -> Iterator[Opened]:
    """Walk over all that is open, from the innermost span on."""
    while opened is not None:
        yield opened
        opened = opened[1]


def _forget_gone(closed: dict[int, Opened], innermost: Opened | None) -> None:
    """Keep of what was closed only what is still on the way out."""
    on_the_way = {id(opened) for opened in outwards(innermost)}
    for gone in tuple(closed):  # another thread may add to it meanwhile
        if gone not in on_the_way:
            del closed[gone]


def read(busy: int, now: int, *, stepping: bool) -> Readings:
    """Make readings of a `TaskAccount.busy`."""
    return Readings(busy + now, -busy) if stepping else Readings(busy, now - busy)


def readings_at(opened: Opened) -> Readings:
    """Return the readings of the task at the moment when a span was opened in it."""
    return read(opened[4], opened[3], stepping=True)


def stack_around(opened: Opened, base: Stack) -> Stack:
    """Return the stack that was current when a span was opened, in a task or thread with `base`.

    Not always the parent of the span's stack: what is too deep, or one too many, has one stack.
    """
    return base if opened[1] is None else cast("Opened", opened[1])[2]


def _add(stack: Stack, until: Readings, since: Readings) -> None:
    """Add the difference of two readings to a stack."""
    stack.busy += until.busy - since.busy
    stack.rest += until.rest - since.rest


class LoopAccount:
    """The time of one running loop, and the accounts of the tasks that live in it.

    Attributes:
        begin: when the recording of this loop began.
        end: when it ended; ``None`` while it goes on.
        running: whether it runs just now, and is recorded.
        paused: while it does not run, but may again, the moment up to which it is accounted for. If
            it does, what lies between is the root's own time.
        current: the account of the task that is stepping; ``None`` between steps.
        began: when the last step began, or is about to; one that interrupts another does not count.
            An integer object of its own for each step, so that its identity says which step it is.
        exited: when the last task has exited.
        longest: how long a step may take before it is said to hold the loop, in nanoseconds.
        due: the moment after which the end of a step is worth a look: at the latest, when a step
            that has just begun would take too long. So a step that does not costs one comparison.
        give_way: called then, for whoever looks from another thread; ``None`` if nobody does. And
            again and again until another `due` is set, for a turn that was given may be lost.
        holds: the steps that took longer, by what was seen in them.
        looks: what was seen of the step that took long lately: the steps' `began`, and the place;
            set by whoever looks, from another thread.
        last_hold: the last of them: the step's `began`, the place, and nanoseconds.
        queued: how many tasks wait for their turn, where that is measured.
        queue: how many tasks waited for their turn whenever one more did, that included.
        late: by how many nanoseconds tasks stepped later than they could.
        trend: the mean length of the queue over time, in thousandths; kept by whoever looks.
        lifetimes: the sum of the lifetimes of all tasks that have exited.
        changes: how often its tasks or their numbers have changed by more than one look from
            another thread can take in.
        changing: how many such changes are going on just now; not 0 while one does.
        thread: the identity of the thread that the loop runs in.
    """

    __slots__ = (
        "__weakref__",
        "began",
        "begin",
        "changes",
        "changing",
        "current",
        "due",
        "end",
        "exited",
        "give_way",
        "holds",
        "last_hold",
        "late",
        "lifetimes",
        "longest",
        "looks",
        "paused",
        "queue",
        "queued",
        "running",
        "tasks",
        "thread",
        "tree",
        "trend",
    )

    def __init__(self, tree: StackTree, now: int, *, thread: int = 0, longest: int = NEVER) -> None:
        self.tree = tree
        self.thread = thread
        self.begin = self.began = self.exited = now
        self.longest = longest
        self.let_give_way(None)
        self.holds: dict[Place, Blocks] = {}
        self.looks: list[tuple[int, Place]] = []
        self.queued = 0
        self.queue, self.late = Sizes(), Sizes()
        self.last_hold: tuple[int, Place, int] | None = None
        self.trend = Trend()
        self.end: int | None = None
        self.running = True
        self.paused: int | None = None
        self.current: TaskAccount | None = None
        self.tasks: dict[TaskAccount, None] = {}
        self.lifetimes = 0
        self.changes = self.changing = 0

    def spawn(
        self, parent: Stack, frame: Frame, now: int, *, clock: Callable[[], int] = int
    ) -> TaskAccount:
        """Open the account of a task that lives from `now` on, under the stack `parent`."""
        self.touch(now)
        stack = self.tree.child(parent, frame)
        stack.entries += 1
        account = TaskAccount(self, stack, now, clock)
        self.tasks[account] = None
        self.changes += 1
        return account

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
        while self.current is not None:
            self.end_step(now)
        self.running = False
        self.paused = now

    def resume(self, thread: int) -> None:
        """Let the loop run again, in whichever thread."""
        self.thread = thread
        self.paused = None
        self.running = True

    @property
    def latest(self) -> int:
        """The last moment at which anything is known to have happened in it."""
        parked = (task.parked for task in self.tasks if task.parked != NEVER)
        return max(self.began, self.exited, *parked)

    def touch(self, now: int) -> None:
        """Account for a loop that stands still up to now, for something happens to its tasks."""
        if self.paused is not None:
            self.paused = now

    # `begin_step` and `end_step` are written out once more where a call is too dear: in the hooks
    # of the trio instrument and in the steps of the asyncio one. The table of scenarios runs
    # through all of them.

    # While they change what belongs together, neither of them calls anything: so Ctrl-C cannot come
    # in the midst, nor another thread, but for Python 3.10, which may switch threads at a jump.

    def begin_step(self, task: TaskAccount, now: int) -> None:
        """Let `task` step: its busy clock goes. The step may interrupt one of another task."""
        if task.ready is not None:
            self.take_turn(task, now)
        self.changing += 1
        task.within = outer = self.current
        if outer is None:
            self.began = now
        else:
            outer.busy += now
            if outer.ready is not None:
                outer.ready = now
        task.busy -= now
        self.current = task
        self.changes += 1
        self.changing -= 1

    def end_step(self, now: int) -> None:
        """End the current step, and go on with one that it has interrupted.

        Does nothing if there is none.
        """
        task = self.current
        if task is None:
            return
        self.changing += 1
        task.busy += now
        task.stack.steps += 1
        task.parked = now
        outer = task.within
        if outer is not None:
            if outer.ready is not None:
                outer.stack.scheduled += now - outer.ready
                outer.ready = now
            outer.busy -= now
            task.within = None
        self.current = outer
        if task.ready is not None:  # it woke itself while it ran: it queues from now on
            task.ready = now
            task.stack.self_wakes += 1
        self.changes += 1
        self.changing -= 1
        if outer is None and now > self.due:
            self.look_back(task.stack, self.began, now)

    def wake(self, task: TaskAccount, now: int) -> None:
        """Note that `task` can step: from now on, or from the end of its step, it is scheduled."""
        self.touch(now)
        if task.ready is None:
            task.ready = now
            self.queued = queued = self.queued + 1
            self.queue.pending.append(queued)

    def take_turn(self, task: TaskAccount, now: int) -> None:
        """Charge the scheduled time of a task that is going to step, and note how late it is."""
        assert task.ready is not None  # noqa: S101  # or it would not be called
        late = now - task.ready
        self.changing += 1
        task.stack.scheduled += late
        task.ready = None
        self.changes += 1
        self.changing -= 1
        self.queued -= 1
        pending = self.late.pending
        pending.append(late)
        if len(pending) >= Sizes.BATCH:
            self.condense()

    def condense(self) -> None:
        """Take what is known of single turns into the sums."""
        self.late.condense()
        if len(self.queue.pending) >= Sizes.BATCH:
            self.queue.condense()

    def let_give_way(self, give_way: Callable[[], None] | None) -> None:
        """Have the loop call this at the end of steps after `due`, and so after the next one."""
        self.give_way = give_way
        self.due = NEVER if give_way is None and self.longest == NEVER else 0

    def look_back(self, stack: Stack, began: int, now: int) -> None:
        """Look at a step that has ended when that was due: has it held the loop for too long?

        It is called in the midst of the program's own calls, where there may be no room left.
        """
        try:
            if now - began > self.longest:
                self.note_hold(stack, began, now)
            give_way = self.give_way  # once, for another thread may take it away at any moment
            if give_way is not None:
                self.due = now + min(self.longest, AGAIN)
                give_way()
        except (RecursionError, MemoryError):
            return

    def note_hold(self, stack: Stack, began: int, now: int) -> None:
        """Count a step that held the loop for too long, at the place where it was seen most."""
        place, took = self.place_of(stack, began), now - began
        self.holds[place] = self.holds.get(place, Blocks()).plus(Blocks(1, took, took))
        self.last_hold = (began, place, took)

    def place_of(self, stack: Stack, began: int) -> Place:
        """Return the place where a step was seen most; nothing but `stack` if it was not."""
        seen = Counter(place for step, place in tuple(self.looks) if step is began)
        place: Place = seen.most_common(1)[0][0] if seen else (stack, ())
        is_known = place in self.holds or len(self.holds) < MAX_PLACES
        return place if is_known else (place[0], ())

    def attribute_wait(
        self, task: TaskAccount, find: Callable[[TaskAccount], Stack], now: int
    ) -> Stack | None:
        """Give the wait that ends now to the stack of what the task was parked in.

        `find` returns that stack, which stands on the task's. It is the idle time that moves: what
        the task queued for its turn stays where it was spent. So all stacks of the task still add
        up. A second time does nothing.

        Returns:
            The stack; ``None`` if there was no wait that could be given to it.
        """
        parked = task.parked
        idle = (now if task.ready is None else task.ready) - parked
        if idle <= 0:
            return None
        own = task.stack
        stack = find(task)
        if task.parked is not parked:  # a finaliser has closed a span of the task meanwhile
            return None
        # As in `begin_step`, nothing is called from here on.
        self.changing += 1
        own.rest -= idle
        stack.rest += idle
        task.parked = parked + idle
        self.changes += 1
        self.changing -= 1
        return stack

    def exit(self, task: TaskAccount, now: int, *, over: bool = True) -> None:
        """Close the account of `task`, after its last step or within it.

        If it is not `over` but merely recorded no more, its spans are not said to be left open.
        """
        if task not in self.tasks:
            return
        self.begin_change()
        try:
            self.touch(now)
            if task.ready is not None:
                self.queued -= 1
            if self.current is task:
                task.ready = None
                self.end_step(now)
            self.settle_wait(task, now)
            if over:
                task.note_left_open()
            task.finish(now)
            self.lifetimes += now - task.born
            self.exited = now
            del self.tasks[task]
        finally:
            self.end_change()

    def begin_change(self) -> None:
        """Begin what must not be seen half done."""
        self.changing += 1

    def end_change(self) -> None:
        """End what must not be seen half done."""
        self.changes += 1
        self.changing -= 1

    def settle_wait(self, task: TaskAccount, now: int) -> None:
        """Charge the scheduled time of a task that waits for its step up to now."""
        if task.ready is not None and task is not self.current:
            task.stack.scheduled += now - task.ready
            task.ready = now

    def finish(self, now: int) -> None:
        """End the recording of this loop, and of all tasks that are still alive in it."""
        if self.end is not None:
            return
        while self.current is not None:
            self.end_step(now)
        for task in list(self.tasks):
            self.exit(task, now, over=False)
        self.end = now
        self.running = False
        self.paused = None


class ThreadAccount:
    """The spans that are open in one worker thread, with a clock of its own.

    Only time inside spans is counted, as `Stack.thread`: it runs beside the loop's.

    Attributes:
        base: the stack under which the thread's spans stand.
        innermost: the innermost open span, with those around it.
        closed: spans that were closed, but not yet left: out of order, or from another
            thread; by identity.
        keeper: whoever asked for the account; the accounting never looks at it.
        thread: the identity of the thread.
    """

    __slots__ = ("__weakref__", "base", "closed", "innermost", "keeper", "thread", "tree")

    def __init__(
        self, tree: StackTree, base: Stack, keeper: Any = None, *, thread: int = 0
    ) -> None:
        self.thread = thread
        self.tree = tree
        self.base = base
        self.innermost: Opened | None = None
        self.closed: dict[int, Opened] = {}
        self.keeper = keeper

    def open(self, frame: Frame, now: int, entries: int = 1) -> Opened:
        """Open a span in this thread; returns what to give to `close`."""
        self._leave(now)
        outer = self.innermost
        stack = self.tree.child(self.base if outer is None else outer[2], frame)
        stack.entries += entries
        self.innermost = opened = (self, outer, stack, now, 0)
        return opened

    def close(self, opened: Opened, now: int) -> None:
        """Close a span, in any order. A second time does nothing."""
        self.closed[id(opened)] = opened
        self._leave(now)

    def _leave(self, now: int) -> None:
        while self.innermost is not None and id(self.innermost) in self.closed:
            _, outer, stack, since, _ = self.innermost
            stack.thread += now - since
            if outer is not None:
                outer[2].thread -= now - since
            self.innermost = outer
        _forget_gone(self.closed, self.innermost)
