"""The report of folded stacks, which have less than a profile: no steps, entries or start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.profile import IDLE, LENSES, SCHEDULED
from tracetools.output.flamegraph.amounts import amount_formatter, unit_of
from tracetools.output.flamegraph.marks import NO_MARKS
from tracetools.output.formats.folded import SEPARATOR
from tracetools.output.frame_kinds import frame_of_label, kinds_by_guess
from tracetools.output.report.figures import Column, Figures, FiguresOfNodes, make_table, sum_up
from tracetools.output.report.lenses import (
    Variant,
    Words,
    draw_graph,
    graphs_with_time,
    make_variant,
    options_of_page,
)
from tracetools.output.report.page import Report, write_page
from tracetools.output.report.transforms import kinds_of_shown, variants_of
from tracetools.output.report.tree import Counts, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.report.figures import Table
    from tracetools.output.report.page import Graph

    Packed = list[tuple[bytes, int]]

_STATES: Final[dict[Frame, str]] = {IDLE: "idle", SCHEDULED: "scheduled"}


def report_of_stacks(graphs: Mapping[str, Packed], options: GraphOptions) -> str:
    """Return the page of packed stacks, one graph for each name.

    If there is only one and it has leaves ``[idle]`` or ``[scheduled]``, it is of the lens
    ``task``, and the page shows all four lenses. Counts are positive, and there is at least one
    stack. Without a title in the options, the title is the names.
    """
    return write_page(
        make_report(graphs, options), nonce=options.nonce, no_javascript=options.no_javascript
    )


def make_report(graphs: Mapping[str, Packed], options: GraphOptions) -> Report:
    """Return what the page of folded stacks shows."""
    if options.count_name is None:
        roots = {stack.partition(SEPARATOR)[0] for counts in graphs.values() for stack, _ in counts}
        options = replace(options, count_name=unit_of(root.decode() for root in roots))
    read = {name: _Stacks(counts) for name, counts in graphs.items() if counts}
    of_states = next((one for one in read.values() if len(graphs) == 1 and one.has_states), None)
    about = [("Stacks", f"{sum(map(len, graphs.values())):,}")]
    return Report(
        title=", ".join(graphs) if options.title is None else options.title,
        graphs=_plain(read, options) if of_states is None else _by_state(of_states, options),
        table=_table(read.values(), options),
        metadata=[*about, *([("Notes", options.notes)] if options.notes else [])],
    )


class _Stacks:
    """The tree of packed stacks, with their counts by state."""

    def __init__(self, counts: Packed) -> None:
        self._frames: dict[bytes, Frame] = {}
        self._labels: dict[Frame, str] = {}
        self.tree = Tree()
        for packed, count in counts:
            self._add(packed, count)
        self.has_states = any(counts.idle or counts.scheduled for counts in self.tree.counts)

    def _add(self, packed: bytes, count: int) -> None:
        frames = self._frames
        labels = packed.split(SEPARATOR)
        try:
            path = [frames[label] for label in labels]
        except KeyError:
            path = [self._frame(label) for label in labels]
        state = _STATES.get(path[-1]) if len(path) > 1 else None
        if state is None:
            self.tree.add(self.tree.walk(path), Counts(busy=count, task=count))
        else:
            self.tree.add(self.tree.walk(path[:-1]), Counts(**{state: count}))

    def _frame(self, label: bytes) -> Frame:
        frame = self._frames.get(label)
        if frame is None:
            text = label.decode()
            frame = self._frames[label] = frame_of_label(text)
            self._labels.setdefault(frame, text)
        return frame

    def figures(self) -> Iterator[tuple[int, Figures]]:
        """Yield the figures of all nodes that have any."""
        for node, counts in enumerate(self.tree.counts):
            if any(counts):
                yield node, Figures(counts.busy, 0, counts.scheduled, counts.idle)

    def label_of(self, frame: Frame) -> str:
        """Return the label that a frame has in the file, or that of one for several."""
        return self._labels.get(frame) or frame.label

    def variants(self, options: GraphOptions) -> tuple[Variant, Variant]:
        """Return the stacks with frames of libraries folded, and as they are."""
        kind_of = kinds_by_guess()
        own, whole = variants_of(self.tree, kind_of)
        kinds = kinds_of_shown(kind_of)
        return (
            make_variant(own, kinds, options, self.label_of),
            make_variant(whole, kinds, options, self.label_of),
        )


def _by_state(stacks: _Stacks, options: GraphOptions) -> list[Graph]:
    """Return all four lenses of the stacks of the lens `task`."""
    return graphs_with_time(stacks.variants(options), options)


def _plain(read: Mapping[str, _Stacks], options: GraphOptions) -> list[Graph]:
    """Return a graph for each name, of all its time."""
    options = options_of_page(options, 2 * len(read))
    return [
        draw_graph(
            Words(f"graph-{number}", name),
            [variant.of_lens("busy") for variant in stacks.variants(options)],
            [NO_MARKS, NO_MARKS],
            options,
        )
        for number, (name, stacks) in enumerate(read.items(), start=1)
    ]


def _table(read: Collection[_Stacks], options: GraphOptions) -> Table:
    """Return sums by label, and by state if the states are known."""
    show = amount_formatter(options.count_name or "", options.factor)
    figures = sum_up(FiguresOfNodes(one.tree, one.figures(), one.label_of) for one in read)
    if not any(stacks.has_states for stacks in read):
        return make_table(figures, _plain_columns(show))
    shown: list[Lens] = [
        lens
        for lens in LENSES
        if lens != "task" and any(getattr(each, lens) for each in figures.values())
    ]
    return make_table(figures, _columns(shown, show))


def _columns(
    shown: Collection[Lens], show: Callable[[int], str]
) -> Iterator[tuple[Column, Callable[[Figures], int | None]]]:
    if "busy" in shown:
        yield Column("Busy, total", "Busy time with all stacks below", show), lambda row: row.total
        yield Column("Busy, self", "Busy time without the stacks below", show), lambda row: row.busy
    if "scheduled" in shown:
        yield Column("Scheduled", "Could step, and did not yet", show), lambda row: row.scheduled
    if "idle" in shown:
        yield Column("Idle", "Waiting for something", show), lambda row: row.idle


def _plain_columns(
    show: Callable[[int], str],
) -> Iterable[tuple[Column, Callable[[Figures], int | None]]]:
    yield Column("Total", "With all stacks below", show), lambda row: row.total
    yield Column("Self", "Without the stacks below", show), lambda row: row.busy
