"""The section of a report about locks, semaphores, limiters and queues, as HTML.

Every text from outside passes through `escape`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.markup import escape
from tracetools.output.lints import amount
from tracetools.output.resource_findings import sentence, telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.core.profile import Profile

__all__ = ["NO_RESOURCES", "ResourceRow", "ResourceTable", "resources_of", "resources_section"]

_MAX_ROWS: Final = 20

_show_time = amount_formatter("ns")


class ResourceRow(NamedTuple):
    """One resource: what it is called, the waits for it in nanoseconds, and what is said of it."""

    name: str
    waited: int
    waits: int
    max: int
    text: str


class ResourceTable(NamedTuple):
    """The resources with the longest waits, and how many more."""

    rows: tuple[ResourceRow, ...] = ()
    left_out: int = 0


NO_RESOURCES: Final = ResourceTable()


def resources_of(profile: Profile) -> ResourceTable:
    """Return the resources that tasks have waited for, those with the longest waits first."""
    found = telling(profile)
    rows = [
        ResourceRow(resource.label, *use.waited[1::-1], use.waited.max, sentence(use, amount))
        for resource, use in found[:_MAX_ROWS]
    ]
    return ResourceTable(tuple(rows), len(found[_MAX_ROWS:]))


def resources_section(table: ResourceTable) -> Iterator[str]:
    """Yield the table, a row for each resource; nothing if there is none."""
    if not table.rows:
        return
    yield (
        '<section class="resources">\n<h2 id="resources">Locks and queues</h2>\n'
        "<p>What tasks had to wait for, until it was their turn.</p>\n"
        '<div class="scrolls" role="region" aria-labelledby="resources" tabindex="0">\n'
        '<table>\n<thead>\n<tr><th scope="col">Made at</th><th scope="col">Waited</th>'
        '<th scope="col">Waits</th><th scope="col">Max</th>'
        '<th scope="col" class="text">What was seen</th></tr>\n'
        "</thead>\n<tbody>\n"
    )
    for row in table.rows:
        yield (
            f'<tr><th scope="row">{escape(row.name)}</th>'
            f"<td>{escape(_show_time(row.waited))}</td><td>{row.waits:,}</td>"
            f'<td>{escape(_show_time(row.max))}</td><td class="text">{escape(row.text)}</td></tr>\n'
        )
    yield "</tbody>\n</table>\n</div>\n"
    if table.left_out:
        yield f"<p>{table.left_out:,} more with shorter waits are left out.</p>\n"
    yield "</section>\n"
