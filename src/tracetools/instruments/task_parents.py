"""Decides what the parent of a task is: under which stack its account stands.

- A task that is seen when it is spawned stands under the current stack of its spawner.
- One that no task spawns, under the spans that are open around the run of its loop, or the root.
- One that lived before the recording, under the task that owns its nursery, or under the root.
- The backend's own tasks stand under one frame, `RUNTIME`.
- What they spawn is the program's, and stands under the task whose context the new one has, or
  else as if nobody had spawned it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.core.stacks import RUNTIME

if TYPE_CHECKING:
    from tracetools.core.accounting import LoopAccount, TaskAccount
    from tracetools.core.stacks import Stack

__all__ = ["parent_of_adopted", "parent_of_runtime", "parent_of_spawned", "spawner"]


def spawner(loop: LoopAccount, context_task: TaskAccount | None) -> TaskAccount | None:
    """Return the task that spawns a task just now; ``None`` if none does.

    Outside of any step, in a callback or for another thread, and in those of the backend's own
    tasks, it is `context_task`, the task in whose context this happens. Contexts outlive their
    tasks: if that one has exited, the one above it.
    """
    current = loop.current
    if current is not None and not current.is_of_runtime:
        return current
    return context_task.living if context_task is not None and context_task.loop is loop else None


def parent_of_spawned(loop: LoopAccount, spawner: TaskAccount | None) -> Stack:
    """Return the stack under which a task stands that `spawner` spawns just now."""
    return loop.tree.find_outer() if spawner is None else spawner.stack


def parent_of_runtime(loop: LoopAccount) -> Stack:
    """Return the stack under which the backend's own tasks stand."""
    return loop.tree.child(loop.tree.root, RUNTIME)


def parent_of_adopted(loop: LoopAccount, owner: TaskAccount | None) -> Stack:
    """Return the stack under which a task stands whose spawning was not seen.

    `owner` is the task that owns its nursery; which of its spans was open then is not known.
    """
    return loop.tree.root if owner is None or owner.is_of_runtime else owner.base
