"""Where the sockets of doors are: in a folder of the user's, which nobody else can enter.

What is not as it should be is refused, with what to do. Nothing that others made is removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

from tracetools.core.errors import DoorError

__all__ = ["claim", "folders_of", "make_folder", "own_folder", "remove", "socket_name", "tidy"]

_MODE: Final = 0o700
_OTHERS: Final = 0o077
_WRITABLE_BY_OTHERS: Final = 0o022
_LONGEST: Final = 100
"""Bytes that the path of a socket may have: 103 on macOS, 107 on Linux."""

_SOCKET: Final = re.compile(r"[1-9][0-9]{0,9}\.sock")
_NAME: Final = "tracetools"
_RUNTIME: Final = "XDG_RUNTIME_DIR"
_ADVICE: Final = f"set {_RUNTIME} to a folder of your own"


def own_folder() -> Path:
    """Return where the sockets of this user's programs are."""
    runtime = os.environ.get(_RUNTIME, "")
    if os.path.isabs(runtime) and _is_own(runtime):
        return Path(runtime, _NAME)
    return _temporary(tempfile.gettempdir(), os.geteuid())


def folders_of(uid: int, environment: dict[str, str]) -> list[Path]:
    """Return where a socket of a user may be, the likeliest first.

    Args:
        uid: the user's number.
        environment: that of the program, or as much as is known of it.
    """
    runtimes = [environment.get(_RUNTIME, ""), os.environ.get(_RUNTIME, ""), f"/run/user/{uid}"]
    temporaries = [environment.get("TMPDIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108  # looked in, not written to
    found = [Path(each, _NAME) for each in runtimes if os.path.isabs(each)]
    found += [_temporary(each, uid) for each in temporaries if os.path.isabs(each)]
    return list(dict.fromkeys(found))


def socket_name(pid: int) -> str:
    """Return the name of the socket of a process, in its folder."""
    return f"{pid}.sock"


def make_folder(folder: Path) -> None:
    """Make the folder if it is not there; check it if it is.

    Raises:
        DoorError: it cannot be made, or others could enter it, or change it.
    """
    try:
        folder.mkdir(_MODE, exist_ok=True)
        found, parent = folder.lstat(), folder.parent.stat()
    except OSError as error:
        raise DoorError(
            f"no folder for the door can be made at {folder}: {error.strerror}; {_ADVICE}"
        ) from error
    why = _why_not(found) or _why_not_below(parent)
    if why:
        raise DoorError(f"the folder {folder} is not safe for a door: {why}")


def _why_not(found: os.stat_result) -> str:
    """Return why a folder is not safe, and what to do; nothing if it is."""
    if stat.S_ISLNK(found.st_mode):
        return f"it is a link; remove it, or {_ADVICE}"
    if not stat.S_ISDIR(found.st_mode):
        return f"it is no folder; remove it, or {_ADVICE}"
    if found.st_uid != os.geteuid():
        return f"it belongs to the user {found.st_uid}; {_ADVICE}"
    if found.st_mode & _OTHERS:
        return f"others may enter it (mode {stat.S_IMODE(found.st_mode):04o}); chmod 700 it"
    return ""


def _why_not_below(parent: os.stat_result) -> str:
    """Return why others could put another folder in its place, and what to do."""
    is_sticky = parent.st_mode & stat.S_ISVTX
    if parent.st_mode & _WRITABLE_BY_OTHERS and not is_sticky:
        return f"others may rename it, for the folder around it is not sticky; {_ADVICE}"
    if parent.st_uid not in (0, os.geteuid()):
        return f"the folder around it belongs to the user {parent.st_uid}; {_ADVICE}"
    return ""


def claim(path: Path) -> None:
    """Have a path free for a socket of ours. A stale socket of ours is removed.

    Raises:
        DoorError: somebody else has made it, or it is in use, or too long for a socket.
    """
    if len(os.fsencode(path)) > _LONGEST:
        raise DoorError(f"the path {path} is too long for a socket; {_ADVICE} with a shorter path")
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise DoorError(f"the door {path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise DoorError(f"{path} is there, and was not made by tracetools; remove it")
    if _answers(path):
        raise DoorError(
            f"the door {path} is open already, of a process with the same number in another"
            f" container perhaps; {_ADVICE}"
        )
    path.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove the sockets in a folder that are ours, and of processes that are dead."""
    try:
        paths = [each for each in folder.iterdir() if _SOCKET.fullmatch(each.name)]
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError):
            found = path.lstat()
            is_ours = stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()
            if is_ours and not _is_alive(int(path.stem)) and not _answers(path):
                path.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def remove(path: Path, made: os.stat_result) -> None:
    """Remove a socket, unless another one is in its place by now."""
    with contextlib.suppress(OSError):  # somebody has tidied up
        found = path.lstat()
        if (found.st_ino, found.st_dev) == (made.st_ino, made.st_dev):
            path.unlink()


def _answers(path: Path) -> bool:
    """Whether a process listens on a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # its queue is full, perhaps
    return True


def _is_own(folder: str) -> bool:
    try:
        found = os.stat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _temporary(folder: str, uid: int) -> Path:
    return Path(folder, f"{_NAME}-{uid}")
