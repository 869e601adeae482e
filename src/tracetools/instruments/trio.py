"""`FlamegraphInstrument`: follows the tasks of trio runs, step by step.

What may live here: how trio's hooks become events of a recording. What the events mean is decided
in `accounting`. Facts about trio that shape this module:

- The last step of a task ends after its exit, and the step in which an instrument is removed ends
  unseen.
- Tasks that live when the instrument is added are never announced.
- trio swallows whatever a hook raises and drops the instrument; Ctrl-C that arrives in a hook
  which the program's own code called would be lost with it, unless the hook is protected.
"""

from __future__ import annotations

import inspect
import sys
import time
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

import trio

from tracetools.core.accounting import TaskAccount
from tracetools.core.buckets import Sizes
from tracetools.instruments.tasks import Tasks
from tracetools.recording import current, spans
from tracetools.recording.recorder import Recorder
from tracetools.sampling.unwind import step_begins_below
from tracetools.session.recording import Options, Recording

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path
    from types import FrameType

    from trio.lowlevel import Task

    from tracetools.core.accounting import LoopAccount
    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens, Profile
    from tracetools.output.flamegraph import Flamegrapher
    from tracetools.recording.recorder import Clock

    Hook = Callable[[Task], None]

__all__ = ["FlamegraphInstrument"]


class TrioInstrument(trio.abc.Instrument):
    """Follows the tasks of all trio runs that it is given to, for one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._recorder = recording.recorder
        self._tasks = _Tasks(self._recorder, task_names=recording.task_names)
        # trio takes hooks that are attributes as it takes methods, and these are cheaper.
        self._hooks = _hooks(self._tasks, scheduled=self._recorder.scheduled)
        self._use(self._hooks)

    def join(self) -> None:
        """Record the run that this is called in, from now on."""
        trio.lowlevel.add_instrument(self)

    def leave(self) -> None:
        """Do not record the run that this is called in any more, if it was recorded."""
        with suppress(KeyError, RuntimeError):
            trio.lowlevel.remove_instrument(self)

    def before_run(self) -> None:
        """Begin to record a run. Called by trio."""
        with self._tasks.guard("a run could not be begun"):
            self._begin()
            self._choose_hooks()

    def after_run(self) -> None:
        """End the recording of a run, and write the stack file. Called by trio."""
        with self._tasks.guard("a run could not be ended"):
            self._end()

    def __hash__(self) -> int:
        """Return the identity's hash.

        trio tells no instrument that it is added to a running loop or removed from it, but it does
        look it up then, and at no other time.
        """
        caller = sys._getframe(1)  # noqa: SLF001
        name = caller.f_code.co_name
        if name == "remove_instrument":
            with self._tasks.guard("the instrument could not be removed"):
                self._end()
        elif name == "add_instrument" and not _is_construction(caller.f_back):
            with self._tasks.guard("the instrument could not be added"):
                self._join()
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _begin(self) -> None:
        if self._recording.is_open:
            self._tasks.begin()
            self._recording.follow()

    def _choose_hooks(self) -> None:
        """Take the cheapest hooks for the steps of a run that has not made one yet.

        Those of `_steps` know one loop only, must see its first step, and tell no scheduled time.
        What a task has done stands in its account, so hooks may be exchanged at any time, between
        any two calls.
        """
        loops = self._tasks.loops
        if len(loops) == 1 and not self._recorder.scheduled:
            send = _steps(self._tasks, *loops).send
            send(None)  # type: ignore[arg-type]  # to where it waits for the first task
            self._use({"before_task_step": send, "after_task_step": send})
        else:
            self._use(self._hooks)

    def _use(self, hooks: dict[str, Hook]) -> None:
        for name, hook in hooks.items():
            setattr(self, name, hook)

    def _join(self) -> None:
        """Begin to record a run that goes on already."""
        try:
            root = trio.lowlevel.current_root_task()
        except RuntimeError:  # not in a run: trio.run takes its instruments before it begins
            return
        if root is not None and not _is_over(root) and not self._tasks.here():
            self._use(self._hooks)
            self._begin()
            self._tasks.join(root)

    def _end(self) -> None:
        if self._tasks.here() is None:
            return
        try:
            self._tasks.end()
        finally:
            self._recording.leave()


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
        super().__init__(Recording(stack_file, options))

    @property
    def profile(self) -> Profile:
        """All that was recorded up to now; can be asked for at any time, from any thread."""
        return self._recording.profile

    @property
    def flamegrapher(self) -> Flamegrapher:
        """A `Flamegrapher` with its stack file set, which marks what blocked the loop."""
        return self._recording.flamegrapher

    def write(self) -> Path:
        """Write the stack file now, and return its path.

        Raises:
            StackFileError: it cannot be written; the last good one is still there.
        """
        return self._recording.write()


def _is_construction(caller: FrameType | None) -> bool:
    """Whether trio adds an instrument that a new run is given, perhaps from within another run."""
    return caller is not None and caller.f_code.co_name == "__init__"


class _Tasks(Tasks):
    """The tasks of all recorded runs, and how they came to be known.

    Attributes:
        accounts: the account of every living task. A task is forgotten when it exits, or when its
            run is no longer recorded, so that nothing of it is kept alive.
    """

    def __init__(self, recorder: Recorder, *, task_names: bool) -> None:
        super().__init__(recorder, task_names=task_names)
        self.accounts: dict[Task, TaskAccount] = {}
        self._runs: dict[int, LoopAccount] = {}

    @property
    def loops(self) -> tuple[LoopAccount, ...]:
        """The runs that are being recorded."""
        return tuple(self._runs.values())

    def here(self) -> LoopAccount | None:
        """Return the account of the recorded run in this thread, if there is one."""
        return self._runs.get(get_ident())

    def begin(self) -> None:
        """Begin to record the run in this thread."""
        if stale := self.here():  # it was abandoned, and nobody said so
            self._forget(stale, stale.latest)
        loop = self.recorder.begin_loop(self.recorder.clock(), backend="trio")
        self._runs[loop.thread] = loop

    def end(self) -> None:
        """End the recording of the run in this thread, if there is one."""
        loop = self._runs.pop(get_ident(), None)
        if loop is not None:
            self._forget(loop, self.recorder.clock())

    def join(self, root: Task) -> None:
        """Get to know all the tasks that live already, in a run that has just begun to be recorded.

        Whoever spawned them is not known any more, so they stand below the owners of their
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
            loop.begin_step(self._adopt(running), self.recorder.clock())

    def spawned(self, task: Task) -> None:
        """Open the account of a new task, under the current stack of the task that spawns it."""
        recorder = self.recorder
        loop = self.here()
        if loop is None or recorder.stopped:
            return
        spawner = self.spawner(loop, task.context.get(recorder.host))
        self._know(task, self.spawn(loop, spawner, task.coro, task.name))

    def exited(self, task: Task) -> None:
        """Close the account of a task that has exited, though its step has not ended yet.

        The rest of the step is trio's own work.
        """
        account = self.accounts.pop(task, None)
        if account is not None:
            account.loop.exit(account, self.recorder.clock())

    def unknown(self, task: Task) -> None:
        """Begin a step of a task that was never announced."""
        if self.recorder.stopped or self.here() is None:  # removed by an instrument before ours
            return
        with self.guard("a task could not be recorded"):
            account = self._adopt(task)
            account.loop.begin_step(account, self.recorder.clock())

    def _adopt(self, task: Task) -> TaskAccount:
        """Return the account of a task that was not seen when it was spawned; of its owners too."""
        owners = []
        owner: Task | None = task
        while owner is not None and owner not in self.accounts:
            owners.append(owner)
            owner = owner.parent_nursery.parent_task if owner.parent_nursery else None
        loop = self._runs[get_ident()] if owner is None else self.accounts[owner].loop
        for orphan in reversed(owners):
            account = None if owner is None else self.accounts[owner]
            parent = loop.tree.root if account is None else account.children_under or account.base
            adopted = self.open_account(loop, parent, orphan.coro, orphan.name)
            adopted.parked = adopted.born  # it may wait for long already
            self._know(orphan, adopted)
            owner = orphan
        return self.accounts[task]

    def _know(self, task: Task, account: TaskAccount) -> None:
        self.accounts[task] = account
        if _is_trios_own(task):  # what it spawns is the program's
            account.children_under = account.loop.tree.root
            return
        try:
            task.context.run(self.recorder.host.set, account)
        except RuntimeError:  # the context is in use just now, by the task that adds the instrument
            self.recorder.host.set(account)

    def _forget(self, loop: LoopAccount, now: int) -> None:
        """End the recording of a run, and let go of its tasks."""
        self.recorder.end_loop(loop, now)
        self._runs.pop(loop.thread, None)
        for task in list(self.accounts):  # at once: other threads have runs of their own
            account = self.accounts.get(task)
            if account is not None and account.loop is loop:
                del self.accounts[task]


def _is_trios_own(task: Task) -> bool:
    return task.parent_nursery is None or task.name == _ENTRY_QUEUE


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


def _hooks(tasks: _Tasks, *, scheduled: bool) -> dict[str, Hook]:  # noqa: C901  # four in one
    """Return trio's hooks for tasks, as functions that keep what they need in local names.

    `before_task_step` and `after_task_step` are `LoopAccount.begin_step` and `end_step` written
    out, for a call is too dear. They are each other's mirror, so that all that is ours falls
    outside of the task's time. They do for any number of loops at once; see also `_steps`.
    """
    accounts = tasks.accounts
    clock = tasks.recorder.clock
    least_wait = tasks.least_wait

    def task_spawned(task: Task) -> None:
        with tasks.guard("a new task could not be recorded"):
            tasks.spawned(task)

    def task_exited(task: Task) -> None:
        with tasks.guard("the exit of a task could not be recorded"):
            tasks.exited(task)

    def before_task_step(task: Task) -> None:
        try:
            account = accounts[task]
            now = clock()
            if now - account.parked > least_wait:
                tasks.waited(account, now)
                now = clock()
            account.busy -= now
            loop = account.loop
            loop.began = now
            loop.current = account
        except KeyError:
            tasks.unknown(task)
        except BaseException:  # noqa: BLE001  # trio would drop the instrument
            tasks.recorder.stop("the begin of a step could not be recorded")

    def after_task_step(task: Task) -> None:
        try:
            now = clock()
            account = accounts[task]
            loop = account.loop
            if loop.current is account:
                account.busy += now
                account.stack.steps += 1
                account.parked = now
                loop.current = None
                if now > loop.due:
                    loop.look_back(account.stack, loop.began, now)
        except KeyError:  # it has exited
            return
        except BaseException:  # noqa: BLE001  # trio would drop the instrument
            tasks.recorder.stop("the end of a step could not be recorded")

    hooks: dict[str, Hook] = {
        "task_spawned": task_spawned,
        "task_exited": task_exited,
        "before_task_step": before_task_step,
        "after_task_step": after_task_step,
    }
    return hooks | _scheduling_hooks(tasks) if scheduled else hooks


def _steps(tasks: _Tasks, loop: LoopAccount) -> Generator[None, Task, None]:
    """Follow the steps of one loop: the two hooks in one, which trio resumes by turns.

    To resume a generator costs less than to call a function, and what it has found at the begin of
    a step is still at hand at its end.
    """
    accounts = tasks.accounts
    clock = tasks.recorder.clock
    least_wait = tasks.least_wait
    nobody = TaskAccount(loop, loop.tree.root, loop.began)  # never steps
    try:
        while True:
            task = yield  # before_task_step
            try:
                account = accounts[task]
                began = clock()
                if began - account.parked > least_wait:
                    tasks.waited(account, began)
                    began = clock()
                account.busy -= began
                loop.began = began
                loop.current = account
            except KeyError:
                tasks.unknown(task)
                account = loop.current or nobody
                began = loop.began
            del task  # a name of ours would keep it alive until the next step of any
            yield  # after_task_step
            now = clock()
            if loop.current is account:
                account.busy += now
                account.stack.steps += 1
                account.parked = now
                loop.current = None
                if now > loop.due:
                    loop.look_back(account.stack, began, now)
    except GeneratorExit:
        raise
    except BaseException:  # noqa: BLE001  # trio would drop the instrument
        tasks.recorder.stop("a step could not be recorded")
    while True:
        yield


def _scheduling_hooks(tasks: _Tasks) -> dict[str, Hook]:  # noqa: C901, PLR0915  # three in one
    """Return the hooks that tell scheduled time apart from idle time, one more than the others."""
    accounts = tasks.accounts
    clock = tasks.recorder.clock
    least_wait = tasks.least_wait
    batch = Sizes.BATCH

    def task_scheduled(task: Task) -> None:
        try:
            account = accounts[task]
            if account.ready is None:
                account.ready = clock()
                loop = account.loop
                loop.queued = queued = loop.queued + 1
                loop.queue.pending.append(queued)
        except KeyError:  # it was never seen; its next step will be
            return
        except BaseException:  # noqa: BLE001  # trio would drop the instrument
            tasks.recorder.stop("the scheduling of a task could not be recorded")

    def before_task_step(task: Task) -> None:
        try:
            account = accounts[task]
            now = clock()
            waited = now - account.parked > least_wait
            if waited:
                tasks.waited(account, now)
            loop = account.loop
            ready = account.ready
            if ready is not None:
                late = now - ready
                account.stack.scheduled += late
                account.ready = None
                loop.queued -= 1
                pending = loop.late.pending
                pending.append(late)
                if len(pending) >= batch:
                    loop.condense()
            if waited:
                now = clock()
            account.busy -= now
            loop.began = now
            loop.current = account
        except KeyError:
            tasks.unknown(task)
        except BaseException:  # noqa: BLE001  # trio would drop the instrument
            tasks.recorder.stop("the begin of a step could not be recorded")

    def after_task_step(task: Task) -> None:
        try:
            now = clock()
            account = accounts[task]
            loop = account.loop
            if loop.current is account:
                account.busy += now
                account.stack.steps += 1
                account.parked = now
                loop.current = None
                if account.ready is not None:
                    account.ready = now
                    account.stack.self_wakes += 1
                if now > loop.due:
                    loop.look_back(account.stack, loop.began, now)
        except KeyError:  # it has exited
            return
        except BaseException:  # noqa: BLE001  # trio would drop the instrument
            tasks.recorder.stop("the end of a step could not be recorded")

    return {
        "task_scheduled": task_scheduled,
        "before_task_step": before_task_step,
        "after_task_step": after_task_step,
    }


def _protect_from_ctrl_c() -> None:
    """Let Ctrl-C wait while our code runs, so that it is neither lost in it nor breaks it in two.

    trio finds protected functions by their code, at no cost to a call.
    """
    mine: tuple[Any, ...] = (
        *_hooks(_Tasks(Recorder(), task_names=False), scheduled=False).values(),
        *_hooks(_Tasks(Recorder(), task_names=False), scheduled=True).values(),
        _steps,
        FlamegraphInstrument.__hash__,
        FlamegraphInstrument.before_run,
        FlamegraphInstrument.after_run,
        spans.Span.__enter__,
        spans.Span.__exit__,
        spans._DormantSpan._enter,  # noqa: SLF001
        current.open_span,
        current.close_span,
    )
    for function in mine:
        trio.lowlevel.enable_ki_protection(function)


def _mark_steps() -> None:
    """Say where the functions of tasks begin, as seen from outside."""
    run = getattr(sys.modules.get("trio._core._run"), "unrolled_run", None)
    if run is not None:
        step_begins_below(run.__code__)


_protect_from_ctrl_c()
_mark_steps()
