"""Records the processes that a program spawns by multiprocessing, and reads their profiles.

A child that multiprocessing does not fork (its methods ``spawn`` and ``forkserver``) is sent some
data about its parent, and unpickles them before it runs the program. We add an object that starts
a recording when it is unpickled. The child writes its profile into a folder of the parent's: twice
a second, and when no loop is left. Its own children use the same folder. The parent adds the
profiles up at its end. A child says on stderr what blocks its loops, and a failure of ours is not
the child's.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.commands.signals import DeadlySignals
from tracetools.commands.stderr import Stderr
from tracetools.commands.wakeup_fd import WakeupFd
from tracetools.guest.messages import common
from tracetools.instruments import module_imports
from tracetools.output.formats.files import write_atomically
from tracetools.output.stack_file import StackFile
from tracetools.session.options import Options
from tracetools.session.record import Record
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

    from tracetools.core.profile import Profile
    from tracetools.guest.messages import Messages

__all__ = ["Children", "start"]

_INTERVAL: Final = 0.5
"""Seconds between two writes in a child: what is lost at most if it is killed."""

_AFTER_ALL_OTHERS: Final = -(10**6)
"""The priority of our finaliser among those of multiprocessing."""

_SPAWN: Final = "multiprocessing.spawn"

_START: Final = """\
try:
    import sys
    theirs, sys.path = sys.path, path
    try:
        from tracetools.commands.child_processes import start
        start(options, path, folder, quiet=quiet)
    finally:
        sys.path = theirs
except Exception:
    pass
"""
"""What a child runs. It goes on without a recording if it cannot import us, or if we fail."""


class Children:
    """All processes that are spawned from now on, by this one or by one of them.

    In a forked copy of the process nothing is done: the folder is the parent's.

    Args:
        options: what is recorded, by the names that `Options` has for it.
        path: the `sys.path` by which our own modules are found.
        folder: where the profiles go; without one, it is made when the first child is.
        quiet: whether they write nothing but errors to stderr.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        path: Sequence[str],
        folder: str | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        self._plan = {"options": dict(options), "path": list(path), "quiet": quiet}
        self._folder = folder
        self._pid = os.getpid()
        self._theirs: Any = None
        """The function of multiprocessing that ours stands in for."""

    def start(self) -> None:
        """Record those that are spawned from now on. multiprocessing need not be there yet."""
        module_imports.when_imported(_SPAWN, self._patch)

    def end(self) -> None:
        """Leave nothing of ours installed; those that are there already go on."""
        module_imports.forget(self._patch)
        spawn: Any = sys.modules.get(_SPAWN)
        if self._theirs is not None and spawn.get_start_method == self._get_start_method:
            spawn.get_start_method = self._theirs

    def collect(self) -> tuple[list[Profile], int]:
        """Return the profiles of all that have run a loop, and how many cannot be read."""
        if self._folder is None:
            return [], 0
        files = [file for file in Path(self._folder).glob("*.folded") if file.stat().st_size]
        found = [_read(file) for file in files]
        profiles = [profile for profile in found if profile is not None]
        return profiles, len(found) - len(profiles)

    def remove(self) -> None:
        """Remove the folder. A child that is still there writes nothing any more."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _patch(self) -> None:
        spawn: Any = sys.modules[_SPAWN]
        self._theirs = spawn.get_start_method
        spawn.get_start_method = self._get_start_method

    def _get_start_method(self, *arguments: Any, **options: Any) -> str | None:
        """Return the start method, which multiprocessing sends to a child; ours has a message.

        From Python 3.14 on it is None if the program has chosen none.
        We stand in for this function since it never fails, so no traceback has our frame.
        """
        method: str | None = self._theirs(*arguments, **options)
        with contextlib.suppress(OSError):  # no folder can be made
            if os.getpid() == self._pid:
                self._folder = self._folder or tempfile.mkdtemp(prefix="tracetools-")
                return _Messenger(method, {**self._plan, "folder": self._folder})
        return method


class _Messenger(str):
    """A start method that runs `_START` when it is unpickled, and becomes what it stands for.

    It is an empty text in place of None.
    """

    __slots__ = ("_method", "_plan")

    def __new__(cls, method: str | None, _: Mapping[str, Any]) -> Self:
        return super().__new__(cls, method or "")

    def __init__(self, method: str | None, plan: Mapping[str, Any]) -> None:
        self._method = method
        self._plan = plan

    def __reduce_ex__(self, _: object) -> tuple[object, ...]:
        names = {"start": _START, "method": self._method, **self._plan}
        return eval, ("exec(start) or method", names)


def start(
    options: Mapping[str, Any], path: Sequence[str], folder: str, *, quiet: bool = False
) -> None:
    """Record this process, if it is a child that is being prepared, until its end."""
    if compat.multiprocessing_is_preparing():
        _Child(options, path, folder, quiet=quiet).start()


class _Child:
    """The recording of a child, from before its start until after its end."""

    def __init__(
        self, options: Mapping[str, Any], path: Sequence[str], folder: str, *, quiet: bool
    ) -> None:
        self._pid = os.getpid()
        common.to = self._stderr = Stderr(quiet=quiet)
        file = os.path.join(folder, os.urandom(8).hex())
        self._recording = _ChildRecording(
            file, Options(**options), DeadlySignals(self.finish), self._stderr
        )
        self._record = Record(self._recording)
        self._children = Children(options, path, folder, quiet=quiet)
        self._wakeup_fd = WakeupFd()
        self._over = False

    def start(self) -> None:
        """Start to record, and have `finish` called however the process ends."""
        from multiprocessing import util

        self._record.__enter__()
        self._children.start()
        self._wakeup_fd.start()
        atexit.register(self.finish)
        util.register_after_fork(self, _Child.finish_without_atexit)

    def finish_without_atexit(self) -> None:
        """Write the profile at the end of a child of the fork server, which ends by `os._exit`.

        multiprocessing calls this after it has thrown away the finalisers of the child's parent.
        It runs its own finalisers while an ordinary child still has something to do, so the
        recording goes on.
        """
        from multiprocessing import util

        util.Finalize(None, self._recording.write, exitpriority=_AFTER_ALL_OTHERS)

    def finish(self) -> None:
        """End the recording and write the profile. A second time does nothing. Never raises."""
        if self._over or os.getpid() != self._pid:
            return
        self._over = True
        with contextlib.suppress(Exception, KeyboardInterrupt):
            self._wakeup_fd.end()
            self._children.end()
            self._record.__exit__()


class _ChildRecording(Recording):
    """A recording whose file is for the parent to read."""

    def __init__(
        self, file: str, options: Options, signals: DeadlySignals, messages: Messages
    ) -> None:
        super().__init__(file, options, messages=messages)
        self._file = _ProfileFile(file, self.recorder.profile, signals)
        self._file.messages = messages


class _ProfileFile(StackFile):
    """A file that follows a recording, as a stack file does, but has all of the profile.

    It is empty until the first loop starts. If it cannot be written, the parent and its folder are
    gone, and nothing is lost.

    Deadly signals are caught only while a loop runs. Python calls no handler if a signal comes just
    before a system call that blocks; and pools send one just when their idle workers wait for a
    lock. Those workers have nothing to lose and must die at once.
    """

    def __init__(self, path: str, snapshot: Callable[[], Profile], signals: DeadlySignals) -> None:
        super().__init__(path, snapshot, flush_interval=_INTERVAL)
        self._signals = signals

    def start(self) -> None:
        """Follow the recording, and write the file at once if it is empty."""
        super().start()
        if os.getpid() == self._pid:
            self._signals.catch()
            with contextlib.suppress(OSError):
                if not self.path.stat().st_size:
                    self.write()

    def end(self) -> None:
        """Write the file a last time, and follow the recording no more. Never raises."""
        super().end()
        if os.getpid() == self._pid:
            self._signals.let_go()

    def _store(self, profile: Profile) -> None:
        import pickle

        if profile.runs:
            with contextlib.suppress(OSError):
                write_atomically(self.path, pickle.dumps(profile))


def _read(file: Path) -> Profile | None:
    """Return what a child has written, if it makes sense."""
    import pickle

    try:
        profile: Profile = pickle.loads(file.read_bytes())  # noqa: S301  # the folder is our own
        profile.check()
    except Exception:  # noqa: BLE001  # whatever pickle makes of it
        return None
    return profile
