"""Finds the loops that run in this process just now, recorded or not, from any thread.

asyncio and trio know the loop of the calling thread only. So the functions that run loops are
looked for in all threads, and the loop is a local variable of theirs.
"""

from __future__ import annotations

import sys
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools import compat
from tracetools.attribution.awaits import classes_of
from tracetools.sampling.unwind import locals_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Running", "running_loops"]


class Running(NamedTuple):
    """A loop that runs.

    Attributes:
        backend: ``trio``, ``asyncio`` or ``uvloop``.
        loop: the loop of asyncio, or the runner of trio.
        thread: the identity of its thread; 0 if that is not known.
    """

    backend: str
    loop: Any
    thread: int


def running_loops() -> list[Running]:
    """Return the loops that run. One in C is found if it has a task, or a function has it."""
    found: dict[int, Running] = {}
    for thread in compat.threads_running():
        for running in (*_of_trio(thread), *_of_asyncio(thread)):
            known = found.get(id(running.loop))
            if known is None or not known.thread:
                found[id(running.loop)] = running
    for loop in compat.asyncio_loops_of_tasks():
        if id(loop) not in found and _runs(loop):
            found[id(loop)] = Running(_backend_of(loop), loop, 0)
    return [*found.values()]


def _of_trio(thread: int) -> Iterator[Running]:
    """Yield the runs of trio in a thread, and the guest runs that it waits for events for."""
    code = compat.code_of("trio._core._run", "run")
    for runner in () if code is None else locals_in_thread(thread, "runner", code=code):
        if runner is not None:
            yield Running("trio", runner, thread)
    if thread == get_ident() and (here := compat.trio_runner()) is not None:
        yield Running("trio", here, thread)
    guest = compat.trio_guest_code()
    for state in () if guest is None else locals_in_thread(thread, "self", code=guest):
        yield Running("trio", compat.stored(state, "runner"), 0)


def _of_asyncio(thread: int) -> Iterator[Running]:
    loops: list[Any] = []
    code = compat.code_of("asyncio.base_events", "BaseEventLoop.run_forever")
    if code is not None:
        loops += locals_in_thread(thread, "self", code=code)
    if thread == get_ident():
        loops.append(compat.asyncio_running_loop())
    code = compat.code_of("asyncio.runners", "Runner.run")
    if code is not None:
        loops += [
            compat.stored(runner, "_loop") for runner in locals_in_thread(thread, "self", code=code)
        ]
    if sys.version_info >= _TASKS_ARE_BY_LOOP and (kind := compat.uvloop_class()) is not None:
        loops += locals_in_thread(thread, kind=kind)
    for loop in loops:
        if loop is not None and _runs(loop):
            yield Running(_backend_of(loop), loop, thread)


_TASKS_ARE_BY_LOOP: Final = (3, 14)
"""From this Python on, asyncio tells of tasks only those of a loop that one has already."""


def _runs(loop: Any) -> bool:
    """Whether a loop is a library's, and runs."""
    from tracetools.instruments import loop_state  # noqa: PLC0415  # it imports asyncio

    return loop_state.is_of_library(loop) and loop_state.is_running(loop)


def _backend_of(loop: Any) -> str:
    kind = compat.uvloop_class()
    return "uvloop" if kind is not None and kind in classes_of(type(loop)) else "asyncio"
