"""`TrioInstrument`: follows the tasks of trio runs, for one recording.

Facts about trio that shape this module:

- `task_spawned` comes before a task is first scheduled, and trio reads `task.coro.send` each time
  that it schedules one. So the stepped coroutine takes the place of `task.coro` there.
- A hook costs its dispatch at every step. trio does not call one that an instance inherits from
  `trio.abc.Instrument`, so an instance leaves out what it does not need.
- Tasks that live when an instrument is added are never announced.
- trio swallows whatever a hook raises, and drops the instrument. Ctrl-C that arrives in a hook
  which the program's own code called would be lost with it, unless the hook is protected.
- The last step of a task ends after its exit.
"""

from __future__ import annotations

import inspect
import os
import threading
from contextlib import suppress
from threading import get_ident
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

import trio

from tracetools import compat
from tracetools.attribution.functions import register_step
from tracetools.core.interruptions import Insist, is_interruption, signal_of
from tracetools.instruments.stepped import SteppedCoroutine
from tracetools.instruments.tasks import Tasks
from tracetools.recording import current, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trio.lowlevel import Task

    from tracetools.core.accounting import TaskAccount
    from tracetools.instruments.tasks import Recording
    from tracetools.recording.loops import RecordedLoop
    from tracetools.recording.recorder import Recorder

__all__ = ["TrioInstrument"]

_STEP_HOOKS: Final = ("before_task_step", "after_task_step")


class TrioInstrument(trio.abc.Instrument):
    """Follows the tasks of all trio runs that it is given to, for one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._recorder = recording.recorder
        self._tasks = _Tasks(self._recorder, task_names=recording.task_names)
        self._joined: set[int] = set()
        self._is_moving = False
        if self._recorder.scheduled:
            self.task_scheduled = self._tasks.scheduled  # type: ignore[method-assign]

    def join(self) -> None:
        """Record the run that this is called in, from now on."""
        trio.lowlevel.add_instrument(self)
        self._notice_membership()

    def leave(self) -> None:
        """Do not record the run that this is called in any more, if it was recorded."""
        with suppress(KeyError, RuntimeError):
            trio.lowlevel.remove_instrument(self)
        self._notice_membership()

    # -- hooks, which trio calls -------------------------------------------------------------------

    def before_run(self) -> None:
        """Start to record a run. Called by trio."""
        try:
            self._start_run()
        except BaseException as error:  # noqa: BLE001  # trio would drop the instrument
            self._struck(error, self._start_run)

    def after_run(self) -> None:
        """End the recording of a run, and write the stack file. Called by trio."""
        try:
            self._end_run()
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, self._end_run)

    def task_spawned(self, task: Task) -> None:
        """Give a new task a stepped coroutine, under the current stack of the task that spawns it.

        Called by trio.
        """
        try:
            self._tasks.spawned(task)
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, self._tasks.spawned, task)

    def before_task_step(self, task: Task) -> None:
        """Start a step of a task that has no stepped coroutine.

        trio calls it only in a run that an instrument was added to, until the step ends in which it
        was; an instrument that passes the hooks on may call it always.
        """
        try:
            self._tasks.begin_step(task)
            self._settle()
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, self._tasks.begin_step, task)

    def after_task_step(self, task: Task) -> None:
        """End a step of a task that has no stepped coroutine; see `before_task_step`."""
        try:
            self._tasks.end_step(task)
            self._settle()
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, self._tasks.end_step, task)

    def task_exited(self, task: Task) -> None:
        """Close the account of a task, though its step has not ended yet. Called by trio."""
        try:
            self._tasks.task_exited(task)
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, self._tasks.task_exited, task)

    def _struck(self, error: BaseException, action: Callable[..., object], *arguments: Any) -> None:
        """Handle an error that struck in a hook. trio swallows what a hook raises.

        So what a signal handler of the program's has raised is raised in the program a little
        later, and what was interrupted is done once more.
        """
        if is_interruption(error):
            self._raise_later(error)
            try:
                action(*arguments)
            except BaseException as again:  # noqa: BLE001  # likewise
                self._struck(again, _nothing)
        elif not isinstance(error, RecursionError):
            self._recorder.stop(f"{action.__name__} failed")

    def _raise_later(self, error: BaseException) -> None:
        loop = self._tasks.here()
        number = signal_of(error)
        if loop is not None:
            loop.postpone(error)
        elif number is not None:  # the run is over: the handler is called once more, after us
            threading.Thread(target=_send_again, args=(number,), daemon=True).start()

    # -- being added and removed -------------------------------------------------------------------

    def __hash__(self) -> int:
        """Return the identity's hash.

        trio looks an instrument up when it is added or removed, and tells it nothing. So this is
        the moment to compare what trio has with what is recorded.
        """
        if not self._is_moving:
            try:
                self._notice_membership()
            except BaseException as error:  # noqa: BLE001  # trio is in the midst of a change
                self._struck(error, self._notice_membership)
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _notice_membership(self) -> None:
        """Start or end the recording of a run that this was added to or removed from."""
        members = compat.trio_instruments()
        if members is None:
            return
        is_member = any(member is self for member in members)
        here = get_ident()
        if is_member:
            self._joined.add(here)
            if self._tasks.here() is None:
                self._join_run()
        elif here in self._joined:
            self._joined.discard(here)
            self._end_run()

    def _start_run(self) -> None:
        if self._tasks.here() is None or not self._tasks.is_fresh:
            self._leave_step_hooks_out()
            self._open()

    def _open(self) -> None:
        if self._recording.is_open:
            self._tasks.begin()
            self._recording.follow()

    def _join_run(self) -> None:
        """Start to record a run that goes on already."""
        try:
            root = trio.lowlevel.current_root_task()
        except RuntimeError:  # not in a run: trio.run takes its instruments before it begins
            return
        if root is not None and not _is_over(root):
            self._open()
            if self._tasks.here() is not None:
                self._tasks.join(root)

    def _end_run(self) -> None:
        if self._tasks.here() is None:
            return
        with Insist() as insist:
            insist.do(self._tasks.end)
            insist.do(self._recording.leave)

    # -- which hooks trio calls --------------------------------------------------------------------

    def _settle(self) -> None:
        """Leave the hooks of steps out, once no step needs them."""
        if not self._tasks.needs_hooks():
            self._leave_step_hooks_out()

    def _leave_step_hooks_out(self) -> None:
        """Be added anew, in a form in which trio finds no hooks for steps."""
        members = compat.trio_instruments()
        if self._is_moving or members is None or not any(one is self for one in members):
            return
        for name in _STEP_HOOKS:
            if getattr(type(self), name) is not getattr(TrioInstrument, name):
                return  # a subclass wants them
        self._is_moving = True
        try:
            for name in _STEP_HOOKS:
                inherited = MethodType(getattr(trio.abc.Instrument, name), self)
                setattr(self, name, inherited)
            with Insist() as insist:
                insist.do(_remove, self)
                insist.do(trio.lowlevel.add_instrument, self)
        finally:
            for name in _STEP_HOOKS:
                self.__dict__.pop(name, None)
            self._is_moving = False


def _nothing() -> None:
    """Stand for what need not be done once more."""


def _remove(instrument: TrioInstrument) -> None:
    with suppress(KeyError):
        trio.lowlevel.remove_instrument(instrument)


def _send_again(number: int) -> None:
    """Send a signal to the process once more."""
    os.kill(os.getpid(), number)


class _Tasks(Tasks):
    """The tasks of all recorded runs, and how they came to be known.

    Attributes:
        accounts: the account of every living task. A task is forgotten when it exits, or when its
            run is no longer recorded, so that nothing of it is kept alive.
    """

    def __init__(self, recorder: Recorder, *, task_names: bool) -> None:
        super().__init__(recorder, task_names=task_names)
        self.accounts: dict[Task, TaskAccount] = {}
        self._runs: dict[int, RecordedLoop] = {}
        self._unwrapped: dict[TaskAccount, None] = {}

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
        loop = self.recorder.begin_loop(backend="trio")
        self._runs[loop.thread] = loop

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
        if loop is None or recorder.stopped or task in self.accounts:
            return
        spawner = self.spawner(loop, task.context.get(recorder.host))
        self._know(task, self.spawn(loop, spawner, task.coro, task.name))

    def begin_step(self, task: Task) -> None:
        """Start a step."""
        account = self.accounts.get(task)
        if account is None:
            if self.recorder.stopped or self.here() is None:
                return
            account = self._adopt(task)
        if account.loop.current is not account:
            account.begin_step(account.loop.clock())

    def end_step(self, task: Task) -> None:
        """End a step."""
        account = self.accounts.get(task)
        if account is not None:
            account.end_step(account.loop.clock())
            self._unwrapped.pop(account, None)

    @trio.lowlevel.enable_ki_protection
    def scheduled(self, task: Task) -> None:
        """Note that a task is scheduled."""
        try:
            account = self.accounts.get(task)
            if account is not None:
                account.loop.wake(account, account.loop.clock())
        except BaseException as error:  # noqa: BLE001  # trio would drop the instrument
            loop = self.here()
            if loop is not None and is_interruption(error):
                loop.postpone(error)
            else:
                self.recorder.stop("the scheduling of a task could not be recorded")

    def task_exited(self, task: Task) -> None:
        """Close the account of a task that has exited, though its step has not ended yet.

        The rest of the step is trio's own work.
        """
        account = self.accounts.get(task)
        if account is not None:  # it is forgotten last, for all of this may be done once more
            self._unwrapped.pop(account, None)
            account.loop.exit(account, account.loop.clock())
            _let_go(task.coro, self)  # it may have been detached, and run on
            self.accounts.pop(task, None)

    def exited(self, account: TaskAccount) -> None:
        """Do nothing: trio says when a task exits."""

    def dropped(self, account: TaskAccount) -> None:
        """Do nothing: trio says when a task exits."""

    def _adopt(self, task: Task) -> TaskAccount:
        """Return the account of a task that was not seen when it was spawned; of its owners too."""
        owners = []
        owner: Task | None = task
        while owner is not None and owner not in self.accounts:
            owners.append(owner)
            owner = owner.parent_nursery.parent_task if owner.parent_nursery else None
        loop: Any = self._runs[get_ident()] if owner is None else self.accounts[owner].loop
        for orphan in reversed(owners):
            account = None if owner is None else self.accounts[owner]
            parent = loop.tree.root if account is None else account.children_under or account.base
            adopted = self.open_account(loop, parent, orphan.coro, orphan.name)
            adopted.parked = adopted.born  # it may wait for long already
            self._know(orphan, adopted)
            compat.trio_rebind_send(orphan, orphan.coro.send)
            owner = orphan
        return self.accounts[task]

    def _know(self, task: Task, account: TaskAccount) -> None:
        self.accounts[task] = account
        stepped: Any = SteppedCoroutine(task.coro, account, self, checkpoint=_CHECKPOINT)
        task.coro = stepped  # it behaves like one
        if _is_trios_own(task):  # what it spawns is the program's
            account.children_under = account.loop.tree.root
            return
        try:
            task.context.run(self.recorder.host.set, account)
        except RuntimeError:  # the context is in use just now, by the task that adds the instrument
            self.recorder.host.set(account)

    def _forget(self, loop: RecordedLoop, now: int) -> None:
        """End the recording of a run, and let go of its tasks."""
        self.recorder.end_loop(loop, now)
        self._runs.pop(loop.thread, None)
        for task in list(self.accounts):  # at once: other threads have runs of their own
            account = self.accounts.get(task)
            if account is not None and account.loop is loop:
                self._unwrapped.pop(account, None)
                _unwrap(task, self)
                self.accounts.pop(task, None)


def _unwrap(task: Task, owner: _Tasks) -> None:
    """Give a task its own coroutine back, unless another recording has wrapped it since."""
    coroutine: Any = task.coro
    if type(coroutine) is SteppedCoroutine and coroutine.owner is owner:
        task.coro = coroutine.inner


def _let_go(coroutine: Any, owner: _Tasks) -> None:
    """Record the steps of a coroutine no more, whoever makes them."""
    while type(coroutine) is SteppedCoroutine and not coroutine.is_over:
        if coroutine.owner is owner:
            coroutine.over()
        coroutine = coroutine.inner


def _is_trios_own(task: Task) -> bool:
    return task.parent_nursery is None or task.name == _ENTRY_QUEUE


_CHECKPOINT: Final = compat.trio_checkpoint()
_ENTRY_QUEUE: Final = "<TrioToken.run_sync_soon task>"


def _is_over(task: Task) -> bool:
    return inspect.getcoroutinestate(task.coro) == inspect.CORO_CLOSED


def _tree(root: Task) -> Iterator[Task]:
    """Walk over all tasks of a run, each after the owner of its nursery."""
    found = [root]
    while found:
        task = found.pop()
        yield task
        found.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)


def _protect_from_ctrl_c() -> None:
    """Let Ctrl-C wait while our code runs, so that it is neither lost in it nor breaks it in two.

    trio finds protected functions by their code, at no cost to a call.
    """
    mine: tuple[Any, ...] = (
        TrioInstrument.__hash__,
        TrioInstrument.before_run,
        TrioInstrument.after_run,
        TrioInstrument.task_spawned,
        TrioInstrument.before_task_step,
        TrioInstrument.after_task_step,
        TrioInstrument.task_exited,
        spans.Span.__enter__,
        spans.Span.__exit__,
        spans._DormantSpan._enter,  # noqa: SLF001
        current.open_span,
        current.close_span,
    )
    for function in mine:
        trio.lowlevel.enable_ki_protection(function)


_protect_from_ctrl_c()
if (code := compat.trio_step_code()) is not None:
    register_step(code)
