"""The table of a report: the time of each task and span, in all stacks together."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_ROWS: Final = 200
"""How many rows a table has at most, the heaviest ones."""


class Column(NamedTuple):
    """A column of numbers: its heading, what the numbers are, and how one is shown."""

    heading: str
    explanation: str
    show: Callable[[int], str]


class Row(NamedTuple):
    """A task's function or a span, with a number for each column; None where there is none."""

    name: str
    cells: tuple[int | None, ...]


class Table(NamedTuple):
    """Columns, rows sorted by one of them, and how many rows were left out."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    sorted_by: int
    left_out: int


class Figures(NamedTuple):
    """The numbers of one label, in all stacks together.

    `total` is the busy time of all stacks that have the label anywhere, each counted once. The
    other numbers are sums over the stacks that end with the label.
    """

    busy: int = 0
    total: int = 0
    scheduled: int = 0
    idle: int = 0
    thread: int = 0
    steps: int = 0
    entries: int = 0

    def plus(self, other: Figures) -> Figures:
        """Return the sums, number by number."""
        return Figures(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def weight(self) -> int:
        """Where there are too many rows, those of the largest weight are shown."""
        return self.total + self.scheduled + self.idle + self.thread


def sum_up(stacks: Iterable[tuple[Iterable[str], Figures]]) -> dict[str, Figures]:
    """Return the figures by label of at least one frame each; `total` is computed from `busy`.

    The root of tracetools' own stacks is left out: its time is the loop's, not a task's.
    """
    own: dict[str, Figures] = {}
    total: dict[str, int] = defaultdict(int)
    for stack, figures in stacks:
        labels = tuple(stack)
        known = own.get(labels[-1])
        own[labels[-1]] = figures if known is None else known.plus(figures)
        if figures.busy:
            for label in {*labels}:
                total[label] += figures.busy
    return {
        label: own.get(label, Figures())._replace(total=total.get(label, 0))
        for label in own.keys() | total.keys()
        if label != ROOT.name
    }


def make_table(
    figures: Mapping[str, Figures],
    columns: Iterable[tuple[Column, Callable[[Figures], int | None]]],
    sorted_by: int = 0,
) -> Table:
    """Return the heaviest rows, sorted by one of the columns, the largest number first."""
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
