"""The stacks of a profile by number, so that none has to be found by its frames again.

A stack of 20 frames takes 20 hashes to find. Whatever walks from stacks to their parents does it by
number.
"""

from __future__ import annotations

from functools import cached_property
from operator import lt
from typing import TYPE_CHECKING

from tracetools.core.stack_rows import NO_PARENT, StackRows, compact
from tracetools.core.stacks import OF_LOOP, ROOT, Times, is_of_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Frame, StackPath

__all__ = ["NO_PARENT", "Nodes"]


class Nodes:
    """The stacks of a profile, numbered in its order.

    `NO_PARENT` is the last place of a list that has one more than there are stacks.

    Attributes:
        profile: the profile.
        path: returns the path of a number.
        parents: the number of the parent of each stack, or `NO_PARENT` if it is none of these.
        frames: the distinct last frames of stacks, and perhaps others.
        last: the last frame of each stack, by its index; the root for one without frames.
        depths: how many frames each stack has.
        busy, scheduled, idle, thread, steps, entries, self_wakes, left_open: the numbers of each
            stack.
        is_ordered: whether each stack comes after its parent, and none is missing above another.
        is_whole: whether that is so, and only the first stack has no parent, and is one frame. So
            it is in what was recorded.
        from_below: all numbers; each stack comes before all that it is below.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        rows = profile.stacks
        columns: Sequence[Sequence[int]]
        self.path: Callable[[int], StackPath]
        self._find: Callable[[StackPath], int | None]
        self.parents: Sequence[int]
        self.frames: Sequence[Frame]
        self.last: Sequence[int]
        self.depths: Sequence[int]
        if isinstance(rows, StackRows):
            self.path, self._find = rows.path, rows.row
            self.parents, self.frames, self.last = rows.parents, rows.frames, rows.last
            self.depths, columns = rows.depths, rows.columns
        else:
            columns = self._number_all(rows)
        self.busy, self.scheduled, self.idle, self.thread, *counts = map(compact, columns)
        self.steps, self.entries, self.self_wakes, self.left_open = counts
        tops = [number for number, parent in enumerate(self.parents) if parent == NO_PARENT]
        are_after = all(map(lt, self.parents, range(len(self.parents))))
        self.is_ordered = are_after and all(self.depths[number] <= 1 for number in tops)
        self.is_whole = self.is_ordered and tops == [0] and self.depths[0] == 1

    def _number_all(self, stacks: Mapping[StackPath, Times]) -> Sequence[Sequence[int]]:
        """Number stacks that have paths, and return the columns of their numbers."""
        paths = [*stacks]
        numbers = {path: number for number, path in enumerate(paths)}
        self.path = paths.__getitem__
        self._find = numbers.get
        self.parents = [numbers.get(path[:-1], NO_PARENT) if path else NO_PARENT for path in paths]
        index_of: dict[Frame, int] = {}
        ends = (path[-1] if path else ROOT for path in paths)
        self.last = [index_of.setdefault(frame, len(index_of)) for frame in ends]
        self.frames = [*index_of]
        self.depths = [len(path) for path in paths]
        return [*zip(*stacks.values(), strict=True)] or [()] * len(Times._fields)

    def __len__(self) -> int:
        return len(self.parents)

    def number(self, path: StackPath) -> int:
        """Return the number of a path, or `NO_PARENT` if it has none."""
        found = self._find(path)
        return NO_PARENT if found is None else found

    @cached_property
    def from_below(self) -> Sequence[int]:
        """All numbers; each stack comes before all that it is below."""
        numbers = range(len(self))
        if self.is_ordered:
            return numbers[::-1]
        return sorted(numbers, key=self.depths.__getitem__, reverse=True)

    @cached_property
    def are_of_loop(self) -> Sequence[bool]:
        """Whether each stack is of the loop itself, and of no task; see `is_of_loop`."""
        if not self.is_whole:
            return [is_of_loop(self.path(number)) for number in range(len(self))]
        of_loop = [frame in OF_LOOP for frame in self.frames]
        found: list[bool] = []
        for parent, frame, depth in zip(self.parents, self.last, self.depths, strict=True):
            found.append(of_loop[frame] if depth == 2 else depth < 2 or found[parent])  # noqa: PLR2004
        return found
