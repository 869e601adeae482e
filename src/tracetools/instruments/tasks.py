"""Opens the accounts of tasks, for the instruments of all backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetools.core.labels import stable_name
from tracetools.core.native import accelerated
from tracetools.instruments import threads  # noqa: F401  # it sees threads while tasks are
from tracetools.instruments.task_functions import task_function
from tracetools.instruments.task_parents import parent_of_runtime, parent_of_spawned
from tracetools.recording.guard import Guard

if TYPE_CHECKING:
    from typing import Protocol

    from tracetools.core.accounting import TaskAccount
    from tracetools.core.stacks import Stack
    from tracetools.recording.loops import RecordedLoop
    from tracetools.recording.recorder import Recorder

    class Recording(Protocol):
        """What an instrument records for."""

        @property
        def recorder(self) -> Recorder:
            """Where loops and tasks are recorded."""

        @property
        def task_names(self) -> bool:
            """Whether tasks have the names that they were given."""

        @property
        def is_open(self) -> bool:
            """Whether a loop that starts now can be recorded."""

        def loop_began(self) -> None:
            """Note that a loop has begun."""

        def loop_ended(self) -> None:
            """Note that a loop has ended."""


__all__ = ["Tasks", "exit_account"]


class Tasks:
    """Opens the accounts of tasks.

    Args:
        recorder: the recording that they belong to.
        task_names: whether a task is named by the name that it was given, not by its function.
    """

    def __init__(self, recorder: Recorder, *, task_names: bool) -> None:
        self.recorder = recorder
        self.task_names = task_names

    def guard(self, what_failed: str) -> Guard:
        """Return a context in which an error of ours ends the recording and nothing else."""
        return Guard(self.recorder, what_failed)

    def failed(self, _: BaseException) -> None:
        """Stop recording after an error of ours within a step."""
        self.recorder.stop("a step could not be recorded")

    def spawn(
        self,
        loop: RecordedLoop,
        spawner: TaskAccount | None,
        coroutine: Any,
        name: object,
        *,
        is_of_runtime: bool = False,
    ) -> TaskAccount:
        """Open the account of a task that was spawned just now; `name` is what it was named.

        A task may be the backend's own (`is_of_runtime`).
        """
        spawner = None if is_of_runtime else spawner
        parent = parent_of_runtime(loop) if is_of_runtime else parent_of_spawned(loop, spawner)
        account = self.open_account(loop, parent, coroutine, name)
        account.is_of_runtime = is_of_runtime
        account.spawner = spawner
        if spawner is not None and spawner.spawner is not None:
            # or tasks that spawn each other would keep all before them
            spawner.spawner = spawner.spawner.living
        return account

    def open_account(
        self, loop: RecordedLoop, parent: Stack, coroutine: Any, name: object
    ) -> TaskAccount:
        """Open the account of a task under `parent`; `name` is what it was named, or None."""
        frame, observed = task_function(coroutine)
        if self.task_names and name is not None:
            frame = frame._replace(name=stable_name(name))
        account = loop.spawn(parent, frame, loop.clock())
        account.function = observed
        return account


@accelerated
def exit_account(account: TaskAccount) -> None:
    """Close the account of a task that ends just now."""
    loop = account.loop
    loop.exit(account, loop.clock())
