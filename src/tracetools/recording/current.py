"""What is recorded just now, and in which thread: how a span finds the tasks that it belongs to.

Only the way from a span to an account lives here; it is imported by every program that observes,
recorded or not, so it imports little.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tracetools.core.accounting import Opened, TaskAccount, close_once
from tracetools.core.interruptions import is_interruption
from tracetools.core.native import accelerated, native, references
from tracetools.core.steps import Closed
from tracetools.recording.forks import renew_in_child
from tracetools.recording.loops import RecordedLoop
from tracetools.recording.running import is_in_trio_task, running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tracetools.core.stacks import Frame
    from tracetools.recording.loops import Owner

__all__ = [
    "Opening",
    "close_span",
    "follow",
    "is_here",
    "loops_here",
    "note_error",
    "open_library_span",
    "open_span",
    "recorded_loops",
    "recorders",
    "unfollow",
    "when_recording_changes",
]

Opening: TypeAlias = "Opened | list[Opened]"
"""What `open_span` opened; where several recordings follow the thread, one for each."""

recorded_loops: Final[dict[int, RecordedLoop | tuple[RecordedLoop, ...]]] = {}
"""The loops that are being recorded, by the thread that they run in: one, or else several.

Empty: nothing is recorded.
"""

recorders: Final[set[Owner]] = set()
"""The recordings that follow a loop just now."""

_switches: Final[list[Callable[[bool], None]]] = []
_lock = allocate_lock()


def when_recording_changes(switch: Callable[[bool], None]) -> None:
    """Have `switch` called with True when the first loop is recorded, and False after the last."""
    _switches.append(switch)


def follow(loop: RecordedLoop) -> None:
    """Let spans in the loop's thread find it."""
    with _lock:
        _set_loops(loop.thread, (*_loops_in(loop.thread), loop))


def unfollow(loop: RecordedLoop) -> None:
    """Let spans in the loop's thread no longer find it."""
    with _lock:
        others = [other for other in _loops_in(loop.thread) if other is not loop]
        _set_loops(loop.thread, tuple(others))


def _set_loops(thread: int, loops: tuple[RecordedLoop, ...]) -> None:
    """Say which recorded loops run in a thread."""
    before = bool(recorded_loops)
    if loops:
        recorded_loops[thread] = loops if len(loops) > 1 else loops[0]
    else:
        recorded_loops.pop(thread, None)
    if native is not None:
        only = loops[0] if len(loops) == 1 else None
        native.set_current(thread, only, bool(recorded_loops))
    if bool(recorded_loops) != before:
        for switch in _switches:
            switch(bool(recorded_loops))


def _loops_in(thread: int) -> tuple[RecordedLoop, ...]:
    """Return the recorded loops that run in a thread."""
    loops = recorded_loops.get(thread, ())
    return (loops,) if isinstance(loops, RecordedLoop) else loops


def loops_here() -> tuple[RecordedLoop, ...]:
    """Return the recorded loops that run in this thread."""
    return _loops_in(get_ident())


@accelerated
def open_span(frame: Frame, entries: int = 1, lasts: bool = True) -> Opening | None:
    """Open a span in whatever this thread does just now, for every recording that follows it.

    `entries` is 0 for a span that was entered before and is merely current again. It `lasts` if it
    is open from its entry to its exit.

    Returns:
        What to give to `close_span`; ``None`` where there is nothing to close.

    Raises:
        BaseException: what a signal handler of the program's raised meanwhile; no span is open
            then. Nothing of our own.
    """
    before = task = None
    try:
        loop = recorded_loops.get(get_ident())
        if type(loop) is RecordedLoop:
            task = loop.current
            if task is None:  # between two steps: in a guest run, the host's own work
                return None
            before = task.innermost
            opened: Opened | None = task.open(frame, loop.clock(), entries, lasts)
            return opened
        if not recorded_loops:
            return None
        return _open_several(loop, frame, entries, lasts)
    except RecursionError:  # the program's own; there is no room to record anything just now
        return None
    except BaseException as error:
        if _opening_failed(error, task, before):
            raise
        return None


def open_library_span(frame: Frame) -> Opening | None:
    """Open a span of a library likewise, but only for the recordings that show such.

    If none does, whoever opens it was put there by hand: then it is for all.
    """
    if len(recorders) <= 1:
        return open_span(frame)
    known = tuple(recorders)
    showing = [owner for owner in known if owner.shows_libraries]
    if not showing or len(showing) == len(known):
        return open_span(frame)
    try:
        return _open_several(_loops_in(get_ident()) or None, frame, 1, True, only=showing)
    except RecursionError:  # as above
        return None
    except BaseException as error:
        if _failed(error):
            raise
        return None


@accelerated
def close_span(opened: Opening | None) -> None:
    """Close what `open_span` opened; from anywhere, in any order, more than once.

    Raises:
        BaseException: what a signal handler of the program's raised meanwhile; the span is closed
            then. Nothing of our own.
    """
    try:
        if type(opened) is Opened:
            account = opened.account
            # No thread but the loop's own sees its span innermost in a task that steps, unless the
            # step itself waits for that thread.
            if type(account) is not TaskAccount:
                account.owner.close_in_thread(account, opened)
            elif not account.close_current(opened, account.loop.clock()):
                _close_elsewhere(account, opened)
        elif isinstance(opened, list):
            for one in reversed(opened):
                close_span(one)
    except RecursionError:  # the program's own; there is no room to record anything just now
        return
    except BaseException as error:
        if _closing_failed(error, opened):
            raise


def note_error(opened: Opening | None, error: BaseException) -> None:
    """Note that an exception ends a span, which is open, for recordings that keep such spans.

    Raises:
        BaseException: what a signal handler of the program's raised meanwhile. Nothing of our own.
    """
    try:
        for one in opened if isinstance(opened, list) else (opened,):
            account = None if one is None else one.account
            if one is not None and type(account) is TaskAccount:
                triggers = account.loop.owner.triggers
                if triggers is not None:
                    triggers.note_error(one, account, error)
    except (RecursionError, MemoryError):  # there is no room to note anything just now
        return
    except BaseException as struck:
        if _failed(struck):
            raise


def _close_elsewhere(account: TaskAccount, opened: Opened) -> None:
    """Close a span out of order, from another task, or from another thread."""
    loop = account.loop
    if isinstance(loop, RecordedLoop) and loop.thread == get_ident():
        account.close(opened, loop.clock())
    else:  # the account is its own thread's: it will see that the span is closed
        close_once(account.closed, Closed(opened, loop.clock()))


# What has failed returns whether the error is the program's, and is to be raised there.


def _opening_failed(error: BaseException, task: TaskAccount | None, before: Opened | None) -> bool:
    """Close what was opened in a task since a span was its innermost one, if interrupted."""
    is_programs = _failed(error)
    if is_programs and task is not None:
        opened = task.innermost
        if opened is not None and opened is not before:
            close_span(opened)
    return is_programs


def _closing_failed(error: BaseException, opened: Opening | None) -> bool:
    """Close a span once more, if interrupted."""
    is_programs = _failed(error)
    if is_programs:
        close_span(opened)
    return is_programs


def _failed(error: BaseException) -> bool:
    """Stop every recording after an error of ours that no single one can be blamed for."""
    if is_interruption(error):
        return True
    try:
        raise error  # noqa: TRY301  # it is logged as the one that is handled
    except BaseException:  # noqa: BLE001  # the same
        with suppress(MemoryError):  # there is no memory even for that: they go on
            for recorder in tuple(recorders):
                recorder.stop("a span could not be recorded")
    return False


def is_here(opened: Opening) -> bool:
    """Whether what was opened belongs to the task or worker thread that asks."""
    if isinstance(opened, list):
        return is_here(opened[0])
    account = opened.account
    if type(account) is TaskAccount:
        return account.loop.current is account and account.loop.thread == get_ident()
    return bool(account.owner.is_here(account))


def _open_several(
    loops: Any, frame: Frame, entries: int, lasts: bool, only: Collection[Owner] | None = None
) -> list[Opened] | None:
    """Open a span in each of several loops in this thread, or in this worker thread."""
    if loops is None:
        if running_loop() is not None or is_in_trio_task():  # of a loop that nobody records
            return None
        owners = tuple(recorders) if only is None else only
        return [owner.open_in_thread(frame, entries, lasts) for owner in owners] or None
    opened: list[Opened] = []
    try:
        for loop in loops:
            if only is not None and loop.owner not in only:
                continue
            task = loop.current
            one = None if task is None else task.open(frame, loop.clock(), entries, lasts)
            opened += [one] if one is not None else []
    except BaseException:
        close_span(opened)
        raise
    return opened or None


def _forget_in_child() -> None:
    """In a forked process: record nothing, so that only the parent writes what it recorded."""
    global _lock  # noqa: PLW0603  # it may be held by a thread that does not exist here
    _lock = allocate_lock()
    for thread in tuple(recorded_loops):
        _set_loops(thread, ())
    recorders.clear()


def _use_native() -> None:
    """Give the native core what it calls of this module."""
    if native is not None:
        native.use_current(
            open_span=references["open_span"],
            close_span=references["close_span"],
            close_elsewhere=_close_elsewhere,
            opening_failed=_opening_failed,
            closing_failed=_closing_failed,
            failed=_failed,
            note_error=note_error,
        )


renew_in_child(_forget_in_child)
_use_native()
