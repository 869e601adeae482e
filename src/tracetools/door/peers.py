"""Who is on the other side of a Unix socket, as the kernel says."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Final, NamedTuple

__all__ = ["NO_SIGNAL", "Peer", "is_welcome", "peer_of"]

NO_SIGNAL: Final = getattr(socket, "MSG_NOSIGNAL", 0)
"""Given to each `send` in the program, which may have SIGPIPE end it."""

_LINUX: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid
_BSD: Final = struct.Struct("II")  # struct xucred: version, uid
_LEVEL_ON_BSD: Final = 0  # SOL_LOCAL
_LOCAL_PEERCRED: Final = 1
_LENGTH_ON_BSD: Final = 76


class Peer(NamedTuple):
    """A process on the other side.

    Attributes:
        pid: its number; 0 if the kernel does not say it, or it is in a container that we are not.
        uid: the number of its user.
    """

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """Return who is on the other side; None where the kernel does not say it.

    Raises:
        OSError: nobody is.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is not None:
        found = connection.getsockopt(socket.SOL_SOCKET, option, _LINUX.size)
        pid, uid, _ = _LINUX.unpack(found)
        return Peer(pid, uid)
    if sys.platform == "darwin" or "bsd" in sys.platform:
        found = connection.getsockopt(_LEVEL_ON_BSD, _LOCAL_PEERCRED, _LENGTH_ON_BSD)
        return Peer(0, _BSD.unpack_from(found)[1])
    return None


def is_welcome(connection: socket.socket) -> bool:
    """Whether the other side is of this user, or of root. Where nobody says, modes must do."""
    try:
        peer = peer_of(connection)
    except OSError:
        return False
    return peer is None or peer.uid in (0, os.geteuid())
