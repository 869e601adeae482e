"""The pages that are no reports: the first one, tasks, slow requests. They have no scripts."""

from __future__ import annotations

import gzip
import re
import time
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.flamegraph.markup import asset, csp_source, escape
from tracetools.output.lints import amount
from tracetools.output.timeline.page import csp_sources
from tracetools.web.messages import HTML, RefusedError, Response
from tracetools.web.queries import FORMATS, LENSES_HERE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tracetools.live.values import Dump
    from tracetools.web.kept import KeptPage

__all__ = ["Overview", "first_page", "kept_page", "pprof_page", "requests_page", "tasks_page"]

_HEADING: Final = re.compile(r"deadlock:|(trio|asyncio|uvloop) in ")
"""How lines of a dump begin that others belong to."""

_LENSES: Final = {
    "busy": "busy: what kept the loop busy",
    "idle": "idle: what tasks waited for",
    "scheduled": "scheduled: where tasks waited for their turn",
    "task": "task: all time of tasks",
    "chain": "chain: who ended waits",
}


class Overview(NamedTuple):
    """What the first page says.

    Attributes:
        program: the name of the program.
        about: what is said beside it, in a few words each.
        dump: what its tasks wait for.
        most: seconds that are recorded at most.
        left: seconds that another request records yet; ``None`` if none does.
        is_measured: whether metrics are recorded; ``None`` if they will be when they are read.
        kept: how many slow spans are kept; ``None`` if none are to be.
    """

    program: str
    about: Sequence[str]
    dump: Dump
    most: float
    left: int | None
    is_measured: bool | None
    kept: int | None


@cache
def _style() -> str:
    report = asset("tracetools.output.report", "report.css")
    return f"\n{report}\n{asset('tracetools.web', 'web.css')}"


@cache
def _policy() -> str:
    return f"style-src {csp_source(_style())}; form-action 'self'"


def _page(title: str, about: Iterable[str], body: Iterable[str], up: str = "") -> Response:
    """Return a page. `up` leads to the first one; empty on that."""
    said = " · ".join(map(escape, about))
    links = f'<nav aria-label="Pages"><a href="{up}">Overview</a></nav>' if up else ""
    text = "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n",
            f'<header><h1>{escape(title)}</h1><p class="about-line">{said}</p>{links}</header>\n',
            "<main>\n",
            *body,
            "</main>\n</body>\n</html>\n",
        ]
    )
    return Response(text.encode("utf-8", "replace"), HTML, policy=_policy())


# -- the first page ------------------------------------------------------------------------------


def first_page(overview: Overview) -> Response:
    """Return the page that says what runs, and leads to all others."""
    body = [*_notice(overview.left), *_form(overview.most), *_cards(overview)]
    return _page(overview.program, overview.about, body)


def _notice(left: int | None) -> Iterator[str]:
    if left is not None:
        yield (
            f'<p class="notice">Another request records just now, for {left} seconds more. One'
            " records at a time.</p>\n"
        )


def _form(most: float) -> Iterator[str]:
    lenses = _options((lens, _LENSES[lens]) for lens in LENSES_HERE)
    formats = _options((name, f"{name} ({suffix})") for name, suffix in FORMATS.items())
    yield (
        '<div class="asks">\n<form class="ask" method="get" action="flamegraph">\n<h2>Record</h2>\n'
        "<p>All loops of this process are recorded from now on, and the answer comes when the time"
        " is over. Close the page, and the recording ends.</p>\n<fieldset>\n"
        f'<label>Seconds<input name="seconds" type="number" min="0.1" max="{most:g}" step="any"'
        f' value="{min(10.0, most):g}" required></label>\n'
        f'<label>Lens<select name="lens">{lenses}</select></label>\n'
        '<label>Functions<select name="functions"><option value="">as usual</option>'
        '<option value="yes">with functions</option><option value="no">without</option>'
        "</select></label>\n"
        '</fieldset>\n<div class="buttons">\n'
        '<button class="first" type="submit">Flame graph</button>\n'
        '<button type="submit" formaction="report">Report</button>\n'
        "</div>\n</form>\n"
        '<form class="ask" method="get" action="profile">\n<h2>Download a profile</h2>\n'
        "<p>Of the next seconds, as a file for tracetools and for other tools.</p>\n<fieldset>\n"
        f'<label>Seconds<input name="seconds" type="number" min="0.1" max="{most:g}" step="any"'
        f' value="{min(10.0, most):g}" required></label>\n'
        f'<label>Format<select name="format">{formats}</select></label>\n'
        '</fieldset>\n<div class="buttons"><button type="submit">Download</button></div>\n'
        "\n</form>\n</div>\n"
    )


def _options(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in pairs
    )


def _cards(overview: Overview) -> Iterator[str]:
    yield '<div class="cards">\n'
    yield from _card("Tasks", _tasks(overview.dump))
    yield from _card("Slow requests", _slow(overview.kept))
    yield from _card("Metrics", _metrics(overview.is_measured))
    yield from _card(
        "Profiles for other tools",
        (
            '<p><a href="debug/pprof/">/debug/pprof/profile</a> is what <code>go tool pprof</code>,'
            " Parca, Grafana Alloy and the OpenTelemetry Collector read.</p>"
        ),
    )
    yield "</div>\n"


def _card(title: str, body: Iterable[str]) -> Iterator[str]:
    yield f"<section>\n<h2>{escape(title)}</h2>\n"
    yield from body
    yield "\n</section>\n"


def _tasks(dump: Dump) -> Iterator[str]:
    tasks = [task for loop in dump.loops for task in loop.tasks]
    loops = ", ".join(loop.backend for loop in dump.loops) or "no loop"
    yield f'<p class="figure">{len(tasks):,} <small>on {escape(loops)}</small></p>\n'
    if dump.deadlocks:
        count = len(dump.deadlocks)
        yield f'<p class="notice">{count} deadlock{"s"[: count != 1]}</p>\n'
    yield '<p><a href="tasks">What every task waits for now</a></p>'


def _slow(kept: int | None) -> Iterator[str]:
    if kept is None:
        yield (
            "<p>None are kept. Give <code>web_app(keep=slow(0.5))</code> to keep those that take"
            " longer.</p>"
        )
        return
    yield f'<p class="figure">{kept:,} <small>kept</small></p>\n'
    yield '<p><a href="requests">What they did and waited for</a></p>'


def _metrics(is_measured: bool | None) -> Iterator[str]:
    if is_measured is False:
        yield "<p>Nothing is recorded all the time: <code>web_app(records=False)</code>.</p>"
        return
    yield '<p><a href="metrics">/metrics</a>, for Prometheus and by OpenMetrics.</p>\n'
    if is_measured is None:
        yield "<p>Recording begins when they are first read, and goes on.</p>"
    else:
        yield "<p>Recording goes on.</p>"


# -- the others ------------------------------------------------------------------------------------


def tasks_page(dump: Dump, text: str) -> Response:
    """Return the page of a dump."""
    count = sum(len(loop.tasks) for loop in dump.loops)
    lines = "\n".join(_line_of_dump(line) for line in text.splitlines()[1:])
    about = (f"{count:,} tasks", f"process {dump.pid}", f"Python {dump.python}", _now(dump))
    body = (
        '<p>Also as <a href="tasks?format=text">text</a> and <a href="tasks?format=json">JSON</a>.'
        " The task of this request is among them.</p>\n"
        f'<pre class="dump" tabindex="0">{lines.strip()}</pre>\n'
    )
    return _page(f"Tasks of {dump.program}", about, body, "./")


def _line_of_dump(line: str) -> str:
    shown = escape(line)
    return f"<b>{shown}</b>" if _HEADING.match(line) else shown


def _now(dump: Dump) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(dump.when / 1e9))


def requests_page(program: str, pages: Sequence[KeptPage]) -> Response:
    """Return the list of slow spans that are kept."""
    rows = "".join(map(_row_of_page, pages))
    if rows:
        body = (
            '<div class="scrolls slow" role="region" aria-label="Slow requests" tabindex="0">\n'
            '<table>\n<thead>\n<tr><th scope="col">Span</th><th scope="col">Took</th>'
            '<th scope="col">When</th><th scope="col">Why</th><th scope="col">Trace</th></tr>\n'
            f"</thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
        )
    else:
        body = '<p class="empty">No span was slow up to now.</p>\n'
    return _page(f"Slow requests of {program}", (f"{len(pages):,} kept",), [body], "./")


def _row_of_page(page: KeptPage) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(page.moment))
    cells = (amount(page.latency) if page.latency else "", when, page.why, page.trace_id)
    told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    link = f'<a href="requests/{escape(page.key)}">{escape(page.name)}</a>'
    return f'<tr><th scope="row">{link}</th>{told}</tr>\n'


def kept_page(page: KeptPage) -> Response:
    """Return the page of a slow span.

    Raises:
        RefusedError: its file is gone.
    """
    if page.path is None:
        body = gzip.decompress(page.body)
    else:
        try:
            body = page.path.read_bytes()
        except OSError as error:
            raise RefusedError(404, "there is no such page any more: see /requests") from error
    policy = "; ".join(f"{each} {source}" for each, source in csp_sources().items())
    return Response(body, HTML, policy=policy)


def pprof_page(program: str, address: str) -> Response:
    """Return what there is for tools that know Go's ``/debug/pprof/``."""
    command = f"go tool pprof '{address}/debug/pprof/profile?seconds=5'"
    body = (
        '<p>There is one: <a href="profile?seconds=5">profile</a>, of five seconds. Its sample'
        " types are busy, scheduled and idle time and counts; each sample has the labels"
        " <code>task</code>, <code>span</code> and <code>state</code>.</p>\n"
        f"<pre>{escape(command)}</pre>\n"
        "<p>Go's tools send the token if it is in the address, as the password of any user.</p>\n"
    )
    return _page(f"Profiles of {program}", ("/debug/pprof/",), body, "../../")
