"""What tasks waited for of locks, limiters and queues, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.commands.terminal.screen import printable, wrapped
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
        numbers = f"  {amount(use.waited.total):>9}  "
        text = printable(f"{resource.label}: {sentence(use, amount)}")
        first, *more = wrapped(text, screen.width - len(numbers))
        lines.append(screen.style("waits", numbers) + first)
        lines += [" " * len(numbers) + line for line in more]
    if left := len(found[most:]):
        lines.append(screen.style("dim", f"  ... and {left:,} more"))
    return lines
