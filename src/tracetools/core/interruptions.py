"""What a signal handler of the program's raises while our code runs, and how to pass it on.

It belongs to the program. Our code finishes what must be finished, and lets it go on.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import pairwise
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.frame_locals import locals_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

__all__ = ["Insist", "is_interruption", "signal_of"]


def is_interruption(error: BaseException) -> bool:
    """Whether an error that struck in our code is the program's: Ctrl-C, or a handler's.

    Where there is no memory to find out, it is taken for ours.
    """
    try:
        return not isinstance(error, Exception) or signal_of(error) is not None
    except MemoryError:
        return False


def signal_of(error: BaseException) -> int | None:
    """Return the number of the signal whose handler raised an error; ``None`` if none did.

    Python's own handler, which raises Ctrl-C, has no frame.
    Python calls a handler with the number and the frame that was interrupted. So its frame is known
    by its arguments: among them is the frame that stands above it in the traceback. A handler that
    has deleted them is known if it is still installed.
    """
    traceback = error.__traceback__
    above: FrameType | None = None
    installed: dict[CodeType, int] | None = None
    while traceback is not None:
        frame = traceback.tb_frame
        if above is not None:
            for number, interrupted in pairwise(_arguments(frame)):
                if interrupted is above and isinstance(number, int):
                    return int(number)
            installed = _installed_handlers() if installed is None else installed
            if frame.f_code in installed:
                return installed[frame.f_code]
        above = frame
        traceback = traceback.tb_next
    return _CTRL_C if above is not None and type(error) is KeyboardInterrupt else None


_CTRL_C: Final = 2
"""The number of SIGINT, which is the same everywhere."""


def _installed_handlers() -> dict[CodeType, int]:
    """Return the code of the program's signal handlers, as far as they are written in Python."""
    found: dict[CodeType, int] = {}
    signal = sys.modules.get("signal")
    if signal is None:  # without it, the program has installed none
        return found
    for number in signal.valid_signals():
        code = _code_of(signal.getsignal(number))
        if code is not None:
            found[code] = number
    return found


def _code_of(handler: Any) -> CodeType | None:
    """Return the code of a function, a method, a partial of one, or a callable object."""
    for _ in range(_MAX_WRAPPERS):
        if isinstance(handler, FunctionType):
            return handler.__code__
        if isinstance(handler, MethodType):
            handler = handler.__func__
        elif isinstance(handler, partial):
            handler = handler.func
        else:
            handler = vars(type(handler)).get("__call__")
    return None


_MAX_WRAPPERS: Final = 16


def _arguments(frame: FrameType) -> list[Any]:
    """Return what a function was called with, as far as its frame still has it."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount]
    found = locals_of(frame)
    given = [found.get(name) for name in names]
    if code.co_flags & _HAS_VARARGS:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        given += found.get(name, ())
    return given


_HAS_VARARGS: Final = 0x04  # inspect.CO_VARARGS, which is dear to import


class Insist:
    """Does several things to their end, whatever strikes meanwhile; then raises what struck first.

    What was interrupted is done once more, so it must bear that.

    Args:
        quietly: whether errors are dropped that no signal handler of the program's has raised.
    """

    _TRIES = 3

    def __init__(self, *, quietly: bool = False) -> None:
        self._quietly = quietly
        self._struck: BaseException | None = None

    def __enter__(self) -> Insist:  # noqa: PYI034  # Self is not in 3.10
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
                interrupted = is_interruption(error)
                if interrupted or not self._quietly:
                    self._struck = self._struck or error
                if interrupted:
                    continue
            return
