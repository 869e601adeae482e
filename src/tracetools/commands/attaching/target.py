"""What is known of a process from the outside: whether it is Python, and which one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Target", "look_at"]

_LIBRARY: Final = re.compile(r"libpython(\d)\.(\d+)")
_EXECUTABLE: Final = re.compile(r"python(\d)\.(\d+)")
_EXTENSION: Final = re.compile(r"\.cpython-(\d)(\d+)[a-z]*-")
_STDLIB: Final = re.compile(r"/lib/python(\d)\.(\d+)[a-z]*/lib-dynload/")


class Target(NamedTuple):
    """A process.

    Attributes:
        pid: its number.
        version: that of its Python; ``None`` if it has none, or it cannot be seen.
        is_seen: whether what the process has loaded can be seen.
        executable: the path of its program; empty if it is not known.
        is_elsewhere: whether it sees other files than this process, as in a container.
    """

    pid: int
    version: tuple[int, int] | None
    is_seen: bool
    executable: str
    is_elsewhere: bool

    @property
    def python(self) -> str:
        """Its Python, in words."""
        return "its Python" if self.version is None else "Python {}.{}".format(*self.version)


def look_at(pid: int) -> Target:
    """Return what is known of a process. Only Linux says it."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape")
        executable = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return Target(pid, None, False, "", False)
    return Target(pid, version_of(executable, maps), True, executable, _is_elsewhere(pid))


def version_of(executable: str, maps: str) -> tuple[int, int] | None:
    """Return the version of the Python that a process has loaded; None if it has none.

    Args:
        executable: the path of its program.
        maps: what it has loaded, a line each.
    """
    name = os.path.basename(executable)
    found = _EXECUTABLE.search(name) or next(
        filter(None, (known.search(maps) for known in (_LIBRARY, _STDLIB, _EXTENSION))), None
    )
    return None if found is None else (int(found[1]), int(found[2]))


def _is_elsewhere(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    except OSError:
        return False
