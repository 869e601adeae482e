"""Signals that start a recording and write it, for those who ask for that.

The handlers only tell the door's thread, which does the work. Handlers that the program had set
before are called after ours; one that it sets later takes the place of ours.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.errors import DoorError, TracetoolsError
from tracetools.guest.messages import common
from tracetools.output.formats.profile_json import write_profile
from tracetools.session.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tracetools.door.asks import Asks

__all__ = ["DoorSignals"]

_STARTS: Final = "SIGUSR1"
_WRITES: Final = "SIGUSR2"
_OPTIONS: Final = Options(flush_interval=None)


class DoorSignals:
    """Has SIGUSR1 start a recording, and SIGUSR2 write it.

    Args:
        asks: what records.
        call: has something done in the door's thread.
    """

    def __init__(self, asks: Asks, call: Callable[[Callable[[], object]], object]) -> None:
        self._asks = asks
        self._call = call
        self._folder = Path.cwd()
        self._ours: dict[int, tuple[Any, Any]] = {}

    def catch(self) -> None:
        """Set the handlers, in the main thread. A second time does nothing.

        Raises:
            DoorError: this is another thread, there are no such signals, or a handler is in C.
        """
        if self._ours:
            return
        if threading.get_ident() != threading.main_thread().ident:
            raise DoorError("signals can be had in the main thread only: call serve() there")
        if not hasattr(signal, _STARTS):
            raise DoorError(f"there is no {_STARTS} on this system: use serve() without signals")
        for name, action in ((_STARTS, self._start), (_WRITES, self._write)):
            number = getattr(signal, name)
            earlier = signal.getsignal(number)
            if earlier is None:
                self.let_go()
                raise DoorError(f"{name} has a handler in C, which could not be called")
            handler = self._handler(action, earlier)
            signal.signal(number, handler)
            self._ours[number] = handler, earlier

    def let_go(self) -> None:
        """Put the earlier handlers back, where ours are still set, in the main thread."""
        ours, self._ours = self._ours, {}
        for number, (handler, earlier) in ours.items():
            if signal.getsignal(number) is handler:
                with contextlib.suppress(ValueError):  # in another thread; nobody is told then
                    signal.signal(number, earlier)

    def _handler(self, action: Callable[[], object], earlier: Any) -> Callable[..., None]:
        def handle(number: int, frame: FrameType | None) -> None:
            self._call(action)
            if callable(earlier):
                earlier(number, frame)

        return handle

    # -- in the door's thread ----------------------------------------------------------------------

    def _start(self) -> None:
        try:
            self._asks.start(self, _OPTIONS)
        except TracetoolsError as error:
            common.error("%s has started no recording: %s", _STARTS, error)

    def _write(self) -> None:
        """Write what was recorded, and end what a signal has started."""
        try:
            profile = self._asks.finish(self)
            write_profile(self._new_path(), profile)
        except TracetoolsError as error:
            common.error("%s has written nothing: %s", _WRITES, error)

    def _new_path(self) -> Path:
        names = (f"tracetools-{os.getpid()}-{number}" for number in itertools.count(1))
        paths = (self._folder / f"{name}.profile.json" for name in names)
        return next(path for path in paths if not os.path.lexists(path))
