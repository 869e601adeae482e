"""Charges what asyncio's loops call outside of tasks to accounts of their own.

While loops are recorded, `Handle._run` is replaced: what it calls is a step of a task, or work of
asyncio's own, or a callback of the program. The last gets an account, named by its function. A
transport's callback is named by the method of the protocol that it calls. uvloop's handles are
written in C and cannot be seen.
"""

from __future__ import annotations

import functools
import os
from threading import get_ident
from types import BuiltinMethodType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.functions import register_step
from tracetools.core.labels import memoised_frames
from tracetools.instruments.stepped import hide_frame
from tracetools.recording.current import loops_here, recorded_loops
from tracetools.recording.guard import handle
from tracetools.recording.loops import RecordedLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.accounting import TaskAccount
    from tracetools.core.stacks import Frame

__all__ = ["callback_frame", "measured"]

_frame_of: Final = memoised_frames()
_MOST_WRAPPERS: Final = 16
_OUR_FOLDER: Final = os.path.dirname(__file__) + os.sep


def measured(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a replacement of `Handle._run` that does the same and measures callbacks."""

    def _run(self: Any) -> Any:
        callback = self._callback
        kind = type(callback)
        if kind in _first_steps or (kind is BuiltinMethodType and callback.__name__ == _WAKEUP):
            try:
                return original(self)
            finally:
                del self, callback  # an error's traceback refers to this frame
        struck = None
        started: tuple[TaskAccount, ...] = ()
        try:
            started = _start(callback)
        except BaseException as error:  # noqa: BLE001  # the callback must be called nevertheless
            struck = error
        try:
            original(self)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            for account in started:
                _end(account, self)
            del self, callback
        if struck is not None:
            raise struck
        return None

    register_step(_run.__code__)
    return functools.wraps(original)(_run)


_first_steps: Final[set[type]] = set()
"""The types of callbacks that step a task which no future has woken, as far as any was met."""

_WAKEUP: Final = "task_wakeup"
"""The name of the method that steps a task which a future has woken."""


def _start(callback: Any) -> tuple[TaskAccount, ...]:
    """Start a step of a callback in each recorded loop of this thread; return their accounts."""
    loop = recorded_loops.get(get_ident())
    if type(loop) is RecordedLoop:
        account = _start_in(loop, callback)
        return () if account is None else (account,)
    started = [_start_in(each, callback) for each in loops_here()]
    return tuple(account for account in started if account is not None)


def _start_in(loop: RecordedLoop, callback: Any) -> TaskAccount | None:
    """Start a step of a callback, unless it steps a task, or is called within a step."""
    if loop.current is not None or not loop.poller:  # if none, it is not asyncio's
        return None
    try:
        now = loop.clock()
        frame = callback_frame(callback)
        if frame is None or (loop.is_host and compat.trio_is_guest_tick(frame.name)):
            return None
        account = loop.callbacks.get(frame) or loop.callback(frame, now)
        account.begin_step(now)
    except BaseException as error:  # noqa: BLE001  # sorted out there
        handle(error, loop.owner, _FAILED)
        return None
    return account


def _end(account: TaskAccount, called: Any) -> None:
    loop = account.loop
    try:
        loop.end_callback(account, loop.clock(), rearms=compat.asyncio_is_rearmed(called))
    except BaseException as error:  # noqa: BLE001  # sorted out there
        account.end_step(loop.clock())
        handle(error, loop.owner, _FAILED)


_FAILED: Final = "a callback could not be recorded"


def callback_frame(callback: Any) -> Frame | None:
    """Return the frame of the function that a callback runs; ``None`` if it is asyncio's, or ours.

    Nothing is asked of an object of the program: types are compared by identity.
    """
    for _ in range(_MOST_WRAPPERS):
        kind = type(callback)
        if kind is functools.partial:
            callback = callback.func
        elif kind is MethodType:
            if compat.asyncio_is_step(callback):
                return None
            protocol = compat.asyncio_protocol(callback)
            callback = callback.__func__ if protocol is None else protocol
        elif kind is FunctionType:
            code = callback.__code__
            if compat.is_of_asyncio(code) or code.co_filename.startswith(_OUR_FOLDER):
                return None
            return _frame_of(callback.__qualname__, code)
        elif kind is BuiltinMethodType or callback is None:
            return None
        elif compat.asyncio_is_step(callback):
            _first_steps.add(kind)
            return None
        else:
            callback = _found_in(kind, "__call__")
    return None


def _found_in(kind: type, name: str) -> Any:
    return next((vars(known)[name] for known in kind.__mro__ if name in vars(known)), None)
