"""The other side of a door: finds the door of a process, and asks. Checks whose it is first."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.errors import DoorError
from tracetools.door import folder, peers, protocol

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PATIENCE", "Connection", "UnansweredError", "connect", "find", "user_of"]

PATIENCE: Final = 60.0
"""Seconds for an answer: a profile of a large program takes a few."""

_MOMENT: Final = 1.0
"""Seconds in which the other side sees that this one has gone."""

_PAUSE: Final = 0.05
"""Seconds until it is tried again to connect."""

_PIECE: Final = 1 << 20
_OTHERS: Final = 0o077


class UnansweredError(DoorError):
    """The program does not answer in time."""


class Connection:
    """A connection to a door.

    Args:
        connected: the socket.
        patience: seconds for an answer.
    """

    def __init__(self, connected: socket.socket, patience: float = PATIENCE) -> None:
        self._socket = connected
        self._patience = patience
        self._socket.settimeout(patience)
        self._incoming = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go away. What was started through this connection ends, which is waited for a moment."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(_MOMENT)
            while self._socket.recv(_PIECE):
                pass
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor: it can be read from once the door is closed."""
        return self._socket.fileno()

    def ask(self, what: str, **values: Any) -> tuple[dict[str, Any], bytes]:
        """Return the values of an answer, and its bytes.

        Raises:
            RefusedError: the door refuses.
            DoorError: the program has ended, or does not answer in time.
        """
        return self._answer(protocol.request_line(what, **values))

    def greeting(self) -> None:
        """Wait for what a process says that was entered.

        Raises:
            RefusedError: it could not do what it was to.
            DoorError: it has ended, or does not answer in time.
        """
        self._answer(b"")

    def _answer(self, request: bytes) -> tuple[dict[str, Any], bytes]:
        try:
            if request:
                with contextlib.suppress(BrokenPipeError):  # a refusal may have come before
                    self._socket.sendall(request)
            count, found = protocol.parse_answer(self._line())
            return found, self._take(count)
        except TimeoutError as error:
            raise UnansweredError(
                f"the program does not answer: it is stopped, or has not let go of the GIL for"
                f" {self._patience:g} s"
            ) from error
        except OSError as error:
            raise DoorError("the program has closed its door, or has ended") from error

    def _line(self) -> bytes:
        while (end := self._incoming.find(b"\n")) < 0:
            if len(self._incoming) > protocol.LONGEST_LINE:
                raise DoorError("what answers at the door is no tracetools: its line has no end")
            self._receive()
        return self._take(end + 1)[:-1]

    def _take(self, count: int) -> bytes:
        while len(self._incoming) < count:
            self._receive()
        taken = bytes(self._incoming[:count])
        del self._incoming[:count]
        return taken

    def _receive(self) -> None:
        received = self._socket.recv(_PIECE)
        if not received:
            raise ConnectionError
        self._incoming += received


def user_of(pid: int) -> int:
    """Return the number of the user whose process it is.

    Raises:
        DoorError: there is none, or it is another user's.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        raise DoorError(f"there is no process {pid}") from None
    except PermissionError:
        raise DoorError(
            f"the process {pid} belongs to another user: be that user, or root"
        ) from None
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:  # no Linux
        return os.geteuid()


def find(pid: int, uid: int) -> Path | None:
    """Return the socket of a process; None if it has opened no door.

    Raises:
        DoorError: somebody else has made what is there.
    """
    for inside in folder.folders_of(uid, _environment(pid)):
        path = inside / folder.socket_name(pid)
        try:
            around, found = inside.lstat(), path.lstat()
        except OSError:
            continue
        if not stat.S_ISDIR(around.st_mode) or around.st_uid != uid or around.st_mode & _OTHERS:
            raise DoorError(
                f"{inside} is no folder that only the user {uid} can enter: it is not used; remove"
                " it, or have the program open its door anew"
            )
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != uid:
            raise DoorError(f"{path} was not made by the process {pid}: remove it")
        return path
    return None


def connect(path: Path, pid: int, uid: int, patience: float = PATIENCE) -> Connection | None:
    """Return a connection to a door; None if nobody is behind it any more.

    Args:
        path: the socket.
        pid: the process.
        uid: the number of its user.
        patience: seconds for an answer.

    Raises:
        DoorError: another process is.
    """
    connected = socket.socket(socket.AF_UNIX)
    try:
        _connect(connected, os.fspath(path), patience)
        peer = peers.peer_of(connected)
    except (ConnectionRefusedError, FileNotFoundError):
        connected.close()
        return None
    except OSError as error:
        connected.close()
        raise DoorError(f"the door {path} cannot be entered: {error.strerror or error}") from error
    if peer is not None and (peer.uid != uid or peer.pid not in (0, pid)):
        connected.close()
        raise DoorError(
            f"the door {path} is that of the process {peer.pid} of the user {peer.uid}, not of"
            f" {pid}: it is not used"
        )
    return Connection(connected, patience)


def _connect(connected: socket.socket, path: str, patience: float) -> None:
    """Connect. While as many others wait as may, a Unix socket says so at once: then try again.

    Raises:
        OSError: nobody is there, or nobody comes to the door in time.
    """
    connected.settimeout(patience)
    deadline = time.monotonic() + patience
    while not _is_connected(connected, path):
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        time.sleep(_PAUSE)


def _is_connected(connected: socket.socket, path: str) -> bool:
    try:
        connected.connect(path)
    except BlockingIOError:
        return False
    return True


def _environment(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with, as far as that can be read."""
    with contextlib.suppress(OSError):
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        texts = (os.fsdecode(pair).partition("=") for pair in pairs)
        return {name: value for name, _, value in texts}
    return {}
