"""The stacks of a profile in rows, as a file has them: without paths, which most readers need not.

A path of 20 frames takes 20 hashes to find, and lies far from the next one. What is known of a
stack by its parent and its last frame is found row by row, in columns of numbers.
"""

from __future__ import annotations

from array import array
from functools import partial
from typing import TYPE_CHECKING, Any

from tracetools.core.made_later import MadeLater
from tracetools.core.stacks import StackPath, Times

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tracetools.core.stacks import Frame

__all__ = ["NO_PARENT", "StackRows", "compact"]

NO_PARENT = -1
"""The parent of an outermost stack."""


def compact(numbers: Sequence[int]) -> Sequence[int]:
    """Return whole numbers side by side in memory, unless one of them takes more than 64 bits.

    A loop over a list waits for the objects in it, which lie far apart.
    """
    try:
        return array("q", numbers)
    except OverflowError:
        return numbers


class StackRows(MadeLater[StackPath, Times]):
    """Stacks in rows, each after its parent. As a mapping, they are made when they are needed.

    Attributes:
        frames: the distinct frames.
        last: the last frame of each stack, by its index.
        parents: the row of the parent of each stack, or `NO_PARENT`.
        depths: how many frames each stack has.
        columns: the numbers of all stacks, a column for each of `Times`.

    Raises:
        ValueError: a stack is there twice.
    """

    __slots__ = ("_index_of", "_row_of", "columns", "depths", "frames", "last", "parents")

    def __init__(
        self,
        frames: Sequence[Frame],
        last: Sequence[int],
        parents: Sequence[int],
        columns: Sequence[Sequence[int]],
    ) -> None:
        self.frames = frames
        self.last = compact(last)
        self.parents = compact(parents)
        self.columns = [*map(compact, columns)]
        # A method of its own would keep it in memory until garbage is collected.
        super().__init__(partial(_mapping, frames, self.last, self.parents, self.columns))
        count = len(frames)
        keys = [parent * count + frame for parent, frame in zip(parents, last, strict=True)]
        self._row_of = dict(zip(keys, range(len(keys)), strict=True))
        if len(self._row_of) < len(keys):
            raise ValueError("a stack is there twice")
        self._index_of: dict[Frame, int] = {}
        depths = [0]  # of no parent; so those of rows are one further on
        for parent in parents:
            depths.append(depths[parent + 1] + 1)
        self.depths = compact(depths[1:])

    def path(self, row: int) -> StackPath:
        """Return the path of a row."""
        frames: list[Frame] = []
        while row != NO_PARENT:
            frames.append(self.frames[self.last[row]])
            row = self.parents[row]
        return tuple(reversed(frames))

    def row(self, path: object) -> int | None:
        """Return the row of a path; None if it has none."""
        if not isinstance(path, tuple) or not path:
            return None
        if not self._index_of:
            self._index_of = {frame: index for index, frame in enumerate(self.frames)}
        found: int | None = NO_PARENT
        for frame in path:
            index = self._index_of.get(frame)
            if index is None or found is None:
                return None
            found = self._row_of.get(found * len(self.frames) + index)
        return found

    def busy_by_top(self) -> dict[Frame | None, int]:
        """Return the busy time by the frame below the root; that of roots has None."""
        none = len(self.frames)
        tops: list[int] = []
        for parent, frame, depth in zip(self.parents, self.last, self.depths, strict=True):
            tops.append(none if depth == 1 else frame if depth == 2 else tops[parent])  # noqa: PLR2004
        sums = [0] * (none + 1)
        for top, busy in zip(tops, self.columns[0], strict=True):
            sums[top] += busy
        found: dict[Frame | None, int] = dict(zip(self.frames, sums, strict=False))
        found[None] = sums[none]
        return found

    def busy_of(self, frames: Collection[Frame]) -> int:
        """Return the busy time of all stacks that end in one of some frames."""
        wanted = {index for index, frame in enumerate(self.frames) if frame in frames}
        if not wanted:
            return 0
        stacks: Iterable[tuple[int, int]] = zip(self.last, self.columns[0], strict=True)
        return sum(busy for frame, busy in stacks if frame in wanted)

    def __len__(self) -> int:
        return len(self.parents)

    def __contains__(self, key: object) -> bool:
        return self.row(key) is not None

    def __getitem__(self, key: StackPath) -> Times:
        if self._make is None:
            return self._made[key]
        row = self.row(key)
        if row is None:
            raise KeyError(key)
        return self._times(row)

    def get(self, key: StackPath, otherwise: Any = None) -> Any:
        """Return the numbers of a stack, or else what was given."""
        row = self.row(key)
        return otherwise if row is None else self._times(row)

    def _times(self, row: int) -> Times:
        return Times._make(column[row] for column in self.columns)


def _mapping(
    frames: Sequence[Frame],
    last: Sequence[int],
    parents: Sequence[int],
    columns: Sequence[Sequence[int]],
) -> dict[StackPath, Times]:
    """Return the numbers of all stacks by path."""
    paths: list[StackPath] = []
    for parent, frame in zip(parents, last, strict=True):
        above = () if parent == NO_PARENT else paths[parent]
        paths.append((*above, frames[frame]))
    return dict(zip(paths, map(Times._make, zip(*columns, strict=True)), strict=True))
