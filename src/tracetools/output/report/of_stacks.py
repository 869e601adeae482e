"""The report of folded stacks, which say less than a profile: no steps, no entries, no start.

What may live here: stacks and counts to a `Report`. What must not: markup, and files.
"""

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
    """Give the page of folded stacks, one graph for each name.

    One graph alone that has leaves ``[idle]`` or ``[scheduled]``, as the lens ``task`` writes them,
    is shown through all four lenses. Stacks have positive counts, and there is at least one.
    Without a title in the options, it is the names.
    """
    return write_page(
        make_report(graphs, options), nonce=options.nonce, no_javascript=options.no_javascript
    )


def make_report(graphs: Mapping[str, Mapping[LabelPath, int]], options: GraphOptions) -> Report:
    """Say what the page of folded stacks shows."""
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
    """Take the lens `task` apart into all four; nothing, if what is given is not that lens."""
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
    """Sum up by state where states are known, and else each graph for itself."""
    show = amount_formatter(options.count_name or "", options.factor)
    if not states:
        return _plain_table(graphs, show)
    seen: list[Lens] = [name for name in LENSES if name != "task" and states.get(name)]
    figures = sum_up(
        (stack, Figures()._replace(**{name: count}))
        for name in seen
        for stack, count in states[name].items()
    )
    return make_table(figures, _columns(seen, show))


def _columns(
    seen: Collection[Lens], show: Callable[[int], str]
) -> Iterator[tuple[Column, Callable[[Figures], int | None]]]:
    if "busy" in seen:
        yield Column("Busy, all", "Busy time with what stands below", show), lambda row: row.whole
        yield Column("Busy", "Busy time of its own", show), lambda row: row.busy
    if "scheduled" in seen:
        yield Column("Scheduled", "Waiting for a turn", show), lambda row: row.scheduled
    if "idle" in seen:
        yield Column("Idle", "Waiting for something", show), lambda row: row.idle


def _plain_table(
    graphs: Mapping[str, Mapping[LabelPath, int]], show: Callable[[int], str]
) -> Table:
    """Add graphs up: what each frame has with what stands below it, and of its own."""
    merged: dict[LabelPath, int] = defaultdict(int)
    for stacks in graphs.values():
        for stack, count in stacks.items():
            merged[stack] += count
    figures = sum_up((stack, Figures(busy=count)) for stack, count in merged.items())
    return make_table(
        figures,
        [
            (Column("All", "With what stands below", show), lambda row: row.whole),
            (Column("Own", "Without what stands below", show), lambda row: row.busy),
        ],
    )
