"""The tasks of recorded trio runs: how each gets its account and its stepped coroutine.

Facts about trio that shape this module:

- `task_spawned` comes before a task is first scheduled, and trio reads `task.coro.send` each time
  that it schedules one, and only then. So the stepped coroutine takes the place of `task.coro`
  there, and the native core knows when a task becomes runnable.
- Tasks that live when an instrument is added are never announced.
- A task exits when its coroutine ends, or leaves it: that yields an object of a certain type.
- The last step of a task ends after its exit.
"""

from __future__ import annotations

import inspect
from threading import get_ident
from time import perf_counter_ns
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

import trio

from tracetools import compat
from tracetools.core.interruptions import is_interruption
from tracetools.core.native import native
from tracetools.core.stacks import RUNTIME
from tracetools.instruments import event_waits
from tracetools.instruments.library_calls import portals
from tracetools.instruments.stepped import SteppedCoroutine, stepped_of
from tracetools.instruments.task_functions import is_of_runtime, plain_frame
from tracetools.instruments.task_parents import parent_of_adopted, parent_of_runtime, spawner
from tracetools.instruments.tasks import Tasks, exit_account
from tracetools.instruments.trio_spawns import TrioSpawns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trio.lowlevel import Task

    from tracetools.core.accounting import TaskAccount
    from tracetools.recording.loops import RecordedLoop
    from tracetools.recording.recorder import Recorder

__all__ = ["TrioTasks"]


class TrioTasks(Tasks):
    """The tasks of all recorded runs, and how they came to be known.

    Each is attached to its account. It is forgotten when it exits, or when its run is no longer
    recorded, so that nothing of it is kept alive.

    Args:
        recorder: the recording that they belong to.
        task_names: whether a task is named by the name that it was given, not by its function.
        task_spawned: the hook of the instrument, which calls `spawned`.

    Attributes:
        spawns: does what happens most often, in C where it can.
    """

    def __init__(
        self, recorder: Recorder, *, task_names: bool, task_spawned: Callable[[Task], object]
    ) -> None:
        super().__init__(recorder, task_names=task_names)
        # Only where its clock is read in C no signal handler can strike where trio reads `send`.
        hears = recorder.delays_count and recorder.clock is perf_counter_ns
        self.spawns = TrioSpawns(
            self,
            task_spawned,
            recorder.context_task,
            compat.trio_checkpoint(),
            compat.trio_scheduling_code() if hears else None,
            compat.trio_detached(),
        )
        self._runs: dict[int, RecordedLoop] = {}
        self._unwrapped: dict[TaskAccount, None] = {}
        self._pollers: dict[RecordedLoop, Any] = {}

    @property
    def sees_exits(self) -> bool:
        """Whether stepped coroutines see that tasks exit, however they do."""
        return native is not None and compat.trio_detached() is not None

    @property
    def is_fresh(self) -> bool:
        """Whether the run in this thread has just begun to be recorded."""
        loop = self.here()
        return loop is not None and not loop.tasks

    def here(self) -> RecordedLoop | None:
        """Return the account of the recorded run in this thread, if there is one."""
        return self._runs.get(get_ident())

    def begin(self) -> None:
        """Start to record the run in this thread."""
        if stale := self.here():  # it was abandoned, and nobody said so
            self._forget(stale, stale.latest)
        loop = self.recorder.begin_loop(backend="trio", is_guest=compat.trio_is_guest())
        if not self._runs:
            portals.start(self.portal)
        self._runs[loop.thread] = loop
        self.spawns.follow(None if self.task_names else loop)
        poller = compat.trio_poller()
        if poller is not None:
            self._pollers[loop] = poller
            loop.poller = id(poller)
            event_waits.watch(poller, "get_events")

    def end(self) -> None:
        """End the recording of the run in this thread, if there is one."""
        loop = self._runs.get(get_ident())
        if loop is not None:
            self._forget(loop, loop.clock())

    def join(self, root: Task) -> None:
        """Get to know all the tasks that live already, in a run that has just begun to be recorded.

        Which task spawned each is not known any more, so they are below the owners of their
        nurseries. The running one is in the middle of a step.
        """
        loop = self._runs[get_ident()]
        for task in _tree(root):
            self._adopt(task)
        try:
            running = trio.lowlevel.current_task()
        except RuntimeError:  # called by the host of a guest run
            return
        # In the hook of another instrument, its step may be over, or have not begun.
        if inspect.getcoroutinestate(running.coro) == inspect.CORO_RUNNING:
            account = self._adopt(running)
            self._unwrapped[account] = None
            account.begin_step(loop.clock())

    def needs_hooks(self) -> bool:
        """Whether a step goes on that no stepped coroutine sees the end of."""
        return bool(self._unwrapped) or self.here() is None

    def spawned(self, task: Task) -> None:
        """Open the account of a new task, and let it run in a stepped coroutine."""
        recorder = self.recorder
        loop = self.here()
        if loop is None or recorder.stopped or self._account_of(task) is not None:
            return
        by = spawner(loop, task.context.get(recorder.context_task))
        coroutine = task.coro
        of_trio = by is None and _is_trios_own(task)
        own = of_trio or is_of_runtime(coroutine)
        account = self.spawn(loop, by, coroutine, task.name, is_of_runtime=own)
        self._know(task, account)
        frame = None if of_trio else plain_frame(coroutine)
        if frame is not None:
            self.spawns.learn(coroutine, frame, RUNTIME if own else None)

    def begin_step(self, task: Task) -> None:
        """Start a step."""
        account = self._account_of(task)
        if account is None:
            if self.recorder.stopped or self.here() is None:
                return
            account = self._adopt(task)
        if account.loop.current is not account:
            account.begin_step(account.loop.clock())

    def end_step(self, task: Task) -> None:
        """End a step."""
        account = self._account_of(task)
        if account is not None:
            account.end_step(account.loop.clock())
            self._unwrapped.pop(account, None)

    def portal(self, task: Any) -> None:
        """Let a task that greenback has given another coroutine run that in a stepped one."""
        with self.guard("a task with a portal could not be recorded"):
            within = stepped_of(getattr(task, "coro", None), self)
            if within is not None and within is not task.coro and _lives(within.account):
                within.give_way()
                self.spawns.wrap(task, within.account)

    def scheduled(self, task: Task) -> None:
        """Note that a task is scheduled."""
        account = self._account_of(task)
        if account is not None:
            late = compat.trio_lateness(task) if self.recorder.delays_count else -1
            account.loop.wake(account, account.loop.clock(), late)

    def lateness(self, task: Task) -> int:
        """Return for how many nanoseconds a deadline has passed that has cancelled a task.

        Less than 0 if none has. It is called in the midst of trio's work, and raises nothing.
        """
        try:
            return compat.trio_lateness(task)
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # sorted out there
            loop = self.here()
            if is_interruption(error) and loop is not None:
                loop.postpone(error)
        return -1

    def task_exited(self, task: Task) -> None:
        """Close the account of a task that has exited, though its step has not ended yet.

        The rest of the step is trio's own work. Nearly always its stepped coroutine has done this.
        """
        account = self._account_of(task)
        if account is not None:  # it is forgotten last, for all of this may be done once more
            self._unwrapped.pop(account, None)
            exit_account(account)
        _let_go(task.coro, self)  # it may have been detached, and run on

    exited = staticmethod(exit_account)

    def dropped(self, account: TaskAccount) -> None:
        """Do nothing: the run that has dropped its task is over."""

    def _account_of(self, task: Task) -> TaskAccount | None:
        """Return the account of a living task; ``None`` if it has none."""
        stepped = stepped_of(task.coro, self)
        if stepped is not None:
            return stepped.account if _lives(stepped.account) else None
        if type(task.coro) is CoroutineType:
            return None
        known = () if (loop := self.here()) is None else loop.tasks.items()
        return next((account for account, of in known if of is task), None)  # others wrap it too

    def _adopt(self, task: Task) -> TaskAccount:
        """Return the account of a task that was not seen when it was spawned; of its owners too."""
        orphans = []
        account = None
        owner: Task | None = task
        while owner is not None and (account := self._account_of(owner)) is None:
            orphans.append(owner)
            owner = owner.parent_nursery.parent_task if owner.parent_nursery else None
        loop: Any = self._runs[get_ident()] if account is None else account.loop
        for orphan in reversed(orphans):
            own = _is_trios_own(orphan)
            parent = parent_of_runtime(loop) if own else parent_of_adopted(loop, account)
            account = self.open_account(loop, parent, orphan.coro, orphan.name)
            account.is_of_runtime = own
            account.parked = account.born  # it may wait for long already
            self._know(orphan, account)
            compat.trio_rebind(orphan)
        assert account is not None  # noqa: S101  # that of the task itself
        return account

    def _know(self, task: Task, account: TaskAccount) -> None:
        account.loop.tasks[account] = task
        self.spawns.wrap(task, account)
        if account.is_of_runtime:  # what it spawns is the program's
            return
        try:
            task.context.run(self.recorder.context_task.set, account)
        except RuntimeError:  # the context is in use just now, by the task that adds the instrument
            self.recorder.context_task.set(account)

    def _forget(self, loop: RecordedLoop, now: int) -> None:
        """End the recording of a run, and let go of its tasks."""
        tasks = list(loop.tasks.items())
        self.spawns.follow(None)
        self.recorder.end_loop(loop, now)
        self._runs.pop(loop.thread, None)
        poller = self._pollers.pop(loop, None)
        if poller is not None:
            event_waits.unwatch(poller, "get_events")
        if not self._runs:
            portals.end(self.portal)
        for account, task in tasks:
            self._unwrapped.pop(account, None)
            _unwrap(task, self)


def _unwrap(task: Task, owner: TrioTasks) -> None:
    """Give a task its own coroutine back, unless another recording has wrapped it since."""
    coroutine: Any = task.coro
    if type(coroutine) is SteppedCoroutine and coroutine.owner is owner:
        task.coro = coroutine.inner


def _lives(account: TaskAccount) -> bool:
    return account in account.loop.tasks


def _let_go(coroutine: Any, owner: TrioTasks) -> None:
    """Record the steps of a coroutine no more, whoever makes them."""
    while type(coroutine) is SteppedCoroutine and not coroutine.is_over:
        if coroutine.owner is owner:
            coroutine.over()
        coroutine = coroutine.inner


def _is_trios_own(task: Task) -> bool:
    return task.parent_nursery is None or task.name == _ENTRY_QUEUE


_ENTRY_QUEUE: Final = "<TrioToken.run_sync_soon task>"


def _tree(root: Task) -> Iterator[Task]:
    """Walk over all tasks of a run, each after the owner of its nursery."""
    found = [root]
    while found:
        task = found.pop()
        yield task
        found.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
