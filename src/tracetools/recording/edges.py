"""Makes edges with paths of what tables of edges have in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.core.edge_table import (
    BY_CALLBACK,
    BY_CHILD,
    BY_LOOP,
    BY_OTHER,
    BY_TASK,
    BY_THREAD,
    BY_TIMER,
    BY_UNKNOWN,
    MOST_EDGES,
    rows_of,
)
from tracetools.core.edges import Edge, Waited, waited_by_path
from tracetools.core.stacks import OTHER, stack_path
from tracetools.core.wake_sites import frame_of_site
from tracetools.timelines.wakers import is_for_children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tracetools.core.edges import Waker
    from tracetools.core.stacks import Frame, Stack, StackPath, Times

__all__ = ["EdgeSums", "edges_by_path"]

_BY: Final[dict[int, Waker | None]] = {
    BY_UNKNOWN: None,
    BY_TASK: "task",
    BY_CALLBACK: "callback",
    BY_LOOP: "loop",
    BY_TIMER: "timer",
    BY_THREAD: "thread",
    BY_CHILD: "task",
    BY_OTHER: None,
}


_SLEEP: Final = "await sleep"


class EdgeSums:
    """Adds up the edges of loops that have ended."""

    def __init__(self) -> None:
        self._edges: dict[tuple[int, int, int, int], Waited] = {}

    def add(self, packed: bytes) -> None:
        """Add the edges of a loop; see `EdgeTable.packed`."""
        for row in rows_of(packed):
            key = row[:4]
            if key not in self._edges and len(self._edges) >= MOST_EDGES:
                key = row.waiter, 0, 0, BY_OTHER
            more = Waited(row.count, row.total, row.max)
            self._edges[key] = self._edges.get(key, Waited()).plus(more)

    def rows(self) -> dict[tuple[int, int, int, int], Waited]:
        """Return them: the first four columns of an `EdgeRow`, with the others."""
        return self._edges.copy()

    def copy(self) -> EdgeSums:
        """Return sums that can be added to without a change of these."""
        copied = EdgeSums()
        copied._edges = self._edges.copy()
        return copied


def edges_by_path(
    sums: EdgeSums,
    trees: Iterable[Iterable[Stack]],
    shorten: Callable[[Frame], Frame],
    stacks: Mapping[StackPath, Times],
) -> dict[Edge, Waited]:
    """Return edges with paths, which make up the idle time of each stack.

    Waits that have not ended, or whose end nobody has seen, are by nobody.

    Args:
        sums: the edges.
        trees: all stacks.
        shorten: returns a frame as it is shown.
        stacks: the numbers of the profile.
    """
    paths = _Paths(trees, shorten)
    found: dict[Edge, Waited] = {}
    for key, waited in sums.rows().items():
        edge = paths.edge(key)
        found[edge] = found.get(edge, Waited()).plus(waited)
    known = waited_by_path(found)
    for path, times in stacks.items():
        rest = times.idle - known.get(path, 0)
        if rest > 0:
            edge = Edge(path, None)
            found[edge] = found.get(edge, Waited()).plus(Waited(0, rest))
    return found


class _Paths:
    """The paths of stacks by their numbers."""

    def __init__(self, trees: Iterable[Iterable[Stack]], shorten: Callable[[Frame], Frame]) -> None:
        self._stacks = {stack.number: stack for stacks in trees for stack in stacks}
        self._shorten = shorten
        self._paths: dict[int, StackPath] = {0: ()}
        self._lines: dict[int, Frame | None] = {0: None}

    def _of(self, number: int) -> StackPath:
        path = self._paths.get(number)
        if path is None:
            stack = self._stacks.get(number)
            shown = () if stack is None else tuple(map(self._shorten, stack_path(stack)))
            path = self._paths[number] = shown
        return path

    def _line(self, site: int) -> Frame | None:
        if site not in self._lines:
            frame = frame_of_site(site)
            self._lines[site] = None if frame is None else self._shorten(frame)
        return self._lines[site]

    def edge(self, key: tuple[int, int, int, int]) -> Edge:
        """Return an edge, of the first four columns of a row."""
        waiter, waker, site, kind = key
        path = self._of(waiter)
        if kind == BY_OTHER:
            return Edge(path, None, (OTHER,))
        if kind == BY_CHILD and not is_for_children(path):
            return Edge(path, "callback" if site else "loop", self._of(site))
        if kind == BY_LOOP and path[-1:] and path[-1].name == _SLEEP:
            return Edge(path, "timer")  # the timers of uvloop are not seen
        line = self._line(site) if kind in {BY_TASK, BY_CALLBACK} else None
        return Edge(path, _BY.get(kind), self._of(waker), line)
