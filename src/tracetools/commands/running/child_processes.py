"""Records the processes that a program makes.

- A forked child goes on with a recording of its own: `Children` follows forks.
- A process that multiprocessing starts (its methods ``spawn`` and ``forkserver``) finds in its
  environment where the folder of the family is, and starts to record before the program; see
  `startup`. So does each Python program that is started, if that is wanted.

Each process writes its profile into the folder: twice a second, and when no loop is left. Its own
children use the same folder. The process that was recorded first adds the profiles up at its end.
A child says on stderr what blocks its loops, and a failure of ours is not the child's.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands.running.ending import Ending
from tracetools.commands.running.signals import DeadlySignals
from tracetools.commands.running.spawns import Spawns
from tracetools.commands.running.stderr import Stderr
from tracetools.commands.running.timed_record import TimedRecord
from tracetools.commands.running.wakeup_fd import WakeupFd
from tracetools.core.interruptions import Insist
from tracetools.guest.messages import common
from tracetools.output.formats.files import write_atomically
from tracetools.output.formats.profile_json import format_profile
from tracetools.output.stack_file import StackFile
from tracetools.recording import forks
from tracetools.recording.forks import Follower
from tracetools.session.options import Options
from tracetools.session.record import Record
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetools.commands.running.family import Family
    from tracetools.core.profile import Profile
    from tracetools.guest.messages import Messages
    from tracetools.session.kept_files import KeptFiles

__all__ = ["Children", "record_this_process"]

_INTERVAL: Final = 0.5
"""Seconds between two writes in a child: what is lost at most if it is killed."""


class Children(Follower):
    """All processes that this one makes, from `start` to `end`. In a forked child it goes on.

    Args:
        family: what they have in common.
        record: how this process is recorded.
        ending: what is done at the end of this process.
    """

    def __init__(self, family: Family, record: Record, ending: Ending) -> None:
        self._family = family
        self._record = record
        self._ending = ending
        self._spawns = Spawns(family)

    def start(self) -> None:
        """Record those that are made from now on. multiprocessing need not be there yet."""
        forks.follow(self)
        self._spawns.start()

    def end(self) -> None:
        """Leave nothing of ours installed; those that are there already go on."""
        forks.unfollow(self)
        self._spawns.end()

    # -- forks -----------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Make the folder, for the child to find."""
        if not forks.is_for_exec():
            self._family.make_folder()

    def after_fork(self) -> None:
        """Count the child, if it is not recorded."""
        if self._family.folder is None and not forks.is_for_exec():
            self._family.note_no_folder()

    def forked(self) -> None:
        """Record the child."""
        theirs = self._record
        try:
            if forks.is_for_exec():
                self._ending.before_exec = self._before_exec
            elif self._family.folder is not None:
                self._go_on()
        except Exception as error:  # noqa: BLE001  # the child comes first
            self._family.fail(f"{type(error).__name__}: {error}")
        if self._record is theirs:
            self.end()
        theirs.forget()  # last, so that what both need stays installed

    def _go_on(self) -> None:
        child = _Child(self._family)
        child.children = self
        child.start()
        self._record = child.record
        self._ending.last_work = child.finish
        self._ending.before_exec = child.before_exec
        child.wait()

    def _before_exec(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> Callable[[], object]:
        """Note what a child that was not recorded is going to be, if that is not either."""
        with contextlib.suppress(Exception):
            if os.access(path, os.X_OK):
                self._family.note_unreached(path, argv, environment)
        return _nothing


def record_this_process(family: Family) -> None:
    """Record this process, which was started just now, until its end."""
    child = _Child(family)
    ending = Ending(child.finish, child.before_exec)
    child.children = Children(family, child.record, ending)
    child.wakeup_fd = WakeupFd()
    child.start()
    child.children.start()
    child.wakeup_fd.start()
    ending.start()
    child.wait()


def _options(family: Family) -> Options:
    """Return the options of a child. Where there is no folder for it, it keeps nothing."""
    lens, keep = family.options["lens"], family.options.get("keep")
    if family.kept is None:
        keep, lens = None, "busy" if lens == "critical" else lens
    return Options(**{**family.options, "keep": keep, "lens": lens})


class _Child:
    """The recording of a child, from before its start until after its end.

    Attributes:
        record: the recording.
        children: those that the child makes.
        wakeup_fd: what wakes its loops; the parent's, in a forked child.
    """

    def __init__(self, family: Family) -> None:
        self._pid = os.getpid()
        common.to = stderr = Stderr(quiet=family.is_quiet)
        self._recording = _ChildRecording(
            family.new_name(),
            _options(family),
            DeadlySignals(self.finish),
            stderr,
            family.kept,
        )
        self.record = Record(self._recording)
        self._timed = TimedRecord(self.record, family.window, self._end)
        self.children: Children | None = None
        self.wakeup_fd: WakeupFd | None = None
        self._family = family
        self._over = False

    def start(self) -> None:
        """Record, as soon as it is to be."""
        self._timed.enter(self.record.follow)

    def wait(self) -> None:
        """Wait for the moments of the recording, if it has any."""
        with contextlib.suppress(RuntimeError):  # no thread can be started: it lasts to the end
            self._timed.start()

    def finish(self) -> None:
        """End the recording and write the profile. A second time does nothing. Never raises."""
        if os.getpid() != self._pid:
            return
        if not self._over:
            self._timed.end()
        self._end()
        wakeup_fd, self.wakeup_fd = self.wakeup_fd, None
        if wakeup_fd is not None:
            with contextlib.suppress(Exception, KeyboardInterrupt):
                wakeup_fd.end()

    def _end(self) -> None:
        """Do so, perhaps in a thread of ours while the program goes on."""
        if self._over:
            return
        self._over = True
        with contextlib.suppress(Exception, KeyboardInterrupt), Insist(quietly=True) as insist:
            if self.children is not None:
                insist.do(self.children.end)
            insist.do(self.record.__exit__)
            insist.do(self._recording.profile_file.finish)

    def before_exec(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> Callable[[], object]:
        """Write the profile, for the program that the process becomes knows nothing of it."""
        if self._over or os.getpid() != self._pid:
            return _nothing
        file = self._recording.profile_file
        with contextlib.suppress(Exception, KeyboardInterrupt):
            file.write()
            file.finish()
            if os.access(path, os.X_OK):
                self._family.note_unreached(path, argv, environment)
        return file.go_on


def _nothing() -> None:
    """Undo nothing."""


class _ChildRecording(Recording):
    """A recording whose file is for the parent to read."""

    def __init__(
        self,
        file: str,
        options: Options,
        signals: DeadlySignals,
        messages: Messages,
        kept: str | None = None,
    ) -> None:
        self._name, self._kept = file, kept
        super().__init__(file, options, messages=messages)
        self.recorder.counts_forks = False
        self._file = self.profile_file = _ProfileFile(file, self.recorder.profile, signals)
        self._file.messages = messages

    def _made_kept_files(self, messages: Messages) -> KeptFiles:
        from tracetools.commands.running.kept import ChildFiles  # only here

        if self._kept is None:
            return super()._made_kept_files(messages)
        return ChildFiles(self._kept, self._name, messages, self.recorder.threshold)


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

    def finish(self) -> None:
        """Give the file the name of one that is not going to change."""
        with contextlib.suppress(OSError):
            if self.path.stat().st_size:
                self.path.replace(self._last_path)
            else:
                self.path.unlink()

    def go_on(self) -> None:
        """Undo `finish`."""
        with contextlib.suppress(OSError):
            self._last_path.replace(self.path)

    @property
    def _last_path(self) -> Any:
        return self.path.with_suffix(".profile")

    def _store(self, profile: Profile) -> None:
        if profile.runs:
            with contextlib.suppress(OSError):
                write_atomically(self.path, format_profile(profile).encode("ascii"))
