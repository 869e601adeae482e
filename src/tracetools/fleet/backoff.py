"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]

_FIRST: Final = 1.0
_LONGEST: Final = 300.0


class Backoff:
    """Waits that double with each failure, and are drawn by lot below that: "full jitter".

    So many processes that fail at once do not come back at once.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter

    Args:
        first: seconds of the first wait at most.
        longest: seconds of any wait at most.
        draw: returns a number from the first to the second.
    """

    def __init__(
        self,
        first: float = _FIRST,
        longest: float = _LONGEST,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first = first
        self._longest = longest
        self._draw = draw
        self._most = first

    def failed(self, retry_after: float | None = None) -> float:
        """Return the seconds to wait now; no fewer than who failed has asked for, within bounds."""
        wait = self._draw(0, self._most)
        self._most = min(2 * self._most, self._longest)
        if retry_after is not None:
            wait = min(max(retry_after, 0), self._longest) + self._draw(0, self._first)
        return wait

    def worked(self) -> None:
        """Begin anew."""
        self._most = self._first
