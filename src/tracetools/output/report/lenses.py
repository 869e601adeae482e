"""What the four lenses are called in a report, and what they say of themselves.

What may live here: words, and which option each graph is drawn with. What must not: numbers.
"""

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
"""In which order a report shows them; it opens with the first that has any time."""

_WORDS: Final[dict[Lens, tuple[str, str]]] = {
    "task": (
        "Task",
        (
            "All time of all tasks: busy as the stack itself, waiting as its leaf [idle], waiting"
            " for a turn as its leaf [scheduled]."
        ),
    ),
    "busy": (
        "Busy",
        (
            "Where tasks kept the loop busy. The loop's own waiting and overhead, where it is"
            " known, stands on the root; worker threads come on top."
        ),
    ),
    "idle": (
        "Idle",
        (
            "Where tasks waited for something. It is the tasks' time: a hundred tasks that wait for"
            " a second make a hundred seconds."
        ),
    ),
    "scheduled": (
        "Scheduled",
        (
            "Where tasks could step and had to wait for their turn: long times mean that others"
            " held the loop."
        ),
    ),
}

_NOTHING: Final[Mapping[Lens, Marks]] = MappingProxyType({})


def graphs_with_time(
    stacks_of: Mapping[Lens, Mapping[LabelPath, int]],
    options: GraphOptions,
    marks_of: Mapping[Lens, Marks] = _NOTHING,
) -> list[Graph]:
    """Make a graph of each lens that has any time."""
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
    """Draw all time of tasks by its state, unless other colours were asked for."""
    colors = options.colors or ("lens" if name == "task" else "hot")
    return replace(options, title=heading, notes="", colors=colors)
