"""The moments at which samples are due, and how many fell due in some time.

There is one moment in each cell of a grid, at random within the cell. So every moment is as likely
as every other, whatever the program does and when; the parts of a busy time are told without bias.
Chance has little room: from independent moments, the same exactness would take several times as
many. How many fell due in some time is known without a list of them.

`native/grid.c` does the same.
"""

from __future__ import annotations

__all__ = ["Grid"]

_BITS = (1 << 64) - 1


class Grid:
    """One moment in each cell.

    Args:
        start: where the first cell begins, in nanoseconds.
        interval: how long each cell is.
        seed: what chance depends on, a number of 64 bits.
    """

    def __init__(self, start: int, interval: int, seed: int) -> None:
        self.start = start
        self.interval = interval
        self._seed = seed

    def until(self, moment: int) -> int:
        """Return how many moments fell due up to a moment, that one included."""
        cell = self._cell(moment)
        return 0 if cell < 0 else cell + (self._moment(cell) <= moment)

    def between(self, since: int, until: int) -> int:
        """Return how many fell due after `since` and up to `until`."""
        return self.until(until) - self.until(since)

    def following(self, now: int) -> int:
        """Return the first moment after `now`."""
        cell = self._cell(now)
        moment = self._moment(max(cell, 0))
        return moment if moment > now else self._moment(cell + 1)

    def _cell(self, moment: int) -> int:
        return -1 if moment < self.start else (moment - self.start) // self.interval

    def _moment(self, cell: int) -> int:
        return self.start + cell * self.interval + _mixed(self._seed ^ cell) % self.interval


def _mixed(number: int) -> int:
    """Mix a number well: splitmix64, by Steele, Lea and Flood (2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _BITS
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _BITS
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _BITS
    return number ^ (number >> 31)
