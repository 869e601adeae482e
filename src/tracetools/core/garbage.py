"""Charges collections of garbage to frames of their own, below what each has struck.

A collection begins and ends within a step, or between two. What it took is moved from the current
stack to one below it; so no sum changes. Finalisers that it calls may do anything meanwhile, also
open spans: the time of these is theirs. If they change what is current, the collection is not told
apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetools.core.accounting import LoopAccount, TaskAccount
    from tracetools.core.stacks import Frame

__all__ = ["begin_collection", "collected_in_step", "end_collection"]


def collected_in_step(loop: LoopAccount, began: int, now: int) -> int:
    """Return for how long garbage was collected in a step, up to now, from any thread."""
    struck, collected, _ = loop.struck
    going_on = loop.collecting
    since = now if going_on is None or going_on[1] is not began else going_on[3]
    return max(now - since, 0) + (collected if struck is began else 0)


LONG: Final = 1_000_000
"""Nanoseconds: a collection that takes so long stands below functions, where these are told apart.
Shorter ones are many, and stand below the task or span."""

_MOST_KEPT: Final = 64
"""How many collections are kept between two waits of a loop; more never strike one wait."""


def begin_collection(loop: LoopAccount, now: int) -> None:
    """Note that a collection begins, in the thread of the loop."""
    task = loop.current
    if loop.changing or not loop.running:
        loop.collecting = None
    elif task is None:
        loop.collecting = (None, loop.began, loop.tree.root, now, 0, 0)
    else:
        stack = task.stack
        loop.collecting = (task, loop.began, stack, now, task.busy, stack.busy)


def end_collection(
    loop: LoopAccount,
    generation: int,
    now: int,
    functions: Callable[[TaskAccount], Iterable[Frame]] = lambda _: (),
) -> None:
    """Charge the collection that began last; nothing if none did, or if something else goes on.

    Args:
        loop: what was struck.
        generation: of the collection.
        now: the moment.
        functions: called for a long collection, returns the frames of the functions that it struck.
    """
    begun, loop.collecting = loop.collecting, None
    if loop.running:  # finalisers may have opened and closed spans, even if it is not told apart
        loop.note_collection(loop.current, now)
    if begun is None or loop.changing or not loop.running:
        return
    task, began, stack, then, task_busy, busy = begun
    if loop.current is not task or loop.began is not began:
        return
    if task is None:
        took = now - then
    elif task.stack is stack:
        # without the steps of others, and without the spans, that finalisers have made in it
        took = now - then + task.busy - task_busy + stack.busy - busy
    else:
        return
    if took <= 0:
        return
    frames = functions(task) if task is not None and took >= LONG else ()
    below = loop.tree.detail(stack, (*frames, *COLLECTIONS[generation : generation + 1]))
    if below.frame not in COLLECTIONS:
        return
    loop.note_collection(task, now)
    # As in a step, nothing is called from here on: a snapshot has all of it or nothing.
    below.entries += 1
    below.busy += took
    if task is not None:
        stack.busy -= took
        struck, before, _ = loop.struck
        loop.collected_time += took
        loop.struck = (began, took + (before if struck is began else 0), now)
    else:
        loop.own_collections = [*loop.own_collections[-_MOST_KEPT:], (then, now)]
