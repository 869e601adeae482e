"""The table of a report: the time of each task and span, in all stacks together."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import ALL_WAITING, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tracetools.core.stacks import Frame
    from tracetools.output.nodes import Nodes
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
    tree: Tree, places: Sequence[int], stacks: Nodes, label_of: Callable[[Frame], str]
) -> dict[str, Figures]:
    """Return the figures by label.

    The root of tracetools' own stacks is left out, and where the loop waits for events: that is no
    time of a task.

    Args:
        tree: a tree.
        places: the node of each stack in the tree.
        stacks: these stacks.
        label_of: the label of a frame.
    """
    used = tree.used()
    numbers: dict[str, int] = {}
    number_of = {frame: numbers.setdefault(label_of(frame), len(numbers)) for frame in used}
    by_index = [number_of.get(frame, 0) for frame in tree.frames]
    labels = [_ROOTS, *map(by_index.__getitem__, tree.last[1:])]
    ends = [labels[node] for node in places]
    below = [0] * len(tree)
    for node, busy in zip(places, stacks.busy, strict=True):
        below[node] += busy
    nodes = zip(reversed(tree.parents), reversed(below), strict=True)
    for parent, busy in islice(nodes, len(below) - 1):
        below[parent] += busy
    totals = [0] * (len(numbers) + 1)
    for node in _outermost(labels, tree.parents):
        totals[labels[node]] += below[node]
    columns = [
        _sums(ends, stacks.busy, len(totals)),
        totals,
        *(
            _sums(ends, column, len(totals))
            for column in (
                stacks.scheduled,
                stacks.idle,
                stacks.thread,
                stacks.steps,
                stacks.entries,
            )
        ),
    ]
    figures = dict(zip(numbers, map(Figures._make, zip(*columns, strict=True)), strict=False))
    for frame in (ROOT, *ALL_WAITING):
        figures.pop(frame.label, None)
    return figures


_ROOTS: Final = -1
"""The number of the label of the root of a tree, which has none."""


def _sums(ends: Sequence[int], numbers: Sequence[int], count: int) -> list[int]:
    """Return the sums of the numbers of stacks by the labels that they end with."""
    sums = [0] * count
    if any(numbers):
        for label, number in zip(ends, numbers, strict=True):
            sums[label] += number
    return sums


def _outermost(labels: Sequence[int], parents: Sequence[int]) -> Iterator[int]:
    """Yield the nodes but the root whose label no node above them has.

    The nodes above one are kept from it to the next, for mostly that comes right after its parent,
    or after what is below its siblings.
    """
    above, is_above = [0], [True] + [False] * (len(labels) - 1)
    times = [0] * (max(labels) + 2)
    for node in range(1, len(labels)):
        ends = [node]
        while not is_above[parents[ends[-1]]]:
            ends.append(parents[ends[-1]])
        parent = parents[ends[-1]]
        while above[-1] != parent:
            left = above.pop()
            is_above[left] = False
            times[labels[left]] -= 1
        while ends:
            parent = ends.pop()
            above.append(parent)
            is_above[parent] = True
            times[labels[parent]] += 1
        if times[labels[node]] == 1:
            yield node


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
