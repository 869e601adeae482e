"""What the instruments of all backends have in common: how a task comes to have an account."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any
from weakref import ref

from tracetools.core.accounting import NEVER
from tracetools.core.labels import stable_name
from tracetools.instruments.stepped import SteppedCoroutine
from tracetools.instruments.task_functions import task_function

if TYPE_CHECKING:
    from tracetools.core.accounting import LoopAccount, TaskAccount
    from tracetools.core.stacks import Stack
    from tracetools.recording.recorder import Recorder

__all__ = ["Guard", "Tasks"]


class Tasks:
    """Opens the accounts of tasks.

    Args:
        recorder: the recording that they belong to.
        task_names: whether a task is named by the name that it was given, not by its function.

    Attributes:
        least_wait: the waits that are longer, in nanoseconds, go to what was awaited; the others
            are worth no look.
    """

    def __init__(self, recorder: Recorder, *, task_names: bool) -> None:
        self.recorder = recorder
        self.task_names = task_names
        self.least_wait = NEVER if recorder.least_wait is None else recorder.least_wait

    def guard(self, what_failed: str) -> Guard:
        """Return a context in which an error of ours ends the recording and nothing else."""
        return Guard(self.recorder, what_failed)

    def waited(self, account: TaskAccount, now: int) -> None:
        """Note that a task is going to step, after a wait that is worth a look."""
        try:  # as in a guard, which would take as long as all the rest
            self.recorder.waited(account, now)
        except RecursionError:
            return
        except Exception:  # noqa: BLE001  # the program under observation comes first
            self.recorder.stop("a wait could not be recorded")

    def spawner(self, loop: LoopAccount, host: TaskAccount | None) -> TaskAccount | None:
        """Return the task under which a task is spawned just now; ``None`` if under none.

        Outside of any step, in a callback or for another thread, and in those of the backend's own
        tasks, it is `host`, the task in whose context this happens. Contexts outlive their tasks:
        if that one has exited, the one above it.
        """
        current = loop.current
        if current is not None and current.children_under is None:
            return current
        return host.living if host is not None and host.loop is loop else None

    def spawn(
        self, loop: LoopAccount, spawner: TaskAccount | None, coroutine: Any, name: object
    ) -> TaskAccount:
        """Open the account of a task that was spawned just now; `name` is what it was named."""
        if spawner is None:
            return self.open_account(loop, loop.tree.root, coroutine, name)
        account = self.open_account(loop, spawner.stack, coroutine, name)
        account.spawner = spawner
        if spawner.spawner is not None:  # or tasks that spawn each other would keep all before them
            spawner.spawner = spawner.spawner.living
        return account

    def open_account(
        self, loop: LoopAccount, parent: Stack, coroutine: Any, name: object
    ) -> TaskAccount:
        """Open the account of a task under `parent`; `name` is what it was named, or None."""
        frame, observed = task_function(coroutine)
        if self.task_names and name is not None:
            frame = frame._replace(name=stable_name(name))
        clock = self.recorder.clock_of(loop.thread)
        account = loop.spawn(parent, frame, clock(), clock=clock)
        account.function = observed
        if self.least_wait != NEVER:
            account.coroutine = _reference(coroutine)
        return account


def _reference(coroutine: Any) -> ref[Any] | None:
    """Refer to the coroutine that a task runs, so that what it awaits can be looked at."""
    while type(coroutine) is SteppedCoroutine:
        coroutine = coroutine.inner
    return ref(coroutine) if type(coroutine) is CoroutineType else None


class Guard:
    """Lets no error out: it is logged, the recording stops, the program goes on.

    What is no error but an interruption (Ctrl-C, or what a signal handler of the program's raises)
    is the program's, and goes on to it.
    """

    __slots__ = ("_recorder", "_what_failed")

    def __init__(self, recorder: Recorder, what_failed: str) -> None:
        self._recorder = recorder
        self._what_failed = what_failed

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or issubclass(kind, RecursionError):
            return True
        if not issubclass(kind, Exception):
            return False
        self._recorder.stop(self._what_failed)
        return True
