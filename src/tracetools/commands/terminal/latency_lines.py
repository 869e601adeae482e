"""How long spans lasted and why, as a table on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.commands.terminal.screen import PLAIN, printable
from tracetools.output.answers.words import percent
from tracetools.output.lints import amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracetools.commands.terminal.screen import Style
    from tracetools.output.latencies import Latency, Part

__all__ = ["latency_lines"]

_COLUMNS: Final = ("count", "mean", "p50", "p90", "p99", "max")
_WIDTH: Final = 9
_MOST_PARTS: Final = 4
_LEAST_SHARE: Final = 0.005


def latency_lines(latencies: Sequence[Latency], *, limit: int, style: Style = PLAIN) -> list[str]:
    """Return a row for each span or task, with what its time was; those in their order."""
    heading = "".join(f"{name:>{_WIDTH}}" for name in _COLUMNS)
    lines = [style("bold", f"{heading}  span or task")]
    for each in latencies[:limit]:
        lines.append(f"{_numbers(each)}  {printable(each.frame.label)}")
        lines += [style("dim", " " * 6 + line) for line in _parts_of(each)]
    if (more := len(latencies) - limit) > 0:
        lines.append(f"... and {more:,} more rows: --limit shows them")
    return lines


def _numbers(each: Latency) -> str:
    histogram = each.histogram
    times = [round(histogram.mean), *map(histogram.quantile, (0.5, 0.9, 0.99)), histogram.max]
    cells = [f"{histogram.count:,}", *map(amount, times)]
    return "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _parts_of(each: Latency) -> Iterable[str]:
    if each.parts:
        yield f"in all: {_listed(each.parts)}"
    slow, count = each.slow, each.slow.breakdown.count
    if count:
        mean = amount(slow.breakdown.duration // count)
        which = "the slowest one" if count == 1 else f"the slowest {count:,}"
        yield f"{which} ({mean} on average): {_listed(each.slow_parts)}"
        if each.critical_parts != each.slow_parts:
            yield f"what explains that: {_listed(each.critical_parts)}"
        if saving := _saving(each):
            yield saving


def _listed(parts: Sequence[Part]) -> str:
    shown = [part for part in parts if part.share >= _LEAST_SHARE][:_MOST_PARTS]
    return ", ".join(f"{percent(part.share)} {printable(part.what)}" for part in shown)


def _saving(each: Latency) -> str:
    """Return what would have made the slow ones faster by the most."""
    critical = each.slow.critical
    above = {
        frame
        for path in critical.shares
        if each.frame in path
        for frame in path[: path.index(each.frame) + 1]
    }
    below = {
        frame: saved
        for frame, saved in critical.savings.items()
        if frame not in above and frame.file != "" and saved > 0
    }
    if not below or not critical.duration:
        return ""
    frame = max(below, key=lambda frame: (below[frame], frame.label))
    share = percent(below[frame] / critical.duration)
    return f"without {printable(frame.label)} they would take {share} less at most"
