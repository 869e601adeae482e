"""A report as one HTML page, which needs nothing outside itself.

Every text from outside passes through `escape`. Styles and script are the files in `assets/`,
copied as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracetools.core.labels import LabelPath
from tracetools.output.flamegraph.flamegrapher import Flamegrapher, render
from tracetools.output.flamegraph.marks import NO_MARKS, Marks
from tracetools.output.flamegraph.markup import asset, csp_source, escape, nonce_attribute
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.flamegraph.svg import shown_name
from tracetools.output.report.figures import Table
from tracetools.output.report.findings import (
    NO_BLOCKING_STEPS,
    NO_FINDINGS,
    BlockingSteps,
    Findings,
)
from tracetools.output.report.sections import blocking_section, findings_section, frame_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.output.report.figures import Row


@dataclass(frozen=True)
class Graph:
    """One graph of a report.

    Attributes:
        key: its name in the page's address: letters, digits and hyphens.
        heading: its name for readers.
        explanation: one line that says what its numbers are.
        stacks: what is drawn: at least one stack, with positive counts.
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
    """What a page shows.

    Attributes:
        title: the heading of the page.
        graphs: the page opens with the first.
        table: the heaviest tasks and spans.
        metadata: names and values, in the order in which they are shown.
        findings: what stands out.
        blocking: what blocked the loop.
    """

    title: str
    graphs: Sequence[Graph]
    table: Table
    metadata: Sequence[tuple[str, str]]
    findings: Findings = NO_FINDINGS
    blocking: BlockingSteps = NO_BLOCKING_STEPS


def write_page(report: Report, *, nonce: str | None = None, no_javascript: bool = False) -> str:
    """Return the whole page, its last line ended. The same arguments give the same text."""
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
            *findings_section(report.findings),
            *_graphs(report.graphs),
            *blocking_section(report.blocking),
            *_table(report.table),
            *_metadata(report.metadata),
            f"</main>\n{script}</body>\n</html>\n",
        ]
    )


def style_text() -> str:
    """Return the page's own styles exactly as they are in it, for a hash in a security policy."""
    return f"\n{_asset('report.css')}"


def script_text() -> str:
    """Return the page's own script exactly as it is in it, for a hash in a security policy."""
    return f"\n{_asset('report.js')}"


def csp_sources() -> dict[str, str]:
    """Return what a content security policy must allow for reports, by directive.

    There are `script-src` and `style-src`, each with two hashes: one for every page that this
    version of tracetools writes, and one for the graphs in it.
    """
    of_graphs = Flamegrapher.csp_sources()
    own = {"script-src": csp_source(script_text()), "style-src": csp_source(style_text())}
    return {directive: f"{source} {of_graphs[directive]}" for directive, source in own.items()}


def _graphs(graphs: Sequence[Graph]) -> Iterator[str]:
    """Yield all graphs, one below another; the script puts them behind tabs."""
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
