"""Who ended which waits, added up while loops run.

Stacks and lines of code are numbers here; `recording/edges` makes `Edge`s of them. This is the
reference of `native/edges.c`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "BY_CALLBACK",
    "BY_CHILD",
    "BY_LOOP",
    "BY_OTHER",
    "BY_TASK",
    "BY_THREAD",
    "BY_TIMER",
    "BY_UNKNOWN",
    "MOST_EDGES",
    "EdgeRow",
    "EdgeTable",
    "rows_of",
]

(
    BY_UNKNOWN,
    BY_TASK,
    BY_CALLBACK,
    BY_LOOP,
    BY_TIMER,
    BY_THREAD,
    BY_CHILD,
    BY_OTHER,
) = range(8)
"""Who has ended a wait:

- nobody who was seen;
- a task; the stack is what it did, the site its line;
- a callback, likewise;
- the loop: for an event of the system, or for a reason that is not known;
- a timer of the loop;
- a thread that has worked for the task; the stack is that of its work;
- the loop or a callback, after a child of the task has exited: if the task has waited for its
  children, the child has ended that. The stack is the child's, and the site is the stack of the
  callback, if it was one;
- somebody, when the table was full.
"""

MOST_EDGES: Final = 20_000
"""So many edges of a loop are told apart; then each stack has one more for all others."""

_LAYOUT: Final = struct.Struct("=IIIIqqq")


class EdgeRow(NamedTuple):
    """How often a stack has waited for somebody, and for how long.

    Attributes:
        waiter: the number of the stack that has waited.
        waker: the number of a stack; 0 for none.
        site: the number of a line of code, or of a stack; 0 for none.
        kind: who it was, such as `BY_TASK`.
        count: how many waits.
        total: how long they took together, in nanoseconds.
        max: how long the longest took.
    """

    waiter: int
    waker: int
    site: int
    kind: int
    count: int  # type: ignore[assignment]  # tuples have a method of that name, of no use here
    total: int
    max: int


@accelerated
class EdgeTable:
    """How often and how long stacks have waited for whom.

    Args:
        most: how many edges are told apart.
    """

    __slots__ = ("_edges", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._edges: dict[tuple[int, int, int, int], tuple[int, int, int]] = {}

    def add(self, waiter: int, waker: int, site: int, kind: int, time: int) -> None:
        """Add a wait that has ended."""
        key = waiter, waker, site, kind
        if key not in self._edges and len(self._edges) >= self._most:
            key = waiter, 0, 0, BY_OTHER
        count, total, longest = self._edges.get(key, (0, 0, 0))
        self._edges[key] = count + 1, total + time, max(longest, time)

    def packed(self) -> bytes:
        """Return all of it; see `rows_of`."""
        return b"".join([_LAYOUT.pack(*key, *edge) for key, edge in self._edges.copy().items()])


def rows_of(packed: bytes) -> Iterator[EdgeRow]:
    """Yield what `EdgeTable.packed` has returned."""
    return map(EdgeRow._make, _LAYOUT.iter_unpack(packed))
