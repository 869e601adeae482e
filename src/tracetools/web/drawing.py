"""What is made of a profile: a page, a graph, a file. It takes long, and runs in another process.

What it needs of Python is the standard library alone, and no backend.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import NoStacksError
from tracetools.output.flamegraph.flamegrapher import Flamegrapher, render_packed
from tracetools.output.flamegraph.marks import marks_of
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.formats.content import no_time
from tracetools.output.formats.folded import pack_clean
from tracetools.output.formats.profile_json import parse_profile
from tracetools.output.formats.writing import encode
from tracetools.output.report.figures import Table
from tracetools.output.report.of_profile import make_report
from tracetools.output.report.page import Report, csp_sources, write_page
from tracetools.output.stack_file import fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.profile import Lens, Profile

__all__ = ["NOTHING", "draw", "main", "policy_of"]

_SVG: Final = "svg"


def draw(what: str, lens: Lens, profile: Profile) -> bytes:
    """Return what is made of a profile.

    Args:
        what: ``report``, ``html`` or ``svg`` for a flame graph, or a suffix that
            `tracetools.output.formats.writing` knows.
        lens: which time is shown, or shown first.
        profile: what was recorded.

    Raises:
        NoStacksError: there is nothing to draw.
        StackFileError: the format cannot hold it.
    """
    if what in _MAKERS:
        return _MAKERS[what](profile, lens).encode("utf-8", "replace")
    return encode(f"profile{what}", profile, lens=lens)


def policy_of(what: str) -> str:
    """Return what the content security policy must allow for it; nothing for files."""
    if what not in _MAKERS:
        return ""
    sources = Flamegrapher.csp_sources() if what == _SVG else csp_sources()
    return "; ".join(f"{directive} {source}" for directive, source in sources.items())


def _report(profile: Profile, lens: Lens) -> str:
    report = make_report(profile, GraphOptions())
    graphs = sorted(report.graphs, key=lambda graph: graph.key != lens)
    return write_page(replace(report, graphs=graphs))


def _page_of_graph(profile: Profile, lens: Lens) -> str:
    """Return a page with the graph alone."""
    report = make_report(profile, GraphOptions())
    graphs = [graph for graph in report.graphs if graph.key == lens]
    return write_page(Report(report.title, graphs, Table((), (), 0, 0), (), report.about))


def _graph(profile: Profile, lens: Lens) -> str:
    packed = pack_clean(fold(profile, lens))
    if not packed:
        raise NoStacksError(no_time(lens))
    options = GraphOptions(count_name="microseconds")
    return render_packed(packed, None, options, marks_of([profile], lens))


_MAKERS: Final[dict[str, Callable[[Profile, Lens], str]]] = {
    "report": _report,
    "html": _page_of_graph,
    _SVG: _graph,
}


def main() -> None:
    """Read a profile from standard input, draw it, and write it to standard output.

    The arguments are those of `draw`. First comes a line with the policy. What cannot be drawn is
    told by a status of its own and a sentence.
    """
    what, lens = sys.argv[1:]
    profile = parse_profile(sys.stdin.buffer.read())
    try:
        body = draw(what, lens, profile)  # type: ignore[arg-type]  # it was checked before
    except NoStacksError as error:
        sys.stderr.write(str(error))
        raise SystemExit(NOTHING) from None
    sys.stdout.buffer.write(f"{policy_of(what)}\n".encode() + body)


NOTHING: Final = 3
"""The status of a process that has found nothing to draw."""
