"""The graphs of a page: stacks as boxes, colours and SVG text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.layout import lay_out
from tracetools.output.flamegraph.marks import NO_MARKS, Note, place_marks
from tracetools.output.flamegraph.palette import kind_colour
from tracetools.output.flamegraph.svg import SHOWN_ROOT, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.profile import Lens
    from tracetools.output.flamegraph.layout import Layout, Packed
    from tracetools.output.flamegraph.marks import Marks
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.flamegraph.palette import Colour
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.report.labelled import LabelledTree


class Picture(NamedTuple):
    """A graph as SVG text, the kinds of its frames, and whether any of them is marked."""

    svg: str
    kinds: frozenset[FrameKind]
    is_marked: bool


class Stacks(Protocol):
    """The stacks of one graph, at least one of them."""

    @property
    def kind_of(self) -> Callable[[str], FrameKind]:
        """Returns what kind of frame a label is."""

    def layout(self, options: GraphOptions, /) -> Layout:
        """Return the boxes of the graph."""


class PackedStacks(NamedTuple):
    """Packed stacks with their counts; equal stacks add up."""

    counts: Packed
    kind_of: Callable[[str], FrameKind]

    def layout(self, options: GraphOptions) -> Layout:
        """Return the boxes of the graph."""
        reverse = options.reverse_stack_order
        return lay_out(self.counts, options.min_width, options.max_frames, reverse=reverse)


class TreeStacks(NamedTuple):
    """The stacks of a tree in one lens."""

    tree: LabelledTree
    lens: Lens
    kind_of: Callable[[str], FrameKind]

    def layout(self, options: GraphOptions) -> Layout:
        """Return the boxes of the graph."""
        return self.tree.layout(self.lens, options)


def draw_picture(
    stacks: Stacks, options: GraphOptions, marks: Marks = NO_MARKS, title: str = ""
) -> Picture:
    """Draw at least one stack, for a page that has styles and script of graphs.

    Without a title, that is the heading of the options with the total. Without a palette in the
    options, colours are those of the kinds of frames.
    """
    layout = stacks.layout(options)
    marked = {} if options.reverse_stack_order else place_marks(layout.boxes, marks)
    amount = amount_formatter(options.count_name or "samples", options.factor)
    title = title or f"{options.heading}, {amount(layout.total)}"
    options = replace(options, title=title, embedded=True)
    paint = None if options.colors else _painter(stacks.kind_of)
    kinds = frozenset(stacks.kind_of(box.name) for box in layout.boxes[1:])
    svg = draw(layout, options, marked, paint=paint, is_bare=True)
    is_marked = any(not isinstance(mark, Note) for mark in marked.values())
    return Picture(svg, kinds, is_marked)


def _painter(kind_of: Callable[[str], FrameKind]) -> Callable[[str], Colour]:
    return lambda name: kind_colour("runtime" if name == SHOWN_ROOT else kind_of(name), name)
