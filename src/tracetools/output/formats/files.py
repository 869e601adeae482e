"""Files that are replaced at once, so that no reader sees half of one; and errors put in words."""

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
    """Return in one line what went wrong with a file and what to do about it, without the path.

    Python raises `ValueError` for a path that no system call accepts, such as one with a NUL.
    """
    if isinstance(error, OSError):
        cause = error.strerror or str(error)
        return f"{cause}; {_REMEDIES.get(error.errno or 0, _ANY_REMEDY)}"
    return f"{error}; {_ANY_REMEDY}"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the content of `path` by `data`, at once: readers see the old file or the new one.

    The bytes go to a hidden temporary file beside the target, which then replaces the target. If
    anything fails, the temporary file is removed and the target stays as it was. Of a symbolic link
    the target is replaced. A device or a pipe is written to. There is no fsync: after a power cut
    the file may be empty or old.

    Raises:
        OSError: The file cannot be written.
        ValueError: The path is none that a system call accepts.
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
