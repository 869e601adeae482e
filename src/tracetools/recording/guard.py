"""Errors of our own: they end the recording, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.core.interruptions import is_interruption

if TYPE_CHECKING:
    from typing import Protocol

    class Stoppable(Protocol):
        """A recording that an error can end."""

        def stop(self, why: str) -> None:
            """Stop recording, after an error of ours."""


__all__ = ["Guard", "handle"]


def handle(error: BaseException, recording: Stoppable, what_failed: str) -> None:
    """Handle an error that struck in our code, where the program's own code called it.

    Raises:
        BaseException: `error` itself, if it is the program's.
    """
    if is_interruption(error):
        raise error
    if not isinstance(error, RecursionError):  # else there is no room to record just now
        recording.stop(what_failed)


class Guard:
    """A context in which an error of ours ends the recording, and nothing else; see `handle`."""

    __slots__ = ("_recording", "_what_failed")

    def __init__(self, recording: Stoppable, what_failed: str) -> None:
        self._recording = recording
        self._what_failed = what_failed

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is not None:
            if is_interruption(error):
                return False
            handle(error, self._recording, self._what_failed)
        return True
