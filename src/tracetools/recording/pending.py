"""What waits to be kept: so much at most, and of each name its share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from tracetools.core.stacks import Frame
    from tracetools.recording.triggers import Fired, Why

    Name: TypeAlias = tuple[Why, Frame | None, str]
    """What is kept apart: why, the span or the task, and the type of an error or the signal."""

    _Error: TypeAlias = tuple[int, int, int]

__all__ = ["Pending", "fair_share"]


class Pending:
    """What waits to be kept, by name. A name of which much waits pushes out no other one.

    Args:
        most: how many wait at most, of all names.

    Attributes:
        skipped: how many were forgotten, for there were too many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[Name, list[Fired]] = {}
        self._errors: dict[_Error, tuple[Name, Fired]] = {}
        self._count = 0
        self.skipped = 0

    def __len__(self) -> int:
        return self._count

    def add(self, name: Name, fired: Fired) -> None:
        """Add one more. An error that goes through several spans counts for the outermost one."""
        if fired.why == "error":
            self._forget_inner(fired)
            self._errors[_error_of(fired)] = name, fired
        self._found.setdefault(name, []).append(fired)
        self._count += 1
        if self._count > 2 * self._most:
            self.bound()

    def _forget_inner(self, outer: Fired) -> None:
        """Forget the error that the same exception was in a span within another one."""
        name, inner = self._errors.get(_error_of(outer), (None, outer))
        if name is not None and inner.is_within(outer) and inner in self._found.get(name, ()):
            self._found[name].remove(inner)
            self._count -= 1

    def bound(self) -> None:
        """Forget the least of those names of which most wait, until no more than `most` do."""
        if self._count <= self._most:
            return
        share = fair_share([len(found) for found in self._found.values()], self._most)
        for name, found in list(self._found.items()):
            if len(found) > share:
                found.sort(key=_rank)
                del found[: len(found) - share]
            if not found:
                del self._found[name]
        left = sum(map(len, self._found.values()))
        self.skipped += self._count - left
        self._count = left

    def take(self, is_complete: Callable[[Fired], bool]) -> list[tuple[Name, Fired]]:
        """Take those of which is known what came after them: first the worst one of each name."""
        taken: list[tuple[int, Name, Fired]] = []
        waiting: dict[Name, list[Fired]] = {}
        for name, found in self._found.items():
            complete = sorted(filter(is_complete, found), key=_rank, reverse=True)
            taken += [(place, name, fired) for place, fired in enumerate(complete)]
            if len(complete) < len(found):
                waiting[name] = [fired for fired in found if not is_complete(fired)]
        self._found = waiting
        self._count -= len(taken)
        if not waiting:
            self._errors.clear()
        taken.sort(key=lambda each: (each[0], -each[2].latency))
        return [(name, fired) for _, name, fired in taken]

    def clear(self) -> None:
        """Forget all."""
        self.skipped += self._count
        self._found.clear()
        self._errors.clear()
        self._count = 0


def fair_share(sizes: list[int], most: int) -> int:
    """Return the largest share such that no more than `most` are left, if each has so much at most.

    Who wants less leaves the rest to the others.
    """
    left, wanting = most, len(sizes)
    for size in sorted(sizes):
        if size * wanting > left:
            return left // wanting
        left -= size
        wanting -= 1
    return max(sizes, default=0)


def _rank(fired: Fired) -> int:
    return fired.rank


def _error_of(fired: Fired) -> _Error:
    return fired.loop, fired.task, fired.error
