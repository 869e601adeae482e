"""What happens at every spawn, wake and exit of a trio task.

In the native core nearly all of it is C code. This is the reference, which leaves it to `TrioTasks`
and to the hooks that trio calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetools.core.native import accelerated
from tracetools.instruments.stepped import SteppedCoroutine

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar
    from types import CodeType
    from typing import Protocol

    from trio.lowlevel import Task

    from tracetools.core.accounting import TaskAccount
    from tracetools.core.stacks import Frame
    from tracetools.instruments.stepped import Owner
    from tracetools.recording.loops import RecordedLoop

    class TasksOwner(Owner, Protocol):
        """Who records the tasks of trio runs."""

        def lateness(self, task: Task) -> int:
            """Return for how many nanoseconds a deadline has passed that has cancelled a task."""


__all__ = ["TrioSpawns"]


@accelerated
class TrioSpawns:
    """Opens the accounts of trio tasks when they are spawned.

    Args:
        owner: who records them.
        otherwise: the hook that opens the account of any task. It raises nothing, and Ctrl-C does
            not strike in it.
        context_task: in the context of a task, its account.
        checkpoint: what a task yields that is ready for its next step at once.
        scheduling: the code of trio's function that makes tasks runnable; ``None`` if that is not
            to be noted. The reference cannot note it.
        detached: the type of what a coroutine yields to leave its task; ``None`` if it is unknown.

    Attributes:
        hears_wakes: whether it notes when tasks become runnable.
    """

    hears_wakes = False

    def __init__(  # noqa: PLR0913, PLR0917  # what the core must know of trio
        self,
        owner: TasksOwner,
        otherwise: Callable[[Task], object],
        context_task: ContextVar[TaskAccount | None],
        checkpoint: object,
        scheduling: CodeType | None,
        detached: type | None,
    ) -> None:
        del context_task, scheduling, detached
        self._owner = owner
        self._checkpoint = checkpoint
        self._otherwise = otherwise

    def task_spawned(self, task: Task) -> None:
        """Open the account of a new task: the hook that trio calls."""
        self._otherwise(task)

    def wrap(self, task: Task, account: TaskAccount) -> None:
        """Let a task run in a stepped coroutine, which behaves like its own one."""
        stepped: Any = SteppedCoroutine(
            task.coro, account, self._owner, checkpoint=self._checkpoint
        )
        task.coro = stepped

    def follow(self, loop: RecordedLoop | None) -> None:
        """Take this thread's loop for the one that spawns tasks; ``None`` for none."""

    def learn(self, coroutine: Any, frame: Frame, under: Frame | None = None) -> None:
        """Remember that all tasks with this coroutine's function and name have that frame.

        Those of the backend's own stand below the frame `under`.
        """
