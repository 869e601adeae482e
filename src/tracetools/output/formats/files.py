"""Files that are replaced at once, so that no reader sees half of one; and errors put in words."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import TracetoolsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    Data: TypeAlias = bytes | Callable[[], Iterable[bytes]]

__all__ = [
    "MODE_VARIABLE",
    "PRIVATE",
    "Rescue",
    "asked_mode",
    "explain",
    "is_device_or_pipe",
    "make_empty",
    "make_folder",
    "write_atomically",
]

_REMEDIES = {
    errno.ENOENT: "check the path: its folder must exist",
    errno.ENOTDIR: "a part of the path is a file: choose a path inside a folder",
    errno.EISDIR: "this is a folder: give the path of a file",
    errno.EACCES: "change its permissions, or choose another path",
    errno.EPERM: "change its permissions, or choose another path",
    errno.EROFS: "choose a path on a file system that can be written",
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space, or choose another disk",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "close some files: the system has no more",
    errno.ENXIO: "nothing reads this pipe: start its reader first",
    errno.ETIMEDOUT: "nothing reads this pipe any more: choose another path",
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


PRIVATE: Final = 0o600
"""The mode of a new file: names of tasks and paths may be secrets."""

MODE_VARIABLE: Final = "TRACETOOLS_FILE_MODE"
"""The environment variable by which others may be allowed to read new files."""

_MODE: Final = re.compile(r"0?6[046][04]")
_READ: Final = 0o444
_TO_ENTER: Final = 2
"""The right to enter a folder lies two bits below the right to read it."""


def asked_mode() -> int:
    """Return the mode of new files: `PRIVATE`, unless the environment says another one.

    Raises:
        ValueError: it says something else. Nobody but the owner may write, or the owner's group.
    """
    text = os.environ.get(MODE_VARIABLE, "")
    if text and not _MODE.fullmatch(text):
        raise ValueError(
            f"{MODE_VARIABLE} is a mode such as 600, 640, 644 or 660, not {text[:80]!r}"
        )
    return int(text, 8) if text else PRIVATE


def _new_mode() -> int:
    """Return the mode of new files; one that makes no sense opens nothing."""
    try:
        return asked_mode()
    except ValueError:
        return PRIVATE


def make_empty(path: Path) -> bool:
    """Make an empty file if there is none; return whether there was none.

    A file that is there is opened for writing, and stays as it is.

    Raises:
        OSError, ValueError: it cannot be made, or not be written.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:  # a link that leads nowhere as well
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE))
        return False
    os.close(file)
    path.chmod(_new_mode())
    return True


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is there, which those can enter who may read new files.

    Raises:
        OSError: it cannot be made.
    """
    mode = _new_mode()
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        folder.chmod(0o700 | mode | (mode & _READ) >> _TO_ENTER)


_PATIENCE: Final = 5.0
"""Seconds to wait for the reader of a pipe, while it reads nothing."""


def write_atomically(path: Path, data: Data) -> None:
    """Replace the content of `path` by `data`, at once: readers see the old file or the new one.

    The data may be a function that returns it piece by piece, from the first one each time.

    The bytes go to a hidden temporary file beside the target, which then replaces the target. If
    anything fails, the temporary file is removed and the target stays as it was. On Linux it has no
    name before it is whole, so a process that is killed leaves no part of one. Of a symbolic link
    the target is replaced. The mode and the owner of what is replaced are kept; a new file can be
    read by its owner alone, or as `asked_mode` says. A device or a pipe is written to; a pipe must
    have a reader. There is no fsync: after a power cut the file may be empty or old.

    Raises:
        OSError: The file cannot be written.
        ValueError: The path is none that a system call accepts.
    """
    if is_device_or_pipe(path):
        _write_into(path, data)
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".tracetools-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        if not _write_nameless(temporary, data, target):
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
            _fill(temporary, data, target)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _write_nameless(path: Path, data: Data, target: Path) -> bool:
    """Write a file that gets its name once it is whole; return whether the system can do that."""
    if not hasattr(os, "O_TMPFILE"):
        return False
    try:
        file = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE, PRIVATE)
    except OSError:  # this file system cannot
        return False
    try:
        nameless = Path(f"/proc/self/fd/{file}")
        if not nameless.exists():
            return False
        _fill(nameless, data, target)
        with contextlib.suppress(OSError):
            # With a descriptor, which an absolute path makes no use of, links are really followed.
            os.link(nameless, path, src_dir_fd=file, follow_symlinks=True)
            return True
    finally:
        os.close(file)
    return False


def _fill(file: Path, data: Data, target: Path) -> None:
    """Write an empty file, which is going to replace another one."""
    _take_mode_of(target, file)
    with file.open("wb") as opened:
        opened.writelines(_pieces(data))


def _pieces(data: Data) -> Iterable[bytes]:
    return data() if callable(data) else (data,)


def _take_mode_of(target: Path, file: Path) -> None:
    """Give a file the mode of the one that it is going to replace, and its owner.

    If the group cannot be kept, nobody gets the rights that the group had.
    """
    try:
        old, new = target.stat(), file.stat()
    except FileNotFoundError:
        file.chmod(_new_mode())
        return
    mode = stat.S_IMODE(old.st_mode) & 0o777
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        try:
            os.chown(file, old.st_uid, old.st_gid)
        except OSError:
            mode &= 0o777 if old.st_gid == new.st_gid else 0o707
    file.chmod(mode)


def is_device_or_pipe(path: str | os.PathLike[str]) -> bool:
    """Whether the path (its links followed) is something that must not be replaced by a file."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write_into(path: Path, data: Data) -> None:
    """Write to a device or a pipe. A reader that is missing or reads no more is not waited for."""
    flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    file = os.open(path, flags)
    try:
        for piece in _pieces(data):
            _write_piece(file, piece)
    finally:
        os.close(file)


def _write_piece(file: int, piece: bytes) -> None:
    deadline = time.monotonic() + _PATIENCE
    while piece:
        if written := _write_some(file, piece):
            piece = piece[written:]
            deadline = time.monotonic() + _PATIENCE
        elif time.monotonic() > deadline:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        else:
            time.sleep(0.01)


def _write_some(file: int, data: bytes) -> int:
    """Return how many bytes could be written at once."""
    try:
        return os.write(file, data)
    except BlockingIOError:
        return 0


class Rescue:
    """Writes files; one that cannot be written goes into a temporary folder, which is then made.

    Attributes:
        said: a sentence for each file that could not be written where it should be.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self._folder: Path | None = None

    def write(self, path: Path, write: Callable[[Path], object]) -> Path | None:
        """Let a function write a file, and return where it is; None if it is nowhere.

        What was written by halves, the function has removed.
        """
        try:
            write(path)
        except Exception as error:  # noqa: BLE001  # each of the files is tried, whatever it is
            self.said.append(_sentence(error, path))
        else:
            return path
        try:
            other = self._made_folder() / path.name
            write(other)
        except Exception:  # noqa: BLE001  # likewise
            if self._folder is not None:
                with contextlib.suppress(OSError):  # it has another file
                    self._folder.rmdir()
                    self._folder = None
            return None
        self.said[-1] += f"; it is in {other}"
        return other

    def _made_folder(self) -> Path:
        """Return the temporary folder. `tempfile` may be out of reach: an import takes a file."""
        last: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self._folder is not None:
            return self._folder
        given = filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP")))
        for parent in (*given, "/tmp", "/var/tmp"):  # noqa: S108  # a folder of our own within
            folder = Path(parent, f"tracetools-{os.urandom(4).hex()}")
            try:
                folder.mkdir(0o700)
            except OSError as error:
                last = error
            else:
                self._folder = folder
                return folder
        raise last


def _sentence(error: Exception, path: Path) -> str:
    """Return what became of a file; an error of our own has all of that in its words."""
    if isinstance(error, TracetoolsError):
        return " ".join(str(error).splitlines())
    return f"cannot write {path}: {type(error).__name__}: {error}"
