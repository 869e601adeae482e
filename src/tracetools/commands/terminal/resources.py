"""What tasks waited for of locks, limiters and queues, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.commands.terminal.screen import entry_lines
from tracetools.output.lints import amount
from tracetools.output.resource_findings import sentence, telling

if TYPE_CHECKING:
    from tracetools.commands.terminal.screen import Screen
    from tracetools.core.profile import Profile

__all__ = ["resources_in_lines"]


def resources_in_lines(profile: Profile, screen: Screen, most: int) -> list[str]:
    """Return a heading, and an entry for each of the resources with the longest waits.

    Nothing is returned if no task had to wait, and no queue has grown.
    """
    found = telling(profile)
    if not found:
        return []
    whole = sum(use.waited.total for _, use in found)
    heading = "Locks and queues"
    rest = f" (tasks waited {amount(whole)} for them in all)"
    lines = [screen.style("bold", heading) + screen.style("dim", rest)]
    for resource, use in found[:most]:
        text = f"{resource.label}: {sentence(use, amount)}"
        lines += entry_lines(screen, "waits", amount(use.waited.total), text)
    if left := len(found[most:]):
        lines.append(screen.style("dim", f"  ... and {left:,} more"))
    return lines
