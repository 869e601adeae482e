"""Reads the tasks of an asyncio loop, those of anyio and of uvloop among them."""

from __future__ import annotations

from functools import partial
from types import BuiltinMethodType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.awaits import (
    classes_of,
    closed_over,
    future_of,
    is_defined_in,
    referents,
)
from tracetools.core.frame_locals import locals_of
from tracetools.live.reading import (
    NO_GROUP,
    ChainReader,
    Found,
    Group,
    account_of,
    entered,
    is_running,
    tail,
)
from tracetools.live.resources import locks_among, wanted_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.attribution.wait_names import Awaited
    from tracetools.live.values import State

__all__ = ["read_tasks"]


def read_tasks(
    loop: Any, only: frozenset[int] | None = None, kept: list[Any] | None = None
) -> Iterator[Found | None]:
    """Yield the tasks of a loop; None where there is nothing to tell.

    Between two of them the loop may go on: no task is kept alive meanwhile.

    Args:
        loop: the loop.
        only: the identities of the tasks to read; None for all.
        kept: gets the tasks, so that others may be the last to let go of them.
    """
    reader = ChainReader()
    for reference in compat.asyncio_tasks(loop, kept):
        found = None
        task = reference()
        if kept is not None:
            kept.append(task)
        if task is not None and (only is None or id(task) in only) and _is_of(task, loop):
            found = _read(task, reader)
        del task
        yield found


def _is_of(task: Any, loop: Any) -> bool:
    """Whether a task is one of a loop, and not over."""
    return compat.stored(task, "_loop") is loop and compat.asyncio_waits(task)


def _read(task: Any, reader: ChainReader) -> Found:
    coroutine = compat.asyncio_coroutine(task)
    chain = reader.read(coroutine)
    account = account_of(coroutine)
    managers = entered(chain)
    future = compat.stored(task, "_fut_waiter")
    if is_running(coroutine):
        state: State = "running"
    elif future is None or not compat.asyncio_waits(future):
        state = "ready"
    else:
        state = "waiting"
    is_waiting = state == "waiting"
    parent, waited_by = _above(task)
    return Found(
        id(task),
        compat.asyncio_name(task),
        reader.recorded(account, chain),
        state,
        reader.functions(chain),
        chain.awaits,
        parent=parent,
        future=id(future) if is_waiting else 0,
        waited_by=waited_by,
        group=_group(future, chain) if is_waiting else NO_GROUP,
        wanted=wanted_by(chain, account, task, compat.asyncio_task_class()) if is_waiting else None,
        holds=locks_among(managers),
        has_deadline=compat.anyio_has_deadline(task) or any(map(compat.deadline_of, managers)),
        runs=id(chain.codes[0]) if state == "running" else 0,
    )


# -- what a task waits for -----------------------------------------------------------------------

_MOST_DEPTH: Final = 16


def _group(future: Any, chain: Awaited) -> Group:
    """Return the tasks that a task waits for."""
    for link, code in tail(chain):
        for module, find in _WAITS.get(code.co_name, {}).items():
            if is_defined_in(code, module):
                return find(link)
    awaited = future if future_of(chain.end) is None else future_of(chain.end)
    tasks = _tasks_of(awaited, 0)
    return Group(tasks, "all") if tasks else NO_GROUP


def _tasks_of(future: Any, depth: int) -> tuple[int, ...]:
    """Return the tasks that all have to end before a future is done; none if that is not known."""
    if depth > _MOST_DEPTH:
        return ()
    kinds = classes_of(type(future))
    if any(kind in kinds for kind in compat.asyncio_task_classes()):
        return (id(future),)
    if compat.asyncio_is_gathering(type(future)):
        children = compat.stored(future, "_children") or ()
        return tuple(task for child in children for task in _tasks_of(child, depth + 1))
    for callback in _callbacks(future):
        if _is_function(callback, "_outer_done_callback"):  # of a shield
            for inner in closed_over(callback, "inner"):
                return _tasks_of(inner, depth + 1)
    return ()


def _of_wait(link: Any) -> Group:
    names = _locals(link)
    futures = tuple(map(id, names.get("fs") or ()))
    rule = names.get("return_when")
    return Group(
        futures,
        "any" if type(rule) is str and rule == "FIRST_COMPLETED" else "all",
        names.get("timeout") is not None,
    )


def _of_wait_for(link: Any) -> Group:
    names = _locals(link)
    return Group(_tasks_of(names.get("fut"), 0), "all", names.get("timeout") is not None)


def _of_group(link: Any) -> Group:
    for each in referents(link):
        if compat.is_asyncio_group(type(each)):
            return Group(tuple(map(id, compat.stored(each, "_tasks") or ())), "all")
    return NO_GROUP


def _locals(link: Any) -> dict[str, Any]:
    frame = getattr(link, "cr_frame", None)
    return {} if frame is None else locals_of(frame)


_TASK_GROUP: Final = "asyncio.taskgroups"
_ANYIO: Final = "anyio._backends._asyncio"

_WAITS: Final = {
    "_wait": {"asyncio.tasks": _of_wait},
    "wait_for": {"asyncio.tasks": _of_wait_for},
    "_aexit": {_TASK_GROUP: _of_group},
    "__aexit__": {_TASK_GROUP: _of_group, _ANYIO: _of_group},
}
"""Functions that wait for tasks, by name and module."""


# -- who waits for a task ------------------------------------------------------------------------


def _callbacks(future: Any) -> list[Any]:
    """Return what a future calls when it is done."""
    found = compat.stored(future, "_callbacks")
    return [each[0] for each in found or () if type(each) is tuple and each]


def _is_function(callback: Any, name: str) -> bool:
    if type(callback) is not FunctionType or callback.__code__.co_name != name:
        return False
    return compat.is_of_asyncio(callback.__code__) or is_defined_in(callback.__code__, _ANYIO)


def _above(task: Any) -> tuple[int, tuple[int, ...]]:
    """Return the task whose group a task is in, and which futures and tasks wait for it."""
    parent, waited_by = 0, list[int]()
    for callback in _callbacks(task):
        kind = type(callback)
        if kind is MethodType and compat.is_asyncio_group(type(callback.__self__)):
            parent = id(compat.stored(callback.__self__, "_parent_task"))
        elif kind is BuiltinMethodType and callback.__name__ == compat.ASYNCIO_WAKEUP:
            waited_by.append(id(callback.__self__))
        elif kind is partial:
            waited_by += map(id, callback.args[:1])
        elif _is_function(callback, "task_done"):
            for group in closed_over(callback, "self"):
                scope = compat.stored(group, "cancel_scope")
                parent = id(compat.stored(scope, "_host_task"))
        else:
            for name, variable in _PASSED_ON.items():
                if _is_function(callback, name):
                    waited_by += map(id, closed_over(callback, variable))
    return parent, tuple(waited_by)


_PASSED_ON: Final = {
    "_done_callback": "outer",  # of a gather
    "_inner_done_callback": "outer",  # of a shield
    "_on_completion": "waiter",  # of a wait
}
"""Functions that let another future be done, and the name by which they know that."""
