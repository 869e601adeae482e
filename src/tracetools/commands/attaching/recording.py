"""Records a program that runs, through a connection: from now on, for a while, then the report."""

from __future__ import annotations

import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import CommandError
from tracetools.commands.running import notes
from tracetools.commands.running.formats import Look
from tracetools.commands.terminal import summary, tables
from tracetools.commands.terminal.screen import printable
from tracetools.core.errors import DoorError, StackFileError
from tracetools.core.native import why_not
from tracetools.output.formats.files import Rescue
from tracetools.output.formats.profile_json import parse_profile

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tracetools.commands.running.outputs import Outputs
    from tracetools.core.profile import Profile
    from tracetools.door.client import Connection

__all__ = ["Recorded", "record", "report"]

_READ_EVERY: Final = 5.0
"""Seconds between two reads of what was recorded: so much is lost if the program ends."""

_DEAR: Final = 50
"""How many times as long as the last read took is waited until the next one, at least."""


class Recorded:
    """What was recorded.

    Attributes:
        profile: the profile; ``None`` if it could not be read.
        missing: how many loops did not join.
        errors: what went wrong in the program, in sentences.
        lost: seconds of which nothing is left, for the program has ended; ``None`` if none are.
    """

    def __init__(self) -> None:
        self.profile: Profile | None = None
        self.missing = 0
        self.errors: list[str] = []
        self.lost: float | None = None

    def take(self, answer: tuple[dict[str, Any], bytes], source: str) -> None:
        """Take what a door has answered.

        Raises:
            DoorError: it makes no sense.
        """
        values, body = answer
        missing, errors = values.get("missing", 0), values.get("errors", [])
        if type(missing) is not int or not isinstance(errors, list):
            raise DoorError("what the program has answered makes no sense")
        try:
            self.profile = parse_profile(body, source)
        except StackFileError as error:
            raise DoorError(str(error)) from error
        self.missing = missing
        self.errors = [str(each) for each in errors]


def record(
    connection: Connection,
    options: dict[str, Any],
    duration: float | None,
    begun: Callable[[], object] = bool,
) -> Recorded:
    """Record until the time is over, Ctrl-C, or the end of the program.

    Args:
        connection: to the program.
        options: what is recorded, in plain values.
        duration: seconds; ``None`` for no end.
        begun: called when the recording has begun.

    Raises:
        DoorError: the door refuses.
    """
    recorded = Recorded()
    connection.ask("start", options=options)
    last_read = time.monotonic()
    end = None if duration is None else last_read + duration
    try:
        begun()
        rest = _READ_EVERY
        while (left := _left(end, last_read + rest)) is not None:
            if _is_over(connection, left) or _left(end) is None:
                break  # what is asked next tells which
            asked = time.monotonic()
            recorded.take(connection.ask("read"), "the door")
            last_read = time.monotonic()
            rest = max(_READ_EVERY, _DEAR * (last_read - asked))
    except KeyboardInterrupt:
        pass
    except DoorError:
        recorded.lost = time.monotonic() - last_read
        return recorded
    try:
        recorded.take(connection.ask("stop"), "the door")
    except DoorError:
        recorded.lost = time.monotonic() - last_read
    return recorded


def _left(end: float | None, other: float | None = None) -> float | None:
    """Return how many seconds are left until the end, or until another moment; None if none are."""
    now = time.monotonic()
    if end is not None and end <= now:
        return None
    return max(min(each for each in (end, other, now + 1e6) if each is not None) - now, 0)


def _is_over(connection: Connection, seconds: float) -> bool:
    """Wait, and return whether the door was closed meanwhile: it says nothing unasked."""
    found, _, _ = select.select([connection], [], [], seconds)
    return bool(found)


def report(recorded: Recorded, outputs: Outputs, given: argparse.Namespace) -> str:
    """Write the files, and return what is said of the profile.

    Raises:
        CommandError: nothing was recorded.
    """
    profile = recorded.profile
    if profile is None or not profile.runs:
        raise CommandError(_why_nothing(recorded))
    rescue = Rescue()
    written = outputs.write(profile, Look(given.lens, given.labels), rescue)
    said = [f"tracetools: {sentence}" for sentence in (*rescue.said, *_of_end(recorded))]
    if given.quiet:
        return "\n".join(said)
    hint = notes.what_functions_would_show(profile, is_on=given.functions or why_not is not None)
    parts = (
        f"tracetools: {tables.what_ran(profile)}",
        summary.at_end(profile),
        "\n".join(said),
        hint and f"tracetools: {hint}",
        tables.what_to_open(written, Path.cwd()),
    )
    return "\n\n".join(filter(None, parts))


def _of_end(recorded: Recorded) -> list[str]:
    said = [printable(each) for each in recorded.errors]
    if recorded.missing:
        loops = "1 loop" if recorded.missing == 1 else f"{recorded.missing:,} loops"
        said.append(f"not recorded: {loops} of which no step has ended meanwhile")
    if recorded.lost is not None:
        said.append(
            f"the program has closed its door, or ended: the last {recorded.lost:.1f} s are lost"
        )
    return said


def _why_nothing(recorded: Recorded) -> str:
    if recorded.lost is not None:
        return (
            "nothing was recorded: the program has closed its door, or ended, before anything was"
            " read; record it from its start with 'tracetools run'"
        )
    if recorded.missing:
        return (
            f"nothing was recorded: {' '.join(_of_end(recorded))}; it blocks, or waits for events:"
            " 'tracetools dump' shows by what"
        )
    return (
        "nothing was recorded: no trio run and no asyncio loop went on in the process; for plain"
        " Python take a sampling profiler: py-spy record --pid ..."
    )
