"""Who woke whom: each wait ends because somebody acts, and is counted for who that was.

The lens ``chain`` shows what waits, and on top of it the stack of who ended the wait, as Gregg's
chain graphs do; here the stack of the waker is not upside down, so that tasks stay together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

from tracetools.core.stacks import ROOT, Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracetools.core.stacks import StackPath

__all__ = [
    "BY_NOBODY",
    "UNKNOWN",
    "WAKERS",
    "Edge",
    "Waited",
    "Waker",
    "chain",
    "merged_edges",
    "waited_by_path",
]

Waker: TypeAlias = Literal["task", "callback", "timer", "thread", "loop"]
"""Who makes a task ready: a task; a callback; a timer of the loop; another thread; or the loop, for
an event of the system or a reason that is not known."""

WAKERS: Final[tuple[Waker, ...]] = get_args(Waker)

UNKNOWN: Final = Frame("[unknown]", "")
"""What is not known in a graph."""

BY_NOBODY: Final = (UNKNOWN, *(Frame(f"[{waker}]", "") for waker in WAKERS))
"""The frames of those who have ended waits and have no stack."""


class Edge(NamedTuple):
    """Who waited, and who ended that.

    Attributes:
        waiter: the path of the await; if it has no name, that of the task or its innermost span.
        by: who has acted; ``None`` if that is not known, or if the wait had not ended.
        waker: the path of what the waker did; empty if that is not known.
        line: the line of the program's own code at which it was; ``None`` if that is not known.
    """

    waiter: StackPath
    by: Waker | None
    waker: StackPath = ()
    line: Frame | None = None


class Waited(NamedTuple):
    """Waits that were ended alike.

    Attributes:
        count: how many have ended.
        total: how long they took together, in nanoseconds.
        max: how long the longest took that has ended.
    """

    count: int = 0  # type: ignore[assignment]  # tuples have a method of that name, of no use here
    total: int = 0
    max: int = 0

    def plus(self, other: Waited) -> Waited:
        """Return both together."""
        return Waited(self.count + other.count, self.total + other.total, max(self.max, other.max))


def merged_edges(some: Iterable[Mapping[Edge, Waited]]) -> dict[Edge, Waited]:
    """Add up. Associative and commutative."""
    found: dict[Edge, Waited] = {}
    for each in some:
        for edge, waited in each.items():
            found[edge] = found.get(edge, Waited()).plus(waited)
    return found


def waited_by_path(edges: Mapping[Edge, Waited]) -> dict[StackPath, int]:
    """Return how long each path has waited, in nanoseconds."""
    found: dict[StackPath, int] = {}
    for edge, waited in edges.items():
        found[edge.waiter] = found.get(edge.waiter, 0) + waited.total
    return found


def chain(edges: Mapping[Edge, Waited]) -> dict[StackPath, int]:
    """Return nanoseconds by path, for a graph: the waker's stack stands on the waiter's.

    What is no task, and has no stack, is a frame such as ``[timer]``. The function and the line at
    which the waker was are a frame as well, on top.
    """
    found: dict[StackPath, int] = {}
    for edge, waited in edges.items():
        path = edge.waiter + _shown(edge)
        found[path] = found.get(path, 0) + waited.total
    return found


def _shown(edge: Edge) -> StackPath:
    path = edge.waker[edge.waker[:1] == (ROOT,) :]
    if not path:
        path = (UNKNOWN if edge.by is None else Frame(f"[{edge.by}]", ""),)
    return path if edge.line is None else (*path, edge.line)
