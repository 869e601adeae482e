"""What child processes keep: in the folder of the first process, with their numbers in the names.

In the folder of the family, each has a list of what it has kept (`PID-RANDOM.kept`), for the first
process to take over. All of them together keep a number of files at most: two files there count.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.output.formats.files import write_atomically
from tracetools.session.kept_files import KeptFile, KeptFiles

if TYPE_CHECKING:
    from tracetools.guest.messages import Messages

__all__ = ["ChildFiles", "read_kept"]

_MOST_OF_ALL: Final = 1000
"""So many are kept by all child processes at a time, at most."""

_ADDED, _REMOVED = "kept.added", "kept.removed"
"""Files with a byte for each that was kept or removed: to append one needs no lock."""


class ChildFiles(KeptFiles):
    """What a child process keeps.

    Args:
        folder: the folder that the files are in.
        name: the path of the files of this process in the folder of the family.
        messages: where messages go.
        blocking: steps that last longer, in nanoseconds, are marked; ``None`` for none.
    """

    def __init__(
        self, folder: str, name: str, messages: Messages, blocking: int | None = None
    ) -> None:
        super().__init__(lambda: None, messages, blocking)
        self._where = Path(folder)
        self._list = Path(f"{name}.kept")
        self._is_full = False

    @property
    def folder(self) -> Path | None:
        """The folder that the files are in."""
        return self._where

    def _mark(self) -> str:
        return f"-pid{os.getpid()}"

    def _may_keep(self) -> bool:
        there = self._count(_ADDED) - self._count(_REMOVED)
        if there < _MOST_OF_ALL:
            return True
        if not self._is_full:
            self._messages.warning(
                "child processes keep no more slow spans: there are %s already", f"{there:,}"
            )
        self._is_full = True
        return False

    def _add(self, file: KeptFile) -> None:
        super()._add(file)
        self._note(_ADDED)

    def _remove(self, file: KeptFile) -> None:
        super()._remove(file)
        self._note(_REMOVED)

    def _count(self, name: str) -> int:
        with contextlib.suppress(OSError):
            return self._list.with_name(name).stat().st_size
        return 0

    def _note(self, name: str) -> None:
        """Note that there is one more, or one less. The family may be gone: then nobody asks."""
        with contextlib.suppress(OSError):
            write_atomically(self._list, json.dumps(self.files).encode())
            with self._list.with_name(name).open("ab") as count:
                count.write(b".")


def read_kept(file: Path) -> list[KeptFile]:
    """Return what a process has kept, if its list makes sense."""
    try:
        return [KeptFile(*each) for each in json.loads(file.read_bytes())]
    except (OSError, ValueError, TypeError):
        return []
