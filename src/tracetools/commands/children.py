"""Processes that a program spawns by multiprocessing: recorded as it is itself, and added to it.

What may live here: how a recording gets into a child, and its profile out of it. What must not:
what is made of the profiles.

A child that multiprocessing does not fork (its methods ``spawn`` and ``forkserver``) is sent some
data about its parent, which it unpickles before anything of the program runs. Among them we put
something that begins a recording when it is unpickled. The child writes its profile into a folder
of the parent's, whenever no loop is left, and twice a second; the parent adds them up at its end.
A child's children do the same, into the same folder. All of it is silent there, and no failure of
ours is the child's.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands.signals import DeadlySignals
from tracetools.commands.wakeup_fd import WakeupFd
from tracetools.instruments import module_imports as late
from tracetools.output.formats.files import write_atomically
from tracetools.output.stack_file import StackFile
from tracetools.recording.recorder import logger
from tracetools.session.options import Options
from tracetools.session.record import Record
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetools.core.profile import Profile

__all__ = ["Children", "begin"]

_INTERVAL: Final = 0.5
"""Seconds between two writes in a child: what is lost at most if it is killed."""

_AFTER_ALL_OTHERS: Final = -(10**6)
"""The priority of our finaliser among those of multiprocessing."""

_SPAWN: Final = "multiprocessing.spawn"

_BEGIN: Final = """\
try:
    import sys
    theirs, sys.path = sys.path, path
    try:
        from tracetools.commands.children import begin
        begin(options, path, folder)
    finally:
        sys.path = theirs
except Exception:
    pass
"""
"""What a child runs. Whoever cannot import us goes on, as does whoever we fail."""


class Children:
    """All processes that are spawned from now on, by this one or by one of them.

    In a forked copy of the process nothing is done: the folder is the parent's.

    Args:
        options: what is recorded, by the names that `Options` has for it.
        path: the `sys.path` by which our own modules are found.
        folder: where the profiles go; without one, it is made when the first child is.
    """

    def __init__(
        self, options: Mapping[str, Any], path: Sequence[str], folder: str | None = None
    ) -> None:
        self._plan = {"options": dict(options), "path": list(path)}
        self._folder = folder
        self._pid = os.getpid()
        self._theirs: Callable[..., str] | None = None

    def begin(self) -> None:
        """Record those that are spawned from now on. multiprocessing need not be there yet."""
        late.when_imported(_SPAWN, self._get_ready)

    def end(self) -> None:
        """Leave nothing of ours installed; those that are there already go on."""
        late.forget(self._get_ready)
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

    def _get_ready(self) -> None:
        spawn: Any = sys.modules[_SPAWN]
        self._theirs = spawn.get_start_method
        spawn.get_start_method = self._get_start_method

    def _get_start_method(self, *arguments: Any) -> str:
        """Stand in for the function that multiprocessing asks for one of the data for a child.

        It is the one with which nothing can go wrong, so that no traceback has our frame.
        """
        assert self._theirs is not None  # noqa: S101  # _get_ready() saw to it
        method = self._theirs(*arguments)
        with contextlib.suppress(OSError):  # there is no place for a folder
            if os.getpid() == self._pid:
                self._folder = self._folder or tempfile.mkdtemp(prefix="tracetools-")
                return _Messenger(method, {**self._plan, "folder": self._folder})
        return method


class _Messenger(str):
    """A text that becomes an ordinary one when it is unpickled, after our message was delivered."""

    __slots__ = ("_plan",)

    def __new__(cls, text: str, _: Mapping[str, Any]) -> _Messenger:  # noqa: PYI034
        return super().__new__(cls, text)

    def __init__(self, _: str, plan: Mapping[str, Any]) -> None:
        self._plan = plan

    def __reduce_ex__(self, _: object) -> tuple[object, ...]:
        return eval, ("exec(begin) or text", {"begin": _BEGIN, "text": str(self), **self._plan})


def begin(options: Mapping[str, Any], path: Sequence[str], folder: str) -> None:
    """Record this process, if it is a child that is being prepared, until its end."""
    from multiprocessing import process  # noqa: PLC0415  # it is there

    if getattr(process.current_process(), "_inheriting", False):
        _Child(options, path, folder).begin()


class _Child:
    """The recording of a child, from before its start until after its end."""

    def __init__(self, options: Mapping[str, Any], path: Sequence[str], folder: str) -> None:
        self._pid = os.getpid()
        file = os.path.join(folder, os.urandom(8).hex())
        self._recording = _ChildRecording(file, Options(**options), DeadlySignals(self.finish))
        self._record = Record(self._recording)
        self._children = Children(options, path, folder)
        self._wakeup_fd = WakeupFd()
        self._over = False

    def begin(self) -> None:
        """Begin to record, and see to it that no end is missed."""
        from multiprocessing import util  # noqa: PLC0415  # it is there

        logger.addHandler(logging.NullHandler())  # else what we log might go to stderr
        self._record.__enter__()
        self._children.begin()
        self._wakeup_fd.start()
        atexit.register(self.finish)
        util.register_after_fork(self, _Child.finish_without_atexit)

    def finish_without_atexit(self) -> None:
        """See to the end of a child of the fork server: it ends by `os._exit`.

        multiprocessing calls this when it has thrown away the finalisers of the child's parent,
        and its own finalisers where an ordinary child has some way to go: so it is recorded on.
        """
        from multiprocessing import util  # noqa: PLC0415

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

    def __init__(self, file: str, options: Options, signals: DeadlySignals) -> None:
        super().__init__(file, options)
        self._file = _ProfileFile(file, self.recorder.profile, signals)


class _ProfileFile(StackFile):
    """A file that follows a recording, as a stack file does, but has all of the profile.

    It is empty until the first loop begins. Where it cannot be written it is not: the parent has
    gone then, and the folder with it.

    Deadly signals are caught while a loop runs, when there is something to be lost, and not before:
    Python calls no handler if the signal comes just before a system call that blocks. And pools do
    send them just when their idle workers turn to wait for a lock. Those have to die at once.
    """

    def __init__(self, path: str, snapshot: Callable[[], Profile], signals: DeadlySignals) -> None:
        super().__init__(path, snapshot, flush_interval=_INTERVAL)
        self._signals = signals

    def start(self) -> None:
        """Follow the recording, and note at once that there is something to be recorded."""
        super().start()
        if os.getpid() == self._pid:
            self._signals.catch()
            with contextlib.suppress(OSError):
                if not self.path.stat().st_size:
                    self.write()

    def end(self) -> None:
        """Write the file a last time and follow no more. Never raises."""
        super().end()
        if os.getpid() == self._pid:
            self._signals.let_go()

    def _store(self, profile: Profile) -> None:
        import pickle  # noqa: PLC0415  # it is there, since multiprocessing is

        if profile.runs:
            with contextlib.suppress(OSError):
                write_atomically(self.path, pickle.dumps(profile))


def _read(file: Path) -> Profile | None:
    """Return what a child has written, if it makes sense."""
    import pickle  # noqa: PLC0415  # a program without children does not need it

    try:
        profile: Profile = pickle.loads(file.read_bytes())  # noqa: S301  # the folder is our own
        profile.check()
    except Exception:  # noqa: BLE001  # whatever pickle makes of it
        return None
    return profile
