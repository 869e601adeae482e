"""The rows of edges in a profile's JSON file.

A row has the indexes of the frames of the waiter; who has ended the wait, such as ``task``, or
null; the indexes of the frames of the waker, perhaps none; that of the line, or null; and how many
waits, their total and their max.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools.core.edges import WAKERS, Edge, Waited
from tracetools.guest.pace import sorted_at_pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tracetools.core.stacks import Frame, StackPath

__all__ = ["edge_paths", "edge_rows", "parse_edges"]

_ROW: Final = "[[frame, ...], by, [frame, ...], line or null, count, total, max]"


def edge_paths(edges: Mapping[Edge, Waited]) -> Iterator[StackPath]:
    """Yield the paths that edges have."""
    for edge in edges:
        yield edge.waiter
        if edge.waker:
            yield edge.waker
        if edge.line is not None:
            yield (edge.line,)


def edge_rows(edges: Mapping[Edge, Waited], index_of: Mapping[Frame, int]) -> list[list[Any]]:
    """Return a row for each edge, sorted."""
    rows = [
        [
            [index_of[frame] for frame in edge.waiter],
            edge.by,
            [index_of[frame] for frame in edge.waker],
            None if edge.line is None else index_of[edge.line],
            *waited,
        ]
        for edge, waited in edges.items()
    ]
    return sorted_at_pace(rows, key=_order)


def _order(row: list[Any]) -> tuple[Any, ...]:
    waiter, by, waker, line = row[:4]
    return waiter, by or "", waker, -1 if line is None else line


def parse_edges(rows: Iterable[Any], frames: list[Frame], most: int) -> dict[Edge, Waited]:
    """Return the edges of rows.

    Args:
        rows: the rows.
        frames: the frames of the file.
        most: how many frames all paths have together at most.

    Raises:
        ValueError: a row makes no sense, in a few words.
    """
    found: dict[Edge, Waited] = {}
    length = 0
    for index, row in enumerate(rows):
        what = f"edge {index}"
        match row:
            case [[_, *_] as waiter, by, [*waker], line, count, total, longest] if (
                (by is None or (isinstance(by, str) and by in WAKERS))
                and all(map(_is_count, (*waiter, *waker, count, total, longest)))
                and (line is None or _is_count(line))
            ):
                pass
            case _:
                raise ValueError(f"{what} is not {_ROW}")
        if max(*waiter, *waker, line or 0, 0) >= len(frames):
            raise ValueError(f"{what} refers to a frame that is not there")
        length += len(waiter) + len(waker)
        if length > most:
            raise ValueError(f"its edges have more than {most:,} frames")
        edge = Edge(
            tuple([frames[each] for each in waiter]),
            by,
            tuple([frames[each] for each in waker]),
            None if line is None else frames[line],
        )
        if edge in found:
            raise ValueError(f"{what} is there twice")
        found[edge] = Waited(count, total, longest)
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
