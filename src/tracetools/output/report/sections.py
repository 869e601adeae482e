"""Sections of a report as HTML: what stands out, and what blocked the loop.

Every text from outside passes through `escape`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.markup import escape
from tracetools.output.flamegraph.palette import kind_swatch
from tracetools.output.flamegraph.svg import shown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.report.answering import Entry, EntryGroup
    from tracetools.output.report.findings import (
        BlockingRow,
        BlockingSteps,
        Finding,
        FindingKind,
        Findings,
        StackParts,
    )

_LOCATION: Final = re.compile(r"(.+) (\([^()]*\))", re.DOTALL)
_CODE: Final = re.compile(r"`([^`]*)`")
_NAMES_SHOWN: Final = 3
_UNDER: Final = " → "

_show_time = amount_formatter("ns")


def frame_name(name: str) -> str:
    """Return a label as HTML, the location less prominent than the name."""
    found = _LOCATION.fullmatch(name)
    if found is None:
        return escape(name)
    return f'{escape(found[1])} <span class="location">{escape(found[2])}</span>'


def answers_section(groups: Sequence[EntryGroup]) -> Iterator[str]:
    """Yield the answers in words, a box for each question."""
    if not groups:
        return
    yield '<section class="answers" aria-label="Answers">\n'
    for group in groups:
        parts = f" <small>{escape(group.parts)}</small>" if group.parts else ""
        yield f'<section data-graph="{group.lens}">\n<h2>{escape(group.heading)}{parts}</h2>\n'
        yield from _entries(group.entries)
        if group.others:
            more = len(group.others) + group.left_out
            yield f"<details>\n<summary>{more:,} more</summary>\n"
            yield from _entries(group.others)
            if group.left_out:
                yield f"<p>{group.left_out:,} lighter ones are left out.</p>\n"
            yield "</details>\n"
        if group.note:
            yield f'<p class="note">{escape(group.note)}</p>\n'
        yield "</section>\n"
    yield "</section>\n"


def _entries(entries: Sequence[Entry]) -> Iterator[str]:
    if entries:
        yield f"<ol>\n{''.join(map(_entry, entries))}</ol>\n"


def _entry(entry: Entry) -> str:
    """Return an answer: how much, where, and in small letters what and for whom."""
    name = escape(entry.function) or escape(entry.details)
    where = f' <span class="location">{escape(entry.location)}</span>' if entry.location else ""
    details = [entry.details] if entry.function and entry.details else []
    details += [f"for {entry.for_whom}"] if entry.for_whom else []
    small = f' <span class="details">· {escape("; ".join(details))}</span>' if details else ""
    frame = f' data-frame="{escape(shown_name(entry.frame))}"' if entry.frame else ""
    return (
        f'<li title="{escape(entry.sentence)}"><span class="amount">{escape(entry.amount)}</span>'
        f'<span class="share">{escape(entry.share)}</span>'
        f'<span class="what"><span{frame}>{name}{where}</span>{small}</span></li>\n'
    )


def legend(kinds: Collection[str], mark: str) -> str:
    """Return what the colours and the sign of a graph mean; nothing if it has none of them."""
    items = [
        f"<li>{_swatch(kind)}{text}</li>" for kind, text in _KINDS.items() if kind in kinds
    ] + [f"<li>{escape(each)}</li>" for each in [mark] if each]
    return f'<ul class="legend" aria-label="Legend">{"".join(items)}</ul>\n' if items else ""


def _swatch(kind: FrameKind) -> str:
    colour = f"#{bytes(kind_swatch(kind)).hex()}"
    return (
        '<svg class="swatch" width="12" height="12" aria-hidden="true">'
        f'<rect width="12" height="12" fill="{colour}"/></svg>'
    )


_KINDS: Final[dict[FrameKind, str]] = {
    "own": "your code",
    "span": "spans",
    "await": "awaits",
    "library": "libraries",
    "runtime": "Python",
    "state": "states",
}
"""What a legend calls the kinds of frames, in its order."""


def findings_section(findings: Findings) -> Iterator[str]:
    """Yield the lints: a line for each kind, and all the rest once it is opened."""
    if not findings.kinds:
        return
    yield '<section class="findings">\n<h2>What stands out</h2>\n'
    for kind in findings.kinds:
        yield from _kind(kind)
    if findings.left_out:
        yield f"<p>{findings.left_out:,} more of the same kinds weigh less and are left out.</p>\n"
    yield "</section>\n"


def blocking_section(blocking: BlockingSteps) -> Iterator[str]:
    """Yield the table of blocking steps, a row for each stack."""
    if not blocking.rows:
        return
    longer = "" if blocking.threshold is None else f" for longer than {escape(blocking.threshold)}"
    yield (
        f'<section class="blocking">\n<h2 id="blocking">What blocked the loop{longer}</h2>\n'
        "<p>Single steps. While one runs, no other task can step.</p>\n"
        '<div class="scrolls" role="region" aria-labelledby="blocking" tabindex="0">\n'
        '<table>\n<thead>\n<tr><th scope="col">Line at fault</th><th scope="col">Steps</th>'
        '<th scope="col">Total</th><th scope="col">Max</th>'
        '<th scope="col">Kind</th><th scope="col" class="stack">Stack</th></tr>\n'
        "</thead>\n<tbody>\n"
    )
    for row in blocking.rows:
        yield _blocking_row(row)
    yield "</tbody>\n</table>\n</div>\n"
    if blocking.left_out:
        yield f"<p>{blocking.left_out:,} more took less time in total and are left out.</p>\n"
    yield "</section>\n"


def _kind(kind: FindingKind) -> Iterator[str]:
    first, *others = kind.findings
    more = f' <span class="more">and {len(others):,} more</span>' if others else ""
    end = "" if first.stack is None else f"{_end_of(first.stack)}: "
    yield (
        f"<details>\n<summary><strong>{escape(kind.heading)}</strong> {end}{escape(first.text)}"
        f"{more}</summary>\n"
    )
    if others:
        yield f"<ul>\n{''.join(map(_item, kind.findings))}</ul>\n"
    elif first.stack is not None:
        yield f"<p>{_stack(first.stack)}</p>\n"
    yield f"<p>{_prose(kind.why)}</p>\n<p>{_prose(kind.remedy)}</p>\n</details>\n"


def _item(finding: Finding) -> str:
    text = escape(finding.text)
    if finding.stack is None:
        return f"<li>{text}</li>\n"
    line = "" if finding.stack.line is None else f"{escape(finding.stack.line)}: "
    return f"<li>{line}{text}<br>{_stack(finding.stack)}</li>\n"


def _blocking_row(row: BlockingRow) -> str:
    line = "unknown" if row.stack.line is None else escape(row.stack.line)
    return (
        f'<tr><th scope="row">{line}</th><td>{row.steps:,}</td>'
        f"<td>{escape(_show_time(row.total))}</td><td>{escape(_show_time(row.max))}</td>"
        f"<td>{escape(row.kind)}</td>"
        f'<td class="stack">{_stack(row.stack)}</td></tr>\n'
    )


def _stack(stack: StackParts) -> str:
    """Return a stack as HTML: the frame that graphs have, and a few names on both sides of it.

    The whole stack is in the title.
    """
    name = shown_name(stack.frame)
    frame = f'<span data-frame="{escape(name)}">{frame_name(name)}</span>' if name else ""
    parts = [*_last(stack.above), frame, *_last(stack.below)]
    whole = _UNDER.join(filter(None, [*stack.above, name, *stack.below]))
    shown = _UNDER.join(filter(None, parts))
    return f'<span class="stack" title="{escape(whole)}">{shown}</span>'


def _last(names: tuple[str, ...]) -> list[str]:
    cut = ["…"] if len(names) > _NAMES_SHOWN else []
    return [*cut, *(escape(name) for name in names[-_NAMES_SHOWN:])]


def _end_of(stack: StackParts) -> str:
    """Return the line at fault; if it is not known, the innermost frame that graphs have."""
    if stack.line is not None:
        return escape(stack.line)
    return frame_name(shown_name(stack.frame)) or "unknown"


def _prose(text: str) -> str:
    """Return a text as HTML, with code for what stands between backticks."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
