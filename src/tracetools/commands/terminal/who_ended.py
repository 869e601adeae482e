"""Who ended waits, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.commands.terminal.screen import entry_lines, wrapped
from tracetools.output.lints import amount
from tracetools.output.who_ended import ended_waits

if TYPE_CHECKING:
    from tracetools.commands.terminal.screen import Screen
    from tracetools.core.profile import Profile

__all__ = ["who_ended_in_lines"]


def who_ended_in_lines(profile: Profile, screen: Screen, most: int) -> list[str]:
    """Return a heading, and an entry for each of the longest waits that somebody has ended.

    Nothing is returned if there is none, or that was not recorded.
    """
    found = ended_waits(profile)
    if not found.rows:
        return []
    rest = f" (tasks waited {amount(found.total)} for others in all)"
    lines = [screen.style("bold", "Who ended waits") + screen.style("dim", rest)]
    for row in found.rows[:most]:
        lines += entry_lines(screen, "waits", amount(row.waited.total), row.sentence)
    if left := len(found.rows[most:]):
        lines.append(screen.style("dim", f"  ... and {left:,} more"))
    if found.others:
        others = wrapped(found.others, screen.width - 2)
        lines += [screen.style("dim", f"  {line}") for line in others]
    return lines
