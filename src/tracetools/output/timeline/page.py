"""The page of one span as HTML, which needs nothing outside itself and no script.

Every text from outside passes through `escape`. The styles are those of reports, and the file in
`assets/`, copied as they are.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import StackFileError
from tracetools.output.answers.words import percent
from tracetools.output.flamegraph.markup import asset, csp_source, escape
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.timeline.chosen import MOST_TRACKS
from tracetools.output.timeline.rows import critical_rows, make_rows
from tracetools.output.timeline.svg import draw
from tracetools.output.timeline.tracks import make_picture
from tracetools.output.timeline.words import STATES, show_time
from tracetools.timelines.notes import NO_NOTES, last_frame, task_name

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from tracetools.output.timeline.rows import Row, Rows
    from tracetools.output.timeline.tracks import Picture
    from tracetools.timelines.notes import Notes
    from tracetools.timelines.timeline import Timeline

__all__ = ["csp_sources", "timeline_page", "write_timeline"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HEAVY: Final = 0.1
"""From which share of the span on a time is bold."""

_EXPLANATIONS: Final = {
    "busy": "a step of the task",
    "scheduled": "it could step, and others did",
    "waiting": "it awaits something",
}


def write_timeline(
    path: str | os.PathLike[str], timeline: Timeline, notes: Notes = NO_NOTES
) -> None:
    """Write the page of a timeline's subject into a file, which is replaced at once.

    Raises:
        StackFileError: the file cannot be written; what was there before is untouched.
    """
    try:
        write_atomically(Path(path), timeline_page(timeline, notes).encode())
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot write {path}: {explain(error)}") from error


def csp_sources() -> dict[str, str]:
    """Return what a content security policy must allow for pages of timelines, by directive."""
    return {"style-src": csp_source(_styles())}


def timeline_page(timeline: Timeline, notes: Notes = NO_NOTES) -> str:
    """Return the page of a timeline's subject. The same arguments give the same text."""
    picture = make_picture(timeline, notes)
    rows = make_rows(timeline, picture, notes)
    title = _title(timeline, notes)
    about = " · ".join(map(escape, _about(timeline, picture, notes)))
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{escape(title)}, {escape(show_time(picture.length))}</title>\n",
            f"<style>{_styles()}</style>\n</head>\n<body>\n",
            f'<header><h1>{escape(title)}</h1><p class="about-line">{about}</p></header>\n',
            "<main>\n",
            *_sums(timeline, picture, rows),
            *_drawn(timeline, picture, rows),
            *_critical(timeline, picture, notes),
            *_table(picture, rows),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _styles() -> str:
    report = asset("tracetools.output.report", "report.css")
    return f"\n{report}\n{asset('tracetools.output.timeline', 'timeline.css')}"


def _title(timeline: Timeline, notes: Notes) -> str:
    if timeline.subject is not None:
        return last_frame(timeline.subject.path).name
    return notes.program or "Timeline"


def _about(timeline: Timeline, picture: Picture, notes: Notes) -> Iterator[str]:
    yield show_time(picture.length)
    if notes.reason:
        yield notes.reason
    if timeline.subject is not None:
        if notes.program:
            yield notes.program
        frame = last_frame(timeline.subject.path)
        if frame.file:
            yield frame.location
    if timeline.starts:
        yield _moment(timeline.starts + picture.chosen.window.begin - timeline.begin)
    if notes.trace_id:
        yield f"trace {notes.trace_id}"


def _moment(nanoseconds: int) -> str:
    """Return a moment with milliseconds, UTC; where the calendar ends, in nanoseconds."""
    try:
        moment = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return f"{nanoseconds} ns after 1970"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC"


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else ""


# -- the picture -------------------------------------------------------------------------------


def _sums(timeline: Timeline, picture: Picture, rows: Rows) -> Iterator[str]:
    """Yield how long the span's task was in each state, as the legend of the picture."""
    if picture.chosen.subject is not None:
        name = escape(task_name(timeline, picture.chosen.subject))
        yield f'<p class="explanation">What the task <b>{name}</b> did in the span:</p>\n'
    sums = dict(rows.sums)
    yield '<ul class="legend" aria-label="Legend">'
    for state, name in STATES.items():
        time = sums.get(state, 0)
        amount = ""
        if picture.chosen.subject is not None:
            amount = f" <b>{escape(show_time(time))}</b> {_share(time, picture.length)}"
        yield _legend(state, f"{name}{amount}", _EXPLANATIONS[state])
    kinds = {box.kind for track in picture.tracks for lane in track.spans for box in lane}
    for kind, text in (("subject", "this span"), ("span", "spans"), ("thread", "in threads")):
        if kind in kinds:
            yield _legend(kind, text, "")
    if any(track.critical for track in picture.tracks):
        yield _legend("critical", "critical path", "what the span waited for in the end")
    if picture.arrows:
        yield "<li>↓ made the other task ready</li>"
    yield "</ul>\n"


def _legend(kind: str, text: str, explanation: str) -> str:
    return (
        f'<li title="{explanation}"><svg class="swatch" width="12" height="12" aria-hidden="true">'
        f'<rect class="{kind}" width="12" height="12"/></svg>{text}</li>'
    )


def _drawn(timeline: Timeline, picture: Picture, rows: Rows) -> Iterator[str]:
    linked = {row.number for row in rows.rows}
    yield f'<div class="tracks">\n{draw(timeline, picture, linked)}</div>\n'
    for note in _notes(timeline, picture):
        yield f'<p class="note">{escape(note)}</p>\n'


def _notes(timeline: Timeline, picture: Picture) -> Iterator[str]:
    """Yield what a reader may miss in the picture."""
    span = timeline.subject
    if span is not None and span.begin < timeline.begin:
        yield f"The first {show_time(timeline.begin - span.begin)} of the span were not kept."
    if span is not None and span.end is None:
        yield "The span was still open when this was kept."
    boxes = (box for track in picture.tracks for box in track.states)
    if any(len(box.items) > 1 for box in boxes):
        yield (
            f"What is shorter than {show_time(picture.pixel)} is drawn with its neighbours: the"
            " higher a colour, the more of that time."
        )
    if picture.chosen.left_out:
        yield (
            f"{picture.chosen.left_out:,} more tasks belong here. The {MOST_TRACKS} that matter"
            " most have tracks; the steps of the others are in the last one."
        )
    if picture.spans_left_out:
        yield f"{picture.spans_left_out:,} spans lie too deep within others to be drawn."


# -- tables ------------------------------------------------------------------------------------


def _table(picture: Picture, rows: Rows) -> Iterator[str]:
    if not rows.rows:
        return
    yield from _head(
        "intervals",
        "What the task did",
        "Each step, each wait with who ended it, and who stepped while the task was ready.",
    )
    yield from _columns("What, and who ended it")
    for row in rows.rows:
        yield _row(row, picture.length)
    yield "</tbody>\n</table>\n</div>\n"
    if rows.left_out:
        yield (
            f"<p>The longest {len(rows.rows):,} are shown; {rows.left_out:,} shorter ones took"
            f" {escape(show_time(rows.left_out_time))} together.</p>\n"
        )
    yield "</section>\n"


def _row(row: Row, whole: int) -> str:
    mark = ' <span class="blocks">blocked the loop</span>' if row.is_blocking else ""
    state, begin, end = row.interval.state, row.interval.begin, row.interval.end
    who = f"ended by {row.who}" if state == "waiting" and row.who else row.who
    what = f"{_swatch(state)}{escape(row.what)}{mark}"
    return f'<tr id="interval-{row.number}">{_times(begin, end, whole)}{_what(what, who)}</tr>\n'


def _times(begin: int, end: int, whole: int) -> str:
    heavy = ' class="heavy"' if end - begin >= _HEAVY * whole else ""
    return (
        f'<th scope="row">{escape(_time(begin))}</th>'
        f"<td{heavy}>{escape(show_time(end - begin))}</td>"
        f'<td class="share">{_share(end - begin, whole)}</td>'
    )


def _what(what: str, more: str) -> str:
    """Return a cell; `what` is HTML, `more` is text."""
    small = f'<br><span class="location">{escape(more)}</span>' if more else ""
    return f'<td class="text">{what}{small}</td>'


def _time(nanoseconds: int) -> str:
    return show_time(nanoseconds) if nanoseconds else "0"


def _swatch(kind: str) -> str:
    return (
        '<svg class="swatch" width="10" height="10" aria-hidden="true">'
        f'<rect class="{kind}" width="10" height="10"/></svg>'
    )


def _critical(timeline: Timeline, picture: Picture, notes: Notes) -> Iterator[str]:
    found = critical_rows(timeline, picture, notes)
    if not found.rows:
        return
    total = found.left_out_time + sum(row.length for row in found.rows)
    yield from _head(
        "path",
        "Critical path",
        "What the span waited for in the end, task by task:"
        f" {show_time(total)} of {show_time(picture.length)}.",
    )
    yield from _columns("What")
    for row in found.rows:
        times = _times(row.begin, row.begin + row.length, picture.length)
        yield f"<tr>{times}{_what(escape(row.task), row.what)}</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"
    if found.left_out:
        yield (
            f"<p>{found.left_out:,} shorter pieces took"
            f" {escape(show_time(found.left_out_time))} together.</p>\n"
        )
    yield "</section>\n"


def _head(key: str, heading: str, explanation: str) -> Iterator[str]:
    yield (
        f'<section class="{key}">\n<h2 id="{key}">{escape(heading)}</h2>\n'
        f"<p>{escape(explanation)}</p>\n"
        f'<div class="scrolls" role="region" aria-labelledby="{key}" tabindex="0">\n'
    )


def _columns(last: str) -> Iterator[str]:
    yield (
        '<table>\n<thead>\n<tr><th scope="col">At</th><th scope="col">Time</th>'
        f'<th scope="col" class="share">Share</th><th scope="col" class="text">{last}</th></tr>\n'
        "</thead>\n<tbody>\n"
    )
