"""Work that tasks give to threads: while a thread does it, it is a span of its own.

The span stands under what the task does at the moment at which it gives the work away. Its time is
that of the thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools.attribution.awaits import called_function, function_code, function_name
from tracetools.core.labels import memoised_frames
from tracetools.core.stacks import Frame
from tracetools.recording.current import recorders
from tracetools.recording.guard import Guard
from tracetools.recording.spans import is_observed

if TYPE_CHECKING:
    from contextvars import Context

    from tracetools.core.accounting import Opened, TaskAccount
    from tracetools.core.stacks import Stack
    from tracetools.recording.loops import Owner

__all__ = ["ThreadWork", "work_of_task"]

_code_frame: Final = memoised_frames()


class ThreadWork:
    """A piece of work. Its methods raise no error of ours.

    Args:
        frame: the frame of the function; ``None`` for one that opens a span itself.
        given: the recordings, each with the task that gives the work and its stack.

    Attributes:
        is_over: whether the work was done.
    """

    __slots__ = ("_frame", "_given", "_opened", "is_over")

    def __init__(self, frame: Frame | None, given: list[tuple[Owner, TaskAccount, Stack]]) -> None:
        self.is_over = False
        self._frame = frame
        self._given = given
        self._opened: list[tuple[Owner, Opened]] = []

    def begin(self) -> None:
        """Open the span, in the thread that is about to do the work."""
        for recorder, task, stack in self._given:
            with Guard(recorder, _FAILED):
                opened = recorder.open_work(self, self._frame, task, stack)
                if opened is not None:
                    self._opened.append((recorder, opened))
        self._given.clear()

    def end(self, _: object = None) -> None:
        """Close the span, from any thread; do nothing if it is not open."""
        self.is_over = True
        while self._opened:
            recorder, opened = self._opened.pop()
            with Guard(recorder, _FAILED):
                recorder.close_in_thread(opened.account, opened)


_FAILED: Final = "the work of a thread could not be recorded"


def work_of_task(function: Any, context: Context | None = None) -> ThreadWork | None:
    """Return the work of a function that a task gives to a thread; None if it is not recorded.

    It is the task in whose context this is called, or the one of `context`. Where the task has a
    span of the function around the call, the thread's time goes to that one.
    """
    frame = None
    given: list[tuple[Owner, TaskAccount, Stack]] = []
    for recorder in tuple(recorders):
        task = recorder.task_in(context)
        if task is not None and task.loop.end is None:
            if not given:
                frame = _frame_of(function)
            stack = task.stack
            if stack.frame == frame and stack.parent is not None:
                stack = stack.parent
            given.append((recorder, task, stack))
    return ThreadWork(frame, given) if given else None


def _frame_of(function: Any) -> Frame | None:
    """Return the frame of a function; None if it is observed."""
    if is_observed(called_function(function)):
        return None
    code, name = function_code(function), function_name(function)
    return Frame(name) if code is None else _code_frame(name, code)
