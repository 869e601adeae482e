"""Watches the collector of garbage, as long as a loop is recorded.

The collector calls `gc.callbacks` as it begins and as it ends, in the thread that it strikes. A
program may change that list at any time: then a beginning without an end is forgotten, and an end
without a beginning does nothing.
"""

from __future__ import annotations

import gc
from _thread import get_ident
from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.functions import is_step
from tracetools.core.garbage import LONG, begin_collection, end_collection
from tracetools.core.interruptions import is_interruption, signal_of
from tracetools.core.native import native
from tracetools.guest.signals import send_again
from tracetools.recording import current
from tracetools.recording.loops import RecordedLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import CodeType

    from tracetools.core.accounting import TaskAccount
    from tracetools.core.stacks import Frame

__all__ = ["on_collection", "struck_elsewhere"]


def on_collection(phase: str, info: Mapping[str, Any]) -> None:
    """Note that a collection begins or ends. Called by the collector, which drops what it raises.

    So what a signal handler of the program's raises here is raised in the program a little later.
    """
    try:
        if _tell_sampler is not None:
            _tell_sampler(phase == "start")
        thread = get_ident()
        loops = current.recorded_loops.get(thread)
        if loops is None:
            _note_elsewhere(thread, phase, info["generation"])
        elif type(loops) is RecordedLoop:
            if phase == "start":
                begin_collection(loops, loops.clock())
            else:
                end_collection(loops, info["generation"], loops.clock(), _functions_in(loops))
        else:
            for loop in _struck(loops):
                if phase == "start":
                    begin_collection(loop, loop.clock())
                else:
                    end_collection(loop, info["generation"], loop.clock(), _functions_in(loop))
    except RecursionError:  # the program's own; there is no room to record anything just now
        pass
    except BaseException as error:  # noqa: BLE001  # the collector would drop it
        _handle(error)
    if phase == "stop" and _lost:
        numbers = _lost.copy()
        _lost.clear()
        send_again(*numbers)


def _note_elsewhere(thread: int, phase: str, generation: int) -> None:
    """Note a collection that strikes a thread without a loop, for it holds the GIL."""
    now = perf_counter_ns()
    if phase == "start":
        _forget_unended()
        _elsewhere.append((thread, generation, now, 0))
    elif _elsewhere and _elsewhere[-1][:2] == (thread, generation):
        *begun, _ = _elsewhere.pop()
        if now - begun[2] >= LONG:
            _elsewhere.append((thread, generation, begun[2], now))


_elsewhere: Final[deque[tuple[int, int, int, int]]] = deque(maxlen=16)
"""Collections in threads without loops: thread, generation, begin, and end, or 0 before that."""


def _forget_unended() -> None:
    """Forget a collection whose end was never told. There is only one collection at a time."""
    if _elsewhere and not _elsewhere[-1][3]:
        _elsewhere.pop()


def struck_elsewhere(thread: int, begin: int, end: int) -> int | None:
    """Return the generation of a collection in a thread that took most of a time, if any did."""
    for struck, generation, since, until in tuple(_elsewhere):
        if struck == thread and 2 * (min(until or end, end) - max(since, begin)) > end - begin:
            return generation
    return None


def _struck(loops: Any) -> Iterable[RecordedLoop]:
    """Return the loops of a thread whose time goes on; that of a guest is part of its host's."""
    guest_steps = any(loop.is_guest and loop.current is not None for loop in loops)
    for loop in loops:
        is_shared = loop.shared_since is not None or (loop.is_host and guest_steps)
        if loop.current is not None or not is_shared:
            yield loop


def _functions_in(loop: RecordedLoop) -> Callable[[TaskAccount], Iterable[Frame]]:
    """Return what finds the functions that run in a step, where they are told apart."""
    return _interrupted_functions if loop.owner.shows_functions else _no_functions


def _interrupted_functions(task: TaskAccount) -> Iterable[Frame]:
    """Return the frames of the functions that the collector has interrupted, outermost first."""
    codes: list[CodeType] = []
    frame = compat.getframe(3)  # of what called the collector, below `end_collection`
    while frame is not None and len(codes) < _MOST_FRAMES and not is_step(frame.f_code):
        codes.append(frame.f_code)
        frame = frame.f_back
    frames: Iterable[Frame] = task.loop.owner.functions.frames(codes[::-1], task.base, task.stack)
    return frames


def _no_functions(_: TaskAccount) -> Iterable[Frame]:
    return ()


_MOST_FRAMES: Final = 2000


def _handle(error: BaseException) -> None:
    """Stop the recordings after an error of ours; let the program have its own."""
    if not is_interruption(error):
        for recorder in tuple(current.recorders):
            recorder.stop("a collection of garbage could not be recorded")
        return
    steps = [loop for loop in current.loops_here() if _is_task(loop.current)]
    number = signal_of(error)
    if steps:
        steps[0].postpone(error)
    elif number is not None:
        _lost.append(number)


_tell_sampler: Final[Callable[[bool], None] | None] = getattr(native, "note_collection", None)
"""Keeps the time of collections out of the samples that the native core takes."""

_lost: Final[list[int]] = []
"""The signals whose handlers are called once more when the collector is over: it would drop what
they raise within a callback of a weak reference as well."""


def _is_task(account: TaskAccount | None) -> bool:
    return account is not None and not account.is_callback


_watched: Final[list[Any]] = gc.callbacks
"""The list that the collector has. The name in `gc` may be given to another one."""


def _switch(recording: bool) -> None:
    """Watch the collector, or no longer."""
    for index in range(len(_watched) - 1, -1, -1):
        if _watched[index] is on_collection:
            del _watched[index]
    _forget_unended()
    if recording:
        _watched.append(on_collection)


current.when_recording_changes(_switch)
