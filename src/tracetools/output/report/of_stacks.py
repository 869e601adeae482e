"""The report of folded stacks, which have less than a profile: no steps, entries or start."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.profile import IDLE, LENSES, SCHEDULED
from tracetools.output.flamegraph.amounts import amount_formatter, unit_of
from tracetools.output.report.figures import Column, Figures, make_table, sum_up
from tracetools.output.report.lenses import graphs_with_time
from tracetools.output.report.page import Graph, Report, write_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from tracetools.core.labels import LabelPath
    from tracetools.core.profile import Lens
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.report.figures import Table

_STATES: Final[dict[str, Lens]] = {IDLE.label: "idle", SCHEDULED.label: "scheduled"}


def report_of_stacks(graphs: Mapping[str, Mapping[LabelPath, int]], options: GraphOptions) -> str:
    """Return the page of folded stacks, one graph for each name.

    If there is only one and it has leaves ``[idle]`` or ``[scheduled]``, it is of the lens
    ``task``, and the page shows all four lenses. Counts are positive, and there is at least one
    stack. Without a title in the options, the title is the names.
    """
    return write_page(
        make_report(graphs, options), nonce=options.nonce, no_javascript=options.no_javascript
    )


def make_report(graphs: Mapping[str, Mapping[LabelPath, int]], options: GraphOptions) -> Report:
    """Return what the page of folded stacks shows."""
    if options.count_name is None:
        roots = {stack[0] for stacks in graphs.values() for stack in stacks}
        options = replace(options, count_name=unit_of(roots))
    states = _by_state(graphs)
    about = [("Stacks", f"{sum(map(len, graphs.values())):,}")]
    return Report(
        title=", ".join(graphs) if options.title is None else options.title,
        graphs=graphs_with_time(states, options) if states else _plain(graphs, options),
        table=_table(graphs, states, options),
        metadata=[*about, *([("Notes", options.notes)] if options.notes else [])],
    )


def _plain(graphs: Mapping[str, Mapping[LabelPath, int]], options: GraphOptions) -> list[Graph]:
    return [
        Graph(f"graph-{number}", name, "", stacks, replace(options, title=name, notes=""))
        for number, (name, stacks) in enumerate(graphs.items(), start=1)
        if stacks
    ]


def _by_state(
    graphs: Mapping[str, Mapping[LabelPath, int]],
) -> dict[Lens, dict[LabelPath, int]]:
    """Return all four lenses of the stacks of the lens `task`; nothing for any other stacks."""
    if len(graphs) > 1:
        return {}
    stacks_of: dict[Lens, dict[LabelPath, int]] = {lens: {} for lens in LENSES}
    for stacks in graphs.values():
        stacks_of["task"].update(stacks)
        for stack, count in stacks.items():
            lens = _STATES.get(stack[-1], "busy") if len(stack) > 1 else "busy"
            above = stack if lens == "busy" else stack[:-1]
            stacks_of[lens][above] = stacks_of[lens].get(above, 0) + count
    return stacks_of if stacks_of["idle"] or stacks_of["scheduled"] else {}


def _table(
    graphs: Mapping[str, Mapping[LabelPath, int]],
    states: Mapping[Lens, Mapping[LabelPath, int]],
    options: GraphOptions,
) -> Table:
    """Return sums by state, if the states are known."""
    show = amount_formatter(options.count_name or "", options.factor)
    if not states:
        return _plain_table(graphs, show)
    shown: list[Lens] = [name for name in LENSES if name != "task" and states.get(name)]
    figures = sum_up(
        (stack, Figures()._replace(**{name: count}))
        for name in shown
        for stack, count in states[name].items()
    )
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


def _plain_table(
    graphs: Mapping[str, Mapping[LabelPath, int]], show: Callable[[int], str]
) -> Table:
    """Return the sums of all graphs: of each frame with all that is below it, and without."""
    merged: dict[LabelPath, int] = defaultdict(int)
    for stacks in graphs.values():
        for stack, count in stacks.items():
            merged[stack] += count
    figures = sum_up((stack, Figures(busy=count)) for stack, count in merged.items())
    return make_table(
        figures,
        [
            (Column("Total", "With all stacks below", show), lambda row: row.total),
            (Column("Self", "Without the stacks below", show), lambda row: row.busy),
        ],
    )
