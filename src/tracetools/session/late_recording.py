"""A recording that begins and ends while the program runs, of all loops that run and that begin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.interruptions import Insist
from tracetools.session.latecomer import Latecomer
from tracetools.session.record import Record
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.guest.messages import Messages
    from tracetools.session.options import Options

__all__ = ["LateRecording", "Said", "Unshown"]

_MOST_ERRORS: Final = 10
_LONGEST_ERROR: Final = 1_000


class Unshown(Recording):
    """A recording that no notebook shows."""

    @property
    def is_to_be_shown(self) -> bool:
        """Never."""
        return False


class Said:
    """Keeps the first errors for who records. The program's own log gets nothing."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def warning(self, _: str, /, *values: object) -> None:
        """Take a warning: what the profile says as well."""

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> None:
        """Take an error."""
        if len(self.errors) < _MOST_ERRORS:
            why = f": {sys.exc_info()[1]!r}" if exc_info else ""
            self.errors.append(f"{text % values}{why}"[:_LONGEST_ERROR])

    def exception(self, text: str, /, *values: object) -> None:
        """Take an error that is being handled."""
        self.error(text, *values, exc_info=True)


class LateRecording:
    """A recording that has begun. It goes into no file.

    Args:
        options: what is recorded.
        kind: the class of the recording.
        messages: where messages go; by default they are kept, and nothing is logged.

    Raises:
        RecordingError: this interpreter cannot be recorded.

    Attributes:
        recording: what all recordings have in common.
    """

    def __init__(
        self,
        options: Options,
        kind: type[Recording] = Unshown,
        messages: Messages | None = None,
    ) -> None:
        self._said = Said()
        said = self._said if messages is None else messages
        self.recording = kind(None, options, closes=True, messages=said)
        self._record = Record(self.recording)
        self._late = Latecomer(self._record)
        try:
            self._late.watch()
            self._late.find_running()
            self._late.begin()
        except BaseException:
            self.end()
            raise

    @property
    def profile(self) -> Profile:
        """What was recorded up to now."""
        return self.recording.profile

    @property
    def missing(self) -> int:
        """How many loops were asked to join, and have not yet."""
        return self._late.missing

    @property
    def errors(self) -> list[str]:
        """What went wrong, in sentences."""
        return self._said.errors

    def end(self) -> None:
        """Record nothing more, and leave nothing installed."""
        with Insist() as insist:
            insist.do(self._late.forget)
            insist.do(self._record.__exit__)

    def forked(self) -> None:
        """Leave nothing installed in a forked child."""
        with Insist(quietly=True) as insist:
            insist.do(self._late.forget)
            insist.do(self._record.forget)
