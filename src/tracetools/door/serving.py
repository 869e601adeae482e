"""`serve`: opens the door of this process, and closes it at its end."""

from __future__ import annotations

import atexit
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.errors import DoorError
from tracetools.core.interruptions import Insist
from tracetools.door import folder
from tracetools.door.asks import Asks
from tracetools.door.server import Server
from tracetools.recording import forks

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from tracetools.session.recording import Recording

__all__ = ["Door", "open_door", "serve"]

_MODE: Final = 0o600
_WAITING: Final = 8
"""How many connections may wait to be taken."""


def serve(*, signals: bool = False) -> Door:
    """Open a door into this process: ``tracetools attach PID`` and ``tracetools dump PID`` use it.

    It is a Unix socket in a folder that only this user can enter: ``$XDG_RUNTIME_DIR/tracetools``,
    or ``tracetools-UID`` in the folder for temporary files. A thread of ours answers; it is idle
    until somebody asks, and nothing is patched until a recording starts. A forked child has no
    door; it may open its own.

    Args:
        signals: have SIGUSR1 start a recording and SIGUSR2 write what was recorded until then, to
            ``tracetools-PID-1.profile.json`` and so on in the working directory. Handlers that the
            program has set before are called after ours. Only in the main thread.

    Returns:
        The door. If one is open already, that one.

    Raises:
        DoorError: it cannot be opened, or would not be safe. The message says what to do.
    """
    return open_door(signals=signals)


def open_door(own: Recording | None = None, *, signals: bool = False) -> Door:
    """Open it, or return the one that is open.

    Args:
        own: what the program records of itself.
        signals: see `serve`.

    Raises:
        DoorError: it cannot be opened.
    """
    with _open.lock:
        door, is_new = _open.door, _open.door is None
        if door is None:
            door = _open.door = Door(own)
    if signals:
        try:
            door.catch_signals()
        except DoorError:
            if is_new:
                door.close()
            raise
    return door


class Door(forks.Follower):
    """A door that is open, until its `close`, the end of its ``with``, or that of the process.

    Attributes:
        path: where its socket is.
    """

    def __init__(self, own: Recording | None = None) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise DoorError("there are no Unix sockets here: use 'tracetools run' instead")
        inside = folder.own_folder()
        folder.make_folder(inside)
        self.path: Path = inside / folder.socket_name(os.getpid())
        folder.claim(self.path)
        folder.tidy(inside)
        try:
            listening = _listen_at(self.path)
        except OSError as error:
            raise DoorError(f"the door {self.path} cannot be opened: {error}") from error
        self._made = self.path.lstat()
        self._asks = Asks(own)
        self._server = Server(self._asks, listening)
        self._signals: Any = None
        forks.follow(self)
        try:
            self._server.start()
        except RuntimeError as error:
            self._undo()
            raise DoorError(f"the door {self.path} cannot be opened: {error}") from error
        atexit.register(self.close)

    def __repr__(self) -> str:
        return f"<{'open' if self._is_open else 'closed'} door {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _is_open(self) -> bool:
        return _open.door is self

    def close(self) -> None:
        """Close it, end what was started through it, and remove its socket.

        A second time does nothing.
        """
        with _open.lock:
            if _open.door is not self:
                return
            _open.door = None
        atexit.unregister(self.close)
        self._undo()

    def _undo(self) -> None:
        with Insist() as insist:
            insist.do(self._let_signals_go)
            insist.do(forks.unfollow, self)
            insist.do(folder.remove, self.path, self._made)
            insist.do(self._server.close)

    def catch_signals(self) -> None:
        """Have SIGUSR1 start a recording, and SIGUSR2 write it.

        Raises:
            DoorError: this is not the main thread, or there are no such signals.
        """
        if self._signals is None:
            from tracetools.door.signals import DoorSignals  # noqa: PLC0415  # only if wanted

            self._signals = DoorSignals(self._asks, self._server.call)
        self._signals.catch()

    def _let_signals_go(self) -> None:
        if self._signals is not None:
            self._signals.let_go()

    def forked(self) -> None:
        """Have no door in the child: it is the parent's."""
        forks.unfollow(self)
        atexit.unregister(self.close)
        self._let_signals_go()


def _listen_at(path: Path) -> socket.socket:
    """Return a socket that takes connections at a path. Nobody else can enter its folder.

    Raises:
        OSError: it cannot.
    """
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(os.fspath(path))
        path.chmod(_MODE)
        listening.listen(_WAITING)
    except BaseException:
        listening.close()
        raise
    return listening


class _Open:
    """The door that is open in this process.

    Attributes:
        door: the door.
        lock: held while it is opened or closed.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Know of none, as in a forked child."""
        self.door: Door | None = None
        self.lock = threading.RLock()


_open: Final = _Open()
forks.renew_in_child(_open.renew)
