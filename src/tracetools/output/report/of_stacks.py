"""The report of folded stacks, which have less than a profile: no steps, entries or start."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tracetools.core.profile import IDLE, LENSES, SCHEDULED
from tracetools.core.slow_spans import CRITICAL
from tracetools.core.stacks import ROOT
from tracetools.output.answers.of_stacks import answers_of_stacks, profile_of_stacks
from tracetools.output.flamegraph.amounts import amount_formatter, nanoseconds_of, unit_of
from tracetools.output.flamegraph.marks import NO_MARKS
from tracetools.output.formats.content import paths_of
from tracetools.output.formats.folded import pack
from tracetools.output.formats.stack_table import SEPARATOR, leaves_of, roots_of, sums_of
from tracetools.output.frame_kinds import kinds_by_guess
from tracetools.output.report.answering import answer_groups
from tracetools.output.report.figures import Column, Figures, make_table
from tracetools.output.report.lenses import (
    Variant,
    Words,
    draw_graph,
    graphs_with_time,
    no_marks,
    options_of_page,
)
from tracetools.output.report.packed_folding import PackedFolding
from tracetools.output.report.page import Report, write_page
from tracetools.output.report.pictures import PackedStacks
from tracetools.output.report.transforms import own_first

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from tracetools.core.profile import Lens
    from tracetools.output.flamegraph.layout import Packed
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.report.answering import EntryGroup
    from tracetools.output.report.figures import Table
    from tracetools.output.report.page import Graph

_LEAVES: Final[tuple[tuple[Lens, bytes], ...]] = (
    ("idle", SEPARATOR + IDLE.label.encode()),
    ("scheduled", SEPARATOR + SCHEDULED.label.encode()),
)
_STATES: Final = frozenset(leaf.removeprefix(SEPARATOR) for _, leaf in _LEAVES)
_ROOT: Final = ROOT.label.encode()
_CRITICAL: Final = pack((ROOT.label, CRITICAL.label))

_MOST_ANSWERED: Final = 10_000
"""Of how many stacks a page has the answers: as many as a recording has. They need all stacks as
paths, which the graphs and the table do without."""


def report_of_stacks(graphs: Mapping[str, Packed], options: GraphOptions) -> str:
    """Return the page of packed stacks, one graph for each name.

    If there is only one and it has leaves ``[idle]`` or ``[scheduled]``, it is of the lens
    ``task``, and the page shows all four lenses. If its counts are time, it opens with the answers,
    unless there are more than 10,000 stacks. Counts are positive, and there is at least one stack.
    Without a title in the options, the title is the names.
    """
    return write_page(
        make_report(graphs, options), nonce=options.nonce, no_javascript=options.no_javascript
    )


def make_report(graphs: Mapping[str, Packed], options: GraphOptions) -> Report:
    """Return what the page of folded stacks shows."""
    if options.count_name is None:
        roots = {root for counts in graphs.values() for root in roots_of(counts)}
        options = replace(options, count_name=unit_of(root.decode() for root in roots))
    read = {name: _Stacks(counts) for name, counts in graphs.items() if counts}
    of_states = next((one for one in read.values() if len(graphs) == 1 and one.has_states), None)
    about = [("Stacks", f"{sum(map(len, graphs.values())):,}")]
    return Report(
        title=", ".join(graphs) if options.title is None else options.title,
        answers=_answers([*graphs.values()], options),
        graphs=_plain(read, options) if of_states is None else _by_state(of_states, options),
        table=_table(read.values(), options),
        metadata=[*about, *([("Notes", options.notes)] if options.notes else [])],
    )


def _answers(graphs: Sequence[Packed], options: GraphOptions) -> Sequence[EntryGroup]:
    """Return the answers of a graph of time, unless it has too many stacks."""
    unit = nanoseconds_of(options.count_name or "")
    if len(graphs) != 1 or unit is None or len(graphs[0]) > _MOST_ANSWERED:
        return ()
    paths = paths_of(graphs[0])
    stacks = {path: round(options.factor * count * unit) for path, count in paths.items()}
    profile = profile_of_stacks(stacks)
    own = partial(own_first, kind_of=kinds_by_guess())
    return answer_groups(answers_of_stacks(profile), profile, own)


class _Stacks:
    """Packed stacks by state, as they are in a file."""

    def __init__(self, counts: Packed) -> None:
        by_state: dict[Lens, Packed] = {"busy": counts}
        if not _STATES.isdisjoint(leaves_of(counts)) and not _is_critical(counts):
            found: dict[Lens, list[tuple[bytes, int]]] = {}
            for packed, count in counts:
                lens, stack = _state_of(packed)
                found.setdefault(lens, []).append((stack, count))
            by_state.update({"busy": [], **found})
        self.of_lens: dict[Lens, Packed] = {"task": counts, **by_state}
        self.has_states = len(by_state) > 1

    def variants(self) -> list[Variant]:
        """Return the stacks with frames of libraries folded, and as they are if that differs."""
        folding = PackedFolding()
        lenses: Mapping[Lens, Packed] = self.of_lens
        if not self.has_states:
            lenses = {"task": lenses["task"]}
        folded, whole = (
            {lens: _transformed(counts, how) for lens, counts in lenses.items() if counts}
            for how in (folding.own_first, folding.all_frames)
        )
        made = [folded] if folded == whole else [folded, whole]
        return [_variant(stacks, folding.kind_of) for stacks in made]


def _is_critical(counts: Packed) -> bool:
    """Whether stacks are critical paths, in which the leaves of states are no lenses."""
    return all(packed.startswith(_CRITICAL) for packed, _ in counts)


def _transformed(counts: Packed, transform: Callable[[bytes], bytes]) -> Packed:
    """Return what is made of stacks; the very same, which may be in a tree, if that is nothing."""
    made = [(transform(stack), stack, count) for stack, count in counts]
    if all(new is stack for new, stack, _ in made):
        return counts
    return [(new, count) for new, _, count in made]


def _variant(made: Mapping[Lens, Packed], kind_of: Callable[[str], FrameKind]) -> Variant:
    def of_lens(lens: Lens) -> PackedStacks | None:
        return PackedStacks(made[lens], kind_of) if lens in made else None

    return Variant(of_lens, no_marks)


def _state_of(packed: bytes) -> tuple[Lens, bytes]:
    """Return the state that a stack ends in, busy without one, and the stack without it."""
    for lens, leaf in _LEAVES:
        if packed.endswith(leaf) and packed != leaf:
            return lens, packed.removesuffix(leaf)
    return "busy", packed


def _by_state(stacks: _Stacks, options: GraphOptions) -> list[Graph]:
    """Return all four lenses of the stacks of the lens `task`."""
    return graphs_with_time(stacks.variants(), options)


def _plain(read: Mapping[str, _Stacks], options: GraphOptions) -> list[Graph]:
    """Return a graph for each name, of all its time."""
    drawn = {
        name: [found for each in stacks.variants() if (found := each.of_lens("task"))]
        for name, stacks in read.items()
    }
    options = options_of_page(options, sum(map(len, drawn.values())))
    return [
        draw_graph(Words(f"graph-{number}", name), variants, [NO_MARKS, NO_MARKS], options)
        for number, (name, variants) in enumerate(drawn.items(), start=1)
    ]


def _table(read: Collection[_Stacks], options: GraphOptions) -> Table:
    """Return sums by label, and by state if the states are known."""
    show = amount_formatter(options.count_name or "", options.factor)
    if not any(stacks.has_states for stacks in read):
        figures = _sum_up(("busy", stacks.of_lens["task"]) for stacks in read)
        return make_table(figures, _plain_columns(show))
    shown: list[Lens] = [
        lens for lens in LENSES if lens != "task" and any(one.of_lens.get(lens) for one in read)
    ]
    counts = ((lens, one.of_lens.get(lens, [])) for lens in shown for one in read)
    figures = _sum_up(counts)
    return make_table(figures, _columns(shown, show))


def _sum_up(counts: Iterable[tuple[Lens, Packed]]) -> dict[str, Figures]:
    """Return the figures by label."""
    figures: dict[bytes, dict[str, int]] = {}
    for lens, stacks in counts:
        for label, (own, total) in sums_of(stacks).items():
            known = figures.setdefault(label, {})
            known[lens] = known.get(lens, 0) + own
            if lens == "busy":
                known["total"] = known.get("total", 0) + total
    return {label.decode(): Figures(**figures[label]) for label in figures if label != _ROOT}


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
