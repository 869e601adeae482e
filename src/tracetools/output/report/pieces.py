"""Pieces of a page as markup: names of frames, what stands out, what held the loop.

What may live here: how values become markup, each text through `escape`. What must not: where the
values come from, and the page around them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.markup import escape
from tracetools.output.flamegraph.svg import shown_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.output.report.notices import Hold, Holds, Kind, Notice, Notices, Where

_LOCATION: Final = re.compile(r"(.+) (\([^()]*\))", re.DOTALL)
_CODE: Final = re.compile(r"`([^`]*)`")
_NAMES_SHOWN: Final = 3
_UNDER: Final = " → "

_show_time = amount_formatter("ns")


def frame_name(name: str) -> str:
    """Show the place of a definition less loudly than its name."""
    found = _LOCATION.fullmatch(name)
    if found is None:
        return escape(name)
    return f'{escape(found[1])} <span class="place">{escape(found[2])}</span>'


def notices_section(notices: Notices) -> Iterator[str]:
    """Show what stands out by kind: a line to begin with, all there is to say when it is opened."""
    if not notices.kinds:
        return
    yield '<section class="notices">\n<h2>What stands out</h2>\n'
    for kind in notices.kinds:
        yield from _kind(kind)
    if notices.left_out:
        yield f"<p>{notices.left_out:,} more of the same kinds weigh less and are left out.</p>\n"
    yield "</section>\n"


def holds_section(holds: Holds) -> Iterator[str]:
    """Show the steps that took too long as a table, by where they were."""
    if not holds.rows:
        return
    longer = "" if holds.limit is None else f" for longer than {escape(holds.limit)}"
    yield (
        f'<section class="holds">\n<h2 id="holds">What held the loop{longer}</h2>\n'
        "<p>Single steps, in which no other task had a turn.</p>\n"
        '<div class="scrolls" role="region" aria-labelledby="holds" tabindex="0">\n'
        '<table>\n<thead>\n<tr><th scope="col">Line at fault</th><th scope="col">Steps</th>'
        '<th scope="col">In all</th><th scope="col">Worst</th>'
        '<th scope="col" class="stack">Stack</th></tr>\n'
        "</thead>\n<tbody>\n"
    )
    for hold in holds.rows:
        yield _hold(hold)
    yield "</tbody>\n</table>\n</div>\n"
    if holds.left_out:
        yield f"<p>{holds.left_out:,} more took less time in all and are left out.</p>\n"
    yield "</section>\n"


def _kind(kind: Kind) -> Iterator[str]:
    first, *others = kind.notices
    more = f' <span class="more">and {len(others):,} more</span>' if others else ""
    place = "" if first.where is None else f"{_end_of(first.where)}: "
    yield (
        f"<details>\n<summary><strong>{escape(kind.heading)}</strong> {place}{escape(first.seen)}"
        f"{more}</summary>\n"
    )
    if others:
        yield f"<ul>\n{''.join(map(_item, kind.notices))}</ul>\n"
    elif first.where is not None:
        yield f"<p>{_stack(first.where)}</p>\n"
    yield f"<p>{_prose(kind.why)}</p>\n<p>{_prose(kind.remedy)}</p>\n</details>\n"


def _item(notice: Notice) -> str:
    seen = escape(notice.seen)
    if notice.where is None:
        return f"<li>{seen}</li>\n"
    line = "" if notice.where.line is None else f"{escape(notice.where.line)}: "
    return f"<li>{line}{seen}<br>{_stack(notice.where)}</li>\n"


def _hold(hold: Hold) -> str:
    line = "not known" if hold.where.line is None else escape(hold.where.line)
    return (
        f'<tr><th scope="row">{line}</th><td>{hold.steps:,}</td>'
        f"<td>{escape(_show_time(hold.total))}</td><td>{escape(_show_time(hold.worst))}</td>"
        f'<td class="stack">{_stack(hold.where)}</td></tr>\n'
    )


def _stack(where: Where) -> str:
    """Show a stack by the ends of both its parts, around the frame that graphs can be searched for.

    The whole of it is told where somebody points.
    """
    name = shown_name(where.frame)
    frame = f'<span data-frame="{escape(name)}">{frame_name(name)}</span>' if name else ""
    parts = [*_last(where.above), frame, *_last(where.below)]
    whole = _UNDER.join(filter(None, [*where.above, name, *where.below]))
    shown = _UNDER.join(filter(None, parts))
    return f'<span class="stack" title="{escape(whole)}">{shown}</span>'


def _last(names: tuple[str, ...]) -> list[str]:
    cut = ["…"] if len(names) > _NAMES_SHOWN else []
    return [*cut, *(escape(name) for name in names[-_NAMES_SHOWN:])]


def _end_of(where: Where) -> str:
    """Show the line at fault, or else the innermost frame that is known."""
    if where.line is not None:
        return escape(where.line)
    return frame_name(shown_name(where.frame)) or "unknown"


def _prose(text: str) -> str:
    """Show a text, and what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
