"""What is called for asyncio's loops and tasks. It imports no asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["Listener"]


class Listener:
    """What is called for loops and tasks; here, each method does nothing. It raises no error."""

    wants_wakeups: bool = False
    """Whether `scheduled` is called, which costs time."""

    def starts(self, loop: AbstractEventLoop, /) -> None:
        """A loop is about to run."""

    def stops(self, loop: AbstractEventLoop, /) -> None:
        """A loop has stopped; it may run again."""

    def nests(self, loop: AbstractEventLoop, /) -> None:
        """A loop is about to run within a step of its own, as a library lets it."""

    def unnests(self, loop: AbstractEventLoop, /) -> None:
        """A loop no longer runs within a step of its own."""

    def closed(self, loop: AbstractEventLoop, /) -> None:
        """A loop was closed."""

    def created(self, loop: AbstractEventLoop, coroutine: Any, options: Any, /) -> Any:  # noqa: ARG002
        """A task is about to be created; return the coroutine that it runs."""
        return coroutine

    def refused(self, loop: AbstractEventLoop, task: Any, error: Exception, /) -> None:
        """The program's factory did not take the coroutine, so the task runs its own."""

    def switched(self, loop: AbstractEventLoop, before: Any, after: Any, /) -> None:
        """The step of one task has ended, or that of another begins; ``None`` for no task.

        Called for tasks that are not asyncio's class in C.
        """

    def scheduled(self, callback: Any, /) -> Any:
        """A callback is about to be scheduled; return the one that is called."""
        return callback
