"""What is known of the program that is watched, and what is looked at of it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands.watching.rows import TABLES, Dumped, View, finding_rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tracetools.commands.watching.rows import Row
    from tracetools.live.updates import Finding, Update
    from tracetools.live.values import Dump

__all__ = ["Watch"]

_MOST_FINDINGS: Final = 200
_RATES_OF: Final = 5
"""Over so many updates their rate is told."""


class Watch:
    """What is known, and what is looked at.

    Args:
        about: what the program says of itself.

    Attributes:
        view: what is shown.
        update: the update that is shown.
        dumped: the dump that is shown.
        dumped_at: when it came, in seconds.
        cursor: the key of the row that is looked at.
        top: the first row that is shown.
        note: what else is to be said, in a sentence.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about
        self.view = View()
        self.update: Update | None = None
        self.dumped: Dumped | None = None
        self.dumped_at = 0.0
        self.cursor: Hashable = None
        self.top = 0
        self.note = ""
        self._findings: dict[Hashable, tuple[Finding, float]] = {}
        self._times: deque[float] = deque(maxlen=_RATES_OF + 1)
        self._place = 0

    # -- what comes --------------------------------------------------------------------------------

    def take_update(self, update: Update, now: float) -> None:
        """Take an update that came at a moment, in seconds.

        Findings are kept while it is paused.
        """
        for each in update.findings:
            self._take_finding(each, now)
        self._times.append(now)
        if not self.view.is_paused:
            self.update = update

    def take_dump(self, dump: Dump, now: float) -> None:
        """Take a dump."""
        if not self.view.is_paused:
            self.dumped, self.dumped_at = Dumped(dump), now

    def _take_finding(self, finding: Finding, now: float) -> None:
        key = (finding.is_stall, finding.task, finding.place)
        before, _ = self._findings.pop(key, (None, 0.0))
        if before is not None:
            finding = finding._replace(
                count=finding.count + before.count,
                time=finding.time + before.time,
                max=max(finding.max, before.max),
            )
        if len(self._findings) >= _MOST_FINDINGS:
            del self._findings[next(iter(self._findings))]
        self._findings[key] = (finding, now)

    # -- what is known -----------------------------------------------------------------------------

    @property
    def rate(self) -> float | None:
        """How many updates came in a second, of late; None before there were two."""
        if len(self._times) < 2:  # noqa: PLR2004  # a difference
            return None
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)

    def findings(self, now: float) -> list[Row]:
        """Return what was found, the last first."""
        return finding_rows(self._findings, now)[::-1]

    def rows(self, now: float) -> list[Row]:
        """Return the rows of the table that is shown."""
        return rows_of(self.view, self.update, self.dumped, self.findings(now))

    # -- what is looked at -------------------------------------------------------------------------

    def place(self, rows: list[Row]) -> int:
        """Return where the cursor is: in its row, wherever that went; else where it was."""
        keys = [row.key for row in rows]
        if self.cursor in keys:
            self._place = keys.index(self.cursor)
        return max(min(self._place, len(rows) - 1), 0)

    def move(self, rows: list[Row], step: int) -> None:
        """Move the cursor by so many rows."""
        place = max(min(self.place(rows) + step, len(rows) - 1), 0)
        self._place = place
        self.cursor = rows[place].key if rows else None

    def scroll(self, rows: list[Row], height: int) -> int:
        """Return the first row that is shown of so many that fit; the cursor is among them."""
        place = self.place(rows)
        top = min(self.top, place, max(len(rows) - height, 0))
        self.top = max(top, place - height + 1, 0)
        return self.top

    def show(self, table: int) -> None:
        """Show another table."""
        self.view = replace(self.view, table=table % len(TABLES))
        self.cursor, self.top, self._place = None, 0, 0
