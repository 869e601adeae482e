"""Follows the tasks of asyncio's loops, for one recording.

Facts about asyncio that shape this module:

- A task may step within a step of another: an eager one makes its first step where it is created.
- A loop may stop and run again, and its tasks live on meanwhile.
- A task that lives already when its loop begins to be recorded cannot be given another coroutine.
  But it is woken through `call_soon`, and the callback can be replaced there.
- Only the task knows its context, until it steps.
- A library may step coroutines by itself, and tell asyncio which task that is. Its task may serve
  for all of them, and may be no future at all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from functools import partial
from threading import get_ident
from types import BuiltinMethodType, CoroutineType, MethodType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakSet, ref

from tracetools import compat
from tracetools.attribution.functions import register_step
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.core.labels import stable_name
from tracetools.core.stacks import RUNTIME
from tracetools.instruments import asyncio_callbacks, asyncio_patches, event_waits
from tracetools.instruments.asyncio_spawns import AsyncioSpawns
from tracetools.instruments.library_calls import portals
from tracetools.instruments.listener import Listener
from tracetools.instruments.loop_state import is_of_library, is_running
from tracetools.instruments.patching import lock
from tracetools.instruments.stepped import SteppedCoroutine, hide_frame, stepped_of
from tracetools.instruments.task_functions import is_of_runtime, plain_frame
from tracetools.instruments.task_parents import spawner
from tracetools.instruments.tasks import Tasks, exit_account
from tracetools.instruments.wakeups import first_steps, late_tasks
from tracetools.recording.notebooks import is_kernel_here

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Mapping

    from tracetools.core.accounting import TaskAccount
    from tracetools.instruments.tasks import Recording
    from tracetools.recording.loops import RecordedLoop

__all__ = ["AsyncioInstrument"]


class AsyncioInstrument(Tasks, Listener):
    """Follows the tasks of asyncio's loops, for one recording; a listener of `asyncio_patches`.

    Args:
        recording: the recording.
        only: the one loop to follow; ``None`` for every loop.
        blocked: a loop that is in a step of a notebook cell that cannot await. It is recorded only
            while it runs within that step, if a library lets it.
    """

    def __init__(
        self,
        recording: Recording,
        only: AbstractEventLoop | None = None,
        blocked: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(recording.recorder, task_names=recording.task_names)
        self._recording = recording
        self._only = None if only is None else ref(only)
        self._blocked = None if blocked is None else ref(blocked)
        portals.start(self.portal)
        self._accounts: WeakKeyDictionary[AbstractEventLoop, RecordedLoop] = WeakKeyDictionary()
        self._tasks = _KnownTasks()
        self._gone: deque[TaskAccount] = deque()
        self._lost: deque[RecordedLoop] = deque()
        self._refs: dict[RecordedLoop, ref[AbstractEventLoop]] = {}
        self._unnamed: set[TaskAccount] = set()
        self._pollers: dict[RecordedLoop, Any] = {}
        self._spawns: dict[RecordedLoop, AsyncioSpawns] = {}
        if not self.task_names:
            self.exited = exit_account  # type: ignore[method-assign]
        self._entered: set[TaskAccount] = set()
        self._untracked: WeakSet[Any] = WeakSet()
        self._strange: set[tuple[str, int]] = set()
        self._nested: dict[RecordedLoop, list[tuple[int, list[TaskAccount]]]] = {}

    # -------------------------------------------------------------- called for loops

    @property
    def wants_wakeups(self) -> bool:  # type: ignore[override]  # it is never set
        """Whether it needs to know of each callback that is scheduled."""
        return self.recorder.scheduled or bool(self._tasks.late)

    def starts(self, loop: AbstractEventLoop) -> None:
        """Start to record a loop that is about to run, perhaps again.

        A loop of no library's class may have another one do the work. It is recorded from its first
        task on.
        """
        with self.guard("a loop could not be started"):
            if self._follows(loop) and (loop in self._accounts or is_of_library(loop)):
                account = self._account(loop)
                if account.paused is None:
                    return  # it was known to run when a task was made
                if is_running(loop) and is_kernel_here():
                    account.is_of_kernel = True
                self.recorder.resume_loop(account)
                if not account.running:
                    return  # the recording has ended meanwhile, in another thread
                self._recording.loop_began()
                self._watch(loop, account)
                self._adopt(loop, account)
                if not self._recording.is_open:
                    self._take_back(loop, account)

    def join(self, loop: AbstractEventLoop) -> None:
        """Start to record the loop that this is called in, and the step that goes on."""
        self.starts(loop)
        with self.guard("a step that went on could not be recorded"):
            task = _current_task()
            account = self._tasks.accounts.get(id(task))
            if account is not None:
                _begin_late_step(self, account)
                compat.asyncio_call_next(loop, partial(_end_late_step, self, account, task))

    def stops(self, loop: AbstractEventLoop) -> None:
        """Note that a loop has stopped; it may run again."""
        with self.guard("a loop could not be left"):
            account = self._accounts.get(loop)
            if account is not None:
                self._count_untracked(loop)
                self._forget_gone()
                self._unwatch(account)
                self.recorder.pause_loop(account, account.clock())

    def _take_back(self, loop: AbstractEventLoop, account: RecordedLoop) -> None:
        """Let go of a loop that was joined while another thread ended the recording.

        Whoever ends it says so first, and then calls `leave`: that may have come too early.
        """
        self._refs[account] = ref(loop)
        self.leave()
        asyncio_patches.update_methods()

    def _watch(self, loop: AbstractEventLoop, account: RecordedLoop) -> None:
        """Measure how long the loop waits for events, and its callbacks, as long as it runs."""
        asyncio_callbacks.unfollow(account)
        asyncio_callbacks.follow(loop, account)
        if not self.task_names and not self._is_blocked(loop):
            self._spawns[account] = AsyncioSpawns(
                self,
                self.recorder.context_task,
                self._gone,
                compat.asyncio_steps(),
                account,
                type(loop),
            )
            asyncio_patches.spawn_by(loop, self._spawns[account])
        poller = compat.asyncio_poller(loop)
        if poller is not None and account not in self._pollers:
            account.poller = id(poller)
            with lock():  # another thread may take it back
                self._pollers[account] = poller
                event_waits.watch(poller, "select")
        elif poller is None:
            self.recorder.estimate_unseen(account)

    def _unwatch(self, account: RecordedLoop) -> None:
        asyncio_callbacks.unfollow(account)
        loop = self._refs[account]() if account in self._refs else None
        if self._spawns.pop(account, None) is not None and loop is not None:
            asyncio_patches.spawn_by(loop, None)
        if account.unseen is not None:
            account.unseen.end(account.clock())
        with lock():
            poller = self._pollers.pop(account, None)
            if poller is not None:
                account.poller = 0
                event_waits.unwatch(poller, "select")

    def nests(self, loop: AbstractEventLoop) -> None:
        """Note that a loop runs within a step of its own: the task waits for what runs there."""
        if self._is_blocked(loop):
            self.starts(loop)
        with self.guard("a loop that runs within itself could not be recorded"):
            account = self._accounts.get(loop)
            if account is not None:
                if self._is_blocked(loop):
                    account.share(account.clock(), is_shared=False)
                stepping: list[TaskAccount] = []
                outer = id(_current_task())
                self._nested.setdefault(account, []).append((outer, stepping))
                while account.current is not None:
                    stepping.append(account.current)
                    account.current.end_step(account.clock())

    def unnests(self, loop: AbstractEventLoop) -> None:
        """Note that a loop no longer runs within a step of its own."""
        with self.guard("a loop that runs within itself could not be recorded"):
            account = self._accounts.get(loop)
            if account is not None and self._nested.get(account):
                for task in reversed(self._nested[account].pop()[1]):
                    if task in account.tasks or task.is_callback:
                        task.begin_step(account.clock())
                if self._is_blocked(loop) and not self._nested[account]:
                    self.stops(loop)  # it stands still until it runs within itself again
                    account.share(account.paused or account.clock(), is_shared=True)

    def closed(self, loop: AbstractEventLoop) -> None:
        """End the recording of a loop."""
        with self.guard("a loop could not be ended"):
            account = self._accounts.pop(loop, None)
            if account is not None:
                self._unwatch(account)  # one that has joined as it ran was not told of its stop
                self._refs.pop(account, None)
                self._nested.pop(account, None)
                self.recorder.end_loop(account, account.clock())
                self._recording.loop_ended()

    def created(self, loop: AbstractEventLoop, coroutine: Any, options: Mapping[str, Any]) -> Any:
        """Return a coroutine that behaves like the one given and is recorded."""
        if type(coroutine) is SteppedCoroutine and stepped_of(coroutine, self) is not None:
            return coroutine
        with self.guard("a new task could not be recorded"):
            if self._follows(loop):
                ran_before = loop not in self._accounts and is_running(loop)
                if ran_before and (self._is_blocked(loop) or is_of_runtime(coroutine)):
                    return coroutine  # it is a kernel's loop
                of_loop = self._account(loop)
                if ran_before:
                    self.starts(loop)  # it ran before the recording started
                asyncio_patches.check_methods(loop)
                if of_loop.current is None or of_loop.current.is_callback:
                    self._count_if_untracked(_current_task())
                account = self._spawn(of_loop, coroutine, options.get("name"))
                if of_loop in self._spawns:
                    self._learn(account, coroutine)
                is_shared = options.get("context") is not None
                is_marked = is_shared and not account.is_of_runtime
                shared = self.recorder.context_task if is_marked else None
                return SteppedCoroutine(coroutine, account, self, self._prepare, shared=shared)
        return coroutine

    def _learn(self, account: TaskAccount, coroutine: Any) -> None:
        """Have the next task with this coroutine's function opened in the core."""
        frame = plain_frame(coroutine)
        if frame is not None:
            under = RUNTIME if account.is_of_runtime else None
            self._spawns[account.loop].learn(coroutine, frame, under)

    def refused(self, loop: AbstractEventLoop, task: Any, error: Exception) -> None:
        """Follow a task by its wake-ups, unless its class has reported it."""
        with self.guard("a task could not be followed"):
            if self._follows(loop) and not self._is_followed(task):
                self.recorder.messages.warning(
                    "a task factory does not take our coroutines (%s); its tasks are followed less"
                    " well",
                    error,
                )
                account = self._account(loop)
                self._follow_late(account, task, self._spawner(account))
                asyncio_patches.update_methods()

    def scheduled(self, callback: Any) -> Any:
        """Note that a task is woken; return what to call instead of `callback`."""
        if type(callback) is not _LateStep and not compat.asyncio_is_step(callback):
            return callback
        if type(callback) not in {BuiltinMethodType, MethodType, _LateStep}:
            first_steps.add(type(callback))
        task = callback.__self__
        account = self._account_of(task)
        if account is None:
            return callback
        loop = account.loop
        if account.ready is None and loop.measures_scheduled and loop.end is None:
            loop.wake(account, loop.clock(), loop.late)
        if id(task) not in self._tasks.late or _LateStep.is_recorded_by(self, callback):
            return callback
        return _LateStep(task, account, callback, self)

    def _account_of(self, task: Any) -> TaskAccount | None:
        """Return the account of a task that is woken."""
        known = self._tasks.accounts.get(id(task))
        if known is not None:
            return known
        try:
            stepped = stepped_of(compat.asyncio_coroutine(task), self)
        except Exception as error:  # a task class of the program may do anything
            if is_interruption(error):
                raise
            stepped = None
        if stepped is not None:
            return None if stepped.is_over else stepped.account
        return self._found(task)

    def switched(self, loop: AbstractEventLoop, before: Any, after: Any) -> None:
        """Begin or end a step of a task that is none of asyncio's."""
        with self.guard("a step could not be recorded"):
            if before is not None and self._entered:
                account = self._tasks.accounts.get(id(before))
                if account is not None and account in self._entered:
                    self._entered.discard(account)
                    _end_late_step(self, account, before)
            if after is not None and not _runs_ours(after):
                self._enter(loop, after)

    def _enter(self, loop: AbstractEventLoop, task: Any) -> None:
        """Begin a step of a task that runs no coroutine of ours."""
        if not issubclass(
            type(loop), asyncio.AbstractEventLoop
        ):  # anything may be said to be a loop
            return
        of_loop = self._accounts.get(loop)
        if of_loop is None or not self._follows(loop):
            return
        nested = self._nested.get(of_loop, ())
        if self._is_blocked(loop) and not nested:
            return
        if any(outer == id(task) for outer, _ in nested):
            return  # it waits while its loop runs within its step, whatever a library says
        account = self._tasks.accounts.get(id(task))
        if account is None:
            self._adopt_task(of_loop, task, self._spawner(of_loop), by_wakeups=False)
            account = self._tasks.accounts.get(id(task))
        if account is not None and account.loop.current is not account:
            self._entered.add(account)
            _begin_late_step(self, account)

    def portal(self, task: Any) -> None:
        """Let a task that greenback has given another coroutine run that in a stepped one."""
        with self.guard("a task with a portal could not be recorded"):
            coroutine = None if hasattr(task, "coro") else compat.asyncio_coroutine(task)
            within = stepped_of(coroutine, self)
            if within is not None and within is not coroutine and not within.is_over:
                outer = SteppedCoroutine(coroutine, within.account, self, self._prepare)
                if compat.greenback_set_coroutine(task, outer):
                    within.give_way()

    # -------------------------------------------------------------- called for steps

    def _prepare(self, account: TaskAccount) -> None:
        """Prepare for the first step of a task, or for any."""
        with self.guard("the first step of a task could not be recorded"):
            if self.recorder.stopped or account.loop.end is not None:
                return
            if not account.is_of_runtime:  # what it spawns is the program's
                self.recorder.context_task.set(account)
            if account in self._unnamed:
                self._name(account)

    def exited(self, account: TaskAccount) -> None:
        """Close the account of a task. Where tasks are not named, `exit_account` stands for it."""
        with self.guard("the exit of a task could not be recorded"):
            self._unnamed.discard(account)
            exit_account(account)

    def late_task_exited(self, account: TaskAccount) -> None:
        """Close the account of a task that was followed by its wake-ups."""
        with self.guard("the exit of a task could not be recorded"):
            self._tasks.forget(account)
            self._entered.discard(account)
        self.exited(account)
        if not self.wants_wakeups:
            asyncio_patches.update_methods()

    def dropped(self, account: TaskAccount) -> None:
        """Let the account of a task be closed later, in the thread of its loop."""
        self._tasks.forget(account)
        self._unnamed.discard(account)
        self._gone.append(account)

    # -------------------------------------------------------------------- loops and tasks

    def leave(self) -> None:
        """Let go of all loops and tasks."""
        for account in tuple(self._refs):
            self._unwatch(account)
        portals.end(self.portal)
        self._accounts.clear()
        self._refs.clear()
        self._tasks.forget_all()
        self._unnamed.clear()
        self._gone.clear()
        self._entered.clear()
        self._nested.clear()

    def _follows(self, loop: AbstractEventLoop) -> bool:
        return self._recording.is_open and (self._only is None or self._only() is loop)

    def _is_blocked(self, loop: AbstractEventLoop) -> bool:
        return self._blocked is not None and self._blocked() is loop

    def _account(self, loop: AbstractEventLoop) -> RecordedLoop:
        """Return the account of a loop; make it if the loop is new."""
        account = self._accounts.get(loop)
        if account is None:
            self._end_lost()
            backend = "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"
            account = self.recorder.begin_loop(backend=backend, running=False)
            self._accounts[loop] = account
            self._refs[account] = ref(loop, lambda _: self._lost.append(account))
            asyncio_patches.recompose(loop)
            asyncio_patches.update_methods()  # somebody may have replaced them for this loop
            if self.recorder.scheduled and not asyncio_patches.reports_wakeups(loop):
                self.recorder.scheduled = False
                for other in tuple(self._refs):
                    other.measures_scheduled = False
            account.measures_scheduled = self.recorder.scheduled
        return account

    def _end_lost(self) -> None:
        """End the recording of loops that were garbage collected without being closed."""
        with suppress(IndexError):
            while True:
                account = self._lost.popleft()
                self._unwatch(account)  # likewise
                self._refs.pop(account, None)
                self.recorder.end_loop(account, account.clock())

    def _spawner(self, loop: RecordedLoop) -> TaskAccount | None:
        return spawner(loop, self.recorder.context_task.get())

    def _spawn(self, loop: RecordedLoop, coroutine: Any, name: object) -> TaskAccount:
        """Open the account of a new task.

        What it is named may be anything. asyncio makes a string of it, once.
        """
        self._forget_gone()
        name = name if type(name) is str else None
        own = is_of_runtime(coroutine)
        account = self.spawn(loop, self._spawner(loop), coroutine, name, is_of_runtime=own)
        if self.recorder.scheduled:
            loop.wake(account, account.born)
        if self.task_names and name is None:
            self._unnamed.add(account)
        return account

    def _name(self, account: TaskAccount) -> None:
        """Name a task at its first step: some names are given after the task was created."""
        self._unnamed.discard(account)
        name = _given_name(_current_task())
        if name:
            account.loop.rename(account, account.base.frame._replace(name=stable_name(name)))

    def _forget_gone(self) -> None:
        """Close the accounts of tasks that were dropped, but for those of other threads."""
        with suppress(IndexError):  # another thread may do the same
            for _ in range(len(self._gone)):
                account = self._gone.popleft()
                loop: Any = account.loop
                if loop.thread == get_ident():
                    loop.exit(account, loop.clock())
                elif loop.end is None:
                    self._gone.append(account)

    def _adopt(self, loop: AbstractEventLoop, account: RecordedLoop) -> None:
        """Follow the tasks that lived before the loop was recorded, from their next step on.

        Those of a notebook's kernel wait for the cell that records. They are followed from then on
        when they are woken.
        """
        for task in _living(loop):
            if not (account.is_of_kernel and _is_of_runtime(task)):
                self._adopt_task(account, task)
        if self.wants_wakeups:
            asyncio_patches.update_methods()
        compat.asyncio_replace_callbacks(loop, self.scheduled)

    def _count_untracked(self, loop: AbstractEventLoop) -> None:
        """Count the living tasks that are not followed."""
        for task in _living(loop):
            self._count_if_untracked(task)

    def _count_if_untracked(self, task: Any) -> None:
        try:
            if not (task is None or self._is_followed(task) or task in self._untracked):
                if is_kernel_here() and _is_of_runtime(task):
                    return
                self._untracked.add(task)
                self.recorder.untracked += 1
        except Exception as error:  # a task class of the program may do anything
            if is_interruption(error):
                raise

    def _is_followed(self, task: Any) -> bool:
        coroutine = compat.asyncio_coroutine(task)
        known = stepped_of(coroutine, self) is not None
        return known or id(task) in self._tasks.known

    def _found(self, task: Any) -> TaskAccount | None:
        """Return the account of a task that is woken, and that nobody told of when it was made."""
        if not asyncio.isfuture(task):
            return None
        with self.guard("a task could not be followed"):
            loop = task.get_loop()
            account = self._accounts.get(loop)
            if account is not None and self._follows(loop):
                self._adopt_task(account, task, self._spawner(account))
        return self._tasks.accounts.get(id(task))

    def _adopt_task(
        self,
        loop: RecordedLoop,
        task: Any,
        spawner: TaskAccount | None = None,
        *,
        by_wakeups: bool = True,
    ) -> None:
        try:
            if not self._is_followed(task):
                self._follow_late(loop, task, spawner, by_wakeups=by_wakeups)
        except Exception as error:  # a task class of the program
            if is_interruption(error):
                raise
            self._leave_out(task, error)

    def _leave_out(self, task: Any, error: Exception) -> None:
        """Count a task that cannot be followed, which may not bear to be asked for anything."""
        key = type(task).__qualname__, id(task)
        if key in self._strange:
            return
        if not any(kind == key[0] for kind, _ in self._strange):
            self.recorder.messages.warning(
                "a task is not recorded, as it does not say what it runs: %r", error
            )
        if len(self._strange) < _MOST_STRANGE:
            self._strange.add(key)
            self.recorder.untracked += 1

    def _follow_late(
        self,
        loop: RecordedLoop,
        task: Any,
        spawner: TaskAccount | None = None,
        *,
        by_wakeups: bool = True,
    ) -> None:
        """Follow a task that runs no coroutine of ours, if it can be followed without keeping it.

        Args:
            loop: the account of its loop.
            task: the task.
            spawner: who has made it, if that is known.
            by_wakeups: whether its steps are known by what wakes it.
        """
        ref(task)
        coroutine, name = compat.asyncio_coroutine(task), None
        if coroutine is None:  # it was never initialised
            coroutine = task
        else:
            name = _given_name(task)
        own = is_of_runtime(coroutine)
        account = self.spawn(loop, spawner, coroutine, name, is_of_runtime=own)
        account.parked = account.born  # it may have waited for long
        if type(coroutine) is CoroutineType:
            loop.tasks[account] = ref(coroutine)
        self._tasks.add_late(task, account, self.dropped, by_wakeups=by_wakeups)


_MOST_STRANGE: Final = 10_000
"""So many tasks that cannot even be referred to are counted."""


class _KnownTasks:
    """The tasks whose wake-ups are recorded. It keeps none of them alive.

    Attributes:
        accounts: the account of each, by the identity of the task.
        known: the tasks that run no coroutine of ours.
        late: those of them that are followed by their wake-ups alone.
    """

    def __init__(self) -> None:
        self.accounts: dict[int, TaskAccount] = {}
        self.known: dict[int, ref[Any]] = {}
        self.late: set[int] = set()
        self._tasks: dict[TaskAccount, int] = {}

    def add(self, task: Any, account: TaskAccount) -> None:
        """Remember a task, unless it is known or none at all."""
        if task is not None and account not in self._tasks and id(task) not in self.accounts:
            self.accounts[id(task)] = account
            self._tasks[account] = id(task)

    def add_late(
        self,
        task: Any,
        account: TaskAccount,
        dropped: Callable[[TaskAccount], None],
        *,
        by_wakeups: bool,
    ) -> None:
        """Remember a task that runs no coroutine of ours."""
        self.add(task, account)
        self.known[id(task)] = ref(task, lambda _: dropped(account))
        if by_wakeups and id(task) not in self.late:
            self.late.add(id(task))
            late_tasks[id(task)] = late_tasks.get(id(task), 0) + 1

    def forget(self, account: TaskAccount) -> None:
        """Forget a task, which may end in any thread."""
        task = self._tasks.pop(account, None)
        if task is not None:
            self.accounts.pop(task, None)
            self.known.pop(task, None)
            self._forget_late(task)

    def _forget_late(self, task: int) -> None:
        if task in self.late:
            self.late.discard(task)
            left = late_tasks.get(task, 1) - 1
            if left > 0:
                late_tasks[task] = left
            else:
                late_tasks.pop(task, None)

    def forget_all(self) -> None:
        """Forget all tasks."""
        for task in tuple(self.late):
            self._forget_late(task)
        self.accounts.clear()
        self.known.clear()
        self._tasks.clear()


def _living(loop: AbstractEventLoop) -> Iterable[Any]:
    """Return the tasks that live in a loop; none if asyncio cannot tell.

    It cannot where a library has told it of a task that is none, or was never initialised.
    """
    try:
        return asyncio.all_tasks(loop)
    except Exception as error:
        if is_interruption(error):
            raise
        return ()


def _current_task() -> Any:
    """Return the task that steps in this thread; None if none does."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _given_name(task: Any) -> str | None:
    """Return the name of a task; None if asyncio gave it, or if there is none."""
    try:
        name = task.get_name()
        return None if name.startswith("Task-") and name[5:].isdigit() else str(name)
    except Exception as error:  # a class of the program's, or a library's
        if is_interruption(error):
            raise
        return None


class _LateStep:
    """A callback that steps a task which has no stepped coroutine."""

    __slots__ = ("__self__", "_account", "_callback", "_owner")

    def __init__(
        self, task: Any, account: TaskAccount, callback: Any, owner: AsyncioInstrument
    ) -> None:
        self.__self__ = task  # debug mode shows the task of a callback
        self._account = account
        self._callback = callback
        self._owner = owner

    @staticmethod
    def is_recorded_by(owner: AsyncioInstrument, callback: Any) -> bool:
        """Whether `owner` records a callback already; others may record it as well."""
        while type(callback) is _LateStep:
            if callback._owner is owner:  # noqa: SLF001
                return True
            callback = callback._callback  # noqa: SLF001
        return False

    def __call__(self, *args: Any) -> Any:
        with Insist() as insist:  # the task must step, whatever strikes
            insist.do(_begin_late_step, self._owner, self._account)
            try:
                return self._callback(*args)
            except BaseException as error:
                hide_frame(error)
                raise
            finally:
                insist.do(_end_late_step, self._owner, self._account, self.__self__)
                del self, args  # the task's error refers to this frame


def _begin_late_step(owner: AsyncioInstrument, account: TaskAccount) -> None:
    with owner.guard("the start of a step could not be recorded"):
        owner._prepare(account)  # noqa: SLF001
        if account.loop.current is not account:
            account.begin_step(account.loop.clock())


def _end_late_step(owner: AsyncioInstrument, account: TaskAccount, task: Any) -> None:
    with owner.guard("the end of a step could not be recorded"):
        account.end_step(account.loop.clock())
    if _is_done(task):
        owner.late_task_exited(account)


def _runs_ours(task: Any) -> bool:
    """Whether a task runs a coroutine of ours; not if it cannot say."""
    try:
        return type(compat.asyncio_coroutine(task)) is SteppedCoroutine
    except Exception as error:  # a task class of the program may do anything
        if is_interruption(error):
            raise
        return False


def _is_of_runtime(task: Any) -> bool:
    """Whether a task is a kernel's, or another that is not the program's; not if it cannot say."""
    try:
        return is_of_runtime(compat.asyncio_coroutine(task))
    except Exception as error:  # a task class of the program may do anything
        if is_interruption(error):
            raise
        return False


def _is_done(task: Any) -> bool:
    """Whether a task has made its last step; not if it cannot say."""
    try:
        return bool(task.done())
    except Exception as error:  # a task class of the program may do anything
        if is_interruption(error):
            raise
        return False


register_step(_LateStep.__call__.__code__)
