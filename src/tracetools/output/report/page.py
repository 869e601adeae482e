"""A report as HTML text: headings, graphs, the table, the metadata, and what `pieces` has.

What may live here: how a `Report` becomes markup. What must not: where its numbers come from, and
how the page behaves. Every text from outside passes through `escape`; styles and script are the
files in `assets/`, into which nothing is ever pasted. Nothing has an address outside the page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracetools.output.flamegraph.flamegrapher import Flamegrapher, render
from tracetools.output.flamegraph.marks import NO_MARKS, Marks
from tracetools.output.flamegraph.markup import asset, csp_source, escape, nonce_attribute
from tracetools.output.flamegraph.svg import shown_name
from tracetools.output.report.notices import NO_HOLDS, NO_NOTICES, Holds, Notices
from tracetools.output.report.pieces import frame_name, holds_section, notices_section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracetools.core.labels import LabelPath
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.report.figures import Row, Table


@dataclass(frozen=True)
class Graph:
    """One graph of a report.

    Attributes:
        key: what names it in the page's address: letters, digits and hyphens.
        heading: what names it for people.
        explanation: one line that says what its numbers are.
        stacks: what is drawn, with positive counts, at least one.
        options: how it is drawn.
        marks: which of its frames are marked.
    """

    key: str
    heading: str
    explanation: str
    stacks: Mapping[LabelPath, int]
    options: GraphOptions
    marks: Marks = NO_MARKS


@dataclass(frozen=True)
class Report:
    """What a page shows, wherever it came from.

    Attributes:
        title: the heading of the page.
        graphs: the page opens with the first.
        table: the heaviest tasks and spans.
        metadata: names and values, in the order in which they are shown.
        notices: what stands out.
        holds: what held the loop.
    """

    title: str
    graphs: Sequence[Graph]
    table: Table
    metadata: Sequence[tuple[str, str]]
    notices: Notices = NO_NOTICES
    holds: Holds = NO_HOLDS


def write_page(report: Report, *, nonce: str | None = None, no_javascript: bool = False) -> str:
    """Give the whole page, its last line ended: same arguments, same text."""
    attribute = nonce_attribute(nonce)
    script = "" if no_javascript else f"<script{attribute}>{script_text()}</script>\n"
    title = escape(report.title)
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{title}</title>\n",
            f"<style{attribute}>{style_text()}</style>\n</head>\n<body>\n",
            f"<header><h1>{title}</h1></header>\n<main>\n",
            *notices_section(report.notices),
            *_graphs(report.graphs),
            *holds_section(report.holds),
            *_table(report.table),
            *_metadata(report.metadata),
            f"</main>\n{script}</body>\n</html>\n",
        ]
    )


def style_text() -> str:
    """Give the page's own styles exactly as they stand in it, for a hash in a security policy."""
    return f"\n{_asset('report.css')}"


def script_text() -> str:
    """Give the page's own script exactly as it stands in it, for a hash in a security policy."""
    return f"\n{_asset('report.js')}"


def csp_sources() -> dict[str, str]:
    """Return what a content security policy must allow for reports, by directive.

    `script-src` and `style-src`, each with two hashes: of what every page of this version of
    tracetools has within it, and of what its graphs have.
    """
    of_graphs = Flamegrapher.csp_sources()
    own = {"script-src": csp_source(script_text()), "style-src": csp_source(style_text())}
    return {directive: f"{source} {of_graphs[directive]}" for directive, source in own.items()}


def _graphs(graphs: Sequence[Graph]) -> Iterator[str]:
    """Show all graphs one under another; the script puts them behind tabs."""
    yield '<section class="graphs" aria-label="Graphs">\n'
    if not graphs:
        yield '<p class="nothing">Nothing was recorded: there is no time to show.</p>\n'
    for number, graph in enumerate(graphs, start=1):
        yield (
            f'<section class="lens" id="graph-{number}" data-lens="{escape(graph.key)}">\n'
            f"<h2>{escape(graph.heading)}</h2>\n<p>{escape(graph.explanation)}</p>\n"
            f'<div class="graph">\n{_drawn(graph, len(graphs))}</div>\n</section>\n'
        )
    yield "</section>\n"


def _drawn(graph: Graph, graph_count: int) -> str:
    """Draw a graph, which keeps its state in the page's address under its own key.

    `max_frames` is for the page as a whole, so each of its graphs has an equal part of it.
    """
    most = graph.options.max_frames
    part = None if most is None else max(1, most // graph_count)
    options = replace(graph.options, embedded=True, max_frames=part)
    text = render(graph.stacks, options, graph.marks)
    return text.replace("<svg ", f'<svg data-state="{escape(graph.key)}" ', 1)


# -- the table ---------------------------------------------------------------------------------


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        return
    yield (
        '<section class="figures">\n<h2 id="figures">Tasks and spans</h2>\n'
        '<div class="scrolls" role="region" aria-labelledby="figures" tabindex="0">\n'
        '<table>\n<thead>\n<tr><th scope="col">Name</th>'
    )
    for index, column in enumerate(table.columns):
        sort = ' aria-sort="descending"' if index == table.sorted_by else ""
        yield (
            f'<th scope="col"{sort} title="{escape(column.explanation)}">'
            f"{escape(column.heading)}</th>"
        )
    yield "</tr>\n</thead>\n<tbody>\n"
    for row in table.rows:
        yield _row(row, table)
    yield "</tbody>\n</table>\n</div>\n"
    if table.left_out:
        yield (
            f"<p>The heaviest {len(table.rows):,} are shown; {table.left_out:,} more are in the"
            " graphs alone.</p>\n"
        )
    yield "</section>\n"


def _row(row: Row, table: Table) -> str:
    cells = "".join(
        "<td></td>"
        if cell is None
        else f'<td data-value="{cell}">{escape(column.show(cell)) if cell else "0"}</td>'
        for column, cell in zip(table.columns, row.cells, strict=True)
    )
    name = shown_name(row.name)
    return f'<tr><th scope="row" data-frame="{escape(name)}">{frame_name(name)}</th>{cells}</tr>\n'


def _metadata(metadata: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not metadata:
        return
    yield '<section class="about">\n<h2>About this recording</h2>\n<dl>\n'
    for name, value in metadata:
        yield f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>\n"
    yield "</dl>\n</section>\n"


def _asset(name: str) -> str:
    return asset("tracetools.output.report", name)
