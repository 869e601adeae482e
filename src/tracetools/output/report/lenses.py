"""The graphs of the four lenses in a report: their headings, explanations and options."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tracetools.output.flamegraph.marks import NO_MARKS
from tracetools.output.report.page import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetools.core.labels import LabelPath
    from tracetools.core.profile import Lens
    from tracetools.output.flamegraph.marks import Marks
    from tracetools.output.flamegraph.options import GraphOptions

ORDER: Final[tuple[Lens, ...]] = ("task", "busy", "idle", "scheduled")
"""The order in which a report shows them. It opens with the first one that has any time."""

_WORDS: Final[dict[Lens, tuple[str, str]]] = {
    "task": (
        "Task",
        (
            "All time of all tasks: busy as the stack itself, idle and scheduled as its leaves"
            " [idle] and [scheduled]."
        ),
    ),
    "busy": (
        "Busy",
        (
            "Where tasks kept the loop busy. The root's own time is the loop's waiting and"
            " overhead, where it is known. The time of worker threads comes on top."
        ),
    ),
    "idle": (
        "Idle",
        (
            "Where tasks waited for something. This is the tasks' time: a hundred tasks that wait"
            " for a second make a hundred seconds."
        ),
    ),
    "scheduled": (
        "Scheduled",
        (
            "Where tasks could step and did not yet. Long times mean that other tasks blocked the"
            " loop."
        ),
    ),
}

_NOTHING: Final[Mapping[Lens, Marks]] = MappingProxyType({})


def graphs_with_time(
    stacks_of: Mapping[Lens, Mapping[LabelPath, int]],
    options: GraphOptions,
    marks_of: Mapping[Lens, Marks] = _NOTHING,
) -> list[Graph]:
    """Return a graph for each lens that has any time."""
    return [
        Graph(
            name,
            *_WORDS[name],
            stacks,
            _options(name, _WORDS[name][0], options),
            marks_of.get(name, NO_MARKS),
        )
        for name in ORDER
        if (stacks := stacks_of.get(name, {}))
    ]


def _options(name: Lens, heading: str, options: GraphOptions) -> GraphOptions:
    """Return the options of a graph. Without others, the lens `task` has colours by state."""
    colors = options.colors or ("lens" if name == "task" else "hot")
    return replace(options, title=heading, notes="", colors=colors)
