"""The report of folded stacks, which have less than a profile: no steps, entries or start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.profile import IDLE, LENSES, SCHEDULED
from tracetools.core.stacks import Frame, Times
from tracetools.output.flamegraph.amounts import amount_formatter, unit_of
from tracetools.output.formats.folded import SEPARATOR
from tracetools.output.frame_kinds import frame_of_label, kinds_by_guess
from tracetools.output.report.figures import Column, Figures, make_table, sum_up
from tracetools.output.report.lens_counts import stacks_by_lens
from tracetools.output.report.lenses import (
    Variant,
    Words,
    draw_graph,
    graphs_with_time,
    no_marks,
    options_of_page,
)
from tracetools.output.report.page import Report, write_page
from tracetools.output.report.pictures import Labelled
from tracetools.output.report.transforms import kinds_of_shown, transforms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import StackPath
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.report.figures import Table
    from tracetools.output.report.page import Graph
    from tracetools.output.report.transforms import Transform

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
    """Packed stacks as paths of frames, with their counts by state."""

    def __init__(self, counts: Packed) -> None:
        self._frames: dict[bytes, Frame] = {}
        self._labels: dict[Frame, str] = {}
        self.rows = [self._row(packed, count) for packed, count in counts]
        self.has_states = any(times.idle or times.scheduled for _, times in self.rows)

    def _row(self, packed: bytes, count: int) -> tuple[StackPath, Times]:
        frames = self._frames
        labels = packed.split(SEPARATOR)
        try:
            path = tuple([frames[label] for label in labels])
        except KeyError:
            path = tuple(map(self._frame, labels))
        state = _STATES.get(path[-1]) if len(path) > 1 else None
        return (path, Times(count)) if state is None else (path[:-1], Times(**{state: count}))

    def _frame(self, label: bytes) -> Frame:
        frame = self._frames.get(label)
        if frame is None:
            text = label.decode()
            frame = self._frames[label] = frame_of_label(text)
            self._labels.setdefault(frame, text)
        return frame

    def label_of(self, frame: Frame) -> str:
        """Return the label that a frame has in the file, or that of one for several."""
        return self._labels.get(frame) or frame.label

    def variants(self) -> tuple[Variant, Variant]:
        """Return the stacks with frames of libraries folded, and as they are."""
        kind_of = kinds_by_guess()
        whole, own = (self._variant(transform) for transform in transforms(kind_of))
        return own, whole

    def _variant(self, transform: Transform) -> Variant:
        stacks = stacks_by_lens(self.rows, transform, self.label_of, lambda _: False)
        kinds = stacks.codes.kinds(kinds_of_shown(kinds_by_guess()))
        return Variant(
            lambda lens: Labelled(stacks.counts[lens], stacks.codes.labels, kinds), no_marks
        )


def _by_state(stacks: _Stacks, options: GraphOptions) -> list[Graph]:
    """Return all four lenses of the stacks of the lens `task`."""
    return graphs_with_time(*stacks.variants(), options)


def _plain(read: Mapping[str, _Stacks], options: GraphOptions) -> list[Graph]:
    """Return a graph for each name, of all its time."""
    options = options_of_page(options, 2 * len(read))
    return [
        draw_graph(Words(f"graph-{number}", name), "busy", stacks.variants(), options)
        for number, (name, stacks) in enumerate(read.items(), start=1)
    ]


def _table(read: Collection[_Stacks], options: GraphOptions) -> Table:
    """Return sums by label, and by state if the states are known."""
    show = amount_formatter(options.count_name or "", options.factor)
    figures = sum_up(
        ((stacks.label_of(frame) for frame in path), _figures(times))
        for stacks in read
        for path, times in stacks.rows
    )
    if not any(stacks.has_states for stacks in read):
        return make_table(figures, _plain_columns(show))
    shown = [
        lens
        for lens in LENSES
        if any(getattr(times, lens, 0) for stacks in read for _, times in stacks.rows)
    ]
    return make_table(figures, _columns(shown, show))


def _figures(times: Times) -> Figures:
    return Figures(busy=times.busy, scheduled=times.scheduled, idle=times.idle)


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
