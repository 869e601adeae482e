"""Whole files on disk: written so that a reader never sees half of one, and faults put in words.

What may live here: how bytes reach a path, and how an `OSError` reads in a message. What must not:
any file format, and the error types of tracetools (the callers choose the one that fits).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

_REMEDIES = {
    errno.ENOENT: "check the path: its folder must exist",
    errno.ENOTDIR: "a part of the path is a file: choose a path inside a folder",
    errno.EISDIR: "this is a folder: give the path of a file",
    errno.EACCES: "change its permissions, or choose another path",
    errno.EPERM: "change its permissions, or choose another path",
    errno.EROFS: "choose a path on a file system that can be written",
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space, or choose another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its symbolic links form a circle: choose another path",
}
_ANY_REMEDY = "check the path, or choose another one"


def explain(error: OSError | ValueError) -> str:
    """Say in one line what went wrong with a file and what to do about it, without the path.

    `ValueError` is what Python raises for a path that no system call accepts (a NUL in it).
    """
    if isinstance(error, OSError):
        cause = error.strerror or str(error)
        return f"{cause}; {_REMEDIES.get(error.errno or 0, _ANY_REMEDY)}"
    return f"{error}; {_ANY_REMEDY}"


def write_atomically(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, at once: readers see the old file or the new, never a mix.

    The bytes go to a hidden temporary file beside the target, which then takes the target's place;
    if anything fails the temporary file is removed and the target stays as it was. A symbolic link
    stays one: its target is replaced. A device or a pipe is not replaced but written to. There is
    no fsync: after a power cut the file may be empty or old.

    Raises:
        OSError: The file cannot be written.
        ValueError: The path cannot be a path at all.
    """
    if _is_device_or_pipe(path):
        path.write_bytes(data)
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".tracetools-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _is_device_or_pipe(path: Path) -> bool:
    """Whether the path (its links followed) is something that must not be replaced by a file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
