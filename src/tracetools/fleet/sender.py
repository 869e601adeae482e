"""Sends what is in a folder to an engine, the oldest first, and marks what the engine has.

The folder is the queue: what was recorded outlives the program and the sender. What is sent twice,
because the sender was killed before it could mark it, counts once, by `Batch.id`.

A minute that an engine always fails for would be in the way of all later ones. So what was being
sent at a failure comes last from then on: first one minute, and twice as many after each success,
until the next failure.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.errors import StackFileError
from tracetools.core.interruptions import is_interruption
from tracetools.fleet.backoff import Backoff
from tracetools.fleet.engine import EngineError, EngineRefusesError, EngineUnavailableError
from tracetools.fleet.engines import open_engine
from tracetools.fleet.folder import mark_of
from tracetools.guest.messages import to_log
from tracetools.guest.pace import Pace
from tracetools.guest.threads import HiddenThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tracetools.fleet.batch import Batch, Source
    from tracetools.fleet.engine import Engine
    from tracetools.fleet.folder import Folder, MinuteFile
    from tracetools.guest.messages import Messages

__all__ = ["Round", "Sender", "SenderThread"]

_MOST_AT_ONCE: Final = 10
"""Few, as the program waits for memory and the GIL while they are encoded."""

_MOST_BYTES: Final = 16_000_000
"""Bytes of the files that are sent at once at most, unless one has more."""

_IDLE: Final = 60.0
"""Seconds after which the folder is looked at again, if nobody says that there is something."""


class Round(NamedTuple):
    """What became of all minutes that were there to send.

    Attributes:
        sent: how many the engine has now.
        refused: how many it will not take, or could not be read.
        left: how many are still to be sent.
        error: why; ``None`` if none are left.
        wait: seconds to wait before they are tried again.
    """

    sent: int = 0
    refused: int = 0
    left: int = 0
    error: str | None = None
    wait: float = 0.0


class Sender:
    """Sends the minutes of a folder to one engine, one thread at a time.

    Args:
        folder: where they are.
        url: of the engine.
        instance: send only those of this process; ``None`` for all.
        at_once: how many minutes are sent at once at most. A request costs an engine far more than
            a minute in it.
        opened: returns the engine of a URL.
        backoff: says how long to wait after failures.

    Attributes:
        mark: of the engine, in the names of files.
        sent: how many minutes were sent.
        refused: how many will never be.
        errors: the last reason for each that will never be, at most ten.
    """

    def __init__(  # noqa: PLR0913  # each has its own name
        self,
        folder: Folder,
        url: str,
        *,
        instance: str | None = None,
        at_once: int = _MOST_AT_ONCE,
        opened: Callable[[str], Engine] = open_engine,
        backoff: Backoff | None = None,
    ) -> None:
        self._folder = folder
        self._url = url
        self._instance = instance
        self._at_once = at_once
        self._opened = opened
        self._backoff = backoff or Backoff()
        self._engine: Engine | None = None
        self._sources: dict[str, Source] = {}
        self._suspects: dict[Path, None] = {}
        """What was being sent when the engine failed, the last one last."""
        self._suspects_at_once = 1
        self._lock = threading.Lock()
        self.mark = mark_of(url)
        self.sent = self.refused = 0
        self.errors: list[str] = []

    def send_all(self, is_over: Callable[[], bool] = bool) -> Round:
        """Send what is there until nothing is left, or something fails.

        Args:
            is_over: whether to stop before the next ones.

        Raises:
            StackFileError: the folder cannot be read.
            EngineRefusesError: there is no such engine.
        """
        with self._lock:  # a thread that was paused in a request may come to its end meanwhile
            return self._send_all(is_over)

    def _send_all(self, is_over: Callable[[], bool]) -> Round:
        sent, refused = self.sent, self.refused
        error, wait = None, 0.0
        waiting = self._in_order(self._folder.unsent(self.mark, self._instance))
        files: list[MinuteFile] = []
        try:
            while waiting and not is_over():
                files, batches = self._next(waiting)
                if batches:
                    self._send(files, batches)
        except EngineUnavailableError as failure:
            error, wait = str(failure), self._backoff.failed(failure.retry_after)
            self._suspect(files)
            self._let_go()
        left = len(self._folder.unsent(self.mark, self._instance)) if waiting or error else 0
        return Round(self.sent - sent, self.refused - refused, left, error, wait)

    def close(self) -> None:
        """Let go of the engine."""
        self._let_go()

    def _in_order(self, waiting: list[MinuteFile]) -> list[MinuteFile]:
        """Return the oldest first, but suspects last."""
        there = {file.path for file in waiting}
        self._suspects = {path: None for path in self._suspects if path in there}
        places = {path: place for place, path in enumerate(self._suspects, 1)}
        return sorted(waiting, key=lambda file: places.get(file.path, 0))

    def _suspect(self, files: Iterable[MinuteFile]) -> None:
        """Note what may have made the engine fail."""
        self._suspects_at_once = 1
        for file in files:
            self._suspects.pop(file.path, None)
            self._suspects[file.path] = None

    def _next(self, waiting: list[MinuteFile]) -> tuple[list[MinuteFile], list[Batch]]:
        """Take the next minutes from the beginning of a list, and read them."""
        files: list[MinuteFile] = []
        batches: list[Batch] = []
        size = 0
        are_suspects = bool(waiting) and waiting[0].path in self._suspects
        most = min(self._at_once, self._suspects_at_once) if are_suspects else self._at_once
        while waiting and len(files) < most and size < _MOST_BYTES:
            if not are_suspects and waiting[0].path in self._suspects:
                break
            file = waiting.pop(0)
            try:
                size += file.path.stat().st_size
                batches.append(self._folder.read(file, self._sources))
            except FileNotFoundError:  # removed meanwhile, or marked by another sender
                continue
            except (StackFileError, OSError) as error:
                if file.path.exists():
                    self._refuse(file, f"{file.path.name} is left out: {error}")
                continue
            files.append(file)
        if len(self._sources) > self._at_once:
            self._sources.clear()
        return files, batches

    def _send(self, files: Sequence[MinuteFile], batches: Sequence[Batch]) -> None:
        """Send some minutes and mark them; of those that are refused, find out which ones.

        Raises:
            EngineUnavailableError: perhaps the engine has some.
        """
        if self._engine is None:
            self._engine = self._opened(self._url)
        try:
            self._engine.send(batches)
        except EngineRefusesError as error:
            if len(batches) == 1:
                self._refuse(files[0], str(error))
                return
            for file, batch in zip(files, batches, strict=True):
                self._send([file], [batch])
        else:
            self._backoff.worked()
            if any(file.path in self._suspects for file in files):
                self._suspects_at_once *= 2
            for file in files:
                self._suspects.pop(file.path, None)
                self._folder.mark(file, self.mark)
                self.sent += 1

    def _refuse(self, file: MinuteFile, why: str) -> None:
        self._suspects.pop(file.path, None)
        self._folder.mark(file, self.mark, "refused")
        self.refused += 1
        self.errors = [*self.errors[-9:], why]

    def _let_go(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            with contextlib.suppress(EngineError):  # what it has acknowledged, it has
                engine.close()


class SenderThread:
    """Sends in a thread of ours, without ever raising into the program.

    Args:
        sender: what sends.
        messages: where messages go.
        rest: seconds after which the folder is looked at without being told.

    Attributes:
        last: what became of the last round.
    """

    def __init__(self, sender: Sender, messages: Messages = to_log, rest: float = _IDLE) -> None:
        self._sender = sender
        self._messages = messages
        self._rest = rest
        self._there_is_more = threading.Event()
        self._over = threading.Event()
        self._is_last = False
        self._thread: threading.Thread | None = None
        self._failing = self._refuses = False
        self.last = Round()

    @property
    def mark(self) -> str:
        """The mark of the engine in the names of files."""
        return self._sender.mark

    @property
    def sent(self) -> int:
        """How many minutes were sent."""
        return self._sender.sent

    @property
    def refused(self) -> int:
        """How many minutes will never be."""
        return self._sender.refused

    def start(self) -> None:
        """Send from now on.

        Raises:
            RuntimeError: there can be no further thread.
        """
        self._over = threading.Event()
        thread = HiddenThread(target=self._run, args=(self._over,), name="tracetools sender")
        thread.start()
        self._thread = thread

    def pause(self) -> threading.Thread | None:
        """Let the thread end, and return it. After `start` it goes on."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._over.set()
            self._there_is_more.set()
        return thread

    def wake(self) -> None:
        """Say that there is something to send."""
        self._there_is_more.set()

    def end(self, seconds: float) -> None:
        """Send what is there, and end. Whatever is not sent within so many seconds stays."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._is_last = True
        self._there_is_more.set()
        thread.join(max(seconds, 0))
        self._over.set()

    def _run(self, over: threading.Event) -> None:
        while True:
            self._there_is_more.clear()  # first: whoever sets `over` sets this afterwards
            if over.is_set():
                break
            is_last = self._is_last
            try:
                wait = self._send(over)
            except Exception as error:
                if is_interruption(error):
                    raise
                self._say(f"{type(error).__name__}: {error}", is_ours=True)
                wait = self._rest
            if is_last:
                break
            if wait:
                self._pause(wait, over)
            else:
                self._there_is_more.wait(self._rest)
        self._sender.close()

    def _pause(self, seconds: float, over: threading.Event) -> None:
        """Wait, unless this is the end: then it is tried once more."""
        while seconds > 0 and not (self._is_last or over.is_set()):
            step = min(seconds, 0.5)
            seconds -= step
            if self._there_is_more.wait(step):
                self._there_is_more.clear()

    def _send(self, over: threading.Event) -> float:
        """Send all; return the seconds to wait before the next time, 0 for no particular time."""
        try:
            with Pace():
                self.last = done = self._sender.send_all(over.is_set)
        except (StackFileError, EngineError) as error:
            self._say(str(error))
            return self._rest
        if done.error is not None:
            self._say(f"{done.error}; {done.left:,} minutes wait")
        elif self._failing:
            self._failing = False
            self._messages.warning("profiles are sent again")
        if done.refused and not self._refuses:
            self._refuses = True
            self._messages.warning("a profile was not sent: %s", self._sender.errors[-1])
        return done.wait

    def _say(self, why: str, *, is_ours: bool = False) -> None:
        """Say once that nothing can be sent, until it works again."""
        if not self._failing:
            self._failing = True
            self._messages.error(
                "profiles cannot be sent just now: %s; the program goes on", why, exc_info=is_ours
            )
