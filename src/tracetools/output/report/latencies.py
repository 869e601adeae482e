"""The section of a report about how long spans lasted, as HTML, and the answer that it gives.

Every text from outside passes through `escape`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.markup import escape
from tracetools.output.formats.folded import clean_label
from tracetools.output.latencies import BUSY, SCHEDULED, THREADS, UNKNOWN, WAITING, latencies_of
from tracetools.output.latency_words import sentences_on, verdict
from tracetools.output.report.answering import MOST_SHOWN, Entry, EntryGroup
from tracetools.output.report.sections import frame_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetools.core.profile import Profile
    from tracetools.output.latencies import Latency, Part

__all__ = [
    "NO_LATENCIES",
    "LatencyRow",
    "LatencyTable",
    "latencies_of_page",
    "latencies_section",
    "latency_answers",
    "table_of",
]

_MAX_ROWS: Final = 30
_QUANTILES: Final = (0.5, 0.9, 0.99)
_HEADINGS: Final = ("Count", "Mean", "p50", "p90", "p99", "Max")
_OF_KEPT: Final = (
    "What is said of the slowest is of those that were kept; so is the bar, where any were."
)
_HOW_TO_KEEP: Final = "With <code>keep</code>, what the slowest ones did is told as well."
_BAR: Final = 240
"""How wide a bar is, in pixels."""

_STATES: Final = {BUSY: "busy", SCHEDULED: "scheduled", THREADS: "thread", UNKNOWN: "unknown"}
"""What the classes of parts in a bar are; all others are waits."""

_show_time = amount_formatter("ns")


class LatencyRow(NamedTuple):
    """The spans or tasks of one frame.

    Attributes:
        name: the label of the frame.
        number: how many ended.
        times: mean, p50, p90, p99 and max, in nanoseconds.
        bar: the state of each part of their time, and its share; of the slow ones if any were kept.
        sentences: what their time was.
    """

    name: str
    number: int
    times: tuple[int, ...]
    bar: tuple[tuple[str, float], ...] = ()
    sentences: tuple[str, ...] = ()


class LatencyTable(NamedTuple):
    """The spans that lasted longest in all, how many more, and whether slow ones were kept."""

    rows: tuple[LatencyRow, ...] = ()
    left_out: int = 0
    has_slow: bool = False


NO_LATENCIES: Final = LatencyTable()


def table_of(latencies: Sequence[Latency]) -> LatencyTable:
    """Return the rows of a page, in the order of what they are made of."""
    rows = tuple(map(_row, latencies[:_MAX_ROWS]))
    has_slow = any(each.slow.breakdown.count for each in latencies)
    return LatencyTable(rows, len(latencies[_MAX_ROWS:]), has_slow)


def _row(each: Latency) -> LatencyRow:
    histogram = each.histogram
    times = (round(histogram.mean), *map(histogram.quantile, _QUANTILES), histogram.max)
    bar = _bar_of(each.slow_parts or each.parts)
    label = clean_label(each.frame.label)
    return LatencyRow(label, histogram.count, times, bar, tuple(sentences_on(each)))


def _bar_of(parts: Sequence[Part]) -> tuple[tuple[str, float], ...]:
    shares: dict[str, float] = dict.fromkeys([*_STATES.values(), "waiting"], 0.0)
    for part in parts:
        shares[_STATES.get(part.what, "waiting")] += part.share
    return tuple((state, share) for state, share in shares.items() if share)


def latencies_section(table: LatencyTable) -> Iterator[str]:
    """Yield the table, two rows for each span or task; nothing if there is none."""
    if not table.rows:
        return
    headings = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
    kept = _OF_KEPT if table.has_slow else _HOW_TO_KEEP
    yield (
        '<section class="latencies">\n<h2 id="latencies">How long spans and tasks lasted</h2>\n'
        f"<p>From their begin to their end; quantiles are right to within 2 %. {kept}</p>\n"
        f"{_legend(table)}"
        '<div class="scrolls" role="region" aria-labelledby="latencies" tabindex="0">\n'
        f'<table>\n<thead>\n<tr><th scope="col">Name</th>{headings}</tr>\n</thead>\n'
    )
    for row in table.rows:
        yield from _rows(row)
    yield "</table>\n</div>\n"
    if table.left_out:
        yield f"<p>{table.left_out:,} more took less time in all and are left out.</p>\n"
    yield "</section>\n"


def _rows(row: LatencyRow) -> Iterator[str]:
    cells = "".join(f"<td>{escape(_show_time(time))}</td>" for time in row.times)
    sentences = (sentence.replace(" %", "\u00a0%") for sentence in row.sentences)
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    yield (
        f'<tbody>\n<tr><th scope="row" data-frame="{escape(row.name)}">{frame_name(row.name)}</th>'
        f"<td>{row.number:,}</td>{cells}</tr>\n"
    )
    if said:
        yield (
            f'<tr><td class="said" colspan="{len(_HEADINGS) + 1}"><div>{_bar(row.bar)}'
            f"<ul>{said}</ul></div></td></tr>\n"
        )
    yield "</tbody>\n"


def _bar(parts: Sequence[tuple[str, float]]) -> str:
    """Return a bar of the states; the text below it says the same."""
    left, boxes = 0.0, []
    for state, share in parts:
        width = _BAR * share
        boxes.append(f'<rect class="{state}" x="{left:.2f}" width="{width:.2f}" height="8"/>')
        left += width
    drawn = "".join(boxes)
    return f'<svg class="bar" width="{_BAR}" height="8" aria-hidden="true">{drawn}</svg>'


def _legend(table: LatencyTable) -> str:
    shown = {state for row in table.rows for state, _ in row.bar}
    items = "".join(
        '<li><svg class="bar swatch" width="12" height="12" aria-hidden="true">'
        f'<rect class="{state}" width="12" height="12"/></svg>{what}</li>'
        for what, state in {**_STATES, WAITING: "waiting"}.items()
        if state in shown
    )
    return f'<ul class="legend" aria-label="Legend">{items}</ul>\n' if items else ""


# -- the answer ------------------------------------------------------------------------------------


def latency_answers(latencies: Sequence[Latency]) -> tuple[EntryGroup, ...]:
    """Return what made spans slow, for the top of a page; nothing if none were kept."""
    entries = [_entry(each) for each in latencies if each.slow.breakdown.count]
    if not entries:
        return ()
    return (
        EntryGroup(
            "What makes spans slow",
            "of the slowest ones, which were kept",
            "critical",
            tuple(entries[:MOST_SHOWN]),
            tuple(entries[MOST_SHOWN:_MAX_ROWS]),
            left_out=len(entries[_MAX_ROWS:]),
        ),
    )


def _entry(each: Latency) -> Entry:
    p99 = _show_time(each.histogram.quantile(0.99))
    reason = verdict(each)
    name, location = each.frame.name, each.frame.location if each.frame.file else ""
    label = clean_label(each.frame.label)
    return Entry(p99, "p99", name, location, reason, "", label, f"{label}: p99 {p99}; {reason}")


def latencies_of_page(profile: Profile) -> tuple[LatencyTable, tuple[EntryGroup, ...]]:
    """Return the table of a profile and its answers."""
    latencies = latencies_of(profile)
    return table_of(latencies), latency_answers(latencies)
