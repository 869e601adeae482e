"""Asks a program for updates, as often as it can afford.

The program says what CPU time an answer has cost. The next one is asked for no sooner than so many
times as long after it that all of them together take less than a hundredth of one processor.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands.watching.rows import Dumped
from tracetools.core.errors import DoorError
from tracetools.core.histogram import Histogram
from tracetools.door.protocol import RefusedError
from tracetools.door.tasks import dump_of_json
from tracetools.live.updates import Update
from tracetools.output.formats.content import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.door.client import Connection
    from tracetools.live.updating import Wanted
    from tracetools.live.values import Dump

__all__ = ["LEAST_INTERVAL", "Feed"]

LEAST_INTERVAL: Final = 0.1
"""Seconds between two updates, at least."""

_PER_UPDATE: Final = 150
_PER_DUMP: Final = 400
"""How many times as long as an answer took is waited: two thirds and a quarter of a hundredth."""

_PER_TASK: Final = 0.000_2
"""Seconds that a dump takes for each task, as long as none was taken."""

_LEAST_DUMP: Final = 0.5
"""Seconds between two dumps, at least."""


class Feed:
    """Asks for updates and dumps.

    Args:
        connection: to the program.
        options: of the recording, if none goes on; None to start none.
        interval: seconds between two updates, at least.
        clock: seconds.

    Attributes:
        about: what the program says of itself.
        note: what is to be known of the recording, in a sentence.
        is_recorded: whether there are numbers; else there are dumps alone.
        update_due: when the next update can be asked for.
        dump_due: when the next dump can be; None before anything is known of the program.
    """

    def __init__(
        self,
        connection: Connection,
        options: dict[str, Any] | None,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._options = options
        self._interval = max(interval, LEAST_INTERVAL)
        self._clock = clock
        self.note = ""
        self.is_recorded = True
        self.about, _ = connection.ask("hello")
        self._begin()
        self.update_due = clock()
        self.dump_due: float | None = None

    def fileno(self) -> int:
        """Return the descriptor: it can be read from once the program is gone."""
        return self._connection.fileno()

    def close(self) -> None:
        """Go away. The program records no more, if that was for us."""
        self._connection.close()

    def update(self, wanted: Wanted) -> Update:
        """Return the next update.

        Raises:
            DoorError: the program is gone, or its answer cannot be understood.
        """
        if not self.is_recorded:
            return self._no_update()
        try:
            values, body = self._ask_update(wanted)
        except RefusedError as refusal:
            if refusal.kind != "nothing":
                raise
            self._begin()  # who had started the recording is gone, and it with him
            if not self.is_recorded:
                return self._no_update()
            values, body = self._ask_update(wanted)
        cost = _seconds(values)
        self.update_due = self._clock() + max(self._interval, _PER_UPDATE * cost)
        try:
            update = Update.from_json(body)
        except MalformedError as error:
            raise DoorError(f"what the program has answered cannot be read: {error}") from error
        if self.dump_due is None:
            tasks = sum(loop.tasks for loop in update.loops)
            self.dump_due = self._clock() + _PER_DUMP * _PER_TASK * tasks
        return update

    def _no_update(self) -> Update:
        """Return an update that says nothing."""
        self.update_due = self._clock() + self._interval
        self.dump_due = self.dump_due or self._clock()
        return Update(1, is_first=True, lasts=0)

    def dump(self) -> Dump:
        """Return what all tasks wait for just now.

        Raises:
            DoorError: the program is gone, or its answer cannot be understood.
        """
        values, body = self._connection.ask("tasks")
        rest = max(_LEAST_DUMP, self._interval, _PER_DUMP * _seconds(values))
        self.dump_due = self._clock() + rest
        dump = dump_of_json(body)
        try:
            Dumped(dump)  # it names tasks that there are
        except (LookupError, ValueError, ArithmeticError) as error:
            raise DoorError(f"what the program has answered cannot be read: {error}") from error
        return dump

    def histogram(self, stack: int) -> Histogram:
        """Return how long the spans of a stack have lasted.

        Raises:
            DoorError: the program is gone, or its answer cannot be understood.
        """
        _, body = self._connection.ask("histogram", stack=stack)
        try:
            total, most, buckets = json.loads(body)
            return Histogram(int(total), int(most), {int(b): int(n) for b, n in buckets})
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise DoorError(f"what the program has answered cannot be read: {error}") from error

    def _ask_update(self, wanted: Wanted) -> tuple[dict[str, Any], bytes]:
        try:
            return self._connection.ask("update", **wanted._asdict())
        except RefusedError as refusal:
            if refusal.kind == "unknown":
                raise DoorError(
                    f"the program has tracetools {self.about.get('version')}, which knows nothing"
                    " of top: use the same version on both sides"
                ) from refusal
            raise

    def _begin(self) -> None:
        """Have the program record, unless it does."""
        status, _ = self._connection.ask("status")
        if status.get("program"):
            self.note = "the numbers are of the recording that the program makes of itself"
            return
        if self._options is None and not status.get("recording"):
            self.is_recorded = False
            self.note = "nothing is recorded: only what tasks wait for is known"
            return
        try:
            self._connection.ask("start", options=self._options or {})
            self.note = ""
        except RefusedError as refusal:
            if refusal.kind != "busy":
                raise
            self.note = "the numbers are of a recording that somebody else has started"


def _seconds(values: dict[str, Any]) -> float:
    """Return the CPU time that an answer has cost."""
    cost = values.get("cost", 0)
    return cost / 1e9 if isinstance(cost, int | float) and cost > 0 else 0.0
