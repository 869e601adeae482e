"""The section of a report about who ended waits, as HTML.

Every text from outside passes through `escape`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.output.who_ended import EndedWaits

__all__ = ["who_ended_section"]

_MAX_ROWS: Final = 40

_show_time = amount_formatter("ns")


def who_ended_section(waits: EndedWaits) -> Iterator[str]:
    """Yield the table, a row for each waiter and who has ended its waits; nothing without any."""
    if not waits.rows:
        return
    yield (
        '<section class="who-ended">\n<h2 id="who-ended">Who ended waits</h2>\n'
        f"<p>Each wait ends because somebody acts. {escape(waits.others)}</p>\n"
        '<div class="scrolls" role="region" aria-labelledby="who-ended" tabindex="0">\n'
        '<table>\n<thead>\n<tr><th scope="col">Who waited</th><th scope="col">Waited</th>'
        '<th scope="col">Waits</th><th scope="col">Max</th>'
        '<th scope="col" class="text">At</th><th scope="col" class="text">For</th></tr>\n'
        "</thead>\n<tbody>\n"
    )
    for row in waits.rows[:_MAX_ROWS]:
        count, total, longest = row.waited
        awaited = "" if row.awaited is None else row.awaited.label
        yield (
            f'<tr><th scope="row">{escape(row.waiter.label)}</th>'
            f"<td>{escape(_show_time(total))}</td><td>{count:,}</td>"
            f'<td>{escape(_show_time(longest))}</td><td class="text">{escape(awaited)}</td>'
            f'<td class="text">{escape(row.who)}</td></tr>\n'
        )
    yield "</tbody>\n</table>\n</div>\n"
    if left := len(waits.rows[_MAX_ROWS:]):
        yield f"<p>{left:,} more with shorter waits are left out.</p>\n"
    yield "</section>\n"
