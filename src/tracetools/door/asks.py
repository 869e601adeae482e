"""What is done for those who ask: one recording at a time, which ends with who has started it."""

from __future__ import annotations

import json
import os
import platform
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.errors import TracetoolsError
from tracetools.core.native.version import VERSION
from tracetools.door import protocol
from tracetools.door.options import options_of
from tracetools.door.protocol import RefusedError
from tracetools.output.formats.profile_json import format_profile
from tracetools.recording.recorder import program_name
from tracetools.session.late_recording import LateRecording

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.profile import Profile
    from tracetools.door.protocol import Request
    from tracetools.live.updating import Updater
    from tracetools.session.options import Options
    from tracetools.session.recording import Recording

__all__ = ["Answer", "Asks"]

_MOST_SECONDS: Final = 86_400.0


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        body: the bytes that follow the line.
        values: what the line says.
    """

    body: bytes = b""
    values: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it


class Asks:
    """Answers what is asked. All is called in one thread, but for `started` and `forked`.

    Args:
        own: what the program records of itself. It is read where nobody has started a recording.
    """

    def __init__(self, own: Recording | None = None) -> None:
        self._own = own
        self._started: LateRecording | None = None
        self._owner: object = None
        self._updaters: dict[object, Updater] = {}
        self._answers: dict[str, Callable[[object, dict[str, Any]], Answer]] = {
            "hello": self._hello,
            "start": self._start,
            "status": self._status,
            "read": self._read,
            "stop": self._stop,
            "dump": self._dump,
            "tasks": self._tasks,
            "update": self._update,
            "histogram": self._histogram,
        }

    @property
    def is_recording(self) -> bool:
        """Whether somebody has started a recording that goes on."""
        return self._started is not None

    def owns(self, client: object) -> bool:
        """Whether a client has started the recording that goes on."""
        return self._started is not None and self._owner is client

    def answer(self, client: object, request: Request) -> Answer:
        """Return the answer.

        Raises:
            RefusedError: there is none.
        """
        found = self._answers.get(request.ask)
        if found is None:
            raise RefusedError(
                "unknown", f"tracetools {VERSION} of the program does not know {request.ask[:80]!r}"
            )
        try:
            return found(client, request.values)
        except RefusedError:
            raise
        except TracetoolsError as error:
            raise RefusedError("failed", str(error)) from error
        except Exception as error:
            raise RefusedError("failed", f"{type(error).__name__}: {error}") from error

    def start(self, client: object, options: Options) -> int:
        """Start a recording; return how many loops have not joined yet.

        Raises:
            RefusedError: one goes on.
            RecordingError: this interpreter cannot be recorded.
        """
        if self._started is not None:
            raise RefusedError(
                "busy", "somebody else records this program: try again when that is over"
            )
        self._started = LateRecording(options)
        self._owner = client
        return self._started.missing

    def finish(self, client: object) -> Profile:
        """Return what was recorded, and end the recording if the client has started it.

        Raises:
            RefusedError: nothing is recorded.
        """
        recording = self._recording(client)
        if self.owns(client):
            self._end()
        return recording.profile

    def leave(self, client: object) -> None:
        """End what a client has started, who is gone."""
        self._updaters.pop(client, None)
        if self.owns(client):
            self._end()

    def end(self) -> None:
        """End the recording, whoever has started it."""
        if self._started is not None:
            self._end()

    def forked(self) -> None:
        """Forget the recording in a forked child: it is the parent's."""
        started, self._started, self._owner = self._started, None, None
        self._updaters.clear()
        if started is not None:
            started.forked()

    # -- what can be asked -------------------------------------------------------------------------

    def _hello(self, *_: object) -> Answer:
        return _said(
            version=VERSION,
            pid=os.getpid(),
            python=platform.python_version(),
            program=program_name(),
        )

    def _start(self, client: object, values: dict[str, Any]) -> Answer:
        return _said(missing=self.start(client, options_of(values.get("options", {}))))

    def _status(self, client: object, _: dict[str, Any]) -> Answer:
        if self._started is None:
            return _said(
                recording=False, own=False, loops=0, missing=0, program=self._own is not None
            )
        loops = self._started.recording.recorder.loops
        return _said(
            recording=True,
            own=self.owns(client),
            loops=len(loops),
            missing=self._started.missing,
            program=self._own is not None,
        )

    def _read(self, client: object, _: dict[str, Any]) -> Answer:
        return _of_profile(self._recording(client).profile, self._started)

    def _stop(self, client: object, _: dict[str, Any]) -> Answer:
        if not self.owns(client) or self._started is None:
            raise RefusedError("nothing", "you have started no recording that could be stopped")
        started, missing = self._started, self._started.missing
        self._end()
        return _of_profile(started.recording.profile, started, missing)

    def _dump(self, client: object, values: dict[str, Any]) -> Answer:
        seconds = values.get("seconds", 10)
        if type(seconds) not in (int, float) or not 0 < seconds <= _MOST_SECONDS:
            raise RefusedError("options", "seconds is a number of seconds, of a day at most")
        texts = self._recording(client).events(seconds)
        bodies = [text.encode() for text in texts]
        return Answer(b"".join(bodies), {"sizes": [len(each) for each in bodies]})

    def _tasks(self, *_: object) -> Answer:
        from tracetools.door.tasks import tasks_and_cost  # noqa: PLC0415  # only here

        text, cost = tasks_and_cost()
        return Answer(text.encode(), {"cost": cost})

    def _update(self, client: object, values: dict[str, Any]) -> Answer:
        from tracetools.door.updates import update_as_json, wanted_of  # noqa: PLC0415  # only here

        began = time.thread_time_ns()
        updater = self._updater(client)
        started = self._started
        body = update_as_json(updater, wanted_of(values), started)
        return Answer(body, {"cost": time.thread_time_ns() - began})

    def _histogram(self, client: object, values: dict[str, Any]) -> Answer:
        number = values.get("stack")
        if type(number) is not int:
            raise RefusedError("options", "stack is the number of a stack")
        found = self._updater(client).histogram(number)
        buckets = [*map(list, sorted(found.buckets.items()))]
        return Answer(json.dumps([found.total, found.max, buckets]).encode())

    def _updater(self, client: object) -> Updater:
        """Return what makes the updates of a client: each gets what is new to it."""
        from tracetools.live.updating import Updater  # noqa: PLC0415  # only here

        recorder = self._recording(client).recorder
        known = self._updaters.get(client)
        if known is None or known.recorder is not recorder:
            known = self._updaters[client] = Updater(recorder)
        return known

    def _recording(self, client: object) -> Recording:
        """Return the recording that is read: what the client has started, or the program itself.

        Raises:
            RefusedError: there is none.
        """
        if self._started is not None and (self.owns(client) or self._own is None):
            return self._started.recording
        if self._own is None:
            raise RefusedError("nothing", "nothing is recorded: start a recording first")
        return self._own

    def _end(self) -> None:
        started, self._started, self._owner = self._started, None, None
        self._updaters.clear()
        if started is not None:
            started.end()


def _said(**values: Any) -> Answer:
    return Answer(b"", values)


def _of_profile(
    profile: Profile, started: LateRecording | None, missing: int | None = None
) -> Answer:
    body = format_profile(profile).encode()
    if len(body) > protocol.MOST_BYTES:
        raise RefusedError("large", "the profile is too large: record with a smaller max_stacks")
    if started is None:
        return Answer(body, {"missing": 0, "errors": []})
    missing = started.missing if missing is None else missing
    return Answer(body, {"missing": missing, "errors": started.errors})
