"""How many tokens of a capacity limiter tasks want at a time.

A limiter gives its tokens in the order in which tasks began to wait, and lets a task wait only if
all are taken. So the tasks that want a token, when one begins to wait, are those that have one and
those whose waits have begun before and end later. All of the latter are known when its wait ends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from tracetools.core.stacks import Stack, Tokens, stack_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.stacks import Frame, StackPath

__all__ = ["Limiters"]

_MAX_WAITS: Final = 1000
_MAX_STACKS: Final = 1000


class Limiters:
    """The limiters that tasks have waited for. It keeps none of them alive."""

    def __init__(self) -> None:
        self._waits: dict[int, tuple[ref[Any], deque[tuple[int, int]]]] = {}
        self._most: dict[Stack, Tokens] = {}

    def note(self, stack: Stack, limiter: Any, tokens: int, since: int, until: int) -> None:
        """Note that a task with some stack has waited for a limiter that has so many tokens."""
        waits = self._waits_for(limiter)
        while waits and waits[0][1] <= since:
            waits.popleft()
        waiting = 1 + sum(began <= since < ended for began, ended in waits)
        waits.append((since, until))
        found = Tokens(tokens, tokens + waiting)
        if stack in self._most or len(self._most) < _MAX_STACKS:
            self._most[stack] = found.plus(self._most.get(stack, found))

    def by_path(self, shorten: Callable[[Frame], Frame]) -> dict[StackPath, Tokens]:
        """Return the most tokens that were wanted, by the path of the await."""
        found: dict[StackPath, Tokens] = {}
        for stack, tokens in self._most.copy().items():
            path = tuple(map(shorten, stack_path(stack)))
            found[path] = tokens.plus(found.get(path, tokens))
        return found

    def _waits_for(self, limiter: Any) -> deque[tuple[int, int]]:
        key = id(limiter)
        known = self._waits.get(key)
        if known is None:
            gone = ref(limiter, lambda _: self._waits.pop(key, None))
            known = self._waits[key] = gone, deque(maxlen=_MAX_WAITS)
        return known[1]
