"""Charges what asyncio's loops call outside of tasks to accounts of their own.

While loops are recorded, `Handle._run` is replaced: what it calls is a step of a task, or work of
asyncio's own, or a callback of the program. The last gets an account, named by its function. A
transport's callback is named by the method of the protocol that it calls. uvloop's handles are
written in C and cannot be seen.

`measured_run` is the reference of `native/callbacks.c`.
"""

from __future__ import annotations

import functools
from _thread import allocate_lock
from asyncio import TimerHandle
from contextlib import suppress
from types import BuiltinMethodType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools import compat
from tracetools.attribution.functions import register_step
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.core.native import accelerated
from tracetools.instruments.callback_names import callback_frame, is_known_by_code
from tracetools.instruments.stepped import hide_frame
from tracetools.instruments.wakeups import first_steps
from tracetools.recording.forks import renew_in_child
from tracetools.recording.guard import handle
from tracetools.recording.loops import RecordedLoop
from tracetools.recording.notebooks import is_callback_of_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracetools.core.accounting import TaskAccount

__all__ = ["follow", "measured", "unfollow"]

_followed: Final[dict[Any, RecordedLoop | tuple[RecordedLoop, ...]]] = {}
"""The asyncio loops that run and are recorded: by one recording, or else by several."""

_lock = allocate_lock()


def follow(loop: Any, account: RecordedLoop) -> None:
    """Charge the callbacks of an asyncio loop, which is about to run, to an account."""
    account.measures_delays = account.owner.delays_count
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


class _Uses(NamedTuple):
    """What `measured_run` needs.

    Attributes:
        followed: the loops that are followed.
        first_steps: the types of callbacks that step a task which no future has woken, as far as
            any was met.
        futures: asyncio's own classes of futures and tasks.
        timer: the class of handles that are called at a certain time.
        callback: where handles keep what they call; None if that is not known.
        loop: where handles keep their loop; None if that is not known.
        queues: the names of what loops keep handles in: those that are ready, and timers.
        begin: called with a list and a handle; begins its callback, and appends the accounts.
        end: called with that list and handle; ends the callback.
        is_rearmed: called with a handle and its callback; whether that is to be called again.
        end_again: called with accounts and the error that has interrupted the end.
        sort_out: called with a handle and the error that has interrupted the beginning.
    """

    followed: dict[Any, RecordedLoop | tuple[RecordedLoop, ...]]
    first_steps: set[type]
    futures: tuple[type, ...]
    timer: type
    callback: Any
    loop: Any
    queues: tuple[str, str]
    begin: Callable[[list[TaskAccount], Any], None]
    end: Callable[[list[TaskAccount], Any], None]
    is_rearmed: Callable[[Any, Any], bool]
    end_again: Callable[[Sequence[TaskAccount], BaseException], None]
    sort_out: Callable[[Any, BaseException], None]


def measured(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a replacement of `Handle._run` that does the same and measures callbacks."""
    if _uses.callback is None or _uses.loop is None:
        return original
    register_step(original.__code__)
    return measured_run(original, _uses)


@accelerated
def measured_run(original: Callable[[Any], Any], uses: _Uses) -> Callable[[Any], Any]:
    """Return a replacement of `Handle._run`; see `_Uses`."""

    def _run(self: Any) -> Any:
        callback = self._callback
        kind = type(callback)
        if (type(kind) is type and kind in uses.first_steps) or (  # any other may have no hash
            issubclass(kind, BuiltinMethodType)
            and type(callback.__self__) in uses.futures
            and type(self) is not uses.timer
        ):
            try:
                return original(self)
            finally:
                del self, callback  # an error's traceback refers to this frame
        begun: list[TaskAccount] = []
        struck = None
        try:
            uses.begin(begun, self)
        except BaseException as error:  # noqa: BLE001  # the callback must be called nevertheless
            struck = error
        try:
            result = original(self)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            uses.end(begun, self)
            handle, self, callback = self, None, None
        if struck is not None:
            uses.sort_out(handle, struck)
        return result

    register_step(_run.__code__)
    return functools.wraps(original)(_run)


def _begin(begun: list[TaskAccount], called: Any) -> None:
    """Begin a callback in each recording of its loop; append the accounts whose steps begin."""
    of_handle, callback, args = compat.asyncio_handle(called)
    loops = _accounts_of(of_handle)
    if type(called) is TimerHandle:
        _note_delay(called, loops)
    for loop in loops:
        account = _account_of(loop, callback, args) if loop.current is None else None
        if account is not None:
            begun.append(account)
            account.begin_step(loop.clock())


def _note_delay(timer: TimerHandle, loops: tuple[RecordedLoop, ...]) -> None:
    """Note that a timer is late, in the loops whose scheduled time is measured."""
    loops = tuple(loop for loop in loops if loop.measures_delays)
    late = compat.asyncio_lateness(timer) if loops else -1
    for loop in loops:
        loop.late = late


def _account_of(loop: RecordedLoop, callback: Any, args: tuple[Any, ...]) -> TaskAccount | None:
    """Return the account of a callback; None if it is not of the program."""
    function: Any = callback.__func__ if type(callback) is MethodType else callback
    if type(function) is FunctionType and type(function.__qualname__) is str:
        code, account = loop.known.get(function.__qualname__, (None, None))
        if code is function.__code__:
            return account
    return _new_account_of(loop, callback, args)


def _new_account_of(loop: RecordedLoop, callback: Any, args: tuple[Any, ...]) -> TaskAccount | None:
    """Return the account of a callback of which nothing is known so far."""
    if compat.asyncio_is_of_future(callback):
        return None
    if compat.asyncio_is_step(callback):
        if type(callback) is not MethodType:
            first_steps.add(type(callback))
        return None
    frame = callback_frame(callback, args)
    is_tick = frame is not None and compat.trio_is_guest_tick(frame.name)
    if is_tick and loop.is_host:
        return None
    if loop.is_of_kernel and frame is not None and is_callback_of_kernel(frame):
        frame = None
    account = None if frame is None else loop.callback(frame, loop.clock())
    if is_known_by_code(callback) and not is_tick:
        loop.know(callback, account)
    return account


def _end(begun: Sequence[TaskAccount], called: Any) -> None:
    """End a callback in each recording in which it has begun."""
    try:
        of_handle, callback, _ = compat.asyncio_handle(called)
        if type(called) is TimerHandle:
            for loop in _accounts_of(of_handle):
                loop.late = -1
        for account in begun:
            now = account.loop.clock()
            account.loop.end_callback(account, now, _is_rearmed(called, callback))
    except BaseException as error:  # noqa: BLE001  # sorted out there
        _end_again(begun, error)


_is_rearmed: Final = compat.asyncio_is_rearmed


def _end_again(begun: Sequence[TaskAccount], error: BaseException) -> None:
    """End a callback whose end was interrupted by an error."""
    with Insist() as insist:
        for account in begun:
            insist.do(account.loop.end_callback, account, account.loop.clock())
    _handle(tuple(account.loop for account in begun), error)


def _sort_out(called: Any, error: BaseException) -> None:
    """Handle an error that struck before a callback was called."""
    loops: tuple[RecordedLoop, ...] = ()
    with suppress(Exception):
        loops = _accounts_of(compat.asyncio_handle(called)[0])
    _handle(loops, error)


def _handle(loops: tuple[RecordedLoop, ...], error: BaseException) -> None:
    """Stop recording after an error of ours; raise it if it is the program's."""
    for loop in loops:
        handle(error, loop.owner, "a callback could not be recorded")
    if not loops and is_interruption(error):  # it struck where no recording was known yet
        raise error


_uses: Final = _Uses(
    _followed,
    first_steps,
    (compat.asyncio_future_class(), *compat.asyncio_task_classes()),
    TimerHandle,
    *compat.asyncio_handle_slots(),
    compat.ASYNCIO_QUEUES,
    _begin,
    _end,
    compat.asyncio_is_rearmed,
    _end_again,
    _sort_out,
)


def _forget_in_child() -> None:
    """In a forked process: nothing is recorded, and the lock may be held by no living thread."""
    global _lock  # noqa: PLW0603
    _lock = allocate_lock()
    _followed.clear()


renew_in_child(_forget_in_child)
