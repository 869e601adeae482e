"""Tracks as SVG text. Every text from outside passes through `escape`.

Positions in time are percentages, so the picture fits any width. Labels are HTML, which cuts them
to the width of their box. What is drawn has its colour from a class.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.guest.pace import paced
from tracetools.output.flamegraph.markup import escape
from tracetools.output.timeline.layout import ticks
from tracetools.output.timeline.words import STATES, ended_by, label_of, show_time, waits_for
from tracetools.timelines.notes import last_frame, task_name
from tracetools.timelines.states import Interval
from tracetools.timelines.timeline import SpanTime, Work

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tracetools.output.timeline.layout import Box, Item
    from tracetools.output.timeline.tracks import Arrow, Picture, Track
    from tracetools.timelines.timeline import Timeline

__all__ = ["draw"]

_AXIS: Final = 22
_HEADING: Final = 18
_SPAN: Final = 17
_STATE: Final = 20
_MARK: Final = 5
_GAP: Final = 10

_LABELLED: Final = 40
"""From which part of the width on a box has a label: one in so many."""

_NAMES: Final = 3
_LONGEST: Final = 60
"""How many letters of the name of a track are shown."""

_UPWARDS: Final = ("busy", "scheduled", "waiting")
"""States, from the bottom of a box that shows several of them."""

_LEAST: Final = 2
"""How many pixels a state is high at least, so that the shortest step is seen."""


class _Place(NamedTuple):
    """Where a track is, from the top."""

    heading: int
    spans: int
    states: int
    end: int


def draw(timeline: Timeline, picture: Picture, linked: Collection[int]) -> str:
    """Return the picture. Intervals of the span's task lead to rows, if their numbers are given."""
    return "".join(_Pen(timeline, picture, linked).lines())


class _Pen:
    def __init__(self, timeline: Timeline, picture: Picture, linked: Collection[int]) -> None:
        self._timeline = timeline
        self._picture = picture
        self._whole = max(1, picture.length)
        self._places = _places(picture.tracks)
        subject = picture.chosen.subject
        intervals = () if subject is None else picture.intervals.get(subject, ())
        self._row_of = {id(intervals[number]): number for number in linked}

    def lines(self) -> Iterator[str]:
        """Yield the picture line by line."""
        height = self._places[-1].end if self._places else _AXIS
        yield (
            f'<svg class="timeline" width="100%" height="{height}" role="img"'
            f' aria-label="{escape(self._summary())}">\n'
        )
        yield from self._axis(height)
        tracks = [*zip(self._picture.tracks, self._places, strict=True)]
        for track, place in tracks:
            yield from self._boxes(track, place)
        yield from map(self._arrow, self._picture.arrows)
        for track, place in tracks:
            yield self._heading(track, place)
        yield "</svg>\n"

    def _summary(self) -> str:
        tracks = len(self._picture.tracks)
        return f"Tracks of {tracks} tasks and threads over {show_time(self._picture.length)}"

    def _x(self, moment: int) -> str:
        return f"{100 * moment / self._whole:.4f}%"

    def _axis(self, height: int) -> Iterator[str]:
        yield '<g class="axis">\n'
        for moment in ticks(self._picture.length):
            x = self._x(moment)
            is_last = moment > self._whole * 0.9
            side = ' class="last"' if is_last else ""
            label = show_time(moment) if moment else "0"
            yield f'<line x1="{x}" x2="{x}" y1="{_AXIS - 4}" y2="{height}"/>'
            yield f'<text{side} x="{x}" y="{_AXIS - 8}">{escape(label)}</text>\n'
        yield "</g>\n"

    # -- tracks

    def _heading(self, track: Track, place: _Place) -> str:
        is_subject = track.task is not None and track.task == self._picture.chosen.subject
        about = f'<tspan class="quiet" dx="8">{escape(track.about)}</tspan>' if track.about else ""
        return (
            f'<text class="name{" of-subject" if is_subject else ""}" y="{place.heading}">'
            f"<tspan>{escape(_shortened(track.name))}</tspan>{about}</text>\n"
        )

    def _boxes(self, track: Track, place: _Place) -> Iterator[str]:
        yield '<g class="track">\n'
        for index, lane in enumerate(track.spans):
            for box in paced(lane):
                yield self._box(box, place.spans + index * _SPAN, _SPAN - 2)
        for box in paced(track.states):
            yield self._box(box, place.states, _STATE - 2)
        for box in track.critical:
            yield self._rect(box, place.states + _STATE - 1, _MARK)
        yield "</g>\n"

    def _rect(self, box: Box, top: float, height: float, kind: str = "") -> str:
        thin = " thin" if box.end - box.begin < self._picture.pixel else ""
        x, width = self._x(box.begin), self._x(box.end - box.begin)
        return (
            f'<rect class="{kind or box.kind}{thin}" x="{x}" y="{top:g}" width="{width}"'
            f' height="{height:g}"/>'
        )

    def _rects(self, box: Box, top: int, height: int) -> Iterator[str]:
        """Yield what shows a box: of several states, one above another as high as their shares."""
        times = _times(box)
        if len(box.items) == 1 or box.kind not in _UPWARDS:
            yield self._rect(box, top, height)
            return
        bottom = float(top + height)
        for kind in _UPWARDS:
            if kind in times:
                share = times[kind] / max(1, box.end - box.begin)
                shown = min(bottom - top, max(_LEAST, round(height * share, 1)))
                bottom -= shown
                yield self._rect(box, round(bottom, 1), shown, kind)

    def _box(self, box: Box, top: int, height: int) -> str:
        parts = [f"<g><title>{escape(self._title(box))}</title>", *self._rects(box, top, height)]
        label = self._label(box)
        if label and (box.end - box.begin) * _LABELLED >= self._whole:
            x, width = self._x(box.begin), self._x(box.end - box.begin)
            parts.append(
                f'<foreignObject x="{x}" y="{top}" width="{width}" height="{height}">'
                f'<div class="label"><span>{escape(label)}</span></div></foreignObject>'
            )
        parts.append("</g>")
        row = self._row_of.get(id(box.items[0].content)) if len(box.items) == 1 else None
        text = "".join(parts)
        return f"{text}\n" if row is None else f'<a href="#interval-{row}">{text}</a>\n'

    # -- words

    def _label(self, box: Box) -> str:
        if len(box.items) > 1:
            return ""
        content = box.items[0].content
        if isinstance(content, Interval):
            if content.state != "waiting":
                return f"{STATES[content.state]} {show_time(box.end - box.begin)}"
            ended = self._ended(content)
            awaited = waits_for(content) if content.is_named else STATES["waiting"]
            return awaited + (f" \u2190 {ended}" if ended else "")
        if isinstance(content, SpanTime | Work):
            return last_frame(content.path).name
        return task_name(self._timeline, content) if isinstance(content, int) else ""

    def _ended(self, interval: Interval) -> str:
        return ended_by(self._timeline, interval.wake)

    def _title(self, box: Box) -> str:
        length = show_time(box.end - box.begin)
        since = f"{length} from {show_time(box.begin)}"
        if len(box.items) > 1:
            return f"{len(box.items):,} that are short, {since}: {self._mix(box.items)}"
        content = box.items[0].content
        if isinstance(content, SpanTime | Work):
            return f"{label_of(last_frame(content.path))}, {since}"
        if isinstance(content, int):
            return f"{task_name(self._timeline, content)}, {since}"
        if not isinstance(content, Interval) or content.state != "waiting":
            return f"{STATES.get(box.kind, box.kind)}, {since}"  # type: ignore[call-overload]
        ended = self._ended(content)
        return f"{waits_for(content)}, {since}{f'; ended by {ended}' if ended else ''}"

    def _mix(self, items: Sequence[Item]) -> str:
        """Return what short items are, those that took longest first."""
        times: Counter[str] = Counter()
        for item in items:
            times[self._mixed(item)] += item.end - item.begin
        shown = [f"{name} {show_time(time)}" for name, time in times.most_common(_NAMES)]
        more = len(times) - len(shown)
        return ", ".join(shown + ([f"{more:,} more"] if more > 0 else []))

    def _mixed(self, item: Item) -> str:
        content = item.content
        if isinstance(content, Interval):
            return STATES[content.state]
        if isinstance(content, SpanTime | Work):
            return last_frame(content.path).name
        return task_name(self._timeline, content) if isinstance(content, int) else item.kind

    # -- arrows

    def _arrow(self, arrow: Arrow) -> str:
        start, end = self._places[arrow.start], self._places[arrow.end]
        leads_down = start.states < end.states
        first = start.states + _STATE - 2 if leads_down else start.states
        last = end.states if leads_down else end.states + _STATE - 2
        x = self._x(arrow.moment)
        back = -5 if leads_down else 5
        title = escape(
            f"{self._picture.tracks[arrow.end].name} made ready by {self._ended(arrow.interval)}"
        )
        return (
            f'<g class="arrow"><title>{title}</title>'
            f'<line x1="{x}" x2="{x}" y1="{first}" y2="{last}"/>'
            f'<svg x="{x}" y="{last}"><path d="M-4 {back} L0 0 L4 {back} z"/></svg></g>\n'
        )


def _places(tracks: Sequence[Track]) -> list[_Place]:
    places = []
    top = _AXIS
    for track in tracks:
        spans = top + _HEADING
        states = spans + _SPAN * len(track.spans)
        end = states + (_STATE if track.states else 0) + (_MARK if track.critical else 0)
        places.append(_Place(top + _HEADING - 5, spans, states, end))
        top = end + _GAP
    return places


def _times(box: Box) -> Counter[str]:
    times: Counter[str] = Counter()
    for item in box.items:
        times[item.kind] += item.end - item.begin
    return times


def _shortened(name: str) -> str:
    """Return a name without its middle if it is long; its number is at the end."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 16]}\u2026{name[-15:]}"
