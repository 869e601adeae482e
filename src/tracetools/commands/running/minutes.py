"""What `tracetools run --continuous` does: each process writes profiles by the minute.

A forked child goes on by itself, as `tracetools.continuous` does. A process that is started finds
the folder of the family in its environment, and in it what is recorded; see `startup`. Nothing is
added up: the minutes of all processes are in one folder.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import UsageError
from tracetools.commands.running import notes
from tracetools.commands.running.options import CONTINUOUS, RECORDED
from tracetools.commands.running.recording import in_one_line, kept_on, our_path, working_directory
from tracetools.commands.running.signals import DeadlySignals
from tracetools.commands.running.stderr import Stderr
from tracetools.commands.terminal import tables
from tracetools.core.errors import TracetoolsError
from tracetools.core.interruptions import Insist
from tracetools.guest.messages import common
from tracetools.recording.forks import Follower, follow, unfollow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetools.commands.running.family import Family
    from tracetools.commands.running.program import Program

__all__ = ["ProgramMinutes", "record_minutes"]

_REPLACED: Final = """\
tracetools: the program becomes another one ({}), which is not recorded. Python programs are, with
--subprocesses."""


class _ProcessMinutes(Follower):
    """The minutes of a process, and of those that it forks, from `begin` until their ends.

    Args:
        options: those of the command.
        is_child: whether multiprocessing may have started it.
    """

    def __init__(self, options: argparse.Namespace, *, is_child: bool) -> None:
        self._options = options
        self._is_child = is_child
        self._pid = os.getpid()
        self._stderr = Stderr(quiet=options.quiet)
        self._over = False
        self._lock = threading.RLock()  # a signal handler may finish while this thread does
        self._continuous: Any = None
        self._family: Any = None
        self._spawns: Any = None
        self._wakeup_fd: Any = None

    def begin(self, service: str | None, made: Callable[[], Family]) -> None:
        """Record from now on, and have `finish` called however the process ends.

        Args:
            service: the name of the service.
            made: returns what the process has in common with those that it starts.

        Raises:
            TracetoolsError: the folder cannot be used, or there is no such engine.
        """
        from tracetools.commands.running.ending import Ending
        from tracetools.commands.running.spawns import Spawns
        from tracetools.commands.running.wakeup_fd import WakeupFd
        from tracetools.minutes.always_on import Arguments, Continuous

        common.to = self._stderr
        try:
            arguments = Arguments(**_arguments(self._options, service))
        except ValueError as error:
            raise UsageError(str(error)) from error
        self._continuous = Continuous(
            arguments,
            messages=common,
            signal=DeadlySignals(self.finish),
            is_child=self._is_child,
        )
        self._family = made()
        follow(self)
        self._spawns = Spawns(self._family)
        self._spawns.start()
        self._wakeup_fd = WakeupFd()
        self._wakeup_fd.start()
        Ending(self.finish, self.before_exec).start()

    def before_fork(self) -> None:
        """Make the folder of the family, for what the child may start."""
        self._family.make_folder()

    def forked(self) -> None:
        """Say what a child has to say."""
        common.to = Stderr(quiet=self._options.quiet)

    def before_exec(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> Callable[[], object]:
        """Write what was recorded, before the process becomes another program. Never raises.

        Returns what is to be done if it stays what it is.
        """
        undo: Callable[[], object] = _nothing
        try:
            if isinstance(path, int) or not os.access(path, os.X_OK) or os.path.isdir(path):
                return _nothing  # others may follow, on the shell's path
            undo = self._continuous.write_now()
            self._becomes(path, argv, environment)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the program comes first
            self._stderr.error("%s: %s", type(error).__name__, error)
        return undo

    def _becomes(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> None:
        self._family.note_unreached(path, argv, environment)

    def finish(self) -> None:
        """Write the last minute, at the end of this process or a forked one. Never raises."""
        with contextlib.suppress(Exception, KeyboardInterrupt):
            self._continuous.close()
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._over:
                return
            self._over = True
            with contextlib.suppress(Exception, KeyboardInterrupt), Insist(quietly=True) as insist:
                insist.do(self._spawns.end)
                insist.do(self._wakeup_fd.end)
                insist.do(unfollow, self)
                insist.do(self._conclude)

    def _conclude(self) -> None:
        """Do what is left to do at the end."""


def record_minutes(family: Family) -> None:
    """Record this process, which was started just now, until its end."""
    options = argparse.Namespace(**{**family.options, **family.command["options"]})
    minutes = _ProcessMinutes(options, is_child=True)
    minutes.begin(options.service, lambda: family)


class ProgramMinutes(_ProcessMinutes):
    """The minutes of a program, from before its start to after its end.

    Args:
        options: those of the command.
        program: the program; None if it runs already.
    """

    def __init__(self, options: argparse.Namespace, program: Program | None) -> None:
        super().__init__(options, is_child=False)
        self._program = program
        self._door: Any = None
        self._here = working_directory()
        self._began = getattr(options, "began", None) or time.time_ns()

    def start(self, path: list[str], family: Family | None = None) -> None:
        """Start to record, and have `finish` called however the program ends.

        Args:
            path: the `sys.path` by which our own modules are found.
            family: what the program had in common with its children, if it has become another one.

        Raises:
            TracetoolsError: the folder cannot be used, or there is no such engine.
        """
        given, program = self._options, self._program
        if program is not None and program.note:
            self._stderr.warning("%s", program.note)
        with our_path(path):
            from tracetools.fleet.sources import source_of_process

            service = given.service
            if program is not None:
                name = program.names[0]
                service = source_of_process(given.service, program=name).service
            self.begin(service, lambda: family or self._new_family(path))
        if given.subprocesses and family is None:
            with contextlib.suppress(OSError):
                os.environ.update(self._family.environment(expected=False))
        if given.serve or given.serve_signals:
            with our_path(path):
                from tracetools.door.serving import open_door

                self._door = open_door(signals=given.serve_signals)

    def _new_family(self, path: list[str]) -> Family:
        from tracetools.commands.running.family import Family

        given = self._options
        kept = (*CONTINUOUS, "quiet", "serve", "serve_signals")
        command = {name: getattr(given, name) for name in kept}
        command |= {
            "continuous": str(self._continuous.folder),
            "service": self._continuous.source.service,
            "began": self._began,
            "subprocesses": True,
            "output": None,
        }
        return Family(
            _recorded(given), path, everyone=given.subprocesses, command={"options": command}
        )

    def _becomes(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> None:
        if os.getpid() != self._pid:
            super()._becomes(path, argv, environment)
        elif not self._family.reaches(path, argv, environment):
            self._say(_REPLACED.format(os.fsdecode(path)))
            self._family.remove()

    def _conclude(self) -> None:
        try:
            if self._door is not None:
                self._door.close()
            self._say()
        finally:
            self._family.remove()

    def _say(self, *first: str) -> None:
        """Say where the minutes are, and what is missing."""
        try:
            lost = tables.what_is_left_out(0, 0, self._family.collect().lost)
            said = [] if self._options.quiet else [*first, *self._what_there_is()]
        except TracetoolsError as error:
            lost, said = [], [in_one_line(error)]
        text = "\n".join([*said, *lost])
        if text:
            self._stderr.report(text)

    def _what_there_is(self) -> list[str]:
        from tracetools.fleet.folder import Folder, mark_of, name_of_service

        folder, url = self._continuous.folder, self._options.send_to
        service = name_of_service(self._continuous.source.service)
        files = [
            file
            for file in Folder(folder).files()
            if file.start >= self._began - _MILLISECOND and file.service == service
        ]
        note = notes.our_options_after(self._program)
        after = [f"tracetools: {note}"] if note else []
        if not files:
            is_misused = self._program is not None and self._program.status == notes.WRONG_USE
            was_run = self._program is None or self._program.started
            nothing = [] if note and is_misused else [notes.NO_MINUTES]
            return [*nothing, *after] if was_run else []
        unsent = sum(not file.is_done(mark_of(url)) for file in files) if url else 0
        said = [
            notes.where_minutes_are(len(files), folder, self._here),
            notes.what_is_not_sent(unsent, folder, self._here, url),
        ]
        return [*(f"tracetools: {sentence}" for sentence in said if sentence), *after]


_MILLISECOND: Final = 1_000_000
"""What names of minutes tell apart."""


def _recorded(given: argparse.Namespace) -> dict[str, Any]:
    """Return what is recorded, as `Options` takes it."""
    recorded = {name: getattr(given, name) for name in RECORDED}
    recorded["keep"] = kept_on(recorded["keep"], getattr(given, "keep_on", None))
    return recorded


def _arguments(given: argparse.Namespace, service: str | None) -> dict[str, Any]:
    """Return what `continuous` takes; what is not given has its default there."""
    more = {name: getattr(given, name) for name in CONTINUOUS if getattr(given, name) is not None}
    folder = more.pop("continuous")
    return {**_recorded(given), **more, "folder": folder, "service": service}


def _nothing() -> None:
    """Undo nothing."""
