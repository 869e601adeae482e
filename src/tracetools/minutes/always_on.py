"""`continuous`: a recording that is always on, and writes a profile for each minute."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Mapping  # `inspect` evaluates it
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.errors import StackFileError
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.fleet.engines import check_url
from tracetools.fleet.folder import Folder
from tracetools.fleet.sender import Sender, SenderThread
from tracetools.fleet.sources import source_of_process
from tracetools.guest.messages import to_log
from tracetools.guest.pace import Pace
from tracetools.guest.threads import HiddenThread
from tracetools.minutes.child_ends import ChildEnds
from tracetools.minutes.last_signal import LastSignal
from tracetools.minutes.periods import Periods
from tracetools.minutes.renewal import Renewal
from tracetools.minutes.writing import MinuteWriter
from tracetools.recording import forks
from tracetools.session.kept_files import KeptFiles
from tracetools.session.late_recording import LateRecording, Unshown
from tracetools.session.options import Options, function_taking

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from tracetools.core.profile import Profile
    from tracetools.guest.messages import Messages
    from tracetools.minutes.last_signal import CaughtSignal
    from tracetools.recording.keeper import Kept

__all__ = ["Arguments", "Continuous", "continuous", "default_folder"]

_PATIENCE: Final = 5.0
"""Seconds to wait for a loop that is asked to join, and for a file that is being written."""

_LEAST: Final = 1.0
_MOST: Final = 86_400.0
_STEP: Final = 0.01


@dataclass(frozen=True)
class Arguments(Options):
    """What `continuous` takes."""

    folder: str | os.PathLike[str] | None = None
    every: float = 60.0
    max_bytes: float = 500e6
    max_age: float = 7 * 86_400.0
    service: str | None = None
    version: str | None = None
    host: str | None = None
    attributes: Mapping[str, str] | None = None
    send_to: str | None = None
    end_within: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("every", self.every, _LEAST, _MOST)
        _check("max_bytes", self.max_bytes, 0, 1e15)
        _check("max_age", self.max_age, 0, 1e10)
        _check("end_within", self.end_within, 0, 3600)


def _check(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number, not {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} is a number from {least:g} to {most:,g}, not {value!r}")


@function_taking(Arguments)
def continuous(arguments: Arguments) -> Continuous:  # noqa: D417  # below
    """Record all the time, and write a profile for each minute into a bounded folder.

    All loops are recorded that run already and that begin, in any thread. Each file is a profile as
    any other: ``tracetools report`` and ``tracetools merge`` read it. It goes on until `close`, the
    end of its ``with``, or that of the process; SIGTERM, where the program leaves it to the system,
    ends it as well. Then the last, partial minute is written. A process that is killed loses the
    current minute. A forked child records itself, as an instance of its own, and catches SIGTERM
    only while a loop runs.

    Args:
        folder: where the files go; it is made for its owner alone. Several processes may share it.
            By default ``tracetools/minutes`` in ``$XDG_STATE_HOME``, or ``~/.local/state``.
        every: the seconds of a file. They end where the clock is at a whole multiple.
        max_bytes: how many bytes all files of the folder may have together: the oldest ones are
            removed.
        max_age: how old they may get, in seconds.
        service: the name of the service; by default that of OpenTelemetry's resource, or of its
            variables ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES``, or of the program.
        version: its version; by default likewise.
        host: the name of the machine; by default likewise.
        attributes: what else is to be known of the service.
        send_to: the URL of an engine that gets all files, such as ``pyroscope+http://HOST:PORT``;
            a thread of ours sends them. Secrets are in the environment. None sends nothing.
        end_within: seconds that sending may take at the end. What is not sent then stays.
        {options}

    Raises:
        StackFileError: the folder cannot be made or written to.
        EngineError: there is no such engine.
        ValueError, TypeError: an option has no such value.
        RecordingError: this interpreter cannot be recorded.
    """
    return Continuous(arguments)


def default_folder() -> Path:
    """Return the folder of this user's profiles by the minute.

    Raises:
        StackFileError: the user has none.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise StackFileError("this user has no home: give a folder for the profiles") from error
    return base / "tracetools" / "minutes"


class Continuous(forks.Follower):
    """A recording that is always on, until its `close`, or the end of its ``with``.

    Args:
        arguments: see `continuous`.
        messages: where messages go.
        signal: is caught before it ends the process. If it is given, the caller sees to it that
            `close` is called at any other end.
        is_child: whether the process is one of multiprocessing's: then the signal is caught only
            while a loop runs.

    Attributes:
        source: who records.
    """

    def __init__(
        self,
        arguments: Arguments,
        *,
        messages: Messages = to_log,
        signal: CaughtSignal | None = None,
        is_child: bool = False,
    ) -> None:
        self._arguments = arguments
        self._messages = messages
        self._options = Options(
            **{each.name: getattr(arguments, each.name) for each in fields(Options)}
        )
        if arguments.send_to is not None:
            check_url(arguments.send_to)
        self._folder = Folder(arguments.folder or default_folder())
        self._folder.make()
        self._signal = LastSignal(self._close_by_signal) if signal is None else signal
        self._child_ends = ChildEnds(self.close) if signal is None else None
        self._is_child = is_child
        self._lock = threading.RLock()  # a signal handler may close while this thread does
        self._closed = False
        self._dropped = self._unsent = 0
        self._begin()
        atexit.register(self.close)
        if not is_child:
            self._signal.catch()
        if self._child_ends is not None:
            self._child_ends.start()

    def _begin(self) -> None:
        """Record this process from now on."""
        given = self._arguments
        self._pid = os.getpid()
        self._failing = False
        self.source = source_of_process(given.service, given.version, given.host, given.attributes)
        self._folder.write_source(self.source)
        self._sender: SenderThread | None = None
        if given.send_to is not None:
            sender = Sender(self._folder, given.send_to, instance=self.source.instance)
            self._sender = SenderThread(sender, self._messages)
        self._mark = None if self._sender is None else self._sender.mark
        self._periods = Periods(given.every)
        self._renewal = Renewal(time.monotonic())
        self._late = self._new_recording()
        self._catch_in_loops_of(self._late)
        self._writer = MinuteWriter(
            self._folder, self.source, self._late.snapshot, self._late.take_slow
        )
        self._thread: tuple[threading.Thread, threading.Event] | None = None
        forks.follow(self)
        self._start_threads()

    def __repr__(self) -> str:
        how = "closed" if self._closed else "open"
        return f"<{how} recording of {self.source.service!r} into {self._folder.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder.path

    @property
    def status(self) -> dict[str, int]:
        """What was done by this process, in numbers.

        ``written`` files, those of them ``sent``, those that the engine has ``refused``; files of
        the folder that this process has ``removed`` to keep within the bounds, and how many of
        those were ``unsent``.
        """
        sender = self._sender
        return {
            "written": self._writer.written,
            "sent": 0 if sender is None else sender.sent,
            "refused": 0 if sender is None else sender.refused,
            "removed": self._dropped,
            "unsent": self._unsent,
        }

    @property
    def profile(self) -> Profile:
        """What was recorded up to now, since the accounting has begun anew."""
        return self._late.snapshot()

    def close(self) -> None:
        """End the recording, and write the last minute. Never raises. A second time does nothing.

        Sending ends within `end_within`.
        """
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with Insist(quietly=True) as insist:
                insist.do(atexit.unregister, self.close)
                insist.do(forks.unfollow, self)
                insist.do(self._end_thread)
                insist.do(self._late.end)
                insist.do(self._write)
                if self._sender is not None:
                    insist.do(self._sender.end, self._arguments.end_within)
                insist.do(self._signal.let_go)
                if self._child_ends is not None:
                    insist.do(self._child_ends.end)

    def write_now(self) -> Callable[[], object]:
        """Write what was recorded up to now, before the process becomes another program.

        Returns:
            What is to be called if it does not.
        """
        if self._closed or os.getpid() != self._pid:
            return _nothing
        self.before_fork()
        self._write()
        return self.resume

    def _close_by_signal(self) -> None:
        self.close()

    # -- the thread --------------------------------------------------------------------------------

    def _start_threads(self) -> None:
        over = threading.Event()
        thread = HiddenThread(target=self._run, args=(over,), name="tracetools minutes")
        try:
            thread.start()
            self._thread = thread, over
            if self._sender is not None:
                self._sender.start()
        except RuntimeError as error:
            self._messages.warning("no profiles are written before the end: %s", error)

    def _run(self, over: threading.Event) -> None:
        while not over.wait(self._periods.wait()):
            if not self._periods.wait():
                self._write()
                self._begin_anew_if_due()

    def _end_thread(self) -> None:
        thread = self._stop_thread()
        if thread is not None:
            thread.join(_PATIENCE)

    def _stop_thread(self) -> threading.Thread | None:
        """Let the thread end, and return it if it can be waited for."""
        running, self._thread = self._thread, None
        if running is None:
            return None
        thread, over = running
        over.set()
        return None if thread.ident == threading.get_ident() else thread

    def _write(self) -> None:
        """Write what was recorded since the last time. Never raises; logs a failure once."""
        try:
            self._writer.write(self._periods.end())
            self._failing = False
            self._prune()
        except Exception as error:  # the program under observation comes first
            if is_interruption(error):
                raise
            if not self._failing:
                self._failing = True
                known = isinstance(error, StackFileError)
                self._messages.error("%s; the program goes on", error, exc_info=not known)
        if self._sender is not None:
            self._sender.wake()

    def _prune(self) -> None:
        given = self._arguments
        with Pace():
            pruned = self._folder.prune(
                given.max_bytes, given.max_age, mark=self._mark, keep=[self.source.instance]
            )
        if pruned.unsent and not self._unsent:
            self._messages.warning(
                "%d profiles were removed from %s before they were sent: the folder is full",
                pruned.unsent,
                self._folder.path,
            )
        self._dropped += pruned.files
        self._unsent += pruned.unsent

    def _begin_anew_if_due(self) -> None:
        """Have another recording go on, if this one comes near its bound on stacks."""
        if not self._renewal.is_due(self._late.fullness, time.monotonic()):
            return
        try:
            self._begin_anew(self._new_recording())
        except Exception as error:  # the thread has to go on
            if is_interruption(error):
                raise
            self._messages.exception("the recording could not begin anew as it should; it goes on")

    def _new_recording(self) -> _LateRecording:
        return _LateRecording(self._options, self._messages)

    def _catch_in_loops_of(self, late: _LateRecording) -> None:
        """Have the signal caught while a loop runs, in a child.

        Python calls no handler if a signal comes just before a system call that blocks, and pools
        send one just when their idle workers wait for a lock. Those must die at once.
        """
        if self._is_child:
            late.recording.signal = self._signal

    def _begin_anew(self, new: _LateRecording) -> None:
        deadline = time.monotonic() + _PATIENCE
        while new.missing and time.monotonic() < deadline:
            time.sleep(_STEP)
        old, self._late = self._late, new
        old.recording.signal = None
        self._catch_in_loops_of(new)
        try:
            old.end()
        finally:
            self._writer.begin_anew(old.snapshot(), new.snapshot, new.take_slow)

    # -- forks -------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """End the threads."""
        threads = [self._stop_thread(), None if self._sender is None else self._sender.pause()]
        for thread in threads:
            if thread is not None:
                forks.await_end(thread)

    def resume(self) -> None:
        """Start them again."""
        if not self._closed and self._thread is None:
            self._start_threads()

    def forked(self) -> None:
        """Record the child by itself, unless it is going to be another program."""
        forks.unfollow(self)
        self._lock = threading.RLock()
        self._late.forked()
        self._thread = None
        self._is_child = True
        self._signal.let_go()
        if forks.is_for_exec():
            atexit.unregister(self.close)
            self._closed = True
            return
        try:
            self._begin()
        except Exception as error:
            if is_interruption(error):
                raise
            self._closed = True
            self._messages.exception("a forked process is not recorded; it goes on")


class _NoFiles(KeptFiles):
    """Slow spans are in the profiles alone."""

    def keep(self, kept: Kept) -> Callable[[], None]:  # noqa: ARG002  # as its base
        return _nothing


def _nothing() -> None:
    """Remove nothing."""


class _Recording(Unshown):
    """A recording whose slow spans are in the profiles alone.

    Attributes:
        signal: what is caught while a loop runs; ``None`` for nothing.
    """

    signal: CaughtSignal | None = None

    def loop_began(self) -> None:
        """Catch the signal from now on."""
        super().loop_began()
        if self.signal is not None:
            self.signal.catch()

    def loop_ended(self) -> None:
        """Let it go, if no loop is left."""
        super().loop_ended()
        if self.signal is not None and not self._goes_on:
            self.signal.let_go()

    def _made_kept_files(self, messages: Messages) -> KeptFiles:
        return _NoFiles(lambda: None, messages)


class _LateRecording(LateRecording):
    """A recording of the loops that run, and of those that begin.

    Raises:
        RecordingError: this interpreter cannot be recorded.
    """

    recording: _Recording

    def __init__(self, options: Options, messages: Messages) -> None:
        super().__init__(options, _Recording, messages)

    def snapshot(self) -> Profile:
        """Return what was recorded up to now."""
        return self.profile

    def take_slow(self) -> Any:
        """Return the slow spans that were kept since the last call."""
        return self.recording.take_slow()

    @property
    def fullness(self) -> float:
        """How much of the bound on stacks is used."""
        return self.recording.recorder.fullness
