"""Stacks as a call tree, and as a table of frames, on a terminal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.commands.terminal.screen import PLAIN, printable
from tracetools.core.stacks import Frame
from tracetools.output.answers.gathering import part_of
from tracetools.output.answers.words import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tracetools.commands.terminal.screen import Style
    from tracetools.core.stacks import StackPath, Times

__all__ = ["COLUMNS", "Row", "rows_of", "table_lines", "tree_lines"]

COLUMNS: Final = ("total", "self", "idle", "scheduled", "thread", "steps", "entries")
"""What a table can be sorted by."""

_LEAST_SHARE: Final = 0.001
"""Rows with less than this part of all are left out."""

_OF_LENS: Final = ("total", "self")
_AMOUNTS: Final = ("total", "self", "idle", "scheduled", "thread")


# -- the tree --------------------------------------------------------------------------------------


@dataclass
class _Node:
    """A frame of the tree, with what it has in all."""

    total: int = 0
    children: dict[Frame, _Node] = field(default_factory=lambda: defaultdict(_Node))


def tree_lines(
    numbers: Mapping[StackPath, int],
    show: Callable[[int], str],
    *,
    limit: int | None = None,
    style: Style = PLAIN,
) -> list[str]:
    """Return a call tree, the heaviest child first: total, share, and the frame.

    Args:
        numbers: the number of each stack itself.
        show: returns a number with its unit.
        limit: how many frames there are at most, the heaviest ones.
        style: how to show it.
    """
    root = _Node()
    for path, number in numbers.items():
        root.total += number
        node = root
        for frame in path:
            node = node.children[frame]
            node.total += number
    least = max(1, _LEAST_SHARE * root.total)
    found = [(node.total, depth, frame) for depth, frame, node in _walk(root, least)]
    kept = _heaviest(found, limit)
    lines = []
    for index in kept:
        total, depth, frame = found[index]
        share = percent(part_of(total, root.total))
        numbers_shown = f"{show(total):>10}  {share:>5}  "
        lines.append(f"{style('dim', numbers_shown)}{'  ' * depth}{printable(frame.label)}")
    if more := len(found) - len(kept):
        lines.append(f"... and {more:,} more frames: --limit shows them")
    return lines


def _walk(root: _Node, least: float) -> Iterable[tuple[int, Frame, _Node]]:
    """Yield all frames with their depth, each before those below it."""
    todo = [(0, frame, node) for frame, node in _by_weight(root)]
    while todo:
        depth, frame, node = todo.pop()
        if node.total >= least:
            yield depth, frame, node
            todo += [(depth + 1, below, child) for below, child in _by_weight(node)]


def _by_weight(node: _Node) -> list[tuple[Frame, _Node]]:
    """Return the children, the lightest first."""
    children = node.children.items()
    return sorted(children, key=lambda item: (-item[1].total, item[0].label), reverse=True)


def _heaviest(found: list[tuple[int, int, Frame]], limit: int | None) -> list[int]:
    """Return the indexes of the heaviest frames, in their order.

    None is without that above it, which is at least as heavy.
    """
    if limit is None or len(found) <= limit:
        return [*range(len(found))]
    heaviest = sorted(range(len(found)), key=lambda index: (-found[index][0], index))
    return sorted(heaviest[:limit])


# -- the table -------------------------------------------------------------------------------------


class Row(NamedTuple):
    """The numbers of one frame, wherever it stands.

    Attributes:
        frame: the frame.
        total: with all that is below it; a frame that stands twice in a stack counts once.
        self: without what is below it.
        idle, scheduled, thread: time in that state, without what is below.
        steps: steps that ended there.
        entries: how many tasks were spawned or spans opened.
    """

    frame: Frame
    total: int = 0
    self: int = 0
    idle: int = 0
    scheduled: int = 0
    thread: int = 0
    steps: int = 0
    entries: int = 0


def rows_of(
    numbers: Mapping[StackPath, int], times: Mapping[StackPath, Times], sort: str
) -> list[Row]:
    """Return a row for each frame, sorted by a column, the largest number first.

    Args:
        numbers: the number of each stack itself, for `total` and `self`.
        times: the numbers of a profile, for the other columns.
        sort: one of `COLUMNS`.
    """
    rows: dict[Frame, Row] = {}
    for path, number in numbers.items():
        for frame in dict.fromkeys(path):
            row = rows.get(frame) or Row(frame)
            rows[frame] = row._replace(total=row.total + number)
        if path:
            row = rows[path[-1]]
            rows[path[-1]] = row._replace(self=row.self + number)
    for path, each in times.items():
        if path:
            row = rows.get(path[-1]) or Row(path[-1])
            rows[path[-1]] = row._replace(
                idle=row.idle + each.idle,
                scheduled=row.scheduled + each.scheduled,
                thread=row.thread + each.thread,
                steps=row.steps + each.steps,
                entries=row.entries + each.entries,
            )
    return sorted(rows.values(), key=lambda row: (-getattr(row, sort), -row.total, row.frame.label))


def table_lines(
    rows: Iterable[Row],
    show: Callable[[int], str],
    *,
    whole: int,
    sort: str,
    limit: int,
) -> list[str]:
    """Return rows as lines, with a heading. Columns without any number are left out.

    Args:
        rows: in the order in which they are shown.
        show: returns a number with its unit.
        whole: what shares are parts of.
        sort: the column that rows are sorted by; rows without a number there are left out.
        limit: how many rows there are at most.
    """
    found = [row for row in rows if _is_worth_a_row(row, sort, whole)]
    chosen = found[:limit]
    columns = [name for name in COLUMNS if any(getattr(row, name) for row in chosen)]
    share = sort if sort in _AMOUNTS else "total"
    parts_of = whole if share in _OF_LENS else sum(getattr(row, share) for row in found)
    heading = "".join(f"{name:>11}" for name in columns)
    lines = [f"{heading}  {f'% {share}':>11}  frame"]
    for row in chosen:
        cells = "".join(f"{_cell(row, name, show):>11}" for name in columns)
        part = percent(part_of(getattr(row, share), parts_of))
        lines.append(f"{cells}  {part:>11}  {printable(row.frame.label)}")
    if more := len(found) - len(chosen):
        lines.append(f"... and {more:,} more rows: --limit shows them")
    return lines


def _cell(row: Row, name: str, show: Callable[[int], str]) -> str:
    value: int = getattr(row, name)
    if not value:
        return ""
    return show(value) if name in _AMOUNTS else f"{value:,}"


def _is_worth_a_row(row: Row, sort: str, whole: int) -> bool:
    value: int = getattr(row, sort)
    return value > 0 and (sort not in _OF_LENS or value >= _LEAST_SHARE * whole)
