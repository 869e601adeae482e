"""Signals whose handlers struck where what they raise is lost: sent once more."""

from __future__ import annotations

import time
from _thread import interrupt_main, start_new_thread
from functools import partial
from threading import main_thread
from typing import Any, Final

__all__ = ["send_again"]

_MOMENT: Final = 0.001
"""Seconds until a signal is sent once more: by then, Python has left our functions."""


def send_again(*numbers: int) -> None:
    """Send signals to the main thread once more, a moment later.

    A `threading.Thread` would wait until it has started, and the signal may come meanwhile.
    """
    import signal  # noqa: PLC0415  # rare

    main: Any = main_thread().ident
    strike: Any = interrupt_main
    if hasattr(signal, "pthread_kill"):  # it also ends a call that blocks
        strike = partial(signal.pthread_kill, main)

    def send() -> None:
        time.sleep(_MOMENT)
        for number in numbers:
            strike(number)

    start_new_thread(send, ())
