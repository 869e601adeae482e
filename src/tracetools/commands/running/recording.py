"""The recording of a program that `tracetools run` runs, from before its start to after its end.

Our report goes to stderr, after everything that the program writes, and no failure of ours changes
how the program ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import CommandError
from tracetools.commands.running import notes
from tracetools.commands.running.formats import Look
from tracetools.commands.running.options import RECORDED
from tracetools.commands.running.outputs import Outputs
from tracetools.commands.running.signals import DeadlySignals
from tracetools.commands.running.stderr import Stderr
from tracetools.commands.terminal import summary, tables
from tracetools.core.errors import LawError, TracetoolsError
from tracetools.core.interruptions import Insist
from tracetools.core.profile import Profile
from tracetools.guest.messages import common
from tracetools.output.formats.files import Rescue
from tracetools.output.latency_words import what_is_not_kept
from tracetools.session.options import Options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tracetools.commands.running.family import Family
    from tracetools.commands.running.program import Program

__all__ = ["ProgramRecording", "in_one_line", "kept_on", "our_path", "working_directory"]

_TOO_EARLY: Final = """\
tracetools: nothing was recorded: the program was over before its --delay was."""

_TOO_SHORT: Final = """\
tracetools: nothing was recorded: no loop had run when the --duration was over."""

_REPLACED: Final = """\
tracetools: the program becomes another one ({}), which is not recorded. Python programs are, with
--subprocesses. This is what was recorded until now."""


class ProgramRecording:
    """The recording of a program, from before its start to after its end.

    In a forked copy of the process it does nothing: the files and the report are the parent's.

    Args:
        options: those of the command.
        program: the program; None if it runs already.
    """

    def __init__(self, options: argparse.Namespace, program: Program | None) -> None:
        self._options = options
        self._program = program
        self._pid = os.getpid()
        self._here = working_directory()
        self._path: list[str] = []
        self._outputs = Outputs(options.output or ())
        self._stderr = Stderr(quiet=options.quiet)
        self._record: Any = None
        self._recording: Any = None
        self._children: Any = None
        self._family: Any = None
        self._wakeup_fd: Any = None
        self._of_others: list[Profile] = []
        self._notes: list[str] = []
        self._over = self._is_finished = False
        self._timed: Any = None
        self._door: Any = None
        self._lock = threading.RLock()  # a signal handler may finish while this thread does

    def start(self, path: list[str], family: Family | None = None) -> None:
        """Start to record, and have `finish` called however the program ends.

        Args:
            path: the `sys.path` by which our own modules are found.
            family: what the program had in common with its children, if it has become another one.

        Raises:
            CommandError: a file cannot be written, or would replace what is no earlier output.
        """
        self._outputs.check()
        if self._program is not None:
            self._say_before(self._program)
        self._path = path
        with our_path(self._path):  # takes a while
            from tracetools.commands.running.child_processes import Children
            from tracetools.commands.running.ending import Ending
            from tracetools.commands.running.family import Family, Window
            from tracetools.commands.running.files import RunRecording
            from tracetools.commands.running.timed_record import TimedRecord
            from tracetools.commands.running.wakeup_fd import WakeupFd
            from tracetools.session.record import Record

            self._outputs.prepare()
            with contextlib.suppress(ImportError):  # Windows has none
                import resource  # noqa: F401  # not at the end: an import takes a descriptor

        options = {name: getattr(self._options, name) for name in RECORDED}
        options["keep"] = kept_on(options["keep"], getattr(self._options, "keep_on", None))
        common.to = self._stderr
        self._recording = RunRecording(self._outputs, Options(**options), messages=self._stderr)
        self._record = Record(self._recording)
        self._recording.recorder.counts_forks = False
        given, kept = self._options, self._recording.kept_folder
        window = family.window if family else Window.from_now(given.delay, given.duration)
        ending = Ending(self.finish, self.before_exec)
        self._family = family or Family(
            options,
            path,
            everyone=self._options.subprocesses,
            command=self._command(),
            window=window,
            kept=None if kept is None else str(kept),
        )
        self._timed = TimedRecord(self._record, window, self.end_early)
        self._timed.enter(self._record.__enter__)
        self._children = Children(self._family, self._record, ending)
        self._children.start()
        self._wakeup_fd = WakeupFd()
        self._wakeup_fd.start()
        ending.start()
        if self._options.subprocesses and family is None:
            with contextlib.suppress(OSError):
                os.environ.update(self._family.environment(expected=False))
        DeadlySignals(self.finish).catch()
        if given.serve or given.serve_signals:
            self._open_door(signals=given.serve_signals)
        try:
            self._timed.start()
        except RuntimeError as error:
            raise CommandError(f"--delay and --duration need a thread: {error}") from error

    def _open_door(self, *, signals: bool) -> None:
        with our_path(self._path):
            from tracetools.door.serving import open_door

            self._door = open_door(self._recording, signals=signals)

    def _close_door(self) -> None:
        if self._door is not None:
            self._door.close()

    def _command(self) -> dict[str, Any]:
        """Return what the program needs that this one may become."""
        given = self._options
        kept = {name: getattr(given, name) for name in ("quiet", "serve", "serve_signals")}
        return {"options": {"output": self._outputs.names, "subprocesses": True, **kept}}

    def _say_before(self, program: Program) -> None:
        """Say what is going to be otherwise than it seems; what is lost, also if it is quiet."""
        if program.note:
            self._stderr.warning("%s", program.note)
        replaced = self._outputs.of_others(program.names)
        if replaced:
            self._stderr.error("%s", replaced)

    def before_exec(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> Callable[[], object]:
        """Write what was recorded, before the program becomes another one. Never raises.

        That one goes on with the recording, if it can. Otherwise this is the end. Returns what is
        to be done if the program stays what it is.
        """
        if self._over or os.getpid() != self._pid:
            return _nothing
        with self._lock:
            return self._before_exec(path, argv, environment)

    def _before_exec(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> Callable[[], object]:
        try:
            if isinstance(path, int) or not os.access(path, os.X_OK) or os.path.isdir(path):
                return _nothing  # others may follow, on the shell's path
            if self._family.reaches(path, argv, environment):
                self._recording.file.write()
                undo: Callable[[], object] = self._family.leave(self._recording.profile)
                return undo
            self._say_what_was_recorded(os.fsdecode(path))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the program comes first
            self._stderr.report(f"tracetools: {type(error).__name__}: {error}")
        return _nothing

    def _say_what_was_recorded(self, becomes: str) -> None:
        """Write the files and report, though the recording goes on."""
        self._collect(goes_on=False)
        self._family.remove()
        text = self._conclude_with(self._recording.profile)
        first = "" if self._options.quiet else _REPLACED.format(becomes)
        text = "\n\n".join(filter(None, (first, text)))
        if text:
            self._stderr.report(text)

    def finish(self) -> None:
        """End the recording, write the files, report. A second time does nothing. Never raises."""
        if os.getpid() != self._pid:
            return
        if not self._over:
            self._timed.end()
        self._end(goes_on=False)
        if not self._is_finished:
            self._is_finished = True
            with contextlib.suppress(Exception):
                self._wakeup_fd.end()

    def end_early(self) -> None:
        """Do so while the program goes on, in a thread of ours."""
        if os.getpid() == self._pid:
            self._end(goes_on=True)

    def _end(self, *, goes_on: bool) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
            try:
                text = self._conclude(goes_on=goes_on)
            except KeyboardInterrupt:
                text = "tracetools: interrupted while the files were written"
            except TracetoolsError as error:
                text = in_one_line(error)
            except Exception as error:  # noqa: BLE001  # how the program ends is not ours to change
                what = f"{type(error).__name__}: {error}"
                text = f"tracetools: the files could not be written: {what}"
            if text:
                self._stderr.report(text)

    def _conclude(self, *, goes_on: bool) -> str:
        """Write the files, and return the report."""
        try:
            with Insist(quietly=True) as insist:
                if not goes_on:
                    insist.do(_allow_more_descriptors)
                    insist.do(self._wakeup_fd.end)
                    insist.do(self._close_door)
                insist.do(self._children.end)
                insist.do(partial(self._recording.close, write=False))
                insist.do(self._record.__exit__)
            self._collect(goes_on=goes_on)
        finally:
            self._family.remove()
        text = self._conclude_with(self._recording.profile)
        started = self._program is None or self._program.started
        if text or self._options.quiet or not started:
            return text
        note = self._what_to_note(Profile())
        is_misused = self._program is not None and self._program.status == notes.WRONG_USE
        return (
            note
            if note and is_misused
            else "\n\n".join(filter(None, (self._why_nothing(goes_on=goes_on), note)))
        )

    def _why_nothing(self, *, goes_on: bool) -> str:
        """Return why there is nothing to write."""
        if not self._timed.has_begun:
            return _TOO_EARLY
        return _TOO_SHORT if goes_on else notes.NOTHING_RECORDED

    def _conclude_with(self, own: Profile) -> str:
        """Write the files of all processes, and return the report; nothing if there is nothing."""
        profiles = [profile for profile in (own, *self._of_others) if profile.runs]
        notes = "\n".join(self._notes)
        return self._write(profiles[0].merge(*profiles[1:]), notes) if profiles else notes

    def _collect(self, *, goes_on: bool) -> None:
        """Take what other processes have left, and note what they have not."""
        try:
            if goes_on:
                self._family.await_ends()
            found = self._family.collect()
        except OSError as error:
            self._notes.append(f"tracetools: other processes are left out: {error}")
        else:
            self._of_others += found.profiles
            self._recording.adopt_kept(found.kept)
            self._notes += tables.what_is_left_out(found.unread, found.running, found.lost)

    def _write(self, profile: Profile, lost: str) -> str:
        """Write the files, and return the report; `lost` says what is not in them."""
        options, rescue = self._options, Rescue()
        with our_path(self._path):
            look = Look(options.lens, options.labels)
            written = self._outputs.write(profile, look, rescue)
        try:
            profile.check()
        except LawError as error:
            rescue.said.append(str(error))
        said = "\n".join(f"tracetools: {sentence}" for sentence in rescue.said)
        if options.quiet:
            return "\n\n".join(filter(None, (lost, said)))
        parts = (
            f"tracetools: {tables.what_ran(profile)}",
            summary.at_end(profile),
            lost,
            said,
            self._what_to_note(profile),
            tables.what_to_open(written, self._here),
        )
        return "\n\n".join(filter(None, parts))

    def _what_to_note(self, profile: Profile) -> str:
        """Return what would help the next time."""
        said = [
            notes.what_is_kept(self._recording.kept, self._here),
            what_is_not_kept(profile),
            notes.what_did_not_join(self._timed.missing),
            notes.what_functions_would_show(profile, is_on=self._options.functions),
            notes.our_options_after(self._program),
        ]
        return "\n".join(f"tracetools: {sentence}" for sentence in said if sentence)


def _allow_more_descriptors() -> None:
    """Let us open a few more files, if the program has used up all that it may open."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        resource: Any = sys.modules.get("resource")
        if error.errno == errno.EMFILE and resource is not None:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            more = soft + _DESCRIPTORS
            if hard != resource.RLIM_INFINITY:
                more = min(more, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))


_DESCRIPTORS: Final = 16
"""How many descriptors we need at the end, at most."""


def _nothing() -> None:
    """Undo nothing."""


def kept_on(keep: float | None, triggers: dict[str, Any] | None) -> float | None:
    """Return what is kept: slow spans, and what ``--keep-on`` says."""
    if not triggers:
        return keep
    from tracetools.recording.keeper import slow  # only here

    return slow(keep, **triggers)


def in_one_line(error: TracetoolsError) -> str:
    """Return what an error says, in one line of ours."""
    return " ".join(["tracetools:", *str(error).splitlines()])


def working_directory() -> Path:
    """Return it, or the root if it is gone."""
    try:
        return Path.cwd()
    except OSError:
        return Path(os.path.sep)


@contextlib.contextmanager
def our_path(path: list[str]) -> Iterator[None]:
    """Let our imports find our own modules, and not those of the program with the same names."""
    theirs, sys.path = sys.path, path
    try:
        yield
    finally:
        sys.path = theirs
