"""Sees the work that tasks give to threads, while something is recorded.

It is seen where asyncio, anyio and trio hand functions over: in `ThreadPoolExecutor.submit`, in the
queues of anyio's threads, and in what trio starts threads with. No frame of ours is on the stack of
a thread while it does the work, and none in the traceback of an error: functions are put one after
another by C functions alone.
"""

from __future__ import annotations

import functools
import queue
import sys
from functools import partial
from itertools import compress
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools import compat
from tracetools.attribution.awaits import classes_of, closed_over
from tracetools.core.interruptions import is_interruption
from tracetools.instruments import module_imports
from tracetools.instruments.patching import Patches
from tracetools.instruments.stepped import hide_frame
from tracetools.recording.current import recorded_loops, when_recording_changes
from tracetools.recording.thread_work import ThreadWork, work_of_task

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["is_patched"]

_CALL: Final = methodcaller("__call__")
_SECOND: Final = (False, True)


def _work(function: Any, context: Any = None) -> ThreadWork | None:
    """Return the work of a function; None if it is not recorded."""
    try:
        return work_of_task(function, context)
    except Exception as error:  # the program comes first
        if is_interruption(error):
            raise
        return None


def _after(
    begin: Callable[[], None], function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Callable[[], Any]:
    """Return what calls `begin`, then the function, and returns what that returns; in C alone."""
    both = map(_CALL, (begin, partial(function, *args, **kwargs)))
    return partial(next, compress(both, _SECOND))


# -- concurrent.futures ----------------------------------------------------------------------------


def _submit(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            work = _work(fn) if callable(fn) and not _is_elsewhere(self) else None
            if work is None:
                return original(self, fn, *args, **kwargs)
            future = original(self, _after(work.begin, fn, *args, **kwargs))
        except BaseException as error:
            hide_frame(error)
            raise
        future.add_done_callback(work.end)
        return future

    return submit


def _is_elsewhere(executor: Any) -> bool:
    """Whether an executor has interpreters of its own, which get functions pickled."""
    module = sys.modules.get("concurrent.futures.interpreter")
    kind = getattr(module, "InterpreterPoolExecutor", None)
    return kind is not None and kind in classes_of(type(executor))


# -- trio ------------------------------------------------------------------------------------------


def _start_thread_soon(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def start_thread_soon(fn: Any, deliver: Any, *args: Any, **options: Any) -> Any:
        # before trio 0.23, a partial of `Context.run` with the function that is meant
        worker = fn.args[0] if type(fn) is partial and fn.args else fn
        work = next(map(_work, closed_over(worker, compat.TRIO_THREAD_FUNCTION)), None)
        if work is None:
            return original(fn, deliver, *args, **options)

        def deliver_and_end(result: Any) -> None:
            work.end()
            deliver(result)

        return original(_after(work.begin, fn), deliver_and_end, *args, **options)

    return start_thread_soon


# -- anyio -----------------------------------------------------------------------------------------


class _WorkQueue(queue.Queue[Any]):
    """The queue of one of anyio's threads: it gets one piece of work after another."""

    _work: ThreadWork | None = None

    def _get(self) -> Any:
        item = super()._get()
        self._end()
        match item:
            case (context, function, *_):
                self._work = _work(function, context)
                if self._work is not None:
                    self._work.begin()
        return item

    def task_done(self) -> None:
        self._end()
        super().task_done()

    def _end(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.end()


def _work_queue(original: Any) -> Any:
    return _WorkQueue if original is queue.Queue else original


# -- the patching ----------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where work is given to threads: a name in a module, or in a class there."""

    module: str
    path: tuple[str, ...]
    replace: Callable[[Any], Any]


_PLACES: Final = (
    _Place("concurrent.futures.thread", ("ThreadPoolExecutor", "submit"), _submit),
    _Place("trio._threads", ("start_thread_soon",), _start_thread_soon),
    _Place("anyio._backends._asyncio", ("Queue",), _work_queue),
)


_patches: Final = Patches()


def is_patched() -> bool:
    """Whether anything is replaced just now."""
    return bool(_patches)


def _patch(place: _Place) -> None:
    owner: Any = sys.modules.get(place.module)
    *folders, name = place.path
    for folder in folders:
        owner = getattr(owner, folder, None)
    if hasattr(owner, name):
        _patches.replace(owner, name, place.replace)


_actions: Final = [partial(_patch, place) for place in _PLACES]


def _switch(recording: bool) -> None:
    """See the work of threads from now on, or no more."""
    for place, action in zip(_PLACES, _actions, strict=True):
        module_imports.forget(action)
        if recording:
            module_imports.when_imported(place.module, action)
    if not recording:
        _patches.undo()


when_recording_changes(_switch)
if recorded_loops:
    _switch(recording=True)
