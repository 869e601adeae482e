"""The graphs of a page: packed stacks as boxes, colours and SVG text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.layout import arrange, place
from tracetools.output.flamegraph.marks import NO_MARKS, place_marks
from tracetools.output.flamegraph.palette import kind_colour
from tracetools.output.flamegraph.svg import SHOWN_ROOT, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.output.flamegraph.layout import Layout
    from tracetools.output.flamegraph.marks import Marks
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.flamegraph.palette import Colour
    from tracetools.output.frame_kinds import FrameKind


class Picture(NamedTuple):
    """A graph as SVG text, the kinds of its frames, and whether any of them is marked."""

    svg: str
    kinds: frozenset[FrameKind]
    is_marked: bool


class Labelled(NamedTuple):
    """Packed stacks with their counts, and what their codes mean.

    Attributes:
        counts: equal stacks add up.
        labels: the label of each code; None if labels are packed themselves.
        kind_of: returns what kind of frame a label is.
    """

    counts: list[tuple[bytes, int]]
    labels: Mapping[str, str] | None
    kind_of: Callable[[str], FrameKind]


def draw_picture(stacks: Labelled, options: GraphOptions, marks: Marks = NO_MARKS) -> Picture:
    """Draw at least one stack, for a page that has styles and script of graphs.

    Without a palette in the options, colours are those of the kinds of frames.
    """
    columns = arrange(stacks.counts, reverse=options.reverse_stack_order)
    layout = place(columns, options.min_width, options.max_frames)
    if stacks.labels is not None:
        layout = _with_labels(layout, stacks.labels)
    marked = {} if options.reverse_stack_order else place_marks(layout.boxes, marks)
    amount = amount_formatter(options.count_name or "samples", options.factor)
    title = f"{options.heading}, {amount(layout.total)}"
    options = replace(options, title=title, embedded=True)
    paint = None if options.colors else _painter(stacks.kind_of)
    kinds = frozenset(stacks.kind_of(box.name) for box in layout.boxes[1:])
    return Picture(draw(layout, options, marked, paint=paint, is_bare=True), kinds, bool(marked))


def _with_labels(layout: Layout, labels: Mapping[str, str]) -> Layout:
    """Return the layout with labels for codes."""
    root, *others = layout.boxes
    boxes = [root, *(box._replace(name=labels[box.name]) for box in others)]
    return layout._replace(boxes=boxes)


def _painter(kind_of: Callable[[str], FrameKind]) -> Callable[[str], Colour]:
    return lambda name: kind_colour("runtime" if name == SHOWN_ROOT else kind_of(name), name)
