"""When one period ends and the next one begins: at whole minutes of the clock on the wall."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Period", "Periods"]

_SECOND: Final = 1_000_000_000
_LATE: Final = _SECOND
"""By so many nanoseconds a period may be longer than it should, before we take it that the clock on
the wall was set back."""


class Period(NamedTuple):
    """A time from one moment to another, in nanoseconds since the Unix epoch."""

    start: int
    end: int


class Periods:
    """Cuts time into periods that end where the clock on the wall is at a whole multiple.

    How long a period is, is measured by a clock that does not jump. If the clock on the wall jumps
    ahead, the period ends; if it is set back, the period ends after its length. The next one begins
    with what the clock on the wall says then. No two begin at the same moment.

    Args:
        every: the seconds of a period.
        wall: returns the nanoseconds since the Unix epoch.
        steady: returns the nanoseconds of a clock that does not jump.
    """

    def __init__(
        self,
        every: float,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._every = max(round(every * _SECOND), 1)
        self._wall = wall
        self._steady = steady
        self._begin(wall(), steady())

    def _begin(self, wall: int, steady: int) -> None:
        self._start, self._since = wall, steady
        self._boundary = (wall // self._every + 1) * self._every

    def wait(self) -> float:
        """Return the seconds to wait until the period ends; 0 if it is over."""
        left = self._boundary - self._wall()
        longest = self._since + self._every + _LATE - self._steady()
        return max(min(left, longest), 0) / _SECOND

    def end(self) -> Period:
        """End the period here, and return it. The next one begins."""
        steady = self._steady()
        period = Period(self._start, self._start + max(steady - self._since, 0))
        self._begin(self._wall(), steady)
        if self._start == period.start:
            self._start += 1
        return period
