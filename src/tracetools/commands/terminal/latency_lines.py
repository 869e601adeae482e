"""How long spans lasted and why, as a table on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.commands.terminal.screen import PLAIN, entry_lines, printable
from tracetools.output.latencies import latencies_of
from tracetools.output.latency_words import sentences_on, verdict
from tracetools.output.lints import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetools.commands.terminal.screen import Screen, Style
    from tracetools.core.profile import Profile
    from tracetools.output.latencies import Latency

__all__ = ["latency_lines", "slow_in_lines"]

_COLUMNS: Final = ("count", "mean", "p50", "p90", "p99", "max")
_WIDTH: Final = 9


def latency_lines(latencies: Sequence[Latency], *, limit: int, style: Style = PLAIN) -> list[str]:
    """Return a row for each span or task, with what its time was; those in their order."""
    heading = "".join(f"{name:>{_WIDTH}}" for name in _COLUMNS)
    lines = [style("bold", f"{heading}  span or task")]
    for each in latencies[:limit]:
        lines.append(f"{_numbers(each)}  {printable(each.frame.label)}")
        lines += [style("dim", " " * 6 + printable(line)) for line in sentences_on(each)]
    if (more := len(latencies) - limit) > 0:
        lines.append(f"... and {more:,} more rows: --limit shows them")
    return lines


def _numbers(each: Latency) -> str:
    histogram = each.histogram
    times = [round(histogram.mean), *map(histogram.quantile, (0.5, 0.9, 0.99)), histogram.max]
    cells = [f"{histogram.count:,}", *map(amount, times)]
    return "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def slow_in_lines(profile: Profile, screen: Screen, most: int) -> list[str]:
    """Return what makes spans slow, an entry for each name; nothing if no slow spans were kept."""
    if not profile.slow:
        return []
    slow = [each for each in latencies_of(profile) if each.slow.breakdown.count]
    heading = screen.style("bold", "What makes spans slow")
    lines = [heading + screen.style("dim", " (p99, and what the slowest did that were kept)")]
    for each in slow[:most]:
        p99 = amount(each.histogram.quantile(0.99))
        lines += entry_lines(screen, "late", p99, f"{each.frame.label}: {verdict(each)}")
    if left := len(slow[most:]):
        lines.append(screen.style("dim", f"  ... and {left:,} more: tracetools report --latency"))
    return lines
