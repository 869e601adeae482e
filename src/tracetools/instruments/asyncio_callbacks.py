"""Charges what asyncio's loops call outside of tasks to accounts of their own.

While loops are recorded, `Handle._run` is replaced: what it calls is a step of a task, or work of
asyncio's own, or a callback of the program. The last gets an account, named by its function. A
transport's callback is named by the method of the protocol that it calls. uvloop's handles are
written in C and cannot be seen.
"""

from __future__ import annotations

import functools
from _thread import allocate_lock
from asyncio import TimerHandle
from types import BuiltinMethodType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.functions import register_step
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.instruments.callback_names import callback_frame, is_known_by_code
from tracetools.instruments.stepped import hide_frame
from tracetools.recording.forks import renew_in_child
from tracetools.recording.guard import handle
from tracetools.recording.loops import RecordedLoop
from tracetools.recording.notebooks import is_callback_of_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.accounting import TaskAccount

__all__ = ["follow", "measured", "unfollow"]

_followed: Final[dict[Any, RecordedLoop | tuple[RecordedLoop, ...]]] = {}
"""The asyncio loops that run and are recorded: by one recording, or else by several."""

_lock = allocate_lock()


def follow(loop: Any, account: RecordedLoop) -> None:
    """Charge the callbacks of an asyncio loop, which is about to run, to an account."""
    with _lock:
        _set(loop, (*_accounts_of(loop), account))


def unfollow(account: RecordedLoop) -> None:
    """Undo `follow`; do nothing if the account does not follow a loop."""
    with _lock:
        for loop in tuple(_followed):
            _set(loop, tuple(other for other in _accounts_of(loop) if other is not account))


def _accounts_of(loop: Any) -> tuple[RecordedLoop, ...]:
    accounts = _followed.get(loop, ())
    return (accounts,) if isinstance(accounts, RecordedLoop) else accounts


def _set(loop: Any, accounts: tuple[RecordedLoop, ...]) -> None:
    if accounts:
        _followed[loop] = accounts if len(accounts) > 1 else accounts[0]
    else:
        _followed.pop(loop, None)


_is_rearmed: Final = compat.asyncio_is_rearmed


def measured(original: Callable[[Any], Any]) -> Callable[[Any], Any]:  # noqa: C901  # as below
    """Return a replacement of `Handle._run` that does the same and measures callbacks.

    What a step costs here is one comparison or two. What finds the account of a callback that was
    called before is written out, for it would cost as much again to call it.
    """

    def _run(self: Any) -> Any:  # noqa: C901, PLR0912  # one frame, for a call is too dear
        callback = self._callback
        kind = type(callback)
        if kind in _first_steps or (kind in _in_c and type(callback.__self__) in _futures):
            try:
                return original(self)
            finally:
                del self, callback  # an error's traceback refers to this frame
        loop = account = function = struck = None
        others: tuple[TaskAccount, ...] = ()
        delayed: tuple[RecordedLoop, ...] = ()
        try:
            loop = _followed.get(self._loop)
            if type(self) is TimerHandle:
                delayed = _delayed_by(self, loop)
            if isinstance(loop, tuple):
                others = _begin_in_each(loop, self)
            elif loop is not None and loop.current is None:
                function = callback.__func__ if kind is MethodType else callback
                known = None
                if type(function) is FunctionType and type(function.__qualname__) is str:
                    known = loop.known.get(function.__qualname__)
                if known is None or known[0] is not function.__code__:
                    account = _begin(loop, self)
                elif known[1] is not None:
                    account = known[1]
                    account.begin_step(loop.clock())
        except BaseException as error:  # noqa: BLE001  # the callback must be called nevertheless
            struck = error
        try:
            original(self)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            for one in delayed:
                one.late = 0
            try:
                if account is not None:
                    now = account.loop.clock()
                    account.loop.end_callback(account, now, _is_rearmed(self, callback))
                elif others:
                    _end_each(others, self)
            except BaseException as error:  # noqa: BLE001  # sorted out there
                _end_again(others if account is None else (account,), error)
            del self, callback, function
        if struck is not None:
            _handle(loop, struck)
        return None

    register_step(_run.__code__)
    return functools.wraps(original)(_run)


def _delayed_by(
    timer: TimerHandle, followed: RecordedLoop | tuple[RecordedLoop, ...] | None
) -> tuple[RecordedLoop, ...]:
    """Note that a timer is late, in the loops whose scheduled time is measured."""
    known = (followed,) if isinstance(followed, RecordedLoop) else followed or ()
    loops = tuple(loop for loop in known if loop.owner.delays_count)
    late = compat.asyncio_lateness(timer) if loops else 0
    for loop in loops:
        loop.late = late
    return loops


_first_steps: Final[set[type]] = set()
"""The types of callbacks that step a task which no future has woken, as far as any was met."""

_in_c: Final[set[type]] = {BuiltinMethodType}
"""The types of methods in C, as far as any of a future was met."""

_futures: Final = {compat.asyncio_future_class(), *compat.asyncio_task_classes()}
"""asyncio's own classes of futures and tasks: their methods in C are its own work, or step a task.

To ask for the name of a method in C costs four times as much, for it is made anew.
"""


def _begin(loop: RecordedLoop, called: Any) -> TaskAccount | None:
    """Begin a callback of which nothing is known so far; None if it is not of the program."""
    callback = called._callback  # noqa: SLF001
    if compat.asyncio_is_of_future(callback):
        _in_c.add(type(callback))
        return None
    if compat.asyncio_is_step(callback):
        if type(callback) is not MethodType:
            _first_steps.add(type(callback))
        return None
    now = loop.clock()
    frame = callback_frame(callback, called._args)  # noqa: SLF001
    is_tick = frame is not None and compat.trio_is_guest_tick(frame.name)
    if is_tick and loop.is_host:
        return None
    if loop.is_of_kernel and frame is not None and is_callback_of_kernel(frame):
        frame = None
    account = None if frame is None else loop.callback(frame, now)
    if is_known_by_code(callback) and not is_tick:
        loop.know(callback, account)
    if account is not None:
        account.begin_step(now)
    return account


def _begin_in_each(loops: tuple[RecordedLoop, ...], called: Any) -> tuple[TaskAccount, ...]:
    """Begin a callback in each recording of a loop."""
    begun = [_begin(loop, called) for loop in loops if loop.current is None]
    return tuple(account for account in begun if account is not None)


def _end_each(accounts: tuple[TaskAccount, ...], called: Any) -> None:
    rearms = compat.asyncio_is_rearmed(called, called._callback)  # noqa: SLF001
    for account in accounts:
        account.loop.end_callback(account, account.loop.clock(), rearms)


def _end_again(accounts: tuple[TaskAccount, ...], error: BaseException) -> None:
    """End a callback whose end was interrupted by an error."""
    with Insist() as insist:
        for account in accounts:
            insist.do(account.loop.end_callback, account, account.loop.clock())
    _handle(tuple(account.loop for account in accounts), error)


def _handle(loops: RecordedLoop | tuple[RecordedLoop, ...] | None, error: BaseException) -> None:
    """Stop recording after an error of ours; raise it if it is the program's."""
    loops = (loops,) if isinstance(loops, RecordedLoop) else loops or ()
    for loop in loops:
        handle(error, loop.owner, "a callback could not be recorded")
    if not loops and is_interruption(error):  # it struck where no recording was known yet
        raise error


def _forget_in_child() -> None:
    """In a forked process: nothing is recorded, and the lock may be held by no living thread."""
    global _lock  # noqa: PLW0603
    _lock = allocate_lock()
    _followed.clear()


renew_in_child(_forget_in_child)
