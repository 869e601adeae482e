"""The stacks of a profile by number, so that none has to be found by its frames again.

A stack of 20 frames takes 20 hashes to find. Whatever walks from stacks to their parents does it by
number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath, Times

__all__ = ["NO_PARENT", "Nodes"]

NO_PARENT = -1
"""The parent of a stack that has none among those of the profile. It is the last place of a list
that has one more than there are stacks."""


class Nodes:
    """The stacks of a profile, numbered in its order.

    Attributes:
        profile: the profile.
        paths: the path of each stack.
        times: the numbers of each stack.
        parents: the number of the parent of each stack, or `NO_PARENT`.
        numbers: the number of each path.
        from_below: all numbers, those of the deepest stacks first.
        is_whole: whether each stack comes after its parent, and only the first has none, which is
            one frame. So it is in what was recorded.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.paths: list[StackPath] = [*profile.stacks]
        self.times: list[Times] = [*profile.stacks.values()]
        self.numbers = {path: number for number, path in enumerate(self.paths)}
        find = self.numbers.get
        self.parents = [find(path[:-1], NO_PARENT) if path else NO_PARENT for path in self.paths]
        depths = [len(path) for path in self.paths]
        self.from_below = sorted(range(len(depths)), key=depths.__getitem__, reverse=True)
        parents = enumerate(self.parents[1:], 1)
        self.is_whole = depths[:1] == [1] and all(NO_PARENT < parent < n for n, parent in parents)
