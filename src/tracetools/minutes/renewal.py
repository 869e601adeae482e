"""When a recording that goes on for weeks begins anew, so that it does not end in ``(other)``."""

from __future__ import annotations

from typing import Final

__all__ = ["Renewal"]

_FULL: Final = 0.4
"""From half of `max_stacks` on, no more stacks of functions and awaits are made."""

_FIRST: Final = 600.0
_LONGEST: Final = 86_400.0


class Renewal:
    """Says when to begin anew: when the bound on stacks comes near, though not again and again.

    A program whose stacks come and go has most of them for nothing after a while. One that needs
    them all would begin anew all the time: so each time that this did not last, the next time comes
    twice as late, up to a day.

    Args:
        now: the seconds of any clock.
        first: seconds between two times, at first.
        longest: seconds between two times at most.
    """

    def __init__(self, now: float, first: float = _FIRST, longest: float = _LONGEST) -> None:
        self._since = now
        self._least = first
        self._first, self._longest = first, longest

    def is_due(self, fullness: float, now: float) -> bool:
        """Whether to begin anew now. If so, that is taken as done.

        Args:
            fullness: how much of `max_stacks` is used, from 0 to 1.
            now: the seconds of the clock.
        """
        lasted = now - self._since
        if fullness < _FULL or lasted < self._least:
            return False
        self._least = self._first if lasted > 2 * self._least else self._least * 2
        self._least = min(self._least, self._longest)
        self._since = now
        return True
