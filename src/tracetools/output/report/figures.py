"""The table of a report: the time of each task and span, in all stacks together."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import ROOT, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tracetools.output.report.tree import Tree

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


class FiguresOfNodes(NamedTuple):
    """The figures of the stacks of a tree, and the labels of its frames."""

    tree: Tree
    figures: Iterable[tuple[int, Figures]]
    label_of: Callable[[Frame], str]


def sum_up(trees: Iterable[FiguresOfNodes]) -> dict[str, Figures]:
    """Return the figures by label; `total` is computed from `busy`.

    The root of tracetools' own stacks is left out: its time is the loop's, not a task's.
    """
    sums: dict[str, Figures] = defaultdict(Figures)
    for one in trees:
        _add_tree(sums, one)
    sums.pop(ROOT.name, None)
    return dict(sums)


def _add_tree(sums: dict[str, Figures], one: FiguresOfNodes) -> None:
    frames, parents = one.tree.frames, one.tree.parents
    texts: dict[str, str] = {}  # so that equal labels are one object
    label_of = {
        frame: texts.setdefault(label, label)
        for frame in {*frames}
        for label in [one.label_of(frame)]
    }
    labels = [label_of[frame] for frame in frames]
    below = [0] * len(frames)
    for node, figures in one.figures:
        below[node] += figures.busy
        if node:
            known = sums.get(labels[node])
            sums[labels[node]] = figures if known is None else known.plus(figures)
    for node in range(len(frames) - 1, 0, -1):
        below[parents[node]] += below[node]
    totals: dict[str, int] = defaultdict(int)
    for node in range(1, len(frames)):
        if not _is_repeated(node, labels, parents):
            totals[labels[node]] += below[node]
    for label, total in totals.items():
        sums[label] = sums[label]._replace(total=sums[label].total + total)


def _is_repeated(node: int, labels: list[str], parents: list[int]) -> bool:
    """Return whether a stack has the label of its innermost frame further out as well."""
    label = labels[node]
    node = parents[node]
    while node:
        if labels[node] is label:
            return True
        node = parents[node]
    return False


def make_table(
    figures: Mapping[str, Figures],
    columns: Iterable[tuple[Column, Callable[[Figures], int | None]]],
    sorted_by: int = 0,
) -> Table:
    """Return the heaviest rows, sorted by one of the columns, the largest number first.

    Rows of zeros are left out.
    """
    columns = tuple(columns)
    shown = [label for label, each in figures.items() if any(each)]
    heaviest = sorted(shown, key=lambda label: (-figures[label].weight, label))
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
