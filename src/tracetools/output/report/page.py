"""A report as one HTML page, which needs nothing outside itself.

Every text from outside passes through `escape`. Styles and script are the files in `assets/`,
copied as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tracetools.output.flamegraph.markup import asset, csp_source, escape, nonce_attribute
from tracetools.output.flamegraph.svg import graph_script, shown_name, strict
from tracetools.output.flamegraph.svg import style_text as graph_styles
from tracetools.output.report.answering import EntryGroup
from tracetools.output.report.figures import Table
from tracetools.output.report.findings import (
    NO_BLOCKING_STEPS,
    NO_FINDINGS,
    BlockingSteps,
    Findings,
)
from tracetools.output.report.latencies import NO_LATENCIES, LatencyTable, latencies_section
from tracetools.output.report.resources import (
    NO_RESOURCES,
    ResourceTable,
    resources_section,
)
from tracetools.output.report.sections import (
    answers_section,
    blocking_section,
    findings_section,
    frame_name,
    legend,
)
from tracetools.output.report.who_ended import who_ended_section
from tracetools.output.who_ended import NO_ENDS, EndedWaits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.output.report.figures import Row

_IN_SIGHT: Final = 1
"""How many graphs a page has when it opens. The others are made when they are shown."""


@dataclass(frozen=True)
class Graph:
    """One graph of a report.

    Attributes:
        key: its name in the page's address: letters, digits and hyphens.
        heading: its name for readers.
        explanation: one line that says what its numbers are.
        svg: the graph, without styles and script.
        whole_svg: the same with all frames of libraries; None if there are none that are folded.
        kinds: the kinds of frames that a legend explains.
        mark: what the sign on frames means; empty if there is none.
    """

    key: str
    heading: str
    explanation: str
    svg: str
    whole_svg: str | None = None
    kinds: frozenset[str] = frozenset()
    mark: str = ""


@dataclass(frozen=True)
class Report:
    """What a page shows.

    Attributes:
        title: the heading of the page.
        graphs: the page opens with the first.
        table: the heaviest tasks and spans.
        metadata: names and values, in the order in which they are shown.
        about: what is said beside the title, in a few words each.
        answers: in words, by question.
        findings: what stands out.
        blocking: what blocked the loop.
        resources: locks and queues that tasks waited for.
        latencies: how long spans and tasks lasted.
        who_ended: who has ended waits.
    """

    title: str
    graphs: Sequence[Graph]
    table: Table
    metadata: Sequence[tuple[str, str]]
    about: Sequence[str] = ()
    answers: Sequence[EntryGroup] = ()
    findings: Findings = NO_FINDINGS
    blocking: BlockingSteps = NO_BLOCKING_STEPS
    resources: ResourceTable = NO_RESOURCES
    latencies: LatencyTable = NO_LATENCIES
    who_ended: EndedWaits = NO_ENDS


def write_page(report: Report, *, nonce: str | None = None, no_javascript: bool = False) -> str:
    """Return the whole page, its last line ended. The same arguments give the same text."""
    attribute = nonce_attribute(nonce)
    script = "" if no_javascript else f"<script{attribute}>{script_text()}</script>\n"
    title = escape(report.title)
    about = f'<p class="about-line">{" · ".join(map(escape, report.about))}</p>'
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{escape(_title(report))}</title>\n",
            f"<style{attribute}>{style_text()}</style>\n</head>\n<body>\n",
            f"<header><h1>{title}</h1>{about if report.about else ''}</header>\n<main>\n",
            *answers_section(report.answers),
            *_graphs(report.graphs, is_live=not no_javascript),
            *findings_section(report.findings),
            *latencies_section(report.latencies),
            *resources_section(report.resources),
            *who_ended_section(report.who_ended),
            *_table(report.table),
            *blocking_section(report.blocking),
            *_metadata(report.metadata),
            f"</main>\n{script}</body>\n</html>\n",
        ]
    )


def _title(report: Report) -> str:
    """Return the title of the document: the program, the lens that it opens with, and the rest."""
    lens = [graph.heading.lower() for graph in report.graphs[:1] if report.about]
    return ", ".join([report.title, *lens, *report.about])


def style_text() -> str:
    """Return the page's styles exactly as they are in it, for a hash in a security policy."""
    return f"{graph_styles()}\n{_asset('report.css')}"


def script_text() -> str:
    """Return the page's script exactly as it is in it, for a hash in a security policy."""
    return f"\n{strict(graph_script(), _asset('report.js'))}"


def csp_sources() -> dict[str, str]:
    """Return what a content security policy must allow for reports, by directive.

    There are `script-src` and `style-src`, each with the SHA-256 hash that is the same for all
    reports of this version of tracetools.
    """
    return {"script-src": csp_source(script_text()), "style-src": csp_source(style_text())}


def _graphs(graphs: Sequence[Graph], *, is_live: bool) -> Iterator[str]:
    """Yield all graphs, one below another; the script puts them behind tabs."""
    yield '<section class="graphs" aria-label="Graphs">\n'
    if not graphs:
        yield '<p class="nothing">Nothing was recorded: there is no time to show.</p>\n'
    for number, graph in enumerate(graphs, start=1):
        yield (
            f'<section class="lens" id="graph-{number}" data-lens="{escape(graph.key)}">\n'
            f'<h2 id="heading-{number}">{escape(graph.heading)}</h2>\n'
            f'<p class="explanation">{escape(graph.explanation)}</p>\n'
            f"{legend(graph.kinds, graph.mark)}"
        )
        yield from _drawn(graph, is_live=is_live, is_inert=is_live and number > _IN_SIGHT)
        yield "</section>\n"
    yield "</section>\n"


def _drawn(graph: Graph, *, is_live: bool, is_inert: bool) -> Iterator[str]:
    """Yield a graph, and for the script the same with all frames.

    What is inert costs nothing before the script shows it. Browsers without scripts show what is in
    `noscript`.
    """
    svg = _with_state(graph.svg, graph.key)
    yield f'<div class="graph">\n{_inert(svg) if is_inert else svg}</div>\n'
    if is_live and graph.whole_svg is not None:
        text = _with_state(graph.whole_svg, graph.key)
        yield f'<script type="image/svg+xml" class="whole">\n{text}</script>\n'


def _inert(svg: str) -> str:
    return f"<noscript>\n{svg}</noscript>\n"


def _with_state(svg: str, key: str) -> str:
    """Let a graph keep its state in the page's address under its own key."""
    return svg.replace("<svg ", f'<svg data-state="{escape(key)}" ', 1)


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
        else f'<td data-value="{cell}">{escape(column.show(cell)) if cell else ""}</td>'
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
