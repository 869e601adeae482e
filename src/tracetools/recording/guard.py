"""Errors within our own code: which are ours, and which the program's signal handlers raise there.

An error of ours ends the recording and nothing else. What a signal handler of the program raises
while our code runs belongs to the program, and goes on to it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Protocol

    from typing_extensions import Self

    class Stoppable(Protocol):
        """A recording that an error can end."""

        def stop(self, why: str) -> None:
            """Stop recording, after an error of ours."""


__all__ = ["Guard", "Insist", "handle", "is_interruption", "signal_of"]


def is_interruption(error: BaseException) -> bool:
    """Whether an error that struck in our code is the program's: Ctrl-C, or a handler's."""
    return not isinstance(error, Exception) or signal_of(error) is not None


def signal_of(error: BaseException) -> int | None:
    """Return the number of the signal whose handler raised an error; ``None`` if none did.

    Python calls a handler with the number and the frame that was interrupted. So its frame is known
    by its arguments: among them is the frame that stands above it in the traceback.
    """
    traceback = error.__traceback__
    above: FrameType | None = None
    while traceback is not None:
        given = _arguments(traceback.tb_frame)
        for number, frame in pairwise(given):
            if frame is above and above is not None and isinstance(number, int):
                return int(number)
        above = traceback.tb_frame
        traceback = traceback.tb_next
    return None


def _arguments(frame: FrameType) -> list[Any]:
    """Return what a function was called with, as far as its frame still has it."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount]
    given = [frame.f_locals.get(name) for name in names]
    if code.co_flags & _HAS_VARARGS:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        given += frame.f_locals.get(name, ())
    return given


_HAS_VARARGS = 0x04  # inspect.CO_VARARGS, which is dear to import


def handle(error: BaseException, recording: Stoppable, what_failed: str) -> None:
    """Handle an error that struck in our code, where the program's own code called it.

    Raises:
        BaseException: `error` itself, if it is the program's.
    """
    if is_interruption(error):
        raise error
    if not isinstance(error, RecursionError):  # else there is no room to record just now
        recording.stop(what_failed)


class Guard:
    """A context in which an error of ours ends the recording, and nothing else; see `handle`."""

    __slots__ = ("_recording", "_what_failed")

    def __init__(self, recording: Stoppable, what_failed: str) -> None:
        self._recording = recording
        self._what_failed = what_failed

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is not None:
            if is_interruption(error):
                return False
            handle(error, self._recording, self._what_failed)
        return True


class Insist:
    """Does several things to their end, whatever strikes meanwhile; then raises what struck first.

    What was interrupted is done once more, so it must bear that.
    """

    _TRIES = 3

    def __init__(self) -> None:
        self._struck: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        struck, self._struck = self._struck, None
        if struck is not None and struck is not error:
            raise struck

    def do(self, action: Callable[..., object], *arguments: Any) -> None:
        """Do something; what it raises is raised at the end."""
        for _ in range(self._TRIES):
            try:
                action(*arguments)
            except BaseException as error:  # noqa: BLE001  # it is raised at the end
                self._struck = self._struck or error
                if is_interruption(error):
                    continue
            return
