"""Signal handlers of ours, where the program has left a signal to the system.

The program sees none of them. It finds `SIG_DFL` where it would, and if it sets that, ours is set.
So functions of ours stand in for `signal.signal` and `signal.getsignal` meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import signal
from typing import TYPE_CHECKING, Any, Final

from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["let_go", "own", "set_handler", "take_over"]

set_handler: Final = signal.signal
"""Python's own function."""

_get_handler: Final = signal.getsignal

_ours: Final[dict[int, Callable[..., None]]] = {}
"""What is called, by the number of the signal, where the program has left that to the system."""


def take_over(numbers: Iterable[int], handler: Callable[..., None]) -> None:
    """Set a handler for those signals that are left to the system. Others stay as they are.

    In a thread that is not the main one this does nothing.
    """
    for number in numbers:
        if number not in _ours and _get_handler(number) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):
                set_handler(number, handler)
                _ours[number] = handler
    if _ours and signal.signal is set_handler and signal.getsignal is _get_handler:
        signal.signal, signal.getsignal = _signal, _getsignal


def let_go(handler: Callable[..., None]) -> None:
    """Leave the signals to the system again."""
    for number in [number for number, ours in _ours.items() if ours == handler]:
        with contextlib.suppress(ValueError):
            if _is(_get_handler(number), handler):
                set_handler(number, signal.SIG_DFL)
            _ours.pop(number, None)
    if not _ours:
        if signal.signal is _signal:
            signal.signal = set_handler
        if signal.getsignal is _getsignal:
            signal.getsignal = _get_handler


def own(handler: Callable[..., None]) -> list[int]:
    """Return the numbers of the signals for which a handler of ours is set just now."""
    return [n for n, ours in _ours.items() if ours == handler and _is(_get_handler(n), handler)]


def _is(handler: Any, ours: Callable[..., None]) -> bool:
    """Whether a handler is one of ours. One of another type may not bear to be compared."""
    return type(handler) is type(ours) and bool(handler == ours)


@functools.wraps(set_handler)
def _signal(signalnum: Any, handler: Any) -> Any:
    number = _number_of(signalnum)
    wanted = handler
    if isinstance(handler, int) and handler == signal.SIG_DFL and number in _ours:
        wanted = _ours[number]
    try:
        found = set_handler(signalnum, wanted)
    except BaseException as error:
        hide_frame(error)
        raise
    return _shown(number, found)


@functools.wraps(_get_handler)
def _getsignal(signalnum: Any) -> Any:
    try:
        found = _get_handler(signalnum)
    except BaseException as error:
        hide_frame(error)
        raise
    return _shown(_number_of(signalnum), found)


def _number_of(signalnum: Any) -> int:
    return int(signalnum) if isinstance(signalnum, int) else 0


def _shown(number: int, handler: Any) -> Any:
    ours = number in _ours and _is(handler, _ours[number])
    return signal.SIG_DFL if ours else handler
