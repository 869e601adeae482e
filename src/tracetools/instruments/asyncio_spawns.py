"""What happens at every spawn of an asyncio task.

In the native core nearly all of it is C code. This is the reference, which leaves it to the
listeners of `asyncio_patches`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections import deque
    from collections.abc import Callable
    from contextvars import ContextVar

    from tracetools.core.accounting import TaskAccount
    from tracetools.core.stacks import Frame
    from tracetools.instruments.stepped import Owner
    from tracetools.recording.loops import RecordedLoop

__all__ = ["AsyncioSpawns", "spawning_init"]


@accelerated
class AsyncioSpawns:
    """Opens the accounts of the tasks of a loop when they are made, in this thread.

    Args:
        owner: who records them.
        context_task: in the context of a task, its account.
        gone: the accounts that are to be closed before another one is opened.
        steps: the tasks of asyncio that step, by loop; or what returns that of a loop. ``None`` if
            there is neither.
        account: that of the loop.
        loop_class: the class of the loop.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what the core must know of asyncio
        self,
        owner: Owner,
        context_task: ContextVar[TaskAccount | None],
        gone: deque[TaskAccount],
        steps: Any,
        account: RecordedLoop,
        loop_class: type,
    ) -> None:
        """Remember nothing: the reference opens no accounts here."""

    def learn(self, coroutine: Any, frame: Frame, under: Frame | None = None) -> None:
        """Remember that all tasks with this coroutine's function and name have that frame.

        Those of the backend's own stand below the frame `under`.
        """


@accelerated
def spawning_init(
    original: Callable[..., None],
    otherwise: Callable[..., None],
    spawns: dict[AbstractEventLoop, AsyncioSpawns],
) -> Callable[..., None]:
    """Return a replacement of `__init__` of a class of tasks.

    Args:
        original: what it replaces.
        otherwise: another replacement, that opens the account of any task.
        spawns: by loop, what opens the accounts of its tasks in plain cases.
    """
    del original, spawns
    return otherwise
