"""The numbers of a report: what each task and span took, and how it is shown.

What may live here: sums by label, in whole numbers, and the columns that they stand in. What must
not: markup, and which graphs there are.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import ROOT
from tracetools.output.formats.folded import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tracetools.core.labels import LabelPath
    from tracetools.core.stacks import Frame, StackPath

MAX_ROWS: Final = 200
"""How many tasks and spans a table shows at most: the heaviest."""


class Column(NamedTuple):
    """A column of numbers: its heading, what its numbers are, and how one is shown."""

    heading: str
    explanation: str
    show: Callable[[int], str]


class Row(NamedTuple):
    """A task's function or a span, and a number for each column; None where there is none."""

    name: str
    cells: tuple[int | None, ...]


class Table(NamedTuple):
    """The columns, the rows sorted by one of them, and how many rows were left out."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    sorted_by: int
    left_out: int


class Figures(NamedTuple):
    """What one label took, in all stacks together.

    `busy`, `scheduled`, `idle`, `thread`, `steps` and `entries` are sums over the stacks that end
    with the label; `whole` is the busy time of all stacks that have it anywhere, each counted once.
    """

    busy: int = 0
    whole: int = 0
    scheduled: int = 0
    idle: int = 0
    thread: int = 0
    steps: int = 0
    entries: int = 0

    def plus(self, other: Figures) -> Figures:
        """Add number by number."""
        return Figures(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def weight(self) -> int:
        """What decides which rows are shown where there are too many."""
        return self.whole + self.scheduled + self.idle + self.thread


def clean_stacks(paths: Iterable[StackPath]) -> dict[StackPath, LabelPath]:
    """Give the labels of each stack as a folded file has them."""
    labels: dict[Frame, str] = {}
    stacks: dict[StackPath, LabelPath] = {}
    for path in paths:
        for frame in path:
            if frame not in labels:
                labels[frame] = clean_label(frame.label)
        stacks[path] = tuple([labels[frame] for frame in path])
    return stacks


def sum_up(stacks: Iterable[tuple[LabelPath, Figures]]) -> dict[str, Figures]:
    """Sum the own figures of stacks up by label; `whole` is made here, of `busy`.

    The root of tracetools' own stacks is left out: its time is the loop's, not a task's.
    """
    own: dict[str, Figures] = defaultdict(Figures)
    whole: dict[str, int] = defaultdict(int)
    for stack, figures in stacks:
        own[stack[-1]] = own[stack[-1]].plus(figures)
        for label in set(stack):
            whole[label] += figures.busy
    return {
        label: own[label]._replace(whole=busy)
        for label, busy in whole.items()
        if label != ROOT.name
    }


def make_table(
    figures: Mapping[str, Figures],
    columns: Iterable[tuple[Column, Callable[[Figures], int | None]]],
    sorted_by: int = 0,
) -> Table:
    """Choose the heaviest rows, and sort them by one of the columns, the largest first."""
    columns = tuple(columns)
    heaviest = sorted(figures, key=lambda label: (-figures[label].weight, label))
    rows = [
        Row(label, tuple(read(figures[label]) for _, read in columns))
        for label in heaviest[:MAX_ROWS]
    ]
    rows.sort(key=lambda row: -(row.cells[sorted_by] or 0))
    return Table(
        columns=tuple(column for column, _ in columns),
        rows=tuple(rows),
        sorted_by=sorted_by,
        left_out=len(heaviest) - len(rows),
    )
