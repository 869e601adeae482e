"""Reads the tasks of a trio run, from its init task on. The init task itself is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from tracetools import compat
from tracetools.live.reading import (
    NO_GROUP,
    ChainReader,
    Found,
    Group,
    account_of,
    entered,
    is_running,
)
from tracetools.live.resources import locks_among, wanted_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.live.values import State

__all__ = ["read_tasks"]

_ENTRY_QUEUE: Final = "<TrioToken.run_sync_soon task>"
"""The task of trio's that calls functions of other threads, this reader among them."""


def read_tasks(
    runner: Any, only: frozenset[int] | None = None, kept: list[Any] | None = None
) -> Iterator[Found | None]:
    """Yield the tasks of a run, each after its parent; None where there is nothing to tell.

    Between two of them the run may go on: no task is kept alive meanwhile.

    Args:
        runner: the runner of the run.
        only: the identities of the tasks to read; None for all.
        kept: gets the tasks, so that others may be the last to let go of them.
    """
    reader = ChainReader()
    root = compat.stored(runner, "init_task")
    waiting = [] if root is None else [ref(root)]
    del root
    while waiting:
        found = None
        task = waiting.pop()()
        if task is not None:
            waiting += [ref(child) for child in _children(task)]
            if kept is not None:
                kept.append(task)
            if _is_of_program(task) and (only is None or id(task) in only):
                found = _read(task, reader)
        del task
        yield found


def _children(task: Any) -> list[Any]:
    return [child for nursery in task.child_nurseries for child in nursery.child_tasks]


def _is_of_program(task: Any) -> bool:
    return task.parent_nursery is not None and task.name != _ENTRY_QUEUE


def _read(task: Any, reader: ChainReader) -> Found:
    coroutine = task.coro
    chain = reader.read(coroutine)
    account = account_of(coroutine)
    parent = task.parent_nursery.parent_task
    nursery = wanted = None
    if is_running(coroutine):
        state: State = "running"
    elif not compat.trio_is_waiting(task):
        state = "ready"
    else:
        state = "waiting"
        nursery = compat.trio_nursery_awaited(task)
        if nursery is None:
            wanted = wanted_by(chain, account, task, type(task))
    return Found(
        id(task),
        task.name,
        reader.recorded(account, chain),
        state,
        reader.functions(chain),
        chain.awaits,
        parent=0 if parent.parent_nursery is None else id(parent),
        group=NO_GROUP if nursery is None else Group(tuple(map(id, nursery.child_tasks)), "all"),
        wanted=wanted,
        holds=locks_among(entered(chain)),
        has_deadline=compat.trio_has_deadline(task),
        runs=id(chain.codes[0]) if state == "running" else 0,
    )
