"""The table of a report: the time of each task and span, in all stacks together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import ALL_WAITING, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tracetools.core.stacks import Frame, Times
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

    @property
    def weight(self) -> int:
        """Where there are too many rows, those of the largest weight are shown."""
        return self.total + self.scheduled + self.idle + self.thread


def sum_up(
    tree: Tree, stacks: Iterable[tuple[int, Times]], label_of: Callable[[Frame], str]
) -> dict[str, Figures]:
    """Return the figures by label.

    The root of tracetools' own stacks is left out, and where the loop waits for events: that is no
    time of a task.

    Args:
        tree: a tree.
        stacks: the numbers of its nodes.
        label_of: the label of a frame.
    """
    labels = _labels(tree.frames, label_of)
    sums: dict[str, list[int]] = {label: [0] * len(Figures._fields) for label in {*labels[1:]}}
    below = [0] * len(labels)
    for node, times in stacks:
        below[node] += times.busy
        if node:
            row = sums[labels[node]]
            row[0] += times.busy
            row[2] += times.scheduled
            row[3] += times.idle
            row[4] += times.thread
            row[5] += times.steps
            row[6] += times.entries
    for node in range(len(labels) - 1, 0, -1):
        below[tree.parents[node]] += below[node]
    for node in range(1, len(labels)):
        if below[node] and not _is_repeated(node, labels, tree.parents):
            sums[labels[node]][1] += below[node]
    for frame in (ROOT, *ALL_WAITING):
        sums.pop(frame.label, None)
    return {label: Figures(*row) for label, row in sums.items()}


def _labels(frames: list[Frame], label_of: Callable[[Frame], str]) -> list[str]:
    """Return the labels of frames; equal ones are one object."""
    texts: dict[str, str] = {}
    label_of_frame = {
        frame: texts.setdefault(label, label) for frame in {*frames} for label in [label_of(frame)]
    }
    return [label_of_frame[frame] for frame in frames]


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
